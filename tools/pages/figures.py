"""The figures of the theory, drawn by the models and the measures of the package.

Each function that is registered draws one figure: docs/theory refers to it as
`figures/<name>.png`. All together take seconds.
"""

import json
import math
import pathlib
from collections.abc import Callable

import matplotlib.figure
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

import keras_gen
from keras_gen.metrics import densities
from keras_gen.models.diffusion import processes, samplers

BLUE, ORANGE, GREY = "#0b62ab", "#b34700", "#8a929a"  # Those of keras_gen/style.css.
DPI = 110
MEASURED = pathlib.Path(__file__).parents[2] / "benchmarks" / "diffusion.jsonl"
SHOWN = "frechet_distance"
FIGURES: dict[str, Callable[[], matplotlib.figure.Figure]] = {}
tfd = tfp.distributions


def figure(function: Callable) -> Callable:
    """Registers a function that draws a figure, under its name with hyphens."""
    FIGURES[function.__name__.replace("_", "-")] = function
    return function


def write(folder: pathlib.Path) -> None:
    """Draws all figures.

    Args:
        folder: Folder of the PNG files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tf.get_logger().setLevel("ERROR")  # Some graphs are traced for many models.
    for name, draw in FIGURES.items():
        draw().savefig(folder / f"{name}.png", dpi=DPI)


def _axes(columns, width=8.0, height=2.8, rows=1, **options):
    drawn = matplotlib.figure.Figure((width, height), layout="constrained")
    return drawn, drawn.subplots(rows, columns, squeeze=False, **options)


def _show(axes, image, title=""):
    """Draws an image in [-1, 1], (height, width, channels), without axes."""
    axes.imshow((np.squeeze(image) + 1) / 2, cmap="gray", vmin=0, vmax=1)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _head(axes, text):
    """A title over a row of images, which leaves the columns as they are."""
    axes.set_title(" ", fontsize=9)  # Keeps its place.
    place = {"xycoords": "axes fraction", "annotation_clip": False}
    axes.annotate(text, (0, 1.08), fontsize=9, **place).set_in_layout(False)


def _test_images(count):
    split = f"test[:{count}]"
    data = keras_gen.data.load("mnist", split, batch_size=count, shuffle=False)
    return next(iter(data))["image"].numpy()


# Density estimation.


@figure
def divergences():
    """The Gaussians that minimise either direction of KL to a mixture of two."""
    x = np.linspace(-6, 6, 601)

    def density(mean, deviation):
        values = np.exp(-0.5 * ((x - mean) / deviation) ** 2)
        return values / values.sum()

    p = 0.65 * density(-2, 0.6) + 0.35 * density(2, 0.6)
    grid = [
        density(m, s) for m in np.arange(-3, 3, 0.05) for s in np.arange(0.4, 3, 0.05)
    ]
    forward = min(grid, key=lambda q: densities.kl_divergence(p, q))
    backward = min(grid, key=lambda q: densities.kl_divergence(q, p))
    drawn, ((axes, bars),) = _axes(2, width_ratios=[3, 2])
    axes.fill_between(x, p, color=GREY, alpha=0.4, label="p, the data")
    axes.plot(x, forward, color=BLUE, label="least KL(p || q): covers")
    axes.plot(x, backward, "--", color=ORANGE, label="least KL(q || p): seeks a mode")
    axes.set(yticks=[], xlabel="x")
    axes.legend(fontsize=8, frameon=False)
    names = ["KL(p || q)", "KL(q || p)", "JSD"]
    places = np.arange(3)
    for q, colour, shift in ((forward, BLUE, -0.2), (backward, ORANGE, 0.2)):
        values = [
            densities.kl_divergence(p, q),
            densities.kl_divergence(q, p),
            densities.js_divergence(p, q),
        ]
        bars.barh(places + shift, values, 0.35, color=colour)
    bars.set(yticks=places, yticklabels=names, xlabel="nats")
    bars.invert_yaxis()
    return drawn


@figure
def mixture():
    """The means of a mixture of Gaussians, and samples of it."""
    model = keras_gen.zoo.load("gmm", weights="mnist")
    samples = model.sample(32, seed=0)
    drawn, axes = _axes(16, rows=2, height=1.5)
    for place, image in zip(axes.flat, samples, strict=True):
        _show(place, image)
    return drawn


# Autoregressive models.


@figure
def receptive_field():
    """The pixels that a prediction depends on, by the gradient of its logit."""
    chosen = (
        ("pixelcnn", {"num_blocks": 1, "filters": 4}, "PixelCNN, one block"),
        ("pixelcnn", {"num_blocks": 4, "filters": 4}, "PixelCNN, four blocks"),
        ("pixelrnn", {"num_layers": 1, "hidden": 4}, "PixelRNN, one layer"),
    )
    drawn, axes = _axes(len(chosen), height=3)
    for place, (name, options, title) in zip(axes.flat, chosen, strict=True):
        model = keras_gen.zoo.load(name, image_shape=(15, 15, 1), **options)
        random = np.random.default_rng(0)  # The last layer starts with zeros.
        arrays = [random.normal(size=w.shape) for w in model.network.get_weights()]
        model.network.set_weights(arrays)
        images = tf.zeros((1, 15, 15, 1))
        with tf.GradientTape() as tape:
            tape.watch(images)
            logit = tf.reduce_sum(model.network(images)[:, 9, 7])
        seen = np.abs(tape.gradient(logit, images)[0, :, :, 0]) > 0
        picture = np.where(seen, 0.6, 1.0)
        picture[9, 7] = 0.0
        place.pcolormesh(picture, cmap="gray", vmin=0, vmax=1, edgecolors="#d5dae0")
        place.invert_yaxis()
        place.set(title=title, xticks=[], yticks=[], aspect="equal")
    return drawn


# VAEs and adversarial autoencoders.


@figure
def vae_walk():
    """Walks from one digit to another through the codes of a VAE."""
    model = keras_gen.zoo.load("vae", weights="mnist")
    images = _test_images(8)
    walk = keras_gen.latent.interpolate(model, images[:3], images[5:8], steps=12)
    drawn, axes = _axes(12, rows=3, height=2.2)
    for place, image in zip(axes.flat, walk.reshape(-1, 28, 28, 1), strict=True):
        _show(place, image)
    return drawn


@figure
def vae_units():
    """The variance over test images of each mean code of a VAE, sorted."""
    model = keras_gen.zoo.load("vae", weights="mnist")
    variances = np.sort(model.encode(_test_images(1000)).var(axis=0))[::-1]
    drawn, ((axes,),) = _axes(1, height=2.4)
    axes.bar(np.arange(len(variances)), variances, color=BLUE)
    axes.axhline(0.01, color=ORANGE, linestyle="--", label="active above 0.01")
    axes.set(xlabel="unit of the code", ylabel="variance of its mean", xticks=[])
    axes.legend(frameon=False)
    return drawn


@figure
def aae_plane():
    """Images decoded from a grid of the codes of an adversarial autoencoder."""
    model = keras_gen.zoo.load("aae", weights="mnist_plane")
    latents = keras_gen.latent.draw(model, 2000)
    edge = np.quantile(np.abs(latents), 0.98)
    axis = np.linspace(-edge, edge, 16, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis[::-1]), axis=-1).reshape(-1, 2)
    images = model.decode(grid).reshape(16, 16, 28, 28).swapaxes(1, 2).reshape(448, 448)
    drawn, ((left, right),) = _axes(2, height=4)
    left.scatter(*latents.T, s=2, color=BLUE)
    left.set(title="draws of the prior", xlim=(-edge, edge), ylim=(-edge, edge))
    left.set_aspect("equal")
    _show(right, images, "what the decoder makes of each place")
    return drawn


# GANs.


@figure
def discriminator():
    """The optimal discriminator of two densities, and the losses of the generator."""
    p, q = tfd.Normal(-1.0, 1.0), tfd.Normal(1.5, 1.2)
    x = np.linspace(-5, 6, 400, dtype=np.float32)
    drawn, ((left, right),) = _axes(2)
    left.plot(x, p.prob(x), color=GREY, label="p, the data")
    left.plot(x, q.prob(x), ":", color=GREY, label="q, the generator")
    best = densities.optimal_discriminator(p, q, x)
    left.plot(x, best, color=BLUE, label="D* = p / (p + q)")
    divergence, _ = densities.monte_carlo_js(p, q, 200_000)
    left.set(title=f"Jensen-Shannon divergence {divergence:.2f}", xlabel="x")
    d = np.linspace(0.001, 0.999, 200)
    right.plot(d, np.log(1 - d), "--", color=ORANGE, label="minimax: log(1 - D)")
    right.plot(d, -np.log(d), color=BLUE, label="non-saturating: -log D")
    right.set(xlabel="D of a sample", title="loss of the generator", ylim=(-5, 5))
    for axes in (left, right):
        axes.legend(fontsize=8, frameon=False)
    return drawn


@figure
def lost_modes():
    """Figures of samples that are perfect, but have only some of 25 modes."""
    centres, deviation = keras_gen.data.gaussians.MIXTURES["gaussian_grid"]
    random = np.random.default_rng(0)

    def points(count):
        chosen = centres[random.integers(0, count, 1000)]
        return chosen + deviation * random.normal(size=chosen.shape)

    real, numbers = points(25), range(1, 26, 3)
    figures = []
    for number in numbers:
        samples = points(number)
        found = keras_gen.metrics.precision_recall(real, samples)
        found |= keras_gen.metrics.density_coverage(real, samples)
        figures.append([found[name] for name in ("precision", "recall", "coverage")])
    precision, recall, coverage = np.transpose(figures)
    drawn, ((left, right),) = _axes(2, width_ratios=[2, 3])
    left.scatter(*real.T, s=3, color=GREY, label="data")
    left.scatter(*points(10).T, s=3, color=BLUE, label="samples, 10 modes")
    left.set(xticks=[], yticks=[], aspect="equal")
    left.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0, 0), frameon=False)
    right.plot(numbers, precision, "--", color=ORANGE, label="precision")
    right.plot(numbers, recall, color=BLUE, label="recall")
    right.plot(numbers, coverage, ":", color="black", label="coverage")
    right.set(xlabel="modes that samples have, of 25", ylim=(0, 1.05))
    right.legend(frameon=False, fontsize=8)
    return drawn


@figure
def truncation():
    """Samples of StyleGAN, whose styles move away from the mean style."""
    model = keras_gen.zoo.load("stylegan", weights="mnist")
    values = (0.0, 0.3, 0.6, 1.0)
    drawn, axes = _axes(12, rows=4, height=3.1)
    for row, value in zip(axes, values, strict=True):
        for place, image in zip(
            row, model.sample(12, seed=0, truncation=value), strict=True
        ):
            _show(place, image)
        _head(row[0], f"truncation {value}")
    return drawn


# Autoencoders.


@figure
def reconstructions():
    """Test images, and their reconstructions from thirty numbers by two models."""
    images = _test_images(12)
    drawn, axes = _axes(12, rows=3, height=2.4)
    for row, name in zip(axes, (None, "linear_ae", "stacked_ae"), strict=True):
        shown, title = images, "test images"
        if name is not None:
            model = keras_gen.zoo.load(name, weights="mnist")
            shown = model.reconstruct(images)
            title = f"{name}: squared error {np.mean((shown - images) ** 2) / 4:.4f}"
        for place, image in zip(row, shown, strict=True):
            _show(place, image)
        _head(row[0], title)
    return drawn


# Diffusion.


@figure
def diffusion_and_flow():
    """Paths from noise to two points, by diffusion and by flow matching.

    The data are two points, for which the best denoiser is known: the mean of the
    points weighted by their posterior probabilities.
    """
    points = np.array([-1.0, 1.0])
    drawn, axes = _axes(2, width=8, height=3, sharey=True)
    named = (
        ("diffusion", processes.VariancePreserving()),
        ("flow matching", processes.Straight()),
    )
    for place, (name, process) in zip(axes.flat, named, strict=True):
        path = process.path(200)
        alpha, sigma = np.array(path.alpha), np.array(path.sigma)
        step = samplers.ddim_steps(path)
        x = tfd.Normal(0.0, 1.0).quantile(np.linspace(0.03, 0.97, 24)) * sigma[0]
        x = np.asarray(x, np.float64)
        places = [x]
        for i in range(200):
            distance = (x[:, None] - alpha[i] * points) ** 2
            logits = -distance / (2 * max(sigma[i], 1e-3) ** 2)
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            data = (weights * points).sum(axis=1) / weights.sum(axis=1)
            x = float(step.of_x[i]) * x + float(step.of_data[i]) * data
            places.append(x)
        place.plot(np.linspace(0, 1, 201), places, color=BLUE, linewidth=0.7)
        place.set(title=name, xlabel="from noise to data", yticks=[-1, 0, 1])
    return drawn


@figure
def steps():
    """Fréchet distances of samples over the evaluations of the network.

    `benchmarks/diffusion.py` measured them. A line is of one sampler.
    """
    rows = [json.loads(line) for line in MEASURED.read_text("utf-8").splitlines()]
    rows.sort(key=lambda row: row["steps"])
    names = dict.fromkeys(row["model"].replace("=", "/") for row in rows)
    count = math.ceil(len(names) / 2)
    drawn, panels = _axes(2, rows=count, height=3.2 * count)
    for axes in panels.flat[len(names) :]:
        axes.set_axis_off()
    for axes, name in zip(panels.flat, names, strict=False):
        own = [row for row in rows if row["model"].replace("=", "/") == name]
        for sampler in dict.fromkeys(row["sampler"] for row in own):
            line = [row for row in own if row["sampler"] == sampler]
            x, y = ([r[key] for r in line] for key in ("evaluations", SHOWN))
            axes.plot(x, y, "o-", label=sampler, markersize=4)
        axes.axhline(own[0]["floor"], color=GREY, linestyle=":", label="real images")
        axes.set(xscale="log", yscale="log", title=name)
        axes.set(xlabel="evaluations of the network", ylabel="Fréchet distance")
        axes.legend(fontsize=8, frameon=False)
    return drawn
