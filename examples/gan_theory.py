"""A GAN's discriminator compared with theory, for fixed and for learned distributions.

python examples/gan_theory.py theory.png

The upper row of the picture is for two fixed distributions p and q: a discriminator
that is trained to its optimum must reach D(x) = p(x) / (p(x) + q(x)), and its value
V + log 4 must be twice the Jensen-Shannon divergence between p and q (Goodfellow et
al., 2014, theorem 1). In the lower row the generator is trained too: its points (red)
approach the data (black), and D approaches one half everywhere.
"""

import sys

import keras
import matplotlib.figure
import numpy as np
import scipy.special
import tensorflow as tf
import tensorflow_probability as tfp

import keras_gen
from keras_gen.metrics.densities import (
    discriminator_js,
    monte_carlo_js,
    optimal_discriminator,
)

tfd = tfp.distributions
BATCH = 512
EDGE = 3.0  # Half the side of the square that is drawn.
STOPS = (50, 300, 1000, 5000)  # Numbers of steps after which the GAN is drawn.


def two_gaussians():
    """The data: two Gaussians in the plane."""
    components = tfd.MultivariateNormalDiag(
        [[-1.0, 0.5], [1.0, -0.5]], [[0.5, 0.5]] * 2
    )
    return tfd.MixtureSameFamily(tfd.Categorical(logits=[0.0, 0.0]), components)


class FixedGAN(keras_gen.models.GAN):
    """A GAN whose second distribution is fixed: only the discriminator is trained."""

    other = tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])

    def players(self):
        """The discriminator alone."""
        return {"discriminator": super().players()["discriminator"]}

    def forward(self, batch, training):
        """Points of the other distribution under "fake"."""
        count = tf.shape(batch["point"])[0]
        return {"fake": self.other.sample(count, seed=self.noise_seed("points"))}


def train(model, steps, seed=1):
    """Trains for a number of steps, each on newly drawn points."""
    points = two_gaussians().sample(steps * BATCH, seed=[seed, 0]).numpy()
    model.fit({"point": points}, batch_size=BATCH, verbose=2)


def logits_of(model, points):
    """The discriminator's logits, (count,)."""
    return model.discriminator.predict(points, batch_size=4096, verbose=0)[:, 0]


def train_to_the_optimum(steps=6000):
    """A trained `FixedGAN`; its learning rate decays, so that D converges."""
    model = FixedGAN(image_shape=None, point_dim=2, widths=(128, 128), loss="minimax")
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile({"discriminator": keras.optimizers.Adam(rate)}, seed=0)
    train(model, steps)
    return model


def compare(model, count=100_000):
    """Compares D and its value with theory, on newly drawn points.

    Returns:
        A dict of the mean absolute error of D over equally many points of p and q, of
        V + log 4, and of 2 JSD, the last two with standard errors.
    """
    p, q = two_gaussians(), model.other
    sets = [p.sample(count, seed=[2, 0]).numpy(), q.sample(count, seed=[2, 1]).numpy()]
    logits = [logits_of(model, points) for points in sets]
    wanted = [optimal_discriminator(p, q, points) for points in sets]
    value, value_error = discriminator_js(*logits)
    exact, exact_error = monte_carlo_js(p, q, 1_000_000)
    return {
        "error_of_d": float(np.abs(scipy.special.expit(logits) - wanted).mean()),
        "value": 2 * value,
        "value_error": 2 * value_error,
        "twice_jsd": 2 * exact,
        "twice_jsd_error": 2 * exact_error,
    }


def grid_points(size=150):
    """Points of a regular grid over the square, (size * size, 2)."""
    axis = np.linspace(-EDGE, EDGE, size, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def show(axes, values, title, low=0.0, high=1.0, colours="RdBu"):
    """Draws values at the grid points as an image."""
    side = int(np.sqrt(len(values)))
    drawn = axes.imshow(
        values.reshape(side, side),
        extent=(-EDGE, EDGE, -EDGE, EDGE),
        origin="lower",
        vmin=low,
        vmax=high,
        cmap=colours,
    )
    axes.set(title=title, xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE), xticks=[], yticks=[])
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8)


def draw_optimum(axes, model):
    """Draws D as trained, D in theory, their difference, and samples of p and q."""
    points = grid_points()
    found = scipy.special.expit(logits_of(model, points))
    wanted = optimal_discriminator(two_gaussians(), model.other, points)
    show(axes[0], found, "D, trained")
    show(axes[1], wanted, "p / (p + q)")
    show(axes[2], np.abs(found - wanted), "absolute difference", 0, 0.1, "Greys")
    data, other = (
        two_gaussians().sample(500, seed=[3, 0]),
        model.other.sample(500, seed=3),
    )
    axes[3].scatter(*np.transpose(other), s=2, c="red")
    axes[3].scatter(*np.transpose(data), s=2, c="black")
    axes[3].set(title="p (black) and q (red)", xticks=[], yticks=[], aspect="equal")
    axes[3].set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE))


def draw_training(all_axes):
    """Trains and draws a GAN; returns mean distances of D from 1/2 at several steps."""
    model = keras_gen.zoo.load(
        "gan",
        image_shape=None,
        point_dim=2,
        latent_dim=2,
        widths=(128, 128),
        # As in theory, D stays near its optimum while G takes small steps.
        discriminator_rate=2e-3,
        generator_rate=1e-4,
    )
    model.compile(seed=0)
    data = two_gaussians().sample(500, seed=[3, 0])
    step, distances = 0, {}
    for axes, stop in zip(all_axes, STOPS, strict=True):
        train(model, stop - step, seed=stop)
        step = stop
        generated = model.sample_points(500, seed=0)
        show(
            axes, scipy.special.expit(logits_of(model, grid_points())), f"{step} steps"
        )
        axes.scatter(*np.transpose(data), s=2, c="black")
        axes.scatter(*generated.T, s=2, c="red")
        both = np.concatenate([data, generated])
        d = scipy.special.expit(logits_of(model, both))
        distances[step] = float(np.abs(d - 0.5).mean())
    return distances


def main(picture):
    """Trains both models, prints the figures and draws the picture."""
    figure = matplotlib.figure.Figure(figsize=(16, 8), layout="constrained")
    upper, lower = figure.subplots(2, 4)
    optimum = train_to_the_optimum()
    found = compare(optimum)
    draw_optimum(upper, optimum)
    distances = draw_training(lower)
    figure.savefig(picture, dpi=80)
    print(
        "Mean absolute difference of D from p / (p + q): {error_of_d:.4f}".format_map(
            found
        )
    )
    print("V + log 4 = {value:.4f} +- {value_error:.4f}".format_map(found))
    print("2 JSD     = {twice_jsd:.4f} +- {twice_jsd_error:.4f}".format_map(found))
    for step, distance in distances.items():
        print(f"After {step} steps, D is on average {distance:.3f} away from 1/2.")
    print(f"The picture is in {picture}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
