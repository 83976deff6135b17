"""Losses of a model on held-out data."""

import tensorflow as tf

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
        test = context.draw(
            "test", features=tuple(shapes), image_shape=shapes.get("image")
        )
        # Keras warns at the end of a dataset of unknown size.
        count = sum(1 for _ in test)
        test = test.apply(tf.data.experimental.assert_cardinality(count))
        losses = context.model.evaluate(test, verbose=0, return_dict=True)
        return {f"test_{name}": float(loss) for name, loss in losses.items()}
