"""Builds the site: writes its pages, then runs Zensical, which refuses broken links.

python tools/pages/build.py --to build

writes the pages to build/pages and the site to build/site. Documents of docs/ are
copied; the gallery, the API, the figures of the theory and the tutorials are made. With
`--pages`, Zensical does not run.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

import api
import commands
import figures
import gallery
import links
import tutorials
import yaml

ROOT = links.ROOT
SITE = pathlib.Path(__file__).with_name("site.css")
STYLE = ROOT / "keras_gen" / "style.css"
LEFT_OUT = ("README.md", "zoo/README.md")  # The site has pages of its own for them.


def main() -> None:
    """Reads the arguments and builds the site."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--pages", action="store_true", help="Write the pages alone.")
    arguments = parser.parse_args()
    build(arguments.to, arguments.pages)


def build(to: pathlib.Path, only_pages: bool = False) -> None:
    """Builds the site in a folder.

    Args:
        to: Folder in which `pages`, `site` and `mkdocs.yml` are made anew.
        only_pages: Boolean, whether the pages are written and the site is not built.

    Raises:
        SystemExit: If Zensical finds a link or a name that leads nowhere.
    """
    pages = to / "pages"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(parents=True)
    _copy_documents(pages)
    made = {
        "tutorials/": tutorials.write(pages),
        "gallery/": {"": ["gallery/index.md", "gallery/compare.md"]}
        | gallery.write(pages),
        "api/": {"": ["api/index.md", "api/keras_gen.md"]} | api.write(pages),
    }
    made["api/"][""].append(commands.write(pages))
    figures.write(pages / "theory" / "figures")
    (pages / "style").mkdir()
    for sheet in (STYLE, SITE):
        shutil.copyfile(sheet, pages / "style" / sheet.name)
    _write_settings(to, made, pages)
    if only_pages:
        return
    shutil.rmtree(to / "site", ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    command += ["-f", str(to / "mkdocs.yml")]
    paths = {"PYTHONPATH": str(pathlib.Path(__file__).parent)}  # Has docstrings.py.
    done = subprocess.run(command, env={**os.environ, **paths}, check=False)
    if done.returncode:
        raise SystemExit("The site was not built: see the messages above.")
    print(f"The site is in {to / 'site'}.")


def _copy_documents(pages):
    """Copies docs/ and the documents elsewhere that are pages of the site."""
    for path, page in links.places().items():
        if path in LEFT_OUT or not path.endswith(".md"):
            continue
        text = (ROOT / path).read_text("utf-8")
        target = pages / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(links.rewritten(text, path, page, pages), "utf-8")


def _write_settings(to, made, pages):
    """Writes mkdocs.yml, whose navigation names the pages that were made.

    Raises:
        SystemExit: If the navigation and the pages differ, which Zensical lets pass.
    """
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    nav = []
    for entry in settings["nav"]:
        ((title, place),) = entry.items()
        if not isinstance(place, str) or place not in made:
            nav.append(entry)
        elif made[place]:
            nav.append({title: _sections(made[place])})
    settings["nav"] = nav
    named = set(re.findall(r"[\w/-]+\.md", str(nav)))
    written = {path.relative_to(pages).as_posix() for path in pages.rglob("*.md")}
    if named != written:
        raise SystemExit(
            "Expected every page in the navigation of mkdocs.yml, and no other, got "
            f"a difference in {sorted(named ^ written)}."
        )
    handler = settings["plugins"][1]["mkdocstrings"]["handlers"]["python"]
    handler["paths"] = [str(ROOT)]
    handler["options"]["extensions"] = ["docstrings"]
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    (to / "mkdocs.yml").write_text(text, "utf-8")


def _sections(groups):
    """Entries of the navigation; the pages of the group "" stand above the others."""
    pages = list(groups.get("", []))
    return pages + [{name: rest} for name, rest in groups.items() if name]


if __name__ == "__main__":
    main()
