"""Figures of samples in the logs of training."""

import keras

from keras_gen import metrics
from keras_gen.core.arguments import checked
from keras_gen.core.types import Count, Decay, Seed


class Evaluate(keras.callbacks.Callback):
    """Adds figures of samples, drawn with the averaged weights, to the logs.

    Put it before callbacks that write logs. It uses its own seed for samples, real
    images and subsets, and does not change the run's random numbers.

    >>> model = keras_gen.zoo.load("gan", widths=(16,))
    >>> train = keras_gen.data.load("mnist", "train[:128]")
    >>> figures = keras_gen.callbacks.Evaluate("mnist", num_images=128)
    >>> history = model.fit(train, callbacks=[figures], verbose=0)
    >>> "frechet_distance" in history.history
    True

    Args:
        data: A source with a train and a test split; see `keras_gen.data.load`.
        every: Number of epochs between measurements.
        features: Feature extractor, or an argument for `keras_gen.metrics.extractor`.
            None uses the one that ships for the data, or for grey images.
        num_images: Number of samples, and of real images.
        seed: Seed of samples, real images and subsets.
        figures: Names of `keras_gen.metrics.image_figures` to show; None shows all.
        test_fraction: Share of a folder's images in the test split, in [0, 1).
        split_seed: Seed with which a folder is split. It should be that of the training
            data, `data.load(folder, seed=...)`, so that no training image is tested.
    """

    @checked
    def __init__(
        self,
        data: object,
        every: Count = 1,
        features: object = None,
        num_images: Count = 5000,
        seed: Seed = 0,
        figures: tuple[str, ...] | None = (
            "frechet_distance",
            "precision",
            "recall",
            "coverage",
        ),
        test_fraction: Decay = 0.1,
        split_seed: Seed = 0,
    ):
        super().__init__()
        self.data, self.every, self.features = data, every, features
        self.num_images, self.seed, self.figures = num_images, seed, figures
        self.split = {"test_fraction": test_fraction, "split_seed": split_seed}
        self._scale = None

    def on_train_begin(self, logs=None):
        """Checks the model and the number of images, and chooses the extractor."""
        if "sample" not in self.model.abilities():
            raise ValueError(f"{type(self.model).__name__} cannot sample.")
        self.scale().check("train")

    def scale(self):
        """The `Scale` for images of the model's current size, which may grow."""
        shape = tuple(self.model.image_shape)
        if self._scale is None or self._scale.image_shape != shape:
            self._scale = metrics.Scale(
                self.data,
                shape,
                self.features,
                self.num_images,
                self.seed,
                **self.split,
            )
        return self._scale

    def on_epoch_end(self, epoch, logs=None):
        """Measures samples every `every` epochs."""
        if logs is None or (epoch + 1) % self.every:
            return
        scale = self.scale()
        figures = scale.measure(scale.draw(self.model), floor=False)
        for name, value in figures.items():
            if isinstance(value, float | int) and (
                self.figures is None or name in self.figures
            ):
                logs[name] = value
