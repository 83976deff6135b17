"""Figures of samples in the logs of training."""

import keras

from keras_gen import metrics


class Evaluate(keras.callbacks.Callback):
    """Puts figures of samples into the logs, by the averaged generator.

    Put it before callbacks that write logs. Samples, reference and subsets have seeds
    of their own: the run's random numbers stay what they would have been.

    Args:
        data: A source with a train and a test split; see `keras_gen.data.load`.
        every: Epochs between figures.
        features: See `keras_gen.metrics.extractor`; None takes the default.
        num_images: Samples, and real images on either side.
        seed: Of samples, reference and subsets.
        figures: Names of `keras_gen.metrics.image_figures` to show; None shows all.
    """

    def __init__(
        self,
        data,
        every=1,
        features=None,
        num_images=5000,
        seed=0,
        figures=("frechet_distance", "precision", "recall", "coverage"),
    ):
        super().__init__()
        if every < 1:
            raise ValueError(f"Expected every >= 1 epochs, got {every}.")
        self.data, self.every, self.features = data, every, features
        self.num_images, self.seed, self.figures = num_images, seed, figures
        self._scale = None

    def on_train_begin(self, logs=None):
        """Takes in the real images, once."""
        if "sample" not in self.model.abilities():
            raise ValueError(f"{type(self.model).__name__} cannot sample.")
        self._measure_by_its_size()

    def _measure_by_its_size(self):
        shape = self.model.image_shape  # Of a model that grows another later on.
        if self._scale is None or self._scale.image_shape != tuple(shape):
            self._scale = metrics.Scale(
                self.data, shape, self.features, self.num_images, self.seed
            )

    def on_epoch_end(self, epoch, logs=None):
        """Measures where it is due."""
        if logs is None or (epoch + 1) % self.every:
            return
        self._measure_by_its_size()
        drawn = self._scale.draw(self.model)
        figures = self._scale.measure(drawn, floor=False)
        for name, value in figures.items():
            if isinstance(value, float | int) and (
                self.figures is None or name in self.figures
            ):
                logs[name] = value
