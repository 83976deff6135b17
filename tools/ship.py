"""Adds the weights of a run to `zoo/<preset>/<weights>/`, with card and pictures.

`samples.png` shows samples, or images beside their reconstructions if a model has no
distribution to sample from.

.venv/bin/python tools/ship.py runs/vae/20261121-075000 mnist
"""

import functools
import itertools
import pathlib
from typing import Annotated

import numpy as np
import PIL.Image
import typer
from measure import measured
from store import networks_of, unread
from table import write as write_table

import keras_gen
from keras_gen.runs import Run

LICENCES = {
    "mnist": "MNIST (LeCun, Cortes, Burges), CC BY-SA 3.0",
    "emoji": "Noto Emoji (Google), Apache-2.0; Twemoji (Twitter, others), CC BY 4.0; "
    "OpenMoji (the OpenMoji project), CC BY-SA 4.0; names and keywords of Unicode's "
    "CLDR, Unicode-3.0, by emojibase, MIT",
    "faces": "Personas (Draftbit), ToonHead (Johan Melin), Avatar Illustration System "
    "(Micah Lanier), Custom Avatar (Ashley Seo), CC BY 4.0",
}


def draw(model: keras_gen.GenerativeModel, data: str, path: pathlib.Path) -> None:
    """Writes the pictures of a card.

    Args:
        model: The model.
        data: Data set that the model was trained on; its test images are used if the
            pictures need images.
        path: Path of the PNG file. For some models, further files are written next to
            it.
    """
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
    """Draws the codes of test images beside samples of the prior."""
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
    """Draws a row for each category, in which the continuous codes vary in turn.

    Each continuous code goes from -2 to 2 while the others are 0. The noise is the same
    in all images.
    """
    count, values = model.categories[0], np.linspace(-2, 2, 9)
    num_codes = sum(model.categories) + model.continuous
    codes = np.zeros((count, model.continuous, len(values), num_codes))
    codes[np.arange(count), :, :, np.arange(count)] = 1
    for index in range(model.continuous):
        codes[:, index, :, sum(model.categories) + index] = values
    flat = codes.reshape(-1, num_codes).astype(np.float32)
    images = model.sample(len(flat), seed=np.zeros(len(flat), np.int64), codes=flat)
    columns = model.continuous * len(values)
    keras_gen.images.save_grid(images, path, columns=columns)


def draw_mixing(model, path):
    """Draws three tables of style mixing, one below the other.

    The images of the top row determine the coarse styles in the first table, the middle
    styles in the second and the fine styles in the third. Coarse styles are those of
    layers up to 8x8, middle styles those of the next level, fine styles all others.
    """
    latents = keras_gen.latent.draw(model, 12, seed=3)
    ends = sorted({min(end, model.num_layers) for end in (0, 4, 6, model.num_layers)})
    tables = [
        keras_gen.latent.mix_styles(model, latents[:8], latents[8:], range(*layers))
        for layers in itertools.pairwise(ends)
    ]
    rows = np.concatenate(tables)
    flat = rows.reshape(-1, *rows.shape[2:])
    keras_gen.images.save_grid(flat, path, columns=rows.shape[1])


def draw_growth(run: Run, path: pathlib.Path) -> None:
    """Writes a GIF of a run's sample grids, if the images grew.

    It shows the upper half of the grids, of at most 24 epochs: a frame in colour takes
    as many bytes as the picture of samples.
    """
    files = sorted((run.folder / "samples").glob("*.png"))
    chosen = np.unique(np.linspace(0, len(files) - 1, 24).round().astype(int))
    grids = [PIL.Image.open(files[index]).convert("RGB") for index in chosen]
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
    folder: Annotated[pathlib.Path, typer.Argument(help="Folder of the run.")],
    weights: Annotated[str, typer.Argument(help="Name of the weights.")],
    notes: Annotated[
        str, typer.Option(help="Notes for the card: what was left out, what to expect.")
    ] = "",
    dtype: Annotated[
        str,
        typer.Option(help="Type of the stored weights: float16, float32 or int8."),
    ] = "float16",
):
    """Stores a run's model, measures it as stored, and writes card and pictures."""
    run = Run.open(folder)
    name, data = run.settings.name, run.settings.data
    shipped = pathlib.Path("zoo") / name / weights
    model = run.load_model()
    stored = {"dtype": dtype, "without": networks_of(unread(model), model)}
    keras_gen.zoo.write_card(model, shipped, name=name, **stored)
    model = keras_gen.zoo.load(name, weights=shipped)  # With the rounded weights.
    figures = measured(model, data)
    again = f"keras-gen evaluate {name} --weights {weights} --json"
    if data != "mnist":
        again += f" --data {data}"
    keras_gen.zoo.write_card(
        model,
        shipped,
        name=name,
        **stored,
        samples=functools.partial(draw, model, data),
        data=data,
        data_licence=LICENCES[data.partition("/")[0].partition("?")[0]],
        commands=run.commands,
        figures=figures,
        figures_again=again,
        notes=notes,
    )
    draw_growth(run, shipped / "growth.gif")
    write_table()


if __name__ == "__main__":
    typer.run(main)
