"""Cost of serving: a SavedModel in C, and the test double, compared with the method.

    make bench-serving

It measures latency and throughput of `sample` and `reconstruct`, alternating with the
method in Python; sizes of exports and the time to load them; and memory over 10,000
requests. The session loader is measured for float outputs and for PNG outputs, as the
time of `TF_SessionRun`. The time of the double includes gRPC, its own Python code and a
wait of 2 ms in which requests are merged. Compare the ratios: the absolute numbers
depend on the machine.
"""

import functools
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import rich.console
import rich.table

import keras_gen
from keras_gen.core.noise import row_seeds

TESTS = pathlib.Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
from session_loader import SessionLoader  # noqa: E402

MODELS = ("dcgan", "vae")
BATCHES = (1, 8, 64)
ROUNDS = 9
REQUESTS = 10_000


def timed(function):
    """A function from a number of calls to the seconds that they take."""

    def run(count):
        start = time.perf_counter()
        for _ in range(count):
            function()
        return time.perf_counter() - start

    return run


def in_turns(functions, least=0.05):
    """The median seconds of a call of each function, measured in turns: A B C A B C ...

    Args:
        functions: Functions from `timed`, by name.
        least: Minimum duration, in seconds, of a turn of one function.
    """
    for run in functions.values():
        run(1)  # The first call traces or connects.
    counts = {name: max(1, int(least / run(1))) for name, run in functions.items()}
    seconds = {name: [] for name in functions}
    for _ in range(ROUNDS):
        for name, run in functions.items():
            seconds[name].append(run(counts[name]) / counts[name])
    return {name: float(np.median(times)) for name, times in seconds.items()}


def answers(table, name, model, loader, client):
    """Adds a row for every ability and batch size."""
    images = model.sample(max(BATCHES), seed=0)
    for ability in ("sample", "reconstruct"):
        if ability not in model.abilities():
            continue
        for rows in BATCHES:
            if ability == "sample":
                arrays = {"seed": row_seeds(rows, 0)}
                given = {"n": rows, "seed": 0}
            else:
                arrays = given = {"images": images[:rows]}
            measure = functools.partial(loader.measure, ability, arrays)
            method = functools.partial(getattr(model, ability), **given)
            seconds = in_turns(
                {
                    "method": timed(method),
                    "loader": functools.partial(run_seconds, measure, "images"),
                    "files": functools.partial(run_seconds, measure, "image_bytes"),
                    "double": timed(
                        functools.partial(getattr(client, ability), **given)
                    ),
                }
            )
            cells = [f"{1000 * value:.2f}" for value in seconds.values()]
            cells += [f"{rows / seconds['loader']:,.0f}"]
            cells += [f"{seconds['loader'] / seconds['method']:.2f}"]
            table.add_row(name, ability, str(rows), *cells)


def run_seconds(measure, output, count):
    """Seconds that the session loader takes to compute an output `count` times."""
    return measure([output], count)[1]


def variants(table, name, model, folder):
    """Adds a row for every variant of a model's export."""
    for label, options in (
        ("all", {}),
        ("float16", {"float16": True}),
        ("sample", {"abilities": ["sample"]}),
        ("sample, float16", {"abilities": ["sample"], "float16": True}),
    ):
        path = keras_gen.export.save(model, folder, **options)
        weights = sum(p.stat().st_size for p in (path / "variables").iterdir())
        whole = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        request = {"seed": row_seeds(1, 0)}
        start = time.perf_counter()
        with SessionLoader(path) as loader:
            loader("sample", request)
            loading = time.perf_counter() - start
            start = time.perf_counter()
            loader("sample", request)
            second = time.perf_counter() - start
        differences = keras_gen.export.read_card(path).get("differences", {})
        table.add_row(
            name,
            label,
            f"{weights / 1e6:.2f}",
            f"{whole / 1e6:.2f}",
            f"{loading:.1f}",
            f"{1000 * second:.1f}",
            f"{max(differences.values(), default=0.0):.1g}",
        )


def memory(loader):
    """Resident megabytes after a tenth of the requests and after all of them."""
    request = {"seed": row_seeds(1, 0)}
    *_, early = loader.measure("sample", request, repeats=REQUESTS // 10)
    *_, late = loader.measure("sample", request, repeats=REQUESTS - REQUESTS // 10)
    return early / 1e6, late / 1e6


def main():
    console = rich.console.Console(width=110)
    speed = rich.table.Table(
        *("model", "ability", "rows", "method, ms", "loader, ms", "PNG files, ms"),
        *("double, ms", "loader, rows/s", "loader / method"),
    )
    sizes = rich.table.Table(
        *("model", "variant", "weights, MB", "folder, MB", "load and first, s"),
        *("second, ms", "largest difference"),
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        models = {name: keras_gen.zoo.load(name, "mnist") for name in MODELS}
        for name, model in models.items():
            keras_gen.export.deploy.add(model, folder, name, root=str(folder))
        double = subprocess.Popen(
            [sys.executable, TESTS / "serving_double.py", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        address = double.stdout.readline().split()[0]
        for name, model in models.items():
            with (
                SessionLoader(folder / "models" / name / "1") as loader,
                keras_gen.export.Client(address, name) as client,
            ):
                answers(speed, name, model, loader, client)
                early, late = memory(loader)
            console.print(
                f"{name}: {early:.1f} MB after {REQUESTS // 10:,} requests, {late:.1f} "
                f"MB after {REQUESTS:,}"
            )
        double.communicate()  # The double ends when its input is closed.
        console.print(speed)
        for name, model in models.items():
            variants(sizes, name, model, folder / "variants" / name)
        console.print(sizes)


if __name__ == "__main__":
    main()
