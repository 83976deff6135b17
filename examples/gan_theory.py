"""What a GAN's discriminator knows, against theory, and what becomes of it.

python examples/gan_theory.py theory.png

First the distributions stand still: a discriminator that is trained to its optimum
must find D(x) = p(x) / (p(x) + q(x)), and its value V + log 4 must be twice the
Jensen-Shannon divergence between p and q (Goodfellow et al., 2014, theorem 1): the
upper row. Then the generator moves: its points (red) go onto the data (black), and D
flattens to one half: the lower row.
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
EDGE = 3.0  # The square that is drawn.
STOPS = (50, 300, 1000, 5000)  # Steps after which the game is drawn.


def two_hills():
    """The data: two Gaussians in the plane."""
    hills = tfd.MultivariateNormalDiag([[-1.0, 0.5], [1.0, -0.5]], [[0.5, 0.5]] * 2)
    return tfd.MixtureSameFamily(tfd.Categorical(logits=[0.0, 0.0]), hills)


class FixedGame(keras_gen.models.GAN):
    """A discriminator against a distribution that stands still."""

    other = tfd.MultivariateNormalDiag([0.0, 0.0], [1.0, 1.0])

    def players(self):
        """The discriminator alone."""
        return {"discriminator": super().players()["discriminator"]}

    def generate(self, batch, training):
        """Points of the other distribution."""
        return self.other.sample(tf.shape(batch["point"])[0], seed=self.draw_seed())


def train(model, steps, seed=1):
    """Steps on points that are drawn afresh."""
    points = two_hills().sample(steps * BATCH, seed=[seed, 0]).numpy()
    model.fit({"point": points}, batch_size=BATCH, verbose=2)


def verdicts(model, points):
    """The discriminator's logits, (count,)."""
    return model.discriminator.predict(points, batch_size=4096, verbose=0)[:, 0]


def train_to_the_optimum(steps=6000):
    """A `FixedGame` whose learning rate falls, so that D settles."""
    model = FixedGame(image_shape=None, point_dim=2, widths=(128, 128), loss="minimax")
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile({"discriminator": keras.optimizers.Adam(rate)}, seed=0)
    train(model, steps)
    return model


def compare(model, count=100_000):
    """D and its value beside theory's, on points drawn afresh.

    Returns:
        A dict: the mean absolute error of D over even parts of p and q, V + log 4 and
        2 JSD, both with standard errors.
    """
    p, q = two_hills(), model.other
    sets = [p.sample(count, seed=[2, 0]).numpy(), q.sample(count, seed=[2, 1]).numpy()]
    logits = [verdicts(model, points) for points in sets]
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


def lattice(size=150):
    """The square's points, (size * size, 2)."""
    axis = np.linspace(-EDGE, EDGE, size, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def show(axes, values, title, low=0.0, high=1.0, colours="RdBu"):
    """A map of values over the lattice."""
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
    """D as trained, as it should be, where they differ, and what is told apart."""
    points = lattice()
    found = scipy.special.expit(verdicts(model, points))
    wanted = optimal_discriminator(two_hills(), model.other, points)
    show(axes[0], found, "D, trained")
    show(axes[1], wanted, "p / (p + q)")
    show(axes[2], np.abs(found - wanted), "absolute difference", 0, 0.1, "Greys")
    data, other = two_hills().sample(500, seed=[3, 0]), model.other.sample(500, seed=3)
    axes[3].scatter(*np.transpose(other), s=2, c="red")
    axes[3].scatter(*np.transpose(data), s=2, c="black")
    axes[3].set(title="p (black) and q (red)", xticks=[], yticks=[], aspect="equal")
    axes[3].set(xlim=(-EDGE, EDGE), ylim=(-EDGE, EDGE))


def play(all_axes):
    """Draws a game as it goes on; gives the mean distance of D from one half."""
    model = keras_gen.zoo.load(
        "gan",
        image_shape=None,
        point_dim=2,
        latent_dim=2,
        widths=(128, 128),
        discriminator_rate=2e-3,  # D keeps up, as theory has it,
        generator_rate=1e-4,  # and G takes small steps.
    )
    model.compile(seed=0)
    data = two_hills().sample(500, seed=[3, 0])
    step, distances = 0, {}
    for axes, stop in zip(all_axes, STOPS, strict=True):
        train(model, stop - step, seed=stop)
        step = stop
        made = model.sample_points(500, seed=0)
        show(axes, scipy.special.expit(verdicts(model, lattice())), f"{step} steps")
        axes.scatter(*np.transpose(data), s=2, c="black")
        axes.scatter(*made.T, s=2, c="red")
        both = np.concatenate([data, made])
        d = scipy.special.expit(verdicts(model, both))
        distances[step] = float(np.abs(d - 0.5).mean())
    return distances


def main(picture):
    """Trains both, prints the figures, draws the picture."""
    figure = matplotlib.figure.Figure(figsize=(16, 8), layout="constrained")
    upper, lower = figure.subplots(2, 4)
    optimum = train_to_the_optimum()
    found = compare(optimum)
    draw_optimum(upper, optimum)
    distances = play(lower)
    figure.savefig(picture, dpi=80)
    print(
        "Mean absolute difference of D from p / (p + q): {error_of_d:.4f}".format_map(
            found
        )
    )
    print("V + log 4 = {value:.4f} +- {value_error:.4f}".format_map(found))
    print("2 JSD     = {twice_jsd:.4f} +- {twice_jsd_error:.4f}".format_map(found))
    for step, distance in distances.items():
        print(f"After {step} steps of the game D is {distance:.3f} from one half.")
    print(f"The picture lies in {picture}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
