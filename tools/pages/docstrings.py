"""An extension of Griffe, which makes examples in docstrings code."""

import re

import griffe

_EXAMPLE = re.compile(
    r"(?:^>>> .*\n?(?:^(?!>>> )\S.*\n?|^\.\.\. .*\n?)*)+", re.MULTILINE
)


class Docstrings(griffe.Extension):
    """Fences the examples of docstrings, which begin with `>>>`."""

    def on_instance(self, *, obj: griffe.Object, **kwargs) -> None:
        """Changes the docstring of an object as it is read."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """A docstring whose examples are fenced."""
    text = _EXAMPLE.sub(lambda m: f"```pycon\n{m[0].rstrip()}\n```\n", text)
    return text.rstrip("\n")
