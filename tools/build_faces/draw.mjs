// Draws faces for build.py: reads jobs, one JSON object per line, and answers in order.
//
//   node draw.mjs svg < jobs > lines      {style, options, tagged} to the text of an SVG
//   node draw.mjs render < jobs > pixels  {svg, size} to RGBA, size x size x 4 bytes
//
// In tagged SVGs, every part lies in <g data-slot="..." data-option="...">.

import * as collection from "@dicebear/collection";
import { createAvatar } from "@dicebear/core";
import { Resvg } from "@resvg/resvg-js";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const FOLDERS = { toonHead: "toon-head", bigSmile: "big-smile" };

async function tag(style) {
  const folder = path.resolve("node_modules/@dicebear", FOLDERS[style] ?? style);
  const file = path.join(folder, "lib", "components", "index.js");
  for (const [slot, options] of Object.entries(await import(pathToFileURL(file)))) {
    for (const [option, draw] of Object.entries(options)) {
      options[option] = (...inner) =>
        `<g data-slot="${slot}" data-option="${option}">${draw(...inner)}</g>`;
    }
  }
}

// Resvg reads the type of a mask only as an attribute: as a style, an alpha mask is taken
// for one of luminance, which hides what is dark.
const legible = (svg) => svg.replaceAll(/style="mask-type:\s*(\w+)"/g, 'mask-type="$1"');

const write = (bytes) => fs.writeSync(1, bytes);
const jobs = fs.readFileSync(0, "utf-8").trim().split("\n").map(JSON.parse);
if (process.argv[2] === "svg") {
  const tagged = new Set(jobs.filter((job) => job.tagged).map((job) => job.style));
  for (const style of tagged) await tag(style);
  for (const { style, options } of jobs) {
    write(JSON.stringify(createAvatar(collection[style], options).toString()) + "\n");
  }
} else {
  for (const { svg, size } of jobs) {
    const fitTo = { mode: "width", value: size };
    write(new Resvg(legible(svg), { fitTo }).render().pixels);
  }
}
