"""What serving costs: the session loader in C and the double beside the method itself.

    make bench-serving

Latency and throughput of `sample` and `reconstruct`, each measured in turns with the
method in Python; sizes of variants and the time to load them; memory over 10,000
requests. The loader is asked for floats, and for PNG files; its time is that of
`TF_SessionRun`. The double's holds gRPC, its own Python and a wait for company of 2 ms.
Ratios count; the figures themselves are this machine's.
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
from keras_gen.core.abilities import row_seeds

TESTS = pathlib.Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
from session_loader import SessionLoader  # noqa: E402

MODELS = ("dcgan", "vae")
BATCHES = (1, 8, 64)
ROUNDS = 9
REQUESTS = 10_000


def clocked(function):
    """A function of a count that gives the seconds of so many calls."""

    def run(count):
        start = time.perf_counter()
        for _ in range(count):
            function()
        return time.perf_counter() - start

    return run


def in_turns(ways, least=0.05):
    """The median seconds of a call of each way: A B C A B C ...

    A turn is as many calls as take `least` seconds.
    """
    for run in ways.values():
        run(1)  # Traces, connects.
    counts = {name: max(1, int(least / run(1))) for name, run in ways.items()}
    taken = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            taken[name].append(run(counts[name]) / counts[name])
    return {name: float(np.median(times)) for name, times in taken.items()}


def answers(table, name, model, loader, client):
    """A row for every ability and batch."""
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
            ask = functools.partial(loader.measure, ability, arrays)
            method = functools.partial(getattr(model, ability), **given)
            took = in_turns(
                {
                    "method": clocked(method),
                    "loader": lambda count, ask=ask: ask(["images"], count)[1],
                    "files": lambda count, ask=ask: ask(["image_bytes"], count)[1],
                    "double": clocked(
                        functools.partial(getattr(client, ability), **given)
                    ),
                }
            )
            cells = [f"{1000 * took[way]:.2f}" for way in took]
            cells += [f"{rows / took['loader']:,.0f}"]
            cells += [f"{took['loader'] / took['method']:.2f}"]
            table.add_row(name, ability, str(rows), *cells)


def variants(table, name, model, folder):
    """A row for every way to export a model."""
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
    """Resident megabytes after a tenth of the requests, and after all."""
    request = {"seed": row_seeds(1, 0)}
    *_, early = loader.measure("sample", request, repeats=REQUESTS // 10)
    *_, late = loader.measure("sample", request, repeats=REQUESTS - REQUESTS // 10)
    return early / 1e6, late / 1e6


def main():
    console = rich.console.Console(width=110)
    speed = rich.table.Table(
        *("model", "ability", "rows", "method, ms", "loader, ms", "PNG files, ms"),
        *("double, ms", "loader, rows/s", "loader by method"),
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
        double.communicate()  # Its input ends, and so does it.
        console.print(speed)
        for name, model in models.items():
            variants(sizes, name, model, folder / "variants" / name)
        console.print(sizes)


if __name__ == "__main__":
    main()
