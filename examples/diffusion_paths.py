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

import keras_gen
from keras_gen.models.diffusion import samplers

MODELS = {
    "diffusion (v-prediction)": ("ddpm", {"prediction": "v", "clip": False}),
    "flow matching": ("flow_matching", {}),
    "flow matching, optimal pairs": ("flow_matching", {"pairing": "optimal"}),
}


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
        places = model.trajectory(100, seed=0, steps=100)
        bottom.plot(*np.moveaxis(places, -1, 0), color="grey", linewidth=0.5)
        bottom.scatter(*places[-1].T, s=4, zorder=2)
        curvature = samplers.curvature(places)
        top.set_title(f"{title}\nlength over chord {curvature:.2f}")
    figure.savefig(picture, dpi=150)
    print(f"Wrote samples and paths of {len(MODELS)} models to {picture}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
