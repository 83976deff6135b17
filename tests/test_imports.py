"""Imports run down only: the package has storeys, and no circle of modules."""

import ast
import pathlib

PACKAGE = pathlib.Path(__file__).parents[1] / "keras_gen"

# From the lowest storey to the highest. A module belongs to the longest prefix of its
# name, and imports from its own storey or from those below.
STOREYS = (
    (
        "index",
        "plugins",
        "quiet",
        "registration",
        "files",
        "page",
        "progress",
        "trackers",
        "config",
        "downloads",
        "weight_index",
    ),
    ("catalogue", "distribute", "losses", "core"),
    ("images",),
    ("data",),
    ("core.model",),
    ("layers",),
    ("distributions", "networks"),
    ("models",),
    ("zoo",),
    ("latent", "metrics", "export"),
    ("callbacks", "pictures"),
    ("runs",),
    ("hub",),
    ("", "cli", "app"),  # keras_gen itself, the command line, and the app.
)


def modules():
    """Name within the package to path: "core.game" to keras_gen/core/game.py."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path
    return found


def imports_of(path, known):
    """The modules of the package that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [n if _inner(n) in known else node.module for n in names]
        else:
            continue
        for name in names:
            if name == "keras_gen" or name.startswith("keras_gen."):
                yield _inner(name)


def _inner(name):
    return name.removeprefix("keras_gen").removeprefix(".")


def graph():
    known = modules()
    return {
        name: {target for target in imports_of(path, known) if target in known}
        for name, path in known.items()
    }


def storey_of(module):
    """The storey of the longest prefix of a module's name that one of them has."""
    parts = module.split(".")
    for count in range(len(parts), 0, -1):
        prefix = ".".join(parts[:count])
        for index, prefixes in enumerate(STOREYS):
            if prefix in prefixes:
                return index
    raise AssertionError(f"{module} belongs to no storey")


def test_no_import_runs_up():
    up = [
        f"{module or 'keras_gen'} imports {target or 'keras_gen'}"
        for module, targets in graph().items()
        for target in targets
        if storey_of(target) > storey_of(module)
    ]
    assert not up, up


def test_no_modules_import_each_other_in_a_circle():
    arrows, done, path = graph(), set(), []

    def visit(module):
        if module in path:
            raise AssertionError(" -> ".join([*path[path.index(module) :], module]))
        if module in done:
            return
        path.append(module)
        for target in sorted(arrows[module]):
            visit(target)
        done.add(path.pop())

    for module in sorted(arrows):
        visit(module)
    assert len(done) > 90


def test_models_of_one_family_do_not_need_those_of_a_later_one():
    """Families build on each other in one direction, so that each can be read alone."""
    families = {
        (module.split(".")[1], target.split(".")[1])
        for module, targets in graph().items()
        for target in targets
        if module.startswith("models.") and target.startswith("models.")
    }
    across = {pair for pair in families if pair[0] != pair[1]}
    assert not {(b, a) for a, b in across} & across


def test_gradients_of_weights_are_taken_in_one_place():
    """Elsewhere tapes differentiate with respect to images: penalties, likelihoods."""
    tapes = [
        name for name, path in modules().items() if "GradientTape" in path.read_text()
    ]
    likelihoods = ["models.diffusion.flow_matching"]
    assert sorted(tapes) == ["core.game", "losses", *likelihoods]


def test_private_names_of_keras_are_used_in_one_place():
    """Elsewhere a private attribute is the object's own or defined in the same file."""
    for name, path in modules().items():
        if name == "core.keras_internals":
            continue
        nodes = list(ast.walk(ast.parse(path.read_text())))
        defined = {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
        for node in nodes:
            if isinstance(node, ast.Attribute) and _is_private(node.attr):
                is_ours = _is_own(node.value) or node.attr in defined
                assert is_ours, f"{name}:{node.lineno} uses {node.attr}"


# Keras's own names that have no underscore, and are undocumented all the same.
UNDOCUMENTED = {"inner_optimizer", "train_function", "test_function"}


def _is_private(attribute):
    is_dunder = attribute.startswith("__") and attribute.endswith("__")
    return attribute in UNDOCUMENTED or attribute.startswith("_") and not is_dunder


def _is_own(value):
    """Whether an expression is `self`, `cls` or `super()`."""
    if isinstance(value, ast.Call):
        return isinstance(value.func, ast.Name) and value.func.id == "super"
    return isinstance(value, ast.Name) and value.id in ("self", "cls")
