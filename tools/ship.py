"""Makes the weights of a run ship: zoo/<preset>/<weights>/ with card and samples.

.venv/bin/python tools/ship.py runs/vae/20261121-075000 mnist
"""

import json
import pathlib
import shlex
from typing import Annotated

import typer
from measure import measured

import keras_gen

LICENCES = {
    "mnist": "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0",
}
CLI_DEFAULTS = {"split": "train", "batch_size": 64, "seed": 0, "strategy": "auto"}


def command_of(settings):
    """The command line that a run.json stands for."""
    words = ["keras-gen", "train", settings["name"], "--data", settings["data"]]
    words += ["--epochs", str(settings["epochs"])]
    for key, value in settings["overrides"].items():
        text = value if isinstance(value, str) else json.dumps(value)
        words += ["--set", f"{key}={text}"]
    for key in ("split", "validation", "batch_size", "seed", "dtype", "strategy"):
        if settings[key] not in (None, CLI_DEFAULTS.get(key)):
            words += [f"--{key.replace('_', '-')}", str(settings[key])]
    return shlex.join(words)


def main(
    run: Annotated[pathlib.Path, typer.Argument(help="A run's folder.")],
    weights: Annotated[str, typer.Argument(help="What the weights are called.")],
    notes: Annotated[str, typer.Option(help="What was given up, what one sees.")] = "",
    dtype: Annotated[str, typer.Option(help="float16 or float32.")] = "float16",
):
    """Loads a run's model as it will ship, measures it on test data, writes it all."""
    settings = json.loads((run / "run.json").read_text())
    name = settings["name"]
    folder = pathlib.Path("zoo") / name / weights
    trained = keras_gen.zoo.load(name, weights=run / "model.keras")
    keras_gen.zoo.write_card(trained, folder, name=name, dtype=dtype)
    model = keras_gen.zoo.load(name, weights=folder)  # Measured as it ships.
    figures = measured(model, settings["data"])

    def draw(path):
        keras_gen.images.save_grid(model.sample(64, 0), path)

    keras_gen.zoo.write_card(
        model,
        folder,
        name=name,
        dtype=dtype,
        samples=draw if "sample" in model.abilities() else None,
        data=settings["data"],
        data_licence=LICENCES[settings["data"]],
        command=command_of(settings),
        figures=figures,
        figures_again=f"keras-gen evaluate {name} --weights {weights} --json",
        notes=notes,
    )


if __name__ == "__main__":
    typer.run(main)
