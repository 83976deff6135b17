"""Makes the weights of a run ship: zoo/<preset>/<weights>/ with card and pictures.

`samples.png` shows samples, or inputs beside reconstructions where a model has no
distribution to sample from.

.venv/bin/python tools/ship.py runs/vae/20261121-075000 mnist
"""

import functools
import itertools
import json
import pathlib
import shlex
from typing import Annotated

import numpy as np
import PIL.Image
import typer
from measure import measured
from table import write as write_table

import keras_gen

LICENCES = {
    "mnist": "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0",
    "emoji": "Noto Emoji (Google), Apache-2.0; Twemoji (Twitter, others), CC BY 4.0; "
    "OpenMoji (the OpenMoji project), CC BY-SA 4.0; names and keywords of Unicode's "
    "CLDR, Unicode-3.0, by emojibase, MIT",
}
CLI_DEFAULTS = {"split": "train", "batch_size": 64, "seed": 0, "strategy": "auto"}


def command_of(settings):
    """The command line that a run.json stands for."""
    words = ["keras-gen", "train", settings["name"], "--data", settings["data"]]
    words += ["--epochs", str(settings["epochs"])]
    for key, value in settings["overrides"].items():
        text = value if isinstance(value, str) else json.dumps(value)
        words += ["--set", f"{key}={text}"]
    for key in (
        "split",
        "validation",
        "labels",
        "batch_size",
        "steps_per_epoch",
        "seed",
        "dtype",
        "strategy",
    ):
        if settings.get(key) not in (None, CLI_DEFAULTS.get(key)):
            words += [f"--{key.replace('_', '-')}", str(settings[key])]
    words += [f"--{flag}" for flag in ("mirror", "jit") if settings.get(flag)]
    return shlex.join(words)


def draw(model, data, path):
    """Writes samples, or test images beside what the model makes of them."""
    abilities = model.abilities()
    if hasattr(model, "pictures"):
        test = keras_gen.data.load(
            data,
            "test",
            features=tuple(model.batch_shapes()),
            image_shape=model.image_shape,
            batch_size=16,
            seed=0,
        )
        rows = model.pictures({k: v.numpy() for k, v in next(iter(test)).items()})
        flat = rows.reshape(-1, *rows.shape[2:])
        keras_gen.images.save_grid(flat, path, columns=rows.shape[1], scale=2)
    elif "sample" in abilities:
        keras_gen.images.save_grid(model.sample(64, 0), path)
        if hasattr(model, "draw_codes") and model.latent_dim == 2:
            draw_plane(model, data, path.with_name("plane.png"))
        if "infer_codes" in abilities:
            draw_codes(model, path.with_name("traversal.png"))
        if hasattr(model, "mix"):
            draw_mixing(model, path.with_name("mixing.png"))
    elif "reconstruct" in abilities:
        test = keras_gen.data.load(
            data, "test", image_shape=model.image_shape, batch_size=256, shuffle=False
        )
        images = next(iter(test))["image"].numpy()
        shown, make = images[:40], model.reconstruct
        if "denoise" in abilities:
            shown, make = model.corrupt(shown, seed=0), model.denoise
        pairs = np.stack([shown, make(shown)], axis=1)
        pairs = pairs.reshape(-1, *pairs.shape[2:])
        keras_gen.images.save_grid(pairs, path, columns=10, scale=2)
        if hasattr(model, "filters"):
            filters = path.with_name("filters.png")
            keras_gen.images.save_grid(model.filters(), filters)
            histogram = path.with_name("activations.png")
            keras_gen.latent.histogram(model, images, histogram)


def draw_plane(model, data, path):
    """Codes of test images beside the prior."""
    test = keras_gen.data.load(
        data,
        "test",
        features=("image", "label"),
        image_shape=model.image_shape,
        batch_size=5000,
        shuffle=False,
    )
    batch = next(iter(test))
    images, labels = (batch[name].numpy() for name in ("image", "label"))
    keras_gen.latent.beside_prior(model, images, path, labels)


def draw_codes(model, path):
    """A row a category: one continuous code from -2 to 2, then the next.

    The noise is one and the same.
    """
    count, values = model.categories[0], np.linspace(-2, 2, 9)
    num_codes = sum(model.categories) + model.continuous
    codes = np.zeros((count, model.continuous, len(values), num_codes))
    codes[np.arange(count), :, :, np.arange(count)] = 1
    for place in range(model.continuous):
        codes[:, place, :, sum(model.categories) + place] = values
    flat = codes.reshape(-1, num_codes).astype(np.float32)
    images = model.sample(len(flat), seed=np.zeros(len(flat), np.int64), codes=flat)
    columns = model.continuous * len(values)
    keras_gen.images.save_grid(images, path, columns=columns)


def draw_mixing(model, path):
    """Three tables, one below the other: coarse, middle and fine styles of the top's.

    Coarse are the layers up to 8x8, middle those of the next level, fine the rest.
    """
    latents = keras_gen.latent.draw(model, 12, seed=3)
    ends = sorted({min(end, model.num_layers) for end in (0, 4, 6, model.num_layers)})
    tables = [
        keras_gen.latent.mix_styles(model, latents[:8], latents[8:], range(*places))
        for places in itertools.pairwise(ends)
    ]
    rows = np.concatenate(tables)
    flat = rows.reshape(-1, *rows.shape[2:])
    keras_gen.images.save_grid(flat, path, columns=rows.shape[1])


def draw_growth(run, path):
    """A GIF of the upper half of a run's sample grids, where their sizes differ.

    Of at most 24 epochs: in colour every frame takes as much as the samples do.
    """
    files = sorted((run / "samples").glob("*.png"))
    chosen = np.unique(np.linspace(0, len(files) - 1, 24).round().astype(int))
    grids = [PIL.Image.open(files[place]).convert("RGB") for place in chosen]
    if len({grid.size for grid in grids}) < 2:
        return
    width, height = grids[-1].size
    frames = [
        grid.resize((width, height), PIL.Image.NEAREST)
        .crop((0, 0, width, height // 2))
        .quantize(64, dither=PIL.Image.Dither.NONE)
        for grid in grids
    ]
    frames[0].save(
        path, format="gif", save_all=True, append_images=frames[1:], duration=200
    )


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
    again = f"keras-gen evaluate {name} --weights {weights} --json"
    if settings["data"] != "mnist":
        again += f" --data {settings['data']}"

    keras_gen.zoo.write_card(
        model,
        folder,
        name=name,
        dtype=dtype,
        samples=functools.partial(draw, model, settings["data"]),
        data=settings["data"],
        data_licence=LICENCES[settings["data"].partition("/")[0]],
        command=command_of(settings),
        figures=figures,
        figures_again=again,
        notes=notes,
    )
    draw_growth(run, folder / "growth.gif")
    write_table()


if __name__ == "__main__":
    typer.run(main)
