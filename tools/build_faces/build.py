"""Builds the faces: keras_gen/data/files/faces*, from artists' parts on npm.

.venv/bin/python tools/build_faces/build.py

It needs node and npm. Each part is drawn by resvg at 64x64 and at 128x128 pixels, as
sprites of five channels, which `keras_gen.data.faces` composes: an opaque colour is
split into a fixed part and the coverage by the colour that a face chooses. The tool
then draws combinations of parts by a seed, leaves out those whose pictures are equal at
64x64, and stores what the renderer makes of a few of them for the tests.

The files:

- faces.json: hands, their artists, parts with attributes and words, and layers
- faces.npz: sprites, and the choices of each face
- faces_LICENSE_<hand>.txt: the licence in the hand's package
- tests/data/faces.npz: pictures of whole faces by the renderer
"""

import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile

import hands
import numpy as np

from keras_gen.data import faces

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
FILES = ROOT / "keras_gen" / "data" / "files"
SIZES = (64, 128)
PER_HAND = 15_000
SEED = 23
SVG = "{http://www.w3.org/2000/svg}"
ElementTree.register_namespace("", SVG[1:-1])


class Renderer:
    """draw.mjs in a folder in which its packages are installed."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        for name in ("package.json", "draw.mjs"):
            shutil.copy(HERE / name, folder)
        if not (folder / "node_modules").exists():
            subprocess.run(["npm", "install", "--silent"], cwd=folder, check=True)

    def svgs(self, jobs: list[dict]) -> list[str]:
        """Texts of SVGs; a job has `style`, `options` and `tagged`."""
        return [json.loads(line) for line in self._run("svg", jobs).splitlines()]

    def pixels(self, svgs: list[str], size: int) -> np.ndarray:
        """Pictures of SVGs, uint8 (count, size, size, 4)."""
        jobs = [{"svg": svg, "size": size} for svg in svgs]
        pixels = np.frombuffer(self._run("render", jobs), np.uint8)
        return pixels.reshape(-1, size, size, 4)

    def _run(self, command, jobs):
        lines = "\n".join(map(json.dumps, jobs)).encode()
        return subprocess.run(
            ["node", "draw.mjs", command],
            cwd=self.folder,
            input=lines,
            stdout=subprocess.PIPE,
            check=True,
        ).stdout


# Parts of an SVG.


def options_of(hand: dict, chosen: dict, colours: dict) -> dict:
    """Options of DiceBear for one face.

    Args:
        hand: Entry of `hands.HANDS`.
        chosen: Name of the option, or None, by slot.
        colours: Colour, as hexadecimal digits, by the hand's name of it.
    """
    options = {"seed": "face", "backgroundColor": ["ffffff"], **hand["options"]}
    options |= {name: [colour] for name, colour in hand.get("fixed", {}).items()}
    options |= {hand["colours"][name]: [colour] for name, colour in colours.items()}
    for slot, option in chosen.items():
        options[f"{slot}Probability"] = 0 if option is None else 100
        if option is not None:
            options[slot] = [option]
    return options


def leaves(svg: str):
    """Definitions of an SVG, and what it draws, in order.

    Returns:
        The root's attributes, elements that draw nothing themselves, and tuples of
        slot, option, blend mode and element, inside copies of its groups.
    """
    root = ElementTree.fromstring(svg)
    defs, found = [], []

    def walk(element, parents, slot, option):
        tag = element.tag.removeprefix(SVG)
        if tag == "metadata":
            return
        if tag in ("mask", "defs", "linearGradient", "clipPath"):
            defs.append(element)
            return
        isolating = {"mask", "opacity", "style", "clip-path", "filter"}
        mask = element.get("mask", "")
        if tag == "g" and (not isolating & set(element.attrib) or "viewbox" in mask):
            kept = {
                k: v
                for k, v in element.attrib.items()
                if k != "mask" and not k.startswith("data-")
            }
            slot = element.get("data-slot", slot)
            option = element.get("data-option", option)
            for child in element:
                walk(child, [*parents, kept], slot, option)
            return
        style = element.attrib.pop("style", "")
        mode = style.removeprefix("mix-blend-mode:") or "normal"
        black = element.get("fill") == "#000" and element.get("stroke") is None
        if mode == "multiply" and black:
            mode = "normal"  # Both give black.
        for kept in reversed(parents):
            group = ElementTree.Element(f"{SVG}g", kept)
            group.append(element)
            element = group
        found.append((slot, option, mode, ElementTree.tostring(element, "unicode")))

    for child in root:
        walk(child, [], "base", "base")
    definitions = "".join(ElementTree.tostring(d, "unicode") for d in defs)
    # The first leaf is the white ground.
    return dict(root.attrib), definitions, found[1:]


def sentinels(hand: dict) -> dict:
    """A colour by its name in the hand that occurs nowhere in the artists' drawings."""
    return {name: f"0102{i:02x}" for i, name in enumerate(hand["colours"], 0xA1)}


def segments(svg: str, colours: dict) -> list[dict]:
    """Runs of leaves of a slot that a single sprite holds.

    Returns:
        Dicts of `slot`, `chunk` (a slot may be interrupted by one that lies inside),
        `option`, `mode`, `colour` (name or None) and `body`, the text of an SVG.
    """
    attributes, definitions, found = leaves(svg)
    head = " ".join(f'{k}="{v}"' for k, v in attributes.items())
    result, chunks = [], {}
    for slot, option, mode, text in found:
        used = [name for name, c in colours.items() if f"#{c}" in text.lower()]
        if len(used) > 1:
            raise ValueError(f"Expected one colour in a leaf of {slot}, got {used}.")
        colour = used[0] if used else None
        last = result[-1] if result else None
        if last is None or last["slot"] != slot:
            chunks[slot] = chunks.get(slot, -1) + 1
            last = None
        if (
            last is not None
            and last["mode"] == mode == "normal"
            and (colour is None or last["colour"] in (None, colour))
        ):
            last["colour"] = last["colour"] or colour
            last["body"] += text
            continue
        key = {"slot": slot, "chunk": chunks[slot], "option": option}
        result.append({**key, "mode": mode, "colour": colour, "body": text})
    for segment in result:
        segment["head"], segment["defs"] = head, definitions
    return result


def drawings(segment: dict, colours: dict) -> list[str]:
    """Three SVGs of a segment: on black and white, and on black in the colour white."""

    def drawing(ground, colour):
        text = body.replace(f"#{colours.get(segment['colour'], 'none')}", colour)
        # As in the whole picture, the mask makes a layer of the canvas's size.
        rect = f'<rect width="100%" height="100%" fill="{ground}"/>'
        group = f'<g mask="url(#viewboxMask)">{rect}{text}</g>'
        return f'<svg xmlns="{SVG[1:-1]}" {segment["head"]}>{defs}{group}</svg>'

    body, defs = segment["body"], segment["defs"]
    pairs = [("#000", "#000000"), ("#fff", "#000000"), ("#000", "#ffffff")]
    return [drawing(*pair) for pair in pairs]


def sprite(pixels: np.ndarray) -> np.ndarray:
    """A segment as uint8 (size, size, 5): fixed RGB, coverage by the colour, and alpha.

    On a backdrop b, with the colour c, a segment without a blend mode gives
    (1 - alpha) b + fixed + coverage c.

    Args:
        pixels: Pictures of `drawings`, uint8 (3, size, size, 4).
    """
    dark, bright, coloured = pixels.astype(np.int16)[..., :3]
    alpha = 255 - (bright - dark).mean(-1)
    coverage = (coloured - dark).mean(-1)
    channels = np.concatenate([dark, coverage[..., None], alpha[..., None]], -1)
    return np.clip(np.rint(channels), 0, 255).astype(np.uint8)


# Hands.


def parts_of(renderer: Renderer, hand: dict) -> list[dict]:
    """The layers of a hand, from the ground up.

    Returns:
        Dicts of `slot`, `mode`, `colour` (name or None) and `parts`, the segments by
        option.
    """
    colours = sentinels(hand)
    named = {slot: [o for o in options if o] for slot, options in hand["slots"].items()}
    usual = {slot: options[0] for slot, options in named.items()}
    pairs = [(slot, option) for slot, options in named.items() for option in options]
    chosen = [usual, *({**usual, slot: option} for slot, option in pairs)]
    jobs = [
        {
            "style": hand["style"],
            "options": options_of(hand, c, colours),
            "tagged": True,
        }
        for c in chosen
    ]
    first, *others = (segments(svg, colours) for svg in renderer.svgs(jobs))
    layers = {}  # By slot and chunk.
    for segment in first:
        layers.setdefault((segment["slot"], segment["chunk"]), [])
        if segment["slot"] not in named:
            place(segment, layers)
    for (slot, _), found in zip(pairs, others, strict=True):
        elsewhere = [s["body"] for s in found if s["slot"] != slot]
        if elsewhere != [s["body"] for s in first if s["slot"] != slot]:
            raise ValueError(f"Expected {slot} to change no other part.")
        for segment in found:
            if segment["slot"] == slot:
                place(segment, layers)
    return [layer for group in layers.values() for layer in group]


def place(segment: dict, layers: dict) -> None:
    """Adds a segment to the first layer above its option's others that it fits."""
    group = layers[segment["slot"], segment["chunk"]]
    option, mode, colour = segment["option"], segment["mode"], segment["colour"]
    above = max((i + 1 for i, x in enumerate(group) if option in x["parts"]), default=0)
    for layer in group[above:]:
        same_colour = None in (colour, layer["colour"]) or colour == layer["colour"]
        if layer["mode"] == mode and same_colour:
            layer["colour"] = layer["colour"] or colour
            layer["parts"][option] = segment
            return
    layer = {"slot": segment["slot"], "mode": mode, "colour": colour}
    group.append({**layer, "parts": {option: segment}})


def box_of(sprites: np.ndarray) -> tuple[int, int, int, int]:
    """The smallest top, bottom, left and right around what sprites draw."""
    rows = np.flatnonzero(sprites.any((0, 2, 3)))
    columns = np.flatnonzero(sprites.any((0, 1, 3)))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def build_hand(renderer: Renderer, name: str) -> tuple[dict, dict]:
    """The entry of a hand in faces.json, and its sprites, by name, for faces.npz."""
    hand, arrays = hands.HANDS[name], {}
    colours, layers = sentinels(hand), parts_of(renderer, hand)
    for size in SIZES:
        svgs = [
            svg
            for layer in layers
            for segment in layer["parts"].values()
            for svg in drawings(segment, colours)
        ]
        trios = renderer.pixels(svgs, size).reshape(-1, 3, size, size, 4)
        drawn = iter([sprite(trio) for trio in trios])
        for index, layer in enumerate(layers):
            sprites = np.stack([next(drawn) for _ in layer["parts"]])
            top, bottom, left, right = box_of(sprites)
            layer.setdefault("boxes", {})[size] = (top, bottom, left, right)
            arrays[f"{name}/{size}/{index}"] = sprites[:, top:bottom, left:right]
    entry = {
        "colours": {colour: palette_of(colour) for colour in hand["colours"]},
        "slots": {
            slot: [
                [option, attributes, words] for option, (_, attributes, words) in rows
            ]
            for slot, rows in ((s, o.items()) for s, o in hand["slots"].items())
        },
        "layers": [{**layer, "parts": list(layer["parts"])} for layer in layers],
    }
    return entry, arrays


def palette_of(colour: str) -> str:
    """The palette from which a colour of a hand is chosen."""
    return "hair" if colour == "facial_hair" else colour


PALETTES = {
    "hair": list(hands.HAIR.items()),
    "skin": [(tone, c) for tone, pair in hands.SKIN.items() for c in pair],
    "clothes": list(hands.CLOTHES.items()),
    "mouth": list(hands.MOUTH.items()),
}


def draw_choices(name: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Choices of faces, uint8 (count, slots and colours), without equal rows."""
    hand = hands.HANDS[name]

    def drawn(weights):
        weights = np.array(weights, float)
        return rng.choice(len(weights), count, p=weights / weights.sum())

    slots = {
        s: drawn([o[0] for o in rows.values()]) for s, rows in hand["slots"].items()
    }
    hair = drawn(hands.HAIR_WEIGHTS)
    colours = {"hair": hair, "facial_hair": hair}
    for palette in ("skin", "clothes"):
        colours[palette] = drawn(np.ones(len(PALETTES[palette])))
    if "mouth" in hand["colours"]:
        dark = [list(hands.HAIR).index(colour) for colour in ("black", "brown")]
        is_hidden = (slots["facialHair"] > 0) & np.isin(hair, dark)
        colours["mouth"] = is_hidden.astype(int)
    columns = [*slots.values(), *(colours[name] for name in hand["colours"])]
    choices = np.stack(columns, axis=1).astype(np.uint8)
    _, rows = np.unique(choices, axis=0, return_index=True)
    return choices[np.sort(rows)]


def distinct(hand: str, choices: np.ndarray, size: int, count: int) -> np.ndarray:
    """The first rows of choices whose pictures equal none of an earlier row."""
    seen, kept = set(), []
    for start in range(0, len(choices), 500):
        pictures = faces.compose(hand, choices[start : start + 500], size)
        for index, picture in enumerate(pictures, start):
            digest = hashlib.sha256(picture.tobytes()).digest()
            if digest not in seen:
                seen.add(digest)
                kept.append(index)
        if len(kept) >= count:
            return choices[kept[:count]]
    raise ValueError(f"Expected {count} distinct faces of {hand}, got {len(kept)}.")


def rendered(renderer: Renderer, name: str, choices: np.ndarray, size: int):
    """Whole faces by the renderer, uint8 (count, size, size, 3)."""
    hand = hands.HANDS[name]
    slots = {slot: list(options) for slot, options in hand["slots"].items()}
    jobs = []
    for row in choices:
        indices = iter(row)
        chosen = {slot: options[next(indices)] for slot, options in slots.items()}
        colours = {
            c: PALETTES[palette_of(c)][next(indices)][1] for c in hand["colours"]
        }
        options = options_of(hand, chosen, colours)
        jobs.append({"style": hand["style"], "options": options, "tagged": False})
    return renderer.pixels(renderer.svgs(jobs), size)[..., :3]


def write_npz(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes arrays as an .npz, compressed by LZMA, the same bytes every time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(array))
            info = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_LZMA
            archive.writestr(info, buffer.getvalue())


def main(folder: pathlib.Path) -> None:
    """Writes all files, with npm's packages in a folder."""
    renderer, rng = Renderer(folder), np.random.default_rng(SEED)
    entries, arrays, checks = {}, {}, {}
    for name, hand in hands.HANDS.items():
        entries[name], sprites = build_hand(renderer, name)
        arrays |= sprites
        arrays[f"{name}/choices"] = draw_choices(name, 2 * PER_HAND, rng)
        licence = folder / "node_modules" / "@dicebear" / hand["package"] / "LICENSE"
        shutil.copy(licence, FILES / f"faces_LICENSE_{name}.txt")
    description = {
        "attributes": hands.ATTRIBUTES,
        "palettes": PALETTES,
        "hands": entries,
    }
    (FILES / "faces.json").write_text(json.dumps(description) + "\n", "utf-8")
    write_npz(FILES / "faces.npz", arrays)  # `faces` reads both.
    for name in hands.HANDS:
        choices = distinct(name, arrays[f"{name}/choices"], SIZES[0], PER_HAND)
        arrays[f"{name}/choices"] = choices
        checks[f"{name}/choices"] = chosen = covering(choices)
        for size in SIZES:
            checks[f"{name}/{size}"] = rendered(renderer, name, chosen, size)
        print(f"{name}: {len(choices):,} faces, {len(chosen)} of them for tests.")
    write_npz(FILES / "faces.npz", arrays)
    write_npz(ROOT / "tests" / "data" / "faces.npz", checks)


def covering(choices: np.ndarray) -> np.ndarray:
    """The first rows of choices that each have an option that no earlier one has."""
    seen, kept = set(), []
    for index, row in enumerate(choices.tolist()):
        if not seen.issuperset(enumerate(row)):
            seen.update(enumerate(row))
            kept.append(index)
    return choices[kept]


if __name__ == "__main__":
    if len(sys.argv) > 1:  # A folder that keeps npm's packages.
        main(pathlib.Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as created:
            main(pathlib.Path(created))
