"""Walks through latent space, pictures of it, and densities over it.

Functions that take images encode them if the model can. They also take latents
(batch, latent_dim), so that they work with generators, which cannot encode images.

1. Shoemake, "Animating Rotation with Quaternion Curves", 1985.
2. White, "Sampling Generative Networks", 2016 (spherical, for Gaussian latents).
3. Mikolov, Yih and Zweig, "Linguistic Regularities in Continuous Space Word
   Representations", 2013 (arithmetic).
"""

from __future__ import annotations  # `help` shows ArrayLike by its name.

import os
from typing import Literal

import matplotlib.figure
import numpy as np
import sklearn.decomposition
import sklearn.manifold
import sklearn.mixture
import tensorflow as tf
from numpy.typing import ArrayLike

from keras_gen import data
from keras_gen.core.inputs import IMAGE, LATENT, with_role
from keras_gen.core.model import GenerativeModel
from keras_gen.core.noise import row_seeds
from keras_gen.distributions import priors
from keras_gen.files import write_aside


def lerp(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> np.ndarray:
    """Points on the line from a to b.

    >>> lerp([[0.0, 0.0]], [[2.0, 4.0]], 0.25)
    array([[0.5, 1. ]])

    Args:
        a: Latents at the start, (batch, latent_dim).
        b: Latents at the end, (batch, latent_dim).
        t: Position on the line, 0 at a and 1 at b: a number, or one for each row,
            (batch,).

    Returns:
        Latents (batch, latent_dim).
    """
    t = np.asarray(t)[..., None]
    return (1 - t) * np.asarray(a) + t * np.asarray(b)


def slerp(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> np.ndarray:
    """Points on the great arc from a to b ([1]), whose norm does not shrink ([2]).

    The direction turns by t times the angle between a and b; the norm changes linearly.
    If a and b have the same direction, this is `lerp`.

    >>> slerp([[1.0, 0.0]], [[0.0, 3.0]], 0.5).round(4)
    array([[1.4142, 1.4142]])

    Args:
        a: Latents at the start, (batch, latent_dim), not zero.
        b: Latents at the end, (batch, latent_dim), not zero and not opposite to a.
        t: Position on the arc, 0 at a and 1 at b: a number, or one for each row,
            (batch,).

    Returns:
        Latents, float64 (batch, latent_dim).
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norm_a, norm_b = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b))
    first, second = a / norm_a, b / norm_b
    cosine = np.sum(first * second, axis=-1, keepdims=True)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    t = np.asarray(t)[..., None]
    flat = angle < 1e-6
    sine = np.where(flat, 1.0, np.sin(angle))
    arc = (np.sin((1 - t) * angle) * first + np.sin(t * angle) * second) / sine
    direction = np.where(flat, lerp(first, second, t[..., 0]), arc)
    return direction * ((1 - t) * norm_a + t * norm_b)


def codes(
    model: GenerativeModel, rows: ArrayLike, **conditions: ArrayLike
) -> np.ndarray:
    """Encodes images; returns latents (batch, latent_dim) unchanged.

    Args:
        model: Model that decodes latents or encodes images.
        rows: Latents (batch, latent_dim), or images.
        **conditions: Conditions of the rows, of which `encode` gets those that it
            takes.

    Raises:
        ValueError: For rows of another shape, or images if the model cannot encode.
    """
    rows = np.asarray(rows)
    latents = with_role(model.inputs(), LATENT)
    if rows.ndim == 2 and latents:
        return latents[0].check(rows)
    if "encode" not in model.abilities():
        raise ValueError(
            f"Expected latents, which {type(model).__name__} decodes, got an array of "
            f"shape {rows.shape}: it cannot encode images."
        )
    taken = model.abilities()["encode"].declared(model)
    return model.encode(rows, **{n: v for n, v in conditions.items() if n in taken})


def draw(model: GenerativeModel, n: int, seed: int = 0) -> np.ndarray:
    """Latents (n, latent_dim) that the model decodes, from its `latent_distribution`.

    >>> model = keras_gen.zoo.load("semi_aae", weights="mnist")
    >>> latents = draw(model, 4)  # A one-hot category, then the style.
    >>> latents.shape, latents[:, :10].sum(axis=1).tolist()
    ((4, 20), [1.0, 1.0, 1.0, 1.0])
    >>> model.decode(latents).shape
    (4, 28, 28, 1)

    Args:
        model: Model with a prior or a fitted density.
        n: Number of latents.
        seed: Seed of the draw; a larger n adds rows without changing the others.

    Raises:
        ValueError: For a model with neither.
    """
    if model.latent_distribution() is None:
        raise ValueError(f"{type(model).__name__} has no distribution to draw from.")
    graph = tf.function(
        lambda rows: priors.sample_rows(model.latent_distribution(), rows)
    )
    return graph(row_seeds(n, seed)).numpy()


def of_data(
    model: GenerativeModel, source, n: int, seed: int = 0, split_seed: int = 0
) -> np.ndarray:
    """Latents of the first test images, or of the prior if the model cannot encode.

    Args:
        model: Model with `encode`, or with a distribution of latents.
        source: Data set, as for `keras_gen.data.load`.
        n: Number of latents.
        seed: Seed of latents that are drawn from the prior.
        split_seed: Seed with which a folder is split; it should be that of the
            training.

    Returns:
        float32 (n, latent_dim), or fewer if the test split has fewer images.
    """
    if "encode" not in model.abilities():
        return draw(model, n, seed)
    test = data.load(
        source,
        "test",
        image_shape=model.image_shape,
        batch_size=n,
        features=("image",),
        shuffle=False,
        seed=split_seed,
        broken="skip",
    )
    return model.encode(next(iter(test))["image"].numpy())


def spread(latents: np.ndarray, coordinate: int, steps: int) -> np.ndarray:
    """Evenly spaced values of a coordinate, from its 1st to its 99th percentile.

    Args:
        latents: float (n, latent_dim).
        coordinate: Index of the coordinate.
        steps: Number of values.

    Raises:
        ValueError: For a coordinate that latents do not have.
    """
    if not 0 <= coordinate < latents.shape[1]:
        raise ValueError(
            f"Expected coordinates in [0, {latents.shape[1]}), got {coordinate}."
        )
    return np.linspace(*np.percentile(latents[:, coordinate], [1, 99]), steps)


def interpolate(
    model: GenerativeModel,
    start: ArrayLike,
    end: ArrayLike,
    steps: int = 9,
    spherical: bool | None = None,
    **conditions: ArrayLike,
) -> np.ndarray:
    """Images on paths from latents to other latents.

    >>> model = keras_gen.zoo.load("vae", weights="mnist")
    >>> images = model.sample(4, seed=0)
    >>> interpolate(model, images[:2], images[2:], steps=5).shape
    (2, 5, 28, 28, 1)

    Args:
        model: A model that decodes.
        start: Images or latents at the start, (batch, ...).
        end: Images or latents at the end, (batch, ...).
        steps: Number of images on each path, including both ends.
        spherical: Boolean, whether paths are arcs (`slerp`), which suit latents drawn
            from a Gaussian, instead of lines. None takes arcs for diffusion models,
            whose latents are as large as images: points on lines between these are too
            near to 0.
        **conditions: Conditions of the paths, for models that decode with conditions,
            such as `labels`, int (batch,).

    Returns:
        float32 (batch, steps, height, width, channels), in [-1, 1].

    Raises:
        ValueError: For fewer than 2 steps, different numbers of starts and ends, or a
            model that cannot decode latents or encode the given images.
    """
    if steps < 2:
        raise ValueError(f"Expected steps >= 2, got {steps}.")
    start, end = codes(model, start, **conditions), codes(model, end, **conditions)
    if len(start) != len(end):
        raise ValueError(
            f"Expected as many ends as starts, got {len(end)} and {len(start)}."
        )
    if spherical is None:
        spherical = model.spherical_latents
    path = slerp if spherical else lerp
    points = [path(start, end, t) for t in np.linspace(0, 1, steps)]
    return _decode(model, np.stack(points, axis=1), **conditions)


def arithmetic(
    model: GenerativeModel,
    having: ArrayLike,
    lacking: ArrayLike,
    rows: ArrayLike,
    strength: float = 1.0,
    **conditions: ArrayLike,
) -> np.ndarray:
    """Adds a property to images: the mean code with it minus the mean without it ([3]).

    Args:
        model: A model that decodes.
        having: Images or latents with the property.
        lacking: Images or latents without the property.
        rows: Images or latents to which the property is added.
        strength: Factor of the added difference; a negative one removes the property.
        **conditions: Conditions of `rows`, for models that decode with conditions, such
            as `labels`, int (batch,). Where `encode` needs conditions too, `having` and
            `lacking` are latents.

    Returns:
        float32 (batch, height, width, channels), in [-1, 1].
    """
    with_property, without = codes(model, having), codes(model, lacking)
    direction = with_property.mean(axis=0) - without.mean(axis=0)
    points = codes(model, rows, **conditions) + np.float32(strength) * direction
    return model.decode(points, **conditions)


def traverse(
    model: GenerativeModel,
    rows: ArrayLike,
    coordinate: int,
    values: ArrayLike,
    **conditions: ArrayLike,
) -> np.ndarray:
    """Images for several values of one coordinate of the latents; the rest is fixed.

    Args:
        model: A model that decodes.
        rows: Images or latents to start from, (batch, ...).
        coordinate: Index of the coordinate, from 0.
        values: Values of the coordinate, (steps,).
        **conditions: Conditions of the rows, for models that decode with conditions,
            such as `labels`, int (batch,).

    Returns:
        float32 (batch, steps, height, width, channels), in [-1, 1].

    Raises:
        ValueError: For a coordinate that the latents do not have.
    """
    latents = codes(model, rows, **conditions)
    if not 0 <= coordinate < latents.shape[1]:
        raise ValueError(
            f"Expected a coordinate in [0, {latents.shape[1]}), got {coordinate}."
        )
    values = np.asarray(values, np.float32)
    points = latents[:, None].repeat(len(values), axis=1)
    points[:, :, coordinate] = values
    return _decode(model, points, **conditions)


def mix_styles(
    model: GenerativeModel,
    sources: ArrayLike,
    targets: ArrayLike,
    layers: tuple[int, ...],
    labels: tuple[ArrayLike, ArrayLike] | None = None,
) -> np.ndarray:
    """A table of style mixing (Karras et al., 2019, figure 3).

    Args:
        model: Model, a `StyleGAN`.
        sources: Latents whose images form the top row, (columns, latent_dim).
        targets: Latents whose images form the left column, (rows, latent_dim).
        layers: Indices of the layers whose styles come from the sources; the others
            come from the targets.
        labels: Labels of sources and targets, int (columns,) and (rows,), for a model
            with classes; None for others.

    Returns:
        float32 (1 + rows, 1 + columns, height, width, channels), in [-1, 1]; the corner
        is white. All images have the same noise.
    """
    source_styles, target_styles = (
        model.map(latents, own)
        for latents, own in zip((sources, targets), labels or (None, None), strict=True)
    )
    columns, rows = len(source_styles), len(target_styles)

    def same_seeds(count):
        return np.zeros(count, np.int64)

    mixed = model.mix(
        np.tile(source_styles, (rows, 1, 1)),
        target_styles.repeat(columns, axis=0),
        layers,
        noise_seed=same_seeds(rows * columns),
    )
    table = np.ones((1 + rows, 1 + columns, *mixed.shape[1:]), np.float32)
    table[0, 1:] = model.synthesize(source_styles, same_seeds(columns))
    table[1:, 0] = model.synthesize(target_styles, same_seeds(rows))
    table[1:, 1:] = mixed.reshape(rows, columns, *mixed.shape[1:])
    return table


def _decode(model, points, **conditions):
    """Decodes latents (batch, steps, latent_dim) to images (batch, steps, ...)."""
    if "decode" not in model.abilities():
        raise ValueError(f"{type(model).__name__} cannot decode latents.")
    batch, steps, latent_dim = points.shape
    repeated = {n: np.repeat(rows, steps, axis=0) for n, rows in conditions.items()}
    points = points.reshape(-1, latent_dim).astype(np.float32)
    images = model.decode(points, **repeated)
    return images.reshape(batch, steps, *images.shape[1:])


PROJECTIONS = {"pca": sklearn.decomposition.PCA, "tsne": sklearn.manifold.TSNE}


def embed(
    model: GenerativeModel,
    rows: ArrayLike,
    labels: ArrayLike | None = None,
    path: str | os.PathLike | None = None,
    method: Literal["pca", "tsne"] = "pca",
    seed: int = 0,
) -> np.ndarray:
    """Projects codes to two dimensions, and draws them.

    Args:
        model: A model that encodes.
        rows: Images or latents.
        labels: Labels that colour the points, int (batch,); None gives all one colour.
        path: Path of a PNG file; None draws no picture.
        method: Projection for codes with more than two dimensions.
        seed: Seed of the projection.

    Returns:
        float (batch, 2).

    Raises:
        ValueError: For another method, or a wrong number of labels.
    """
    if method not in PROJECTIONS:
        raise ValueError(f"Expected a method of {list(PROJECTIONS)}, got {method!r}.")
    points = codes(model, rows)
    if labels is not None and len(labels) != len(points):
        raise ValueError(f"Expected {len(points)} labels, got {len(labels)}.")
    if points.shape[1] < 2:
        points = np.concatenate([points, np.zeros_like(points)], axis=1)
    elif points.shape[1] > 2:
        points = PROJECTIONS[method](2, random_state=seed).fit_transform(points)
    if path is not None:
        figure = matplotlib.figure.Figure((7, 6))
        axes = figure.subplots()
        dots = axes.scatter(*points.T, s=4, c=labels, cmap="tab10")
        if labels is not None:
            axes.legend(*dots.legend_elements(num=None), title="label")
        save_figure(figure, path)
    return points


def beside_prior(
    model: GenerativeModel,
    images: ArrayLike,
    path: str | os.PathLike,
    labels: ArrayLike | None = None,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a PNG file of codes of images beside samples of the prior, in the plane.

    Codes are draws of q(z | x), as in training.

    Args:
        model: Adversarial autoencoder with latent_dim=2.
        images: Images, (batch, height, width, channels), in [-1, 1].
        path: Path of the file.
        labels: Labels that colour the codes, int (batch,). They colour draws of the
            prior too if it has a component for each class. None gives all one colour.
        seed: Seed of the noise of codes and of the draws.

    Returns:
        Codes and draws, float (batch, 2) each.

    Raises:
        ValueError: For another model, or a wrong number of labels.
    """
    if not hasattr(model, "draw_codes") or model.latent_dim != 2:
        raise ValueError(
            "Expected an adversarial autoencoder with latent_dim=2, got "
            f"{type(model).__name__}."
        )
    images = with_role(model.inputs(), IMAGE)[0].check(images)
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"Expected {len(images)} labels, got {len(labels)}.")
    noise = np.random.default_rng(seed).normal(size=(len(images), 2))
    codes_of_images = np.asarray(model.draw_codes(images, noise.astype(np.float32)))
    draws, colours = draw(model, len(images), seed), None
    if labels is not None and hasattr(model.prior, "given"):
        draws = model.prior.given(tf.constant(labels)).sample(seed=(0, seed))
        colours = labels
    figure = matplotlib.figure.Figure((12, 6))
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    dots = left.scatter(*codes_of_images.T, s=4, c=labels, cmap="tab10")
    right.scatter(*np.asarray(draws).T, s=4, c=colours, cmap="tab10")
    left.set_title("codes")
    right.set_title("prior")
    if labels is not None:
        left.legend(*dots.legend_elements(num=None), title="label")
    save_figure(figure, path)
    return codes_of_images, np.asarray(draws)


def histogram(
    model: GenerativeModel, rows: ArrayLike, path: str | os.PathLike, bins: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a histogram of codes, over all images and units: a PNG file.

    Args:
        model: A model that encodes.
        rows: Images or latents.
        path: Path of the file.
        bins: Number of bins.

    Returns:
        The counts, (bins,), and the edges of the bins, (bins + 1,).
    """
    values = codes(model, rows).ravel()
    figure = matplotlib.figure.Figure((7, 4))
    axes = figure.subplots()
    counts, edges, _ = axes.hist(values, bins=bins, log=True)
    axes.axvline(values.mean(), color="black", label=f"mean {values.mean():.3f}")
    axes.set(xlabel="activation", ylabel="count")
    axes.legend()
    save_figure(figure, path)
    return counts, edges


def save_figure(figure: matplotlib.figure.Figure, path: str | os.PathLike) -> None:
    """Writes a matplotlib figure as a PNG file; an old one is replaced as a whole."""
    figure.set_layout_engine("tight")
    write_aside(path, lambda aside: figure.savefig(aside, format="png", dpi=100))


def fit_density(
    model: GenerativeModel, rows: ArrayLike, components: int = 10, seed: int = 0
) -> float:
    """Fits a mixture of Gaussians to codes, which gives an autoencoder a `sample`.

    The mixture becomes part of the model: it is saved, loaded and exported with it.

    >>> model = keras_gen.zoo.load("conv_ae", weights="mnist")
    >>> test = keras_gen.data.load("mnist", "test[:500]", batch_size=500)
    >>> nats = fit_density(model, next(iter(test))["image"], components=2)
    >>> model.sample(16, seed=0).shape
    (16, 28, 28, 1)

    Args:
        model: Autoencoder without a prior.
        rows: Images or latents that the mixture is fitted to: thousands of them, since
            each Gaussian has its own covariance.
        components: Number of Gaussians.
        seed: Seed of the fit.

    Returns:
        The mean log-likelihood of the codes, in nats.

    Raises:
        ValueError: For a model with a prior, or fewer rows than components.
    """
    if not hasattr(model, "set_density"):
        raise ValueError(
            f"Expected an autoencoder without a prior, got {type(model).__name__}."
        )
    points = codes(model, rows).astype(np.float64)
    if not 1 <= components <= len(points):
        raise ValueError(
            f"Expected components from 1 to {len(points)}, the rows, got {components}."
        )
    # The term added to covariances is relative to the codes, which may have any scale.
    ridge = 1e-4 * float(points.var(axis=0).mean()) + 1e-10
    mixture = sklearn.mixture.GaussianMixture(
        components, reg_covar=ridge, random_state=seed
    ).fit(points)
    model.set_density(components)
    model.density.assign(mixture.weights_, mixture.means_, mixture.covariances_)
    return float(mixture.score(points))
