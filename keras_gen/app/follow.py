"""Following runs: curves, figures and sample grids, read again by a timer."""

import csv
import json
import pathlib

import gradio as gr

from keras_gen import page
from keras_gen.app import pictures
from keras_gen.app.settings import Settings

SECONDS = 3  # Between two looks at the files.
LOG, SETTINGS, SAMPLES = "log.csv", "run.json", "samples"  # As in `runs`.


def found_in(folder: str) -> list[str]:
    """Folders of runs in a folder, those that were written last first.

    Args:
        folder: Path of a folder of runs, or of a single run.

    Raises:
        ValueError: For a path that is no folder.
    """
    path = pathlib.Path(folder).expanduser()
    if not path.is_dir():
        raise ValueError(f"Expected a folder of runs, got {folder!r}.")
    found = {
        file.parent
        for pattern in ("", "*/", "*/*/")
        for file in path.glob(f"{pattern}{SETTINGS}")
    }
    return [str(run) for run in sorted(found, key=_time, reverse=True)]


def _time(run):
    files = [run / LOG, run / SETTINGS]
    return max(file.stat().st_mtime for file in files if file.exists())


def grids(run: str) -> list[pathlib.Path]:
    """The sample grids of a run, in the order of epochs."""
    return sorted((pathlib.Path(run) / SAMPLES).glob("*.png"))


def report(run: str) -> str:
    """The curves and the last figures of a run, as HTML.

    Args:
        run: Path of the run's folder.
    """
    log = pathlib.Path(run) / LOG
    try:
        heads, last = _last(log)
        curves = page.curves(log)
    except (OSError, ValueError):
        return pictures.note("No epoch has ended yet.")
    rows = [(n, _short(v)) for n, v in zip(heads, last, strict=True) if n != "epoch"]
    figures = page.table(rows, ("figure", "last epoch"))
    return f"{curves}{page.heading('Figures', 3)}{figures}"


def _last(log):
    """The names of the columns of a log, and the values of the last whole line."""
    with open(log, encoding="utf-8", newline="") as file:
        lines = [line for line in csv.reader(file) if line]
    if len(lines) < 2:
        raise ValueError(f"Expected epochs in {log}, got none.")
    heads, last = lines[0], lines[-1]
    if len(last) < len(heads) and len(lines) > 2:  # It is being written.
        last = lines[-2]
    return heads, last


def _short(value):
    try:
        return f"{float(value):.5g}"
    except ValueError:
        return value


def summary(run: str) -> str:
    """What a run trains, as HTML."""
    try:
        settings = json.loads((pathlib.Path(run) / SETTINGS).read_text("utf-8"))
        words = f"{settings['name']} on {settings['data']}"
    except (OSError, ValueError, KeyError, TypeError):
        return pictures.problem(f"Expected a run in {run}, got none.")
    epochs = settings.get("epochs")
    return pictures.note(f"{words}, {epochs} epochs. Folder: {run}")


def samples(run: str, epoch: int | None) -> str:
    """A sample grid of a run, as HTML.

    Args:
        run: Path of the run's folder.
        epoch: Index of the grid, from 1; None for the last.
    """
    known = grids(run)
    if not known:
        return pictures.note("No samples have been drawn yet.")
    file = known[-1 if epoch is None else min(epoch, len(known)) - 1]
    title = f"Samples, {file.stem.replace('_', ' ')}"
    return page.picture(title, file.read_bytes())


def view(settings: Settings, tab: gr.Tab) -> gr.Timer:
    """Fills the tab that follows a run, and returns the timer that reads it.

    Args:
        settings: What the page is opened with.
        tab: The tab; the timer runs once it is chosen.
    """
    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    with gr.Row():
        folder = gr.Textbox(
            settings.followed,
            label="Folder of runs",
            interactive=not settings.is_open,
        )
        run = gr.Dropdown([], label="Run", allow_custom_value=False)
        is_live = gr.Checkbox(True, label=f"Read again every {SECONDS} seconds")
    told = gr.HTML(elem_classes="kg-page")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            curves = gr.HTML(elem_classes="kg-page")
        with gr.Column(scale=2, min_width=280):
            epoch = gr.Slider(1, 2, value=1, step=1, label="Grid", visible=False)
            shown = gr.HTML(elem_classes="kg-page")
    timer = gr.Timer(SECONDS, active=False)

    def refresh(folder, run, epoch, count):
        folder = settings.followed if settings.is_open else folder
        try:
            known = found_in(folder)
        except ValueError as error:
            hidden = gr.update(visible=False)
            none = gr.update(choices=[], value=None)
            return none, pictures.problem(str(error)), "", hidden, "", 0
        if not known:
            text = pictures.note(f"There is no run in {folder} yet.")
            none = gr.update(choices=[], value=None)
            return none, text, "", gr.update(visible=False), "", 0
        run = run if run in known else known[0]
        number = len(grids(run))
        is_last = epoch >= count or not count  # It stays at the newest grid.
        epoch = number if is_last else min(epoch, number)
        choices = [(_name(path, folder), path) for path in known]
        return (
            gr.update(choices=choices, value=run),
            summary(run),
            report(run),
            gr.update(maximum=max(number, 2), value=max(epoch, 1), visible=number > 1),
            samples(run, epoch or None),
            number,
        )

    count = gr.State(0)
    inputs = [folder, run, epoch, count]
    outputs = [run, told, curves, epoch, shown, count]
    timer.tick(refresh, inputs, outputs, **quiet)
    for event in (tab.select, folder.submit, folder.blur, epoch.release):
        event(refresh, inputs, outputs, **quiet)
    run.input(
        lambda folder, run: refresh(folder, run, 0, 0), [folder, run], outputs, **quiet
    )
    for event in (tab.select, is_live.change):
        event(lambda on: gr.Timer(active=on), is_live, timer, **quiet)
    return timer


def _name(path, folder):
    """The name of a run: its path in the folder of runs."""
    path, folder = pathlib.Path(path), pathlib.Path(folder).expanduser()
    return str(path.relative_to(folder)) if path != folder else path.name
