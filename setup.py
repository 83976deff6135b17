"""The README as PyPI shows it; everything else is in pyproject.toml."""

import pathlib
import posixpath
import re
import tomllib

from setuptools import setup

ROOT = pathlib.Path(__file__).parent


def absolute_links(text: str, home: str, version: str) -> str:
    """A README whose relative links and pictures lead to the repository.

    Args:
        text: The README, in Markdown.
        home: Address of the repository on GitHub.
        version: Version of the package: links lead to its tag, or to the branch `main`
            for versions that are not released.
    """
    reference = "main" if re.search("dev|a|b|rc", version) else f"v{version}"

    def replace(match):
        kind, target = match.groups()
        if re.match(r"\w+:|#", target):
            return match[0]
        view = "raw" if kind.startswith("!") else "blob"
        return f"{kind}({home}/{view}/{reference}/{posixpath.normpath(target)})"

    return re.sub(r"(!?\[[^\]]*\])\(([^)\s]+)\)", replace, text)


def readme() -> str:
    """The README with absolute links."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    source = (ROOT / "keras_gen" / "__init__.py").read_text("utf-8")
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)[1]
    home = settings["project"]["urls"]["Homepage"]
    return absolute_links((ROOT / "README.md").read_text("utf-8"), home, version)


if __name__ == "__main__":
    setup(long_description=readme(), long_description_content_type="text/markdown")
