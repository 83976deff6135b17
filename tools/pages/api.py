"""Pages of the API, made from the packages: no name is listed by hand.

A name is public if it and the modules on its way have no leading underscore. A package
that has `__all__` shows these names; a module shows what it defines. Models stand in
the gallery, each on the page of its preset.
"""

import ast
import functools
import pathlib

from keras_gen import index

PACKAGE = pathlib.Path(index.__file__).parent
# What users import, and what models are made of.
OUTER = "What you import"
INNER = "What models are made of"
_WITHOUT_HEADING = """\
    options:
      show_root_heading: false
      show_root_toc_entry: false"""
_MADE_OF = ("core", "distributions", "layers", "networks")


def write(pages: pathlib.Path) -> dict[str, list[str]]:
    """Writes the pages of the API.

    Args:
        pages: Folder of the site's pages.

    Returns:
        The names of pages by their heading in the navigation.
    """
    groups = {
        OUTER: [name for name in _exported("keras_gen") if _is_module(name)],
        INNER: list(_MADE_OF),
    }
    folder = pages / "api"
    folder.mkdir(parents=True)
    summary = ["# API", "Every public name, from the docstrings.", "", *_top(folder)]
    nav = {}
    for heading, names in groups.items():
        rows = ["| module | what it has |", "| --- | --- |"]
        for name in names:
            module = f"keras_gen.{name}"
            text = [f"# {module}", *_entries(module)]
            (folder / f"{name}.md").write_text("\n\n".join(text) + "\n", "utf-8")
            rows.append(f"| [`{module}`]({name}.md) | {_summary(module)} |")
        summary += ["", f"## {heading}", "", *rows]
        nav[heading] = [f"api/{name}.md" for name in names]
    (folder / "index.md").write_text("\n".join(summary) + "\n", "utf-8")
    return nav


def _top(folder):
    """The page of names of the package itself, such as `GenerativeModel`."""
    names = [name for name in _exported("keras_gen") if not _is_module(name)]
    entries = [f"::: keras_gen.{name}" for name in names]
    text = ["# keras_gen", _summary("keras_gen"), *entries]
    (folder / "keras_gen.md").write_text("\n\n".join(text) + "\n", "utf-8")
    links = ", ".join(f"[`keras_gen.{n}`](keras_gen.md#keras_gen.{n})" for n in names)
    more = "[The command line](command-line.md) has a page too."
    return [f"The package itself has {links}. {more}"]


def _entries(module):
    """The directives of a module's page."""
    path = file_of(module)
    if path.name != "__init__.py":
        return [f"::: {module}\n{_WITHOUT_HEADING}"]
    names = _exported(module)
    shown = [ast.get_docstring(_tree(path)) or ""]
    if not names:  # A package whose modules are imported one by one.
        names = sorted(p.stem for p in path.parent.glob("[!_]*.py"))
    classes = _models()
    for name in names:
        if f"{module}.{name}" in classes:
            continue
        shown.append(f"::: {module}.{name}")
    if module == "keras_gen.models":
        rows = [
            f"| [`{name.rpartition('.')[2]}`](../gallery/{preset}.md) | {summary} |"
            for name, (preset, summary) in sorted(classes.items())
        ]
        table = ["| class, with its page in the gallery | |", "| --- | --- |", *rows]
        shown.insert(1, "\n".join(table))
    return shown


def _models():
    """The preset and the summary of each model, by its public name."""
    return {
        f"keras_gen.models.{entry.name}": (entry.preset, entry.summary)
        for entry in index.own_entries()
        if entry.preset is not None
    }


def public_names() -> set[str]:
    """Every public name of the modules in `keras_gen.__all__`, as users write it."""
    found = set()
    for name in _exported("keras_gen"):
        module = f"keras_gen.{name}"
        if not _is_module(name):
            found.add(module)
            continue
        names = _exported(module) or _defined(file_of(module))
        found |= {f"{module}.{inner}" for inner in names}
    return found


# Reading the package's sources.


def file_of(module: str) -> pathlib.Path:
    """The file of a module, or one that does not exist."""
    first, *rest = module.split(".")[1:] or [""]
    first = _assigned("keras_gen", "_PLACES").get(first, first)
    path = PACKAGE.joinpath(*first.split("."), *rest)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_module(name):
    place = _assigned("keras_gen", "_PLACES").get(name, name)
    return place.endswith(name) and file_of(f"keras_gen.{name}").exists()


def _tree(path):
    return ast.parse(path.read_text("utf-8"))


def _summary(module):
    docstring = ast.get_docstring(_tree(file_of(module))) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ").partition("[1]")[0]


def _exported(module):
    """The names in `__all__`; none if a module has no such list."""
    return [*_assigned(module, "__all__")]


@functools.cache
def _assigned(module, name):
    """The value that a module gives to a name; an empty one if it has no such name."""
    path = PACKAGE / "__init__.py" if module == "keras_gen" else file_of(module)
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return {}


def _defined(path):
    """The public functions and classes that a module defines."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = [node.name for node in _tree(path).body if isinstance(node, kinds)]
    return [name for name in names if not name.startswith("_")]
