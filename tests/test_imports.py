"""Imports run down only: the package has storeys, and no circle of modules."""

import ast
import pathlib

PACKAGE = pathlib.Path(__file__).parents[1] / "keras_gen"

# From the lowest storey to the highest. A module belongs to the longest prefix of its
# name, and imports from its own storey or from those below.
STOREYS = (
    ("files", "images", "losses", "distribute", "data", "core"),
    ("layers",),
    ("distributions", "networks"),
    ("models",),
    ("zoo",),
    ("latent", "metrics", "export"),
    ("callbacks",),
    ("runs",),
    ("", "cli"),  # keras_gen itself, and the command line.
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
    top = module.partition(".")[0]
    (index,) = [i for i, tops in enumerate(STOREYS) if top in tops]
    return index


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
    """Elsewhere tapes differentiate with respect to images alone, for penalties."""
    tapes = [
        name for name, path in modules().items() if "GradientTape" in path.read_text()
    ]
    assert sorted(tapes) == ["core.game", "losses"]


def test_private_names_of_keras_are_used_in_one_place():
    """`core.keras_internals` alone reads attributes of Keras that begin with `_`."""
    private = {
        "_maybe_symbolic_build",
        "_flatten_layers",
        "_all_reduce_sum_gradients",
        "_learning_rate",
        "_use_cached_eval_dataset",
        "_assert_compile_called",
        "inner_optimizer",
        "train_function",
        "test_function",
    }
    for name, path in modules().items():
        if name == "core.keras_internals":
            continue
        used = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
        }
        assert not used & private, (name, used & private)
