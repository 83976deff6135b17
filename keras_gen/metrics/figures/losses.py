"""Losses of a model on held-out data."""

from keras_gen import data as data_sources
from keras_gen.metrics.figures.base import Figure


class Losses(Figure):
    """`test_...`: the model's losses and logged figures on the test split."""

    title = "losses on the test split"

    def applies(self, context):
        """For every model."""
        return context.model is not None

    def measure(self, context):
        """Calls `model.evaluate`."""
        shapes = context.model.batch_shapes()
        test = data_sources.load(
            context.data,
            "test",
            features=tuple(shapes),
            image_shape=shapes.get("image"),
            shuffle=False,
        )
        losses = context.model.evaluate(test, verbose=0, return_dict=True)
        return {f"test_{name}": float(loss) for name, loss in losses.items()}
