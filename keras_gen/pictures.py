"""Pictures of a trained model, for cards: samples, or what else the model makes."""

import itertools
import pathlib

import numpy as np
import PIL.Image

from keras_gen import data as sources
from keras_gen import images, latent
from keras_gen.core.inputs import IMAGE, LATENT
from keras_gen.core.model import GenerativeModel
from keras_gen.metrics.figures.attribute_vectors import vectors_of, with_one_changed
from keras_gen.metrics.figures.judged import JUDGED


def draw(
    model: GenerativeModel,
    data: str | None,
    path: pathlib.Path,
    split_seed: int = 0,
) -> None:
    """Writes the pictures of a card; models without such an ability have none.

    Args:
        model: The model.
        data: Data set that the model was trained on; its test images are used if the
            pictures need images. None leaves out such pictures.
        path: Path of the PNG file. For some models, further files are written next to
            it.
        split_seed: Seed with which a folder is split; it should be that of the
            training.
    """
    abilities = model.abilities()
    options = {"seed": split_seed, "broken": "skip"}
    if hasattr(model, "pictures") and data is not None:
        test = sources.load(
            data,
            "test",
            features=tuple(model.batch_shapes()),
            image_shape=model.image_shape,
            batch_size=16,
            **options,
        )
        rows = model.pictures({k: v.numpy() for k, v in next(iter(test)).items()})
        flat = rows.reshape(-1, *rows.shape[2:])
        images.save_grid(flat, path, columns=rows.shape[1], scale=2)
    elif "sample" in abilities:
        images.save_grid(model.sample(64, 0), path)
        if hasattr(model, "draw_codes") and model.latent_dim == 2 and data is not None:
            draw_plane(model, data, path.with_name("plane.png"), options)
        if "infer_codes" in abilities:
            draw_codes(model, path.with_name("traversal.png"))
        if hasattr(model, "mix"):
            draw_mixing(model, path.with_name("mixing.png"))
        if hasattr(model, "trajectory"):
            draw_trajectories(model, path.with_name("noise.gif"))
        elif {"encode", "decode"} <= set(abilities) and data is not None:
            draw_attributes(model, data, path.with_name("attributes.png"), options)
        if "complete" in abilities and data is not None:
            draw_completions(model, data, path.with_name("completions.png"), options)
    elif "reconstruct" in abilities and data is not None:
        test = sources.load(
            data,
            "test",
            image_shape=model.image_shape,
            batch_size=256,
            shuffle=False,
            **options,
        )
        real = next(iter(test))["image"].numpy()
        shown, make = real[:40], model.reconstruct
        if "denoise" in abilities:
            shown, make = model.corrupt(shown, seed=0), model.denoise
        pairs = np.stack([shown, make(shown)], axis=1)
        pairs = pairs.reshape(-1, *pairs.shape[2:])
        images.save_grid(pairs, path, columns=10, scale=2)
        if hasattr(model, "filters"):
            filters = path.with_name("filters.png")
            images.save_grid(model.filters(), filters)
            histogram = path.with_name("activations.png")
            latent.histogram(model, real, histogram)


def show_data(model: GenerativeModel) -> bool:
    """Whether the pictures of a model's card show images of its data."""
    if hasattr(model, "pictures"):
        return True
    names = model.abilities()
    return ("complete" if "sample" in names else "reconstruct") in names


def draw_plane(model, data, path, options):
    """Draws the codes of test images beside samples of the prior.

    Args:
        model: Model with two latents.
        data: Data set with the test images.
        path: Path of the PNG file.
        options: Options of `keras_gen.data.load`.
    """
    test = sources.load(
        data,
        "test",
        features=("image", "label"),
        image_shape=model.image_shape,
        batch_size=5000,
        shuffle=False,
        **options,
    )
    batch = next(iter(test))
    real, labels = (batch[name].numpy() for name in ("image", "label"))
    latent.beside_prior(model, real, path, labels)


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
    drawn = model.sample(len(flat), seed=np.zeros(len(flat), np.int64), codes=flat)
    columns = model.continuous * len(values)
    images.save_grid(drawn, path, columns=columns)


def draw_mixing(model, path):
    """Draws three tables of style mixing, one below the other.

    The images of the top row determine the coarse styles in the first table, the middle
    styles in the second and the fine styles in the third. Coarse styles are those of
    layers up to 8x8, middle styles those of the next level, fine styles all others.
    """
    latents = latent.draw(model, 12, seed=3)
    ends = sorted({min(end, model.num_layers) for end in (0, 4, 6, model.num_layers)})
    tables = [
        latent.mix_styles(model, latents[:8], latents[8:], range(*layers))
        for layers in itertools.pairwise(ends)
    ]
    rows = np.concatenate(tables)
    flat = rows.reshape(-1, *rows.shape[2:])
    images.save_grid(flat, path, columns=rows.shape[1])


def draw_trajectories(model, path):
    """Writes a GIF of noise that becomes the first 8 samples, in 20 steps."""
    frames = np.clip(model.trajectory(8, seed=0, steps=20), -1.0, 1.0)
    images.save_animation(frames, path, columns=4, returns=False)


def draw_attributes(model, data, path, options, columns: int = 8):
    """Draws test images, reconstructions, and these with other attributes.

    Nothing is drawn for data without attributes that a classifier knows, or for models
    that also need labels. In each row after the second, one attribute is changed by its
    vector between codes.

    Args:
        model: Model that encodes and decodes images.
        data: Data set with the test images.
        path: Path of the PNG file.
        options: Options of `keras_gen.data.load`.
        columns: Number of images, each in a column of its own.
    """
    abilities = model.abilities()
    if abilities["encode"].roles(model) != [IMAGE]:
        return
    if abilities["decode"].roles(model) != [LATENT]:
        return
    test = sources.load(
        data, "test", image_shape=model.image_shape, batch_size=1000, **options
    )
    names = getattr(test, "attribute_names", ())
    known = [name for source in JUDGED.values() for name in source.shown]
    shown = [name for name in known if name in names]
    if not shown:
        return
    batch = next(iter(test))
    real, own = (batch[name].numpy() for name in ("image", "attributes"))
    codes = model.encode(real)
    vectors = vectors_of(codes, own)
    codes, first = codes[:columns], own[:columns]
    rows = [real[:columns], model.decode(codes)]
    for name in shown:
        edited, _ = with_one_changed(
            model, codes, first, names.index(name), own, vectors
        )
        rows.append(edited)
    images.save_grid(np.concatenate(rows), path, columns=columns)


def draw_completions(model, data, path, options=None, rows: int = 8, ways: int = 4):
    """Draws test images, their upper halves, and completions of these.

    Args:
        model: Model that completes images.
        data: Data set with the test images.
        path: Path of the PNG file.
        options: Options of `keras_gen.data.load`; None splits a folder by seed 0.
        rows: Number of images, each in a row of its own.
        ways: Number of completions of each image, each with its own seed.
    """
    names = {"label": "labels", "caption": "captions"}  # Of features, and of inputs.
    features = tuple(model.batch_shapes())
    test = sources.load(
        data,
        "test",
        features=features,
        image_shape=model.image_shape,
        batch_size=rows,
        **(options or {"seed": 0}),
    )
    batch = {name: value.numpy() for name, value in next(iter(test)).items()}
    real = batch["image"]
    if getattr(model, "is_binary", False):
        real = images.binarize(real, seed=0)
    mask = np.zeros((*real.shape[:-1], 1), np.float32)
    mask[:, : real.shape[1] // 2] = 1.0
    conditions = {names[name]: batch[name] for name in features if name in names}
    columns = [real, mask * real]
    for way in range(ways):
        columns.append(model.complete(real, mask, seed=way, **conditions))
    tiles = np.stack(columns, axis=1)
    flat = tiles.reshape(-1, *tiles.shape[2:])
    images.save_grid(flat, path, columns=len(columns))


def draw_growth(folder: pathlib.Path, path: pathlib.Path) -> None:
    """Writes a GIF of a run's sample grids, if the images grew.

    It shows the upper half of the grids, of at most 24 epochs: a frame in colour takes
    as many bytes as the picture of samples.

    Args:
        folder: Path of the folder with the grids, which may not exist.
        path: Path of the GIF file.
    """
    files = sorted(folder.glob("*.png"))
    if not files:
        return
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
