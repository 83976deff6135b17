"""Draws paths from noise to data, of diffusion and of flow matching, in the plane.

python examples/diffusion_paths.py paths.png

The data are 25 Gaussians on a grid. Each column shows a model after the same number of
training steps: its samples, and the paths of some of them from noise (grey) to data
(blue), in the coordinates x / (alpha + sigma), in which a path is straight if its
estimate of the data does not change. The title gives the length of paths over that of
their chords. With optimal pairs, paths of flow matching cross less and are straighter.
"""

import sys

import matplotlib.figure
import numpy as np
import tensorflow as tf

import keras_gen
from keras_gen.models.diffusion import samplers

MODELS = {
    "diffusion (v-prediction)": ("ddpm", {"prediction": "v", "clip": False}),
    "flow matching": ("flow_matching", {}),
    "flow matching, optimal pairs": ("flow_matching", {"pairing": "optimal"}),
}


def paths(model, rows: int, steps: int) -> np.ndarray:
    """Positions on sampled paths, float32 (steps + 1, rows, 2)."""
    path = model.process.path(steps)
    scale, step = path.alpha + path.sigma, samplers.ddim_steps(path)
    denoise = model.denoiser(path)
    x = float(path.sigma[0]) * model.latents(tf.range(rows, dtype=tf.int64))
    places = [x / scale[0]]
    for i in range(steps):
        x = step.of_x[i] * x + step.of_data[i] * denoise(x, i)
        places.append(x / scale[i + 1])
    return np.array(places)


def main(picture: str, epochs: int = 20):
    """Trains the models and writes the picture.

    Args:
        picture: Path of the picture, a PNG file.
        epochs: Number of epochs for each model.
    """
    data = keras_gen.data.load("gaussian_grid", batch_size=256, seed=0)
    figure = matplotlib.figure.Figure((4 * len(MODELS), 8), layout="constrained")
    axes = figure.subplots(2, len(MODELS), sharex=True, sharey=True)
    for (title, (name, config)), (top, bottom) in zip(
        MODELS.items(), axes.T, strict=True
    ):
        config = {"learning_rate": 1e-3, **config}
        model = keras_gen.zoo.load(name, image_shape=None, point_dim=2, **config)
        model.compile(seed=0)
        model.fit(data, epochs=epochs, verbose=2)
        samples = model.sample_points(2000, seed=0, steps=50)
        top.scatter(*samples.T, s=2)
        places = paths(model, 100, 100)
        bottom.plot(*np.moveaxis(places, -1, 0), color="grey", linewidth=0.5)
        bottom.scatter(*places[-1].T, s=4, zorder=2)
        lengths = np.linalg.norm(np.diff(places, axis=0), axis=-1).sum(axis=0)
        chords = np.linalg.norm(places[-1] - places[0], axis=-1)
        top.set_title(f"{title}\nlength over chord {np.mean(lengths / chords):.2f}")
    figure.savefig(picture, dpi=150)
    print(f"Wrote samples and paths of {len(MODELS)} models to {picture}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
