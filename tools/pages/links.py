"""Where the documents of the repository stand on the site, and links between them.

A link in a document leads to a file of the repository, so that it also works where the
repository is read. On the site it leads to the page that shows this file, and to the
file on GitHub if there is none; pictures are copied.
"""

import functools
import os
import pathlib
import posixpath
import re
import shutil
import tomllib

from keras_gen import index

ROOT = pathlib.Path(__file__).parents[2]
DOCS = "docs"
# Documents outside docs/ that are pages of the site.
ELSEWHERE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "guides/new-model.md",
    "README.md": "index.md",
    "export/README.md": "guides/serving-walk-through.md",
    "zoo/README.md": "gallery/index.md",
}
_CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)")


@functools.cache
def places() -> dict[str, str]:
    """The page of each file or folder of the repository that has one.

    Documents have a page each; the file of a model and the folder of its weights lead
    to the model's page in the gallery, and a tutorial leads to the tutorial.
    """
    found = dict(ELSEWHERE)
    for path in (ROOT / DOCS).rglob("*"):
        if path.suffix in (".md", ".py"):
            relative = path.relative_to(ROOT / DOCS)
            place = relative.with_suffix(".md").as_posix()
            found[f"{DOCS}/{relative.as_posix()}"] = place
    for entry in index.own_entries():
        if entry.preset is not None:
            page = f"gallery/{entry.preset}.md"
            found[f"{entry.module.replace('.', '/')}.py"] = page
            found[f"zoo/{entry.preset}"] = page
    return found


@functools.cache
def repository() -> str:
    """The address of the repository on GitHub."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return settings["project"]["urls"]["Homepage"]


def source(path: str) -> str:
    """The address of a file or a folder of the repository on GitHub."""
    kind = "tree" if (ROOT / path).is_dir() else "blob"
    return f"{repository()}/{kind}/main/{path}"


def rewritten(text: str, path: str, page: str, pages: pathlib.Path) -> str:
    """A document whose links lead to pages of the site, or to GitHub.

    Args:
        text: Text of the document, in Markdown.
        path: Path of the document in the repository.
        page: Path of its page within the site.
        pages: Folder of the site's pages, into which pictures are copied.
    """

    def replace(match):
        kind, target = match.groups()
        if re.match(r"\w+:|#", target):
            return match[0]
        target, mark, anchor = target.partition("#")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        return f"{kind}({_address(wanted, page, pages)}{mark}{anchor})"

    parts = _CODE.split(text)
    parts[::2] = [_LINK.sub(replace, part) for part in parts[::2]]
    return "".join(parts)


def _address(wanted, page, pages):
    """The address of a file of the repository, as seen from a page."""
    known = places()
    if wanted in known:
        return relative(known[wanted], page)
    if pathlib.PurePath(wanted).suffix in (".png", ".gif", ".jpg"):
        if wanted.startswith(f"{DOCS}/"):  # Drawn when the site is built.
            return relative(wanted.removeprefix(f"{DOCS}/"), page)
        return relative(copied(wanted, pages), page)
    return source(wanted)


def relative(target: str, page: str) -> str:
    """The path of a page or a file of the site, as seen from another page."""
    return os.path.relpath(target, posixpath.dirname(page) or ".")


def copied(path: str, pages: pathlib.Path) -> str:
    """Copies a picture of the repository; returns its place within the site."""
    target = pages / "pictures" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / path, target)
    return f"pictures/{path}"
