"""Pages of the tutorials, with what they print and draw.

A tutorial is a Python file in docs/tutorials whose comments are Markdown (the percent
format of jupytext). If it was run, its notebook in build/tutorials has the outputs.
They are shown if the notebook has the same code; otherwise the page has the code alone.
"""

import base64
import html
import json
import pathlib
import re

import links

FOLDER = links.ROOT / "docs" / "tutorials"
NOTEBOOKS = links.ROOT / "build" / "tutorials"
_CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)
_SMALL = re.compile(r"  # small: .*$", re.MULTILINE)  # Settings of short runs.
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LONGEST = 40  # Lines of an output that are shown.


def write(
    pages: pathlib.Path, notebooks: pathlib.Path = NOTEBOOKS
) -> dict[str, list[str]]:
    """Writes the pages of the tutorials; none if there are no tutorials.

    Args:
        pages: Folder of the site's pages.
        notebooks: Folder of the notebooks that were run.

    Returns:
        The pages for the navigation, in the order in which docs/tutorials/index.md
        names them.
    """
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    overview = FOLDER / "index.md"
    if overview.exists():
        text = overview.read_text("utf-8")
        names.sort(key=lambda name: text.find(f"({name}.py)") % (len(text) + 1))
    for name in names:
        _write_page(name, pages, notebooks / f"{name}.ipynb")
    found = [f"tutorials/{name}.md" for name in names]
    if overview.exists():
        found.insert(0, "tutorials/index.md")
    return {"": found} if names else {}


def _write_page(name, pages, notebook):
    page = f"tutorials/{name}.md"
    cells = split((FOLDER / f"{name}.py").read_text("utf-8"))
    outputs = _outputs(notebook, [text for kind, text in cells if kind == "code"])
    parts, number = [], 0
    for kind, text in cells:
        if kind == "markdown":
            path = f"docs/tutorials/{name}.py"
            parts.append(links.rewritten(text, path, page, pages))
            continue
        parts.append(f"```python\n{text}\n```")
        if outputs is not None:
            parts += _shown(outputs[number], name, number, text, pages)
        number += 1
    address = links.source(f"docs/tutorials/{name}.py")
    note = f"This page is a Python file that runs: [{name}.py]({address})."
    if outputs is None:
        note += " It was not run when this site was built, so that outputs are missing."
    parts.insert(1, note)
    target = pages / page
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n\n".join(parts) + "\n", "utf-8")


def split(text: str) -> list[tuple[str, str]]:
    r"""The cells of a file in the percent format, as pairs of kind and text.

    >>> split("# %% [markdown]\n# # Title\n#\n# Words.\n\n# %%\nn = 3  # small: 1\n")
    [('markdown', '# Title\n\nWords.'), ('code', 'n = 3')]
    """
    parts = _CELL.split(text)
    cells = []
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        if "[markdown]" in heading:
            body = re.sub(r"^# ?", "", body.strip(), flags=re.MULTILINE)
            cells.append(("markdown", body))
        elif body.strip():
            cells.append(("code", _SMALL.sub("", body.strip())))
    return cells


def _outputs(notebook, codes):
    """The outputs of each cell of code; None without a notebook of the same code."""
    if not notebook.exists():
        return None
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    ran = [_SMALL.sub("", "".join(cell["source"]).strip()) for cell in cells]
    if ran != codes:
        print(f"{notebook} was made from other code, and is not shown.")
        return None
    return [cell["outputs"] for cell in cells]


def _shown(outputs, name, number, code, pages):
    """The outputs of a cell in Markdown, its pictures as files."""
    parts = []
    for position, output in enumerate(outputs):
        data = output.get("data", {})
        if "image/png" in data:
            file = f"{name}-{number}-{position}.png"
            content = base64.b64decode("".join(data["image/png"]))
            target = pages / "tutorials" / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            alt = html.escape(f"Drawn by {code.splitlines()[-1].strip()}")
            parts.append(f'<img src="{file}" alt="{alt}" loading="lazy">')
            continue
        text = "".join(output.get("text", data.get("text/plain", "")))
        text = _ESCAPES.sub("", text).strip("\n")
        if text and output.get("name") != "stderr":
            lines = [line.rpartition("\r")[2] for line in text.splitlines()]
            if len(lines) > _LONGEST:
                lines[_LONGEST // 2 : -_LONGEST // 2] = ["..."]
            parts.append("```text\n" + "\n".join(lines) + "\n```")
    return parts
