"""Moving averages of weights: a copy of a network that follows it step by step."""

import keras
import tensorflow as tf

PREFIX = "averaged_"


def averaged_copy(network: keras.Layer):
    """A copy of a network, `averaged_<name>`, which is not trained.

    Args:
        network: Functional model, or a layer that its constructor builds.
    """
    config = {**network.get_config(), "name": f"{PREFIX}{network.name}"}
    copy = type(network).from_config(config)
    copy.trainable = False
    copy.set_weights(network.get_weights())
    return copy


def decay_at(step, decay):
    """The decay at a step: min(decay, (1 + step) / (10 + step)), a float32 scalar.

    It grows from 0.1, so that the initial weights are soon forgotten.
    """
    step = tf.cast(step, tf.float32)
    return tf.minimum(decay, (1.0 + step) / (10.0 + step))


def update(copy: keras.Layer, network: keras.Layer, decay):
    """Moves a copy's weights towards a network's, within a replica.

    Whole numbers, such as the states of seeds, stay as they are.

    All replicas hold the same weights, so each updates its own copy without waiting for
    the others.

    Args:
        copy: Copy made by `averaged_copy`.
        network: Network that the copy follows.
        decay: Share of the copy's old value that is kept, a float32 scalar.
    """
    pairs = zip(copy.variables, network.variables, strict=True)
    pairs = [pair for pair in pairs if keras.backend.is_float_dtype(pair[0].dtype)]
    targets, sources = ([v.value for v in side] for side in zip(*pairs, strict=True))

    def assign(strategy, targets, sources, decay):
        for target, source in zip(targets, sources, strict=True):
            strategy.extended.update(
                target,
                lambda t, s, d: t.assign(d * t + (1.0 - d) * s),
                args=(source, decay),
                group=False,
            )

    tf.distribute.get_replica_context().merge_call(
        assign, args=(targets, sources, decay)
    )
