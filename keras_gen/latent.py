"""Walks through latent space, pictures of it, and densities over it.

What takes `images` encodes them where the model can; latents (batch, latent_dim) are
taken as they are, so that generators walk too.

1. Shoemake, "Animating Rotation with Quaternion Curves", 1985.
2. White, "Sampling Generative Networks", 2016 (spherical, for Gaussian latents).
3. Mikolov, Yih and Zweig, "Linguistic Regularities in Continuous Space Word
   Representations", 2013 (arithmetic).
"""

import matplotlib.figure
import numpy as np
import sklearn.decomposition
import sklearn.manifold
import sklearn.mixture
import tensorflow as tf

from keras_gen.core.noise import row_seeds
from keras_gen.distributions import priors
from keras_gen.files import write_aside


def lerp(a, b, t):
    """Points on the line from a to b.

    Args:
        a: Latents (batch, latent_dim).
        b: The same.
        t: Where on the way, 0 at a and 1 at b: a number, or (batch,).
    """
    t = np.asarray(t)[..., None]
    return (1 - t) * a + t * b


def slerp(a, b, t):
    """Points on the great arc from a to b ([1]), whose norm does not dip ([2]).

    The direction turns by t of the angle between a and b, the norm goes linearly; for
    a and b of one direction it is `lerp`.

    Args:
        a: Latents (batch, latent_dim), not zero.
        b: The same, not opposite to a.
        t: As for `lerp`.
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


def codes(model, rows):
    """Latents (batch, latent_dim) as they are; images through `encode`.

    Raises:
        ValueError: For rows of another shape, or images where a model cannot encode.
    """
    inputs = model.inputs()
    rows = np.asarray(rows)
    if rows.ndim == 2 and "latents" in inputs:
        return inputs["latents"].check(rows)
    if "encode" not in model.abilities():
        raise ValueError(
            f"Expected latents, which {type(model).__name__} decodes, got an array of "
            f"shape {rows.shape}: it cannot encode images."
        )
    return model.encode(rows)


def draw(model, n, seed=0):
    """Latents (n, latent_dim) from a model's prior, or the density fitted to it."""
    source = getattr(model, "prior", None) or getattr(model, "density", None)
    if source is None:
        raise ValueError(f"{type(model).__name__} has no distribution to draw from.")
    graph = tf.function(lambda rows: priors.sample_rows(source.distribution(), rows))
    return graph(row_seeds(n, seed)).numpy()


def interpolate(model, start, end, steps=9, spherical=False):
    """Images on the way from one latent to another.

    Args:
        model: A model that decodes.
        start: Images or latents (batch, ...).
        end: The same.
        steps: Images on each way, both ends included.
        spherical: Whether the way is an arc (`slerp`), which suits latents drawn from a
            Gaussian, or a line.

    Returns:
        float32 (batch, steps, height, width, channels), in [-1, 1].
    """
    if steps < 2:
        raise ValueError(f"Expected steps >= 2, got {steps}.")
    start, end = codes(model, start), codes(model, end)
    if len(start) != len(end):
        raise ValueError(
            f"Expected as many ends as starts, got {len(end)} and {len(start)}."
        )
    walk = slerp if spherical else lerp
    points = [walk(start, end, t) for t in np.linspace(0, 1, steps)]
    return _decode(model, np.stack(points, axis=1))


def arithmetic(model, having, lacking, rows, strength=1.0):
    """Images with a property added: the mean code with it minus the mean without ([3]).

    Args:
        model: A model that decodes.
        having: Images or latents with the property.
        lacking: The same without.
        rows: Images or latents to add it to.
        strength: How much of it; below 0 takes away.

    Returns:
        float32 (batch, height, width, channels), in [-1, 1].
    """
    with_it, without = codes(model, having), codes(model, lacking)
    direction = with_it.mean(axis=0) - without.mean(axis=0)
    return model.decode(codes(model, rows) + np.float32(strength) * direction)


def traverse(model, rows, coordinate, values):
    """Images as one coordinate of the latents takes values, the others staying.

    Args:
        model: A model that decodes.
        rows: Images or latents (batch, ...) to start from.
        coordinate: Which, from 0.
        values: (steps,): what it becomes.

    Returns:
        float32 (batch, steps, height, width, channels), in [-1, 1].
    """
    latents = codes(model, rows)
    if not 0 <= coordinate < latents.shape[1]:
        raise ValueError(
            f"Expected a coordinate in [0, {latents.shape[1]}), got {coordinate}."
        )
    values = np.asarray(values, np.float32)
    points = latents[:, None].repeat(len(values), axis=1)
    points[:, :, coordinate] = values
    return _decode(model, points)


def mix_styles(model, sources, targets, layers, labels=None):
    """A table of style mixing (Karras et al., 2019, figure 3).

    Args:
        model: A `StyleGAN`.
        sources: Latents (columns, latent_dim), whose images stand on top.
        targets: Latents (rows, latent_dim), whose images stand on the left.
        layers: Those whose styles come from the sources; the others are the targets'.
        labels: int, (columns,) and (rows,), of a conditional model.

    Returns:
        float32 (1 + rows, 1 + columns, height, width, channels), in [-1, 1]; the corner
        is white. The noise is the same in all images.
    """
    conditions = ({}, {}) if labels is None else ({"labels": part} for part in labels)
    above, left = (
        model.map(latents, **condition)
        for latents, condition in zip((sources, targets), conditions, strict=True)
    )
    columns, rows = len(above), len(left)

    def same(count):
        return np.zeros(count, np.int64)

    mixed = model.mix(
        np.tile(above, (rows, 1, 1)),
        left.repeat(columns, axis=0),
        layers,
        noise_seed=same(rows * columns),
    )
    table = np.ones((1 + rows, 1 + columns, *mixed.shape[1:]), np.float32)
    table[0, 1:] = model.synthesize(above, same(columns))
    table[1:, 0] = model.synthesize(left, same(rows))
    table[1:, 1:] = mixed.reshape(rows, columns, *mixed.shape[1:])
    return table


def _decode(model, points):
    """Images (batch, steps, ...) of latents (batch, steps, latent_dim)."""
    if "decode" not in model.abilities():
        raise ValueError(f"{type(model).__name__} cannot decode latents.")
    batch, steps, latent_dim = points.shape
    images = model.decode(points.reshape(-1, latent_dim).astype(np.float32))
    return images.reshape(batch, steps, *images.shape[1:])


PROJECTIONS = {"pca": sklearn.decomposition.PCA, "tsne": sklearn.manifold.TSNE}


def embed(model, rows, labels=None, path=None, method="pca", seed=0):
    """The codes in two dimensions, and their picture.

    Args:
        model: A model that encodes.
        rows: Images or latents.
        labels: int (batch,), which colour the points; None colours them alike.
        path: Of a PNG file; None draws none.
        method: "pca" or "tsne", for codes of more than two numbers.
        seed: Of the projection.

    Returns:
        float (batch, 2).
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


def beside_prior(model, images, path, labels=None, seed=0):
    """Draws the codes of images beside draws of the prior, in the plane: a PNG file.

    Codes are draws of q(z | x), as in training.

    Args:
        model: An adversarial autoencoder with two numbers in a code.
        images: (batch, height, width, channels) in [-1, 1].
        path: Of the file.
        labels: int (batch,), which colour the points, and the prior's where classes
            have parts of it.
        seed: Of the codes' noise and the draws.

    Returns:
        Codes and draws, float (batch, 2) each.
    """
    if not hasattr(model, "draw_codes") or model.latent_dim != 2:
        raise ValueError(
            "Expected an adversarial autoencoder with latent_dim=2, got "
            f"{type(model).__name__}."
        )
    images = model.inputs()["images"].check(images)
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


def histogram(model, rows, path, bins=50):
    """Draws how often codes have which values, all units together: a PNG file.

    Returns:
        The counts (bins,) and the edges (bins + 1,).
    """
    values = codes(model, rows).ravel()
    figure = matplotlib.figure.Figure((7, 4))
    axes = figure.subplots()
    counts, edges, _ = axes.hist(values, bins=bins, log=True)
    axes.axvline(values.mean(), color="black", label=f"mean {values.mean():.3f}")
    axes.set(xlabel="activation", ylabel="how often")
    axes.legend()
    save_figure(figure, path)
    return counts, edges


def save_figure(figure, path):
    """Writes a matplotlib figure as a PNG, aside first."""
    figure.set_layout_engine("tight")
    write_aside(path, lambda aside: figure.savefig(aside, format="png", dpi=100))


def fit_density(model, rows, components=10, seed=0):
    """Fits a mixture of Gaussians over codes, which gives an autoencoder a `sample`.

    The mixture becomes part of the model: it is saved, loaded and exported with it.

    Args:
        model: A `keras_gen.models.autoencoder.Autoencoder`.
        rows: Images or latents to fit it to; thousands, for each Gaussian has a
            covariance of its own.
        components: Gaussians.
        seed: Of the fit.

    Returns:
        The mean log-likelihood of the codes, in nats.

    Raises:
        ValueError: For a model that has a prior, or fewer rows than components.
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
    # Codes have any scale: what keeps covariances regular follows it.
    ridge = 1e-4 * float(points.var(axis=0).mean()) + 1e-10
    mixture = sklearn.mixture.GaussianMixture(
        components, reg_covar=ridge, random_state=seed
    ).fit(points)
    model.set_density(components)
    model.density.assign(mixture.weights_, mixture.means_, mixture.covariances_)
    return float(mixture.score(points))
