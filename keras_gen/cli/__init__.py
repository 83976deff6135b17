"""The command line: `keras-gen list | show | train | sample | export | ...`."""

import contextlib
import datetime
import json
import pathlib
import sys
from typing import Annotated

import keras
import numpy as np
import rich
import rich.console
import rich.markup
import rich.progress
import rich.table
import typer

import keras_gen
from keras_gen.files import write_text

app = typer.Typer(
    help="Generative models for Keras 3: list, train, sample from and export them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[
    str, typer.Argument(help="A model's name; `keras-gen list` shows all.")
]
Weights = Annotated[
    str | None,
    typer.Option(help="Weights that ship ('mnist'), a .keras file, or a folder."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="An argument of the model, as JSON; repeat."
    ),
]


@contextlib.contextmanager
def _errors_in_a_line():
    try:
        yield
    except (ValueError, OSError, FloatingPointError) as error:
        rich.print("[red]Error:[/red]", end=" ")
        rich.print(rich.markup.escape(str(error)))
        raise typer.Exit(2) from error


def _parse(overrides):
    parsed = {}
    for item in overrides or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise ValueError(f"Expected --set key=value, got {item!r}.")
        try:
            parsed[key] = json.loads(value)
        except json.JSONDecodeError:
            parsed[key] = value
    return parsed


@app.command("list")
def list_models():
    """Shows all models, with the weights that ship."""
    with _errors_in_a_line():
        table = rich.table.Table("name", "what it is", "weights")
        for name in keras_gen.zoo.names():
            card = keras_gen.zoo.card(name)
            table.add_row(name, card["summary"], ", ".join(card["weights"]))
        rich.print(table)


@app.command()
def show(
    name: Name,
    weights: Weights = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead.")
    ] = False,
):
    """Shows what a model is and takes, or the card of weights."""
    with _errors_in_a_line():
        card = keras_gen.zoo.card(name, weights)
        if as_json:
            print(json.dumps(card))
            return
        for key, value in card.items():
            if isinstance(value, (dict, list)):
                value = json.dumps(value, indent=2)
            rich.print(f"[bold]{key}[/bold]: {rich.markup.escape(str(value))}")


@app.command()
def train(
    context: typer.Context,
    name: Name,
    data: Annotated[
        str | None,
        typer.Option(
            help="'mnist', 'emoji', 'emoji/noto,openmoji', a data set of "
            "tensorflow-datasets, or a folder of images; two, with a comma between."
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Epochs, counted from the start [20, or the run's]."),
    ] = None,
    steps_per_epoch: Annotated[
        int | None, typer.Option(help="Steps that count as an epoch [all data].")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images in a batch.")] = 64,
    split: Annotated[str, typer.Option(help="Of the data.")] = "train",
    validation: Annotated[
        str | None, typer.Option(help="A split to measure losses on: 'test'.")
    ] = None,
    labels: Annotated[
        int | None, typer.Option(help="Keep this many labels, hide all others.")
    ] = None,
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Turn half of the images around.")
    ] = False,
    weights: Weights = None,
    overrides: Overrides = None,
    seed: Annotated[int, typer.Option(help="Of weights, data and noise.")] = 0,
    dtype: Annotated[
        str | None, typer.Option(help="float32, mixed_float16 or mixed_bfloat16.")
    ] = None,
    strategy: Annotated[
        str, typer.Option(help="auto, mirrored or multi_worker.")
    ] = "auto",
    jit: Annotated[
        bool, typer.Option("--jit", help="Compile the step with XLA (one replica).")
    ] = False,
    runs: Annotated[pathlib.Path, typer.Option(help="Where runs are kept.")] = (
        pathlib.Path("runs")
    ),
    resume: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="A run's folder, to go on from its last checkpoint; only --epochs and "
            "--set may be given beside it."
        ),
    ] = None,
):
    """Trains a model into runs/NAME/TIME/.

    The folder gets the settings (run.json), the log (log.csv, and tensorboard/ for
    TensorBoard), a sample grid an epoch (samples/), and the model with everything that
    training needs (model.keras), from which --resume goes on after any interruption.
    """
    with _errors_in_a_line():
        if resume is not None:
            _refuse_beside_resume(context)
            settings = _read_run(resume, name)
            settings["overrides"] |= _parse(overrides)
            settings["epochs"] = max(epochs or 0, settings["epochs"])
            folder = resume
        else:
            if data is None:
                raise ValueError("Expected --data: 'mnist', a name, or a folder.")
            settings = {
                "name": name,
                "data": data,
                "split": split,
                "validation": validation,
                "labels": labels,
                "mirror": mirror,
                "batch_size": batch_size,
                "epochs": 20 if epochs is None else epochs,
                "steps_per_epoch": steps_per_epoch,
                "weights": weights,
                "overrides": _parse(overrides),
                "seed": seed,
                "dtype": dtype,
                "strategy": strategy,
                "jit": jit,
            }
            folder = _new_folder(runs / name)
        _train(settings, folder)
        rich.print(f"The model lies in {folder}/model.keras. What to type next:")
        rich.print(f"  keras-gen sample {name} --weights {folder}/model.keras")
        rich.print(f"  keras-gen export {name} --weights {folder}/model.keras")


def _refuse_beside_resume(context):
    """ValueError for options that a run has settled."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name).name == "COMMANDLINE"
    ]
    settled = set(given) - {"name", "--resume", "--epochs", "--set"}
    if settled:
        raise ValueError(
            f"Expected only --epochs and --set beside --resume, got {sorted(settled)}."
        )


def _read_run(folder, name):
    path = folder / "run.json"
    if not path.is_file():
        raise ValueError(f"Expected a run's folder with run.json, got {folder}.")
    # Runs before these were options have none.
    settings = {"jit": False, "mirror": False, **json.loads(path.read_text())}
    if settings["name"] != name:
        raise ValueError(
            f"Expected a run of {name!r}, got one of {settings['name']!r}."
        )
    return settings


def _new_folder(parent):
    """A new folder named by the time; a second one in the same second gets a number."""
    time = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{i}" for i in range(2, 100))):
        try:
            (parent / f"{time}{suffix}").mkdir(parents=True)
        except FileExistsError:
            continue
        return parent / f"{time}{suffix}"
    raise OSError(f"No new folder could be made in {parent}.")


def _train(settings, folder):
    keras.utils.set_random_seed(settings["seed"])
    with keras_gen.distribute.strategy(settings["strategy"]).scope():
        model = keras_gen.zoo.load(
            settings["name"],
            settings["weights"],
            dtype=settings["dtype"],
            **settings["overrides"],
        )
        model.compile(seed=settings["seed"], jit_compile=settings["jit"])
    shapes = model.batch_shapes()  # Of a model that grows those of the last level.
    load = {
        "features": tuple(shapes),
        "image_shape": shapes.get("image"),
        "batch_size": settings["batch_size"],
        "seed": settings["seed"],
    }
    train = keras_gen.data.load(
        settings["data"], settings["split"], mirror=settings["mirror"], **load
    )
    if settings.get("labels"):
        train = keras_gen.data.keep_labels(train, settings["labels"])
    validation = None
    if settings["validation"]:
        validation = keras_gen.data.load(
            settings["data"], settings["validation"], shuffle=False, **load
        )
    text = json.dumps(settings, indent=2) + "\n"
    callbacks = [
        keras_gen.callbacks.Checkpoint(folder / "model.keras"),
        # After the checkpoint was read: what does not fit it leaves run.json as it is.
        keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: write_text(folder / "run.json", text)
        ),
        keras.callbacks.CSVLogger(str(folder / "log.csv"), append=True),
        keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False),
    ]
    if hasattr(model, "pictures"):
        batch = next(iter(train.unbatch().batch(16)))
        batch = {key: value.numpy() for key, value in batch.items()}
        callbacks.append(
            keras_gen.callbacks.SampleGrid(folder / "samples", images=batch)
        )
    elif "sample" in model.abilities():
        callbacks.append(keras_gen.callbacks.SampleGrid(folder / "samples"))
    elif "reconstruct" in model.abilities():
        images = next(iter(train.take(1)))["image"].numpy()[:32]
        callbacks.append(
            keras_gen.callbacks.SampleGrid(folder / "samples", images=images)
        )
    model.fit(
        train,
        epochs=settings["epochs"],
        verbose="auto" if sys.stdout.isatty() else 2,
        steps_per_epoch=settings["steps_per_epoch"],
        validation_data=validation,
        callbacks=callbacks,
    )


@app.command()
def sample(
    name: Name,
    weights: Weights,
    n: Annotated[int, typer.Option("-n", help="How many images.")] = 64,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same images.")
    ] = None,
    output: Annotated[
        pathlib.Path, typer.Option("-o", "--output", help="A PNG file.")
    ] = pathlib.Path("samples.png"),
    scale: Annotated[int, typer.Option(help="Screen pixels a pixel.")] = 2,
):
    """Draws images from a trained model into one grid."""
    with _errors_in_a_line():
        model = keras_gen.zoo.load(name, weights)
        if "sample" not in model.abilities():
            raise ValueError(f"{name} has no distribution to sample from.")
        keras_gen.images.save_grid(model.sample(n, seed=seed), output, scale=scale)
        rich.print(f"{n} images lie in {output}.")


@app.command()
def evaluate(
    name: Annotated[
        str | None, typer.Argument(help="A model's name; none with --images.")
    ] = None,
    weights: Weights = None,
    data: Annotated[
        str, typer.Option(help="Real images: 'mnist', a name, or a folder.")
    ] = "mnist",
    images: Annotated[
        pathlib.Path | None,
        typer.Option(help="Score a folder of images in place of a model."),
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="'mnist', InceptionV3's weights file, or a SavedModel."),
    ] = None,
    num_images: Annotated[
        int, typer.Option("-n", help="Samples, and real images on either side.")
    ] = 10_000,
    num_samples: Annotated[
        int, typer.Option(help="Importance samples an image, for VAEs' likelihoods.")
    ] = 5_000,
    judge: Annotated[
        str | None,
        typer.Option(help="A classifier of styles for translations, or a matcher."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of samples and subsets.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object instead.")
    ] = False,
    report: Annotated[
        pathlib.Path | None,
        typer.Option(help="The page to write [report.html; none with --json]."),
    ] = None,
):
    """Measures a model's samples, or a folder of images, against real ones.

    Figures that end in _floor are those of held-out real images: what a perfect model
    would get. Figures compare only where features and numbers of images are the same.
    The report is one HTML page with all figures, grids, curves and settings.
    """
    with _errors_in_a_line():
        if (name is None) == (images is None):
            raise ValueError("Expected a model's name, or --images.")
        model = None
        if name is not None:
            if weights is None:
                raise ValueError("Expected --weights: 'mnist', a file, or a folder.")
            model = keras_gen.zoo.load(name, weights)
            model.compile(seed=seed)
        evaluation = keras_gen.metrics.Evaluation(
            model,
            data,
            images=images,
            features=features,
            num_images=num_images,
            num_samples=num_samples,
            judge=judge,
            seed=seed,
        )
        figures = evaluation.run(_bar)
        if report is None and not as_json:
            report = pathlib.Path("report.html")
        if report is not None:
            title = f"{name} {weights}" if name else str(images)
            settings = {"data": data, "images": num_images, "seed": seed}
            settings["keras_gen"] = keras_gen.__version__
            if model:
                settings |= model.get_config()
            _write_report(report, title, evaluation, settings, weights)
        if as_json:
            print(json.dumps(figures))
            return
        table = rich.table.Table("figure", "value", "floor")
        for row in keras_gen.metrics.report.rows(figures):
            table.add_row(*row)
        rich.print(table)
        rich.print(f"The report lies in {report}.")


def _bar(stages):
    """Passes on stages, and shows on the error stream which one runs."""
    columns = (
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TextColumn("{task.description}"),
    )
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=len(stages))
        for stage in stages:
            bar.update(task, description=stage[0])
            yield stage
            bar.advance(task)


def _write_report(path, title, evaluation, settings, weights):
    log = None
    if weights is not None:  # Of a run, beside its model.
        run = pathlib.Path(weights)
        log = (run if run.is_dir() else run.parent) / "log.csv"
    keras_gen.metrics.write_report(
        path,
        title,
        evaluation.figures,
        settings,
        evaluation.pictures(),
        log if log and log.is_file() else None,
    )


Serving = Annotated[pathlib.Path, typer.Option(help="The folder for TF Serving.")]
Served = Annotated[str, typer.Argument(help="What the model is called on the server.")]


@app.command()
def export(
    names: Annotated[
        list[str],
        typer.Argument(
            help="[SERVED=]NAME[:WEIGHTS], one or more: 'digits=vae:mnist'."
        ),
    ],
    weights: Weights = None,
    to: Serving = pathlib.Path("serving"),
    version: Annotated[int | None, typer.Option(help="[the next one]")] = None,
    label: Annotated[
        str | None,
        typer.Option(help="That the versions get [stable for the first, then canary]."),
    ] = None,
    abilities: Annotated[
        list[str] | None,
        typer.Option("--ability", help="Export this one, and weights for it; repeat."),
    ] = None,
    float16: Annotated[
        bool, typer.Option("--float16", help="Weights in half the bytes.")
    ] = False,
    root: Annotated[
        str, typer.Option(help="The folder as the server sees it.")
    ] = keras_gen.export.deploy.ROOT,
):
    """Makes or extends a folder for TF Serving: models, configuration, manifests."""
    with _errors_in_a_line():
        chosen = [_parse_served(name, weights) for name in names]  # Before any work.
        for served, preset, source in chosen:
            model = keras_gen.zoo.load(preset, source)
            card = {"preset": preset}
            if source in keras_gen.zoo.weights_of(preset):
                card["trained"] = keras_gen.zoo.card(preset, source)
            options = {"abilities": abilities, "float16": float16, "card": card}
            path = keras_gen.export.deploy.add(
                model, to, served, version, label=label, root=root, **options
            )
            rich.print(f"{path}: {_labels_in_words(to, served)}")
        rich.print("What to type next:")
        rich.print(f"  cd {to} && docker compose --profile cpu up")
        rich.print(f"  keras-gen query localhost:8500 {chosen[0][0]}")


def _parse_served(text, weights):
    """Name on the server, preset and weights of `[SERVED=]NAME[:WEIGHTS]`."""
    served, equals, rest = text.partition("=")
    preset, _, source = (rest if equals else text).partition(":")
    source = source or weights
    if not source:
        raise ValueError(f"Expected --weights, or {preset}:WEIGHTS, got {text!r}.")
    return (served if equals else preset), preset, source


def _labels_in_words(folder, served):
    labels = keras_gen.export.deploy.labels(folder, served)
    return ", ".join(f"{name} is version {n}" for name, n in sorted(labels.items()))


@app.command()
def label(
    served: Served,
    name: Annotated[str, typer.Argument(help="Of the label: stable, canary, ...")],
    version: Annotated[int | None, typer.Argument(help="That it shall name.")] = None,
    to: Serving = pathlib.Path("serving"),
    remove: Annotated[bool, typer.Option("--remove", help="Take it away.")] = False,
):
    """Sets or moves a label of a model's versions; a roll-back is a label's move."""
    with _errors_in_a_line():
        if remove == (version is not None):
            raise ValueError("Expected a version, or --remove.")
        if remove:
            keras_gen.export.deploy.remove_label(to, served, name)
        else:
            keras_gen.export.deploy.set_label(to, served, name, version)
        rich.print(f"{served}: {_labels_in_words(to, served)}")


@app.command()
def query(
    address: Annotated[
        str, typer.Argument(help="HOST:PORT for gRPC, http://HOST:PORT for REST.")
    ],
    served: Served,
    ability: Annotated[str, typer.Argument(help="What to ask for.")] = "sample",
    images: Annotated[
        list[pathlib.Path] | None,
        typer.Option(help="Files that it takes; the server decodes them; repeat."),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Rows, where they are drawn.")] = 64,
    seed: Annotated[int | None, typer.Option(help="Of what is drawn.")] = None,
    arguments: Overrides = None,
    label: Annotated[
        str, typer.Option(help="Of the version to ask; '' for the newest.")
    ] = "stable",
    output: Annotated[
        pathlib.Path, typer.Option("-o", "--output", help="A PNG file.")
    ] = pathlib.Path("answer.png"),
    scale: Annotated[int, typer.Option(help="Screen pixels a pixel.")] = 2,
):
    """Asks a server: images become a grid, all else is printed as JSON."""
    with _errors_in_a_line():
        given = {**_parse(arguments), **({"images": images} if images else {})}
        with keras_gen.export.Client(address, served, label=label or None) as client:
            if ability not in client.card["signatures"]:
                known = ", ".join(client.card["signatures"])
                raise ValueError(f"Expected one of {known}, got {ability!r}.")
            inputs = list(client.card["signatures"][ability]["inputs"])
            if inputs[0] == "seed":
                given["n"] = n
            if "seed" in inputs:
                given["seed"] = seed
            answer = getattr(client, ability)(**given)
        if answer.ndim == 4:
            keras_gen.images.save_grid(answer, output, scale=scale)
            rich.print(f"{len(answer)} images lie in {output}.")
        else:
            print(json.dumps(answer.tolist()))


Data = Annotated[
    str, typer.Option(help="Where an encoder's images are taken from, split test.")
]
Steps = Annotated[int, typer.Option(help="Images on each way.")]
LatentSeed = Annotated[int, typer.Option(help="Of latents drawn from a prior.")]
Scale = Annotated[int, typer.Option(help="Screen pixels a pixel.")]


@app.command()
def interpolate(
    name: Name,
    weights: Weights,
    data: Data = "mnist",
    n: Annotated[int, typer.Option("-n", help="How many ways.")] = 8,
    steps: Steps = 11,
    spherical: Annotated[
        bool, typer.Option(help="Along arcs, for Gaussian latents, not lines.")
    ] = False,
    seed: LatentSeed = 0,
    output: Annotated[
        pathlib.Path, typer.Option("-o", "--output", help="Gets .png and .gif.")
    ] = pathlib.Path("interpolation"),
    scale: Scale = 2,
):
    """Walks between latents: a grid with a way a row, and the same as a GIF.

    The ends are encoded images, or draws of the prior where the model cannot encode.
    """
    with _errors_in_a_line():
        model = keras_gen.zoo.load(name, weights)
        ends = _latents(model, data, 2 * n, seed)
        walks = keras_gen.latent.interpolate(
            model, ends[:n], ends[n:], steps, spherical
        )
        _write_walks(walks, output, scale)


@app.command()
def traverse(
    name: Name,
    weights: Weights,
    data: Data = "mnist",
    coordinates: Annotated[
        str | None, typer.Option(help="Which, as '0,3,7' [the first ten].")
    ] = None,
    steps: Steps = 11,
    seed: LatentSeed = 0,
    output: Annotated[
        pathlib.Path, typer.Option("-o", "--output", help="Gets .png and .gif.")
    ] = pathlib.Path("traversal"),
    scale: Scale = 2,
):
    """Walks along coordinates: a grid with a coordinate a row, and the same as a GIF.

    From one image (or draw), each coordinate goes from the first to the last of a
    hundred parts of what it is over 1000 of them.
    """
    with _errors_in_a_line():
        model = keras_gen.zoo.load(name, weights)
        latents = _latents(model, data, 1000, seed)
        chosen = range(min(10, latents.shape[1]))
        if coordinates is not None:
            chosen = [int(word) for word in coordinates.split(",")]
        walks = [
            keras_gen.latent.traverse(
                model, latents[:1], place, _spread(latents, place, steps)
            )[0]
            for place in chosen
        ]
        _write_walks(np.stack(walks), output, scale)


def _latents(model, data, n, seed):
    if "encode" not in model.abilities():
        return keras_gen.latent.draw(model, n, seed)
    test = keras_gen.data.load(
        data, "test", image_shape=model.image_shape, batch_size=n, shuffle=False
    )
    return model.encode(next(iter(test))["image"].numpy())


def _spread(latents, place, steps):
    """So many values of a coordinate, from its first to its 99th percentile."""
    if not 0 <= place < latents.shape[1]:
        raise ValueError(
            f"Expected coordinates in [0, {latents.shape[1]}), got {place}."
        )
    return np.linspace(*np.percentile(latents[:, place], [1, 99]), steps)


def _write_walks(walks, output, scale):
    """A PNG and a GIF of images (ways, steps, height, width, channels)."""
    picture, animation = output.with_suffix(".png"), output.with_suffix(".gif")
    flat = walks.reshape(-1, *walks.shape[2:])
    keras_gen.images.save_grid(flat, picture, walks.shape[1], scale)
    keras_gen.images.save_animation(walks.swapaxes(0, 1), animation, scale=scale)
    rich.print(f"The walks lie in {picture} and {animation}.")


if __name__ == "__main__":
    app()
