"""Losses of a model on held-out data."""

import contextlib

import tensorflow as tf

from keras_gen.metrics.figures.base import Figure


class Losses(Figure):
    """`test_...`: the model's losses and logged figures on the test split."""

    title = "losses on the test split"

    def applies(self, context):
        """For every model."""
        return context.model is not None

    def measure(self, context):
        """Calls `model.evaluate`.

        Figures that depend on networks that the loaded weights lack are left out.
        """
        shapes = context.model.batch_shapes()
        test = context.draw(
            "test", features=tuple(shapes), image_shape=shapes.get("image")
        )
        # Keras warns at the end of a dataset of unknown size.
        count = sum(1 for _ in test)
        test = test.apply(tf.data.experimental.assert_cardinality(count))
        losses = context.model.evaluate(test, verbose=0, return_dict=True)
        if context.model.missing_networks:
            known = _independent(context.model, test.take(1))
            losses = {name: losses[name] for name in losses if name in known}
        return {f"test_{name}": float(loss) for name, loss in losses.items()}


def _independent(model, test):
    """Names of the losses that other weights of the missing networks do not change."""
    before = model.evaluate(test, verbose=0, return_dict=True)
    with _moved(model):
        after = model.evaluate(test, verbose=0, return_dict=True)
    return {name for name, loss in before.items() if loss == after[name]}


@contextlib.contextmanager
def _moved(model):
    """Context in which the weights of the missing networks are larger by 0.1."""
    networks = model.networks()
    sources = [networks[name] for name in model.missing_networks]
    sources += [model.averaged(network) for network in sources]
    weights = list({id(v): v for network in sources for v in network.weights}.values())
    saved = [variable.numpy() for variable in weights]
    try:
        for variable, value in zip(weights, saved, strict=True):
            variable.assign(value + 0.1)
        yield
    finally:
        for variable, value in zip(weights, saved, strict=True):
            variable.assign(value)
