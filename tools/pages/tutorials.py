"""Pages of the tutorials: Python files in docs/tutorials, with what they print.

A tutorial is a Python file whose comments are Markdown (the percent format of jupytext).
If it was run, its notebook in build/tutorials has the outputs; if not, the page shows
the code alone.
"""

import pathlib


def write(pages: pathlib.Path) -> dict[str, list[str]]:
    """Writes the pages of the tutorials."""
    return {}
