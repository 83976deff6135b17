"""Common parts of the commands: options, weights, output files, tables and errors.

Results are printed to the standard output, and notes, progress and errors to the
standard error. Text is printed as it is: paths may contain brackets, and commands may
be longer than a line, so that nothing is read as markup or wrapped.
"""

import contextlib
import json
import pathlib
import shlex
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import typer

import keras_gen
from keras_gen import catalogue
from keras_gen.cli import bars, completions

Name = Annotated[
    str,
    typer.Argument(
        help="Name of the model; `keras-gen list` shows all.",
        autocompletion=completions.models,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Name of weights that `keras-gen list` shows ('mnist'), path of a .keras "
        "file, of a run's folder or of a folder with a card, or "
        "hf://user/name[@revision] for the Hugging Face Hub.",
        autocompletion=completions.weights,
    ),
]
TrainedWeights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="Name of weights that `keras-gen list` shows ('mnist'), path of a .keras "
        "file, of a run's folder or of a folder with a card, or "
        "hf://user/name[@revision] for the Hugging Face Hub.",
        autocompletion=completions.weights,
        show_default="those that are listed, if there is one set",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Argument of the model and its value as JSON; may be repeated.",
    ),
]
Scale = Annotated[
    int, typer.Option(min=1, help="Size of an image's pixel in pixels of the picture.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of a table.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace files that exist at --output.")
]


def output_option(what: str, default: str):
    """The annotation of the option `--output`.

    Args:
        what: Description of the file, "Path of the PNG file".
        default: Name of the file without the option.
    """
    return Annotated[
        pathlib.Path | None,
        typer.Option(
            "-o",
            "--output",
            help=f"{what}.",
            show_default=f"{default}, with a number if that exists",
        ),
    ]


def parse_values(items: Iterable[str] | None) -> dict[str, Any]:
    """Parses `KEY=VALUE` items: a value is JSON, or else a string.

    >>> parse_values(["width=32", "loss=hinge", "image_shape=[16,16,1]"])
    {'width': 32, 'loss': 'hinge', 'image_shape': [16, 16, 1]}
    """
    parsed = {}
    for item in items or ():
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ValueError(f"Expected --set key=value, got {item!r}.")
        try:
            parsed[key] = json.loads(value)
        except json.JSONDecodeError:
            parsed[key] = value
    return parsed


# Weights.


def choose_weights(name: str, weights: str | None) -> str:
    """The weights to use: those given, or else the only ones that have a name.

    Raises:
        ValueError: For an unknown model, or no weights where there are not exactly one.
    """
    listed = keras_gen.zoo.weights_of(name)
    if weights is not None:
        return weights
    if len(listed) != 1:
        known = " or ".join(f"--weights {known}" for known in listed)
        problem = catalogue.problem()
        raise ValueError(
            f"Expected {known or '--weights'}, or --weights with a .keras file, the "
            "folder of a run, or hf://user/name, got none"
            + (f"; {problem}." if problem else ".")
        )
    note(f"Weights: {name} {listed[0]}, of {catalogue.find(name, listed[0]).title}")
    return listed[0]


def load_model(name: str, weights: str | None):
    """The model with weights, while it is shown that it loads.

    Args:
        name: Name of the model.
        weights: Its weights, as the user gave them.
    """
    from keras_gen.core import hub_client

    if hub_client.is_address(weights):  # The hub's client shows bars of its own.
        return keras_gen.zoo.load(name, weights)
    with bars.work(f"loading {name}"):
        return keras_gen.zoo.load(name, weights)


def data_of(name: str, weights: str) -> tuple[str | None, str]:
    """Name or path of the data that weights were trained with, and a split to try.

    Args:
        name: Name of the model.
        weights: Its weights, as the user gave them.

    Returns:
        None in place of the data where they are unknown.
    """
    if has_card(name, weights):
        with contextlib.suppress(ValueError, OSError):  # Loading shows the error.
            return keras_gen.zoo.card(name, weights).get("data"), "test"
        return None, "test"
    with contextlib.suppress(ValueError, OSError):
        run = run_of(name, weights)
        if run is not None:
            return run.settings.data, run.settings.validation or run.settings.split
    return None, "test"


def run_of(name: str | None, weights: str | None) -> "keras_gen.runs.Run | None":
    """The run that weights come from; None for weights of no run.

    Args:
        name: Name of the model.
        weights: Its weights, as the user gave them: those of a run are its folder or a
            file in it.
    """
    if name is None or weights is None or has_card(name, weights):
        return None
    return keras_gen.runs.Run.of(weights)


def split_seed_of(name: str, weights: str | None, data: str) -> int:
    """The seed with which data are split as in the run of weights; 0 for others.

    Args:
        name: Name of the model.
        weights: Its weights, as the user gave them.
        data: Data set.
    """
    run = run_of(name, weights)
    return 0 if run is None else run.split_seed(data)


def has_card(name: str, weights: str) -> bool:
    """Whether weights have a card: those that ship, of a folder, or of the hub.

    Args:
        name: Name of the model.
        weights: Its weights, as the user gave them.
    """
    from keras_gen.core import hub_client

    is_shipped = weights in keras_gen.zoo.weights_of(name)
    folder = pathlib.Path(weights).expanduser()
    has_file = (folder / keras_gen.zoo.CARD).is_file()
    return is_shipped or has_file or hub_client.is_address(weights)


# What is printed.


def command_line(*words) -> str:
    """A shell command that can be copied, with its words quoted as they need.

    >>> command_line("train", "gan", "--data", "my photos", "--set", "widths=[8]")
    "keras-gen train gan --data 'my photos' --set 'widths=[8]'"
    """
    return shlex.join(["keras-gen", *map(str, words)])


def note(text: str) -> None:
    """Prints a line on the standard error."""
    print(text, file=sys.stderr, flush=True)


def width_of_output() -> int:
    """Number of columns of the terminal; 80 in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def print_table(heads: Sequence[str], rows: Iterable[Sequence], shrink: int | None):
    """Prints rows in aligned columns, one line for each row.

    Args:
        heads: Names of the columns.
        rows: Values of each row, in the order of the columns.
        shrink: Index of the column whose texts are cut where lines would be longer than
            the terminal is wide; None cuts none.
    """
    lines = [[str(value) for value in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if shrink is not None:
        free = width_of_output() - sum(widths) - 2 * (len(widths) - 1)
        widths[shrink] = max(min(widths[shrink], widths[shrink] + free), 12)
    for line in lines:
        cells = [
            shorten(text, width).ljust(width)
            for text, width in zip(line, widths, strict=True)
        ]
        print("  ".join(cells).rstrip())


def shorten(text: str, width: int) -> str:
    """A text of at most `width` characters, whose end is replaced by dots.

    >>> shorten("Variational autoencoder", 20)
    'Variational...'
    """
    if len(text) <= width:
        return text
    cut = text[: max(width - 3, 0)]
    if " " in cut and text[len(cut)] not in " ,.":
        cut = cut[: cut.rindex(" ")]
    return f"{cut.rstrip(' ,.')}..."


# Output files.


def new_path(name: str, suffixes: Sequence[str] = ("",)) -> pathlib.Path:
    """A path where nothing lies: the name, or the name with a number.

    Args:
        name: Name of the file.
        suffixes: Suffixes of the files that are written with this name; ("",) if it is
            that of the file.
    """
    base = pathlib.Path(name)
    path, count = base, 1
    while any(pathlib.Path(f"{path}{suffix}").exists() for suffix in suffixes):
        count += 1
        path = base.with_name(f"{base.stem}-{count}{base.suffix}")
    return path


def output_path(
    given: pathlib.Path | None,
    default: str,
    force: bool,
    suffixes: Sequence[str] = ("",),
    option: str = "-o",
) -> pathlib.Path:
    """The path that a command writes to, which is checked before any work.

    Args:
        given: Path from the command line; None uses the default, with a number if
            something lies there.
        default: Name of the file.
        force: Boolean, whether files that exist are replaced.
        suffixes: Suffixes of the files that are written, as for `new_path`.
        option: Option that gave the path, for messages.

    Returns:
        The path, without the suffixes.

    Raises:
        FileExistsError: For a file that exists, unless it is to be replaced.
        ValueError: For the path of a folder.
    """
    if given is None:
        return new_path(default, suffixes)
    if given.suffix and given.suffix in suffixes:
        given = given.with_suffix("")
    for suffix in suffixes:
        path = pathlib.Path(f"{given}{suffix}")
        if path.is_dir():
            raise ValueError(f"Expected {option} with a file, got the folder {path}.")
        refuse_existing(path, force)
    return given


def refuse_existing(path: pathlib.Path, force: bool) -> None:
    """Refuses to replace a file.

    Raises:
        FileExistsError: For a file that exists, unless it is to be replaced.
    """
    if path.exists() and not force:
        raise FileExistsError(
            f"Expected a new file, got {path}, which exists; --force replaces it."
        )


# Errors and warnings.


_show = warnings.showwarning


def show_warnings_in_one_line() -> None:
    """Prints warnings for users on the standard error, without their place in code."""
    warnings.showwarning = _show_in_one_line


def _show_in_one_line(message, category, *args, **kwargs):
    if issubclass(category, UserWarning):
        note(f"Warning: {message}")
    else:
        _show(message, category, *args, **kwargs)


REFUSALS = ("INVALID_ARGUMENT", "NOT_FOUND")  # Codes of servers for values and names.


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Prints expected errors on the standard error, without a traceback.

    Raises:
        typer.Exit: With code 2 for values that do not fit, 1 for what fails otherwise,
            and 130 after Ctrl-C, as shells have it.
    """
    try:
        yield
    except ValueError as error:
        note(f"Error: {error}")
        raise typer.Exit(2) from error
    except (OSError, FloatingPointError, ImportError) as error:
        note(f"Error: {error}")
        is_usage = getattr(error, "code", None) in REFUSALS
        raise typer.Exit(2 if is_usage else 1) from error
    except KeyboardInterrupt as error:
        note("\nStopped.")
        raise typer.Exit(130) from error
