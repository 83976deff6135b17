"""Training on several devices or machines.

Strategies of `tf.distribute` by name, and statistics of a batch that replicas share.
"""

import functools
from typing import Literal

import tensorflow as tf

NAMES = ("auto", "mirrored", "multi_worker")


def strategy(
    name: Literal["auto", "mirrored", "multi_worker"] = "auto",
) -> tf.distribute.Strategy:
    """The strategy under whose scope a model is built and trained.

    >>> with strategy("mirrored").scope():
    ...     replicas = tf.distribute.get_strategy().num_replicas_in_sync
    >>> replicas >= 1  # In the scope: model = keras_gen.zoo.load("dcgan")
    True

    Args:
        name: Name of the strategy:

            - "mirrored" copies the model to all GPUs of this machine or, without GPUs,
              to its logical CPU devices.
            - "multi_worker" trains on the machines that the environment variable
              TF_CONFIG lists. The strategy must be created before any operation of
              TensorFlow. With a single machine it is the same as "auto".
            - "auto" is "multi_worker" if TF_CONFIG names several workers, "mirrored" if
              there are several GPUs, and otherwise does not distribute.

    Raises:
        ValueError: For another name, or "multi_worker" without TF_CONFIG.
    """
    if name == "parameter_server":
        raise ValueError(
            "Expected 'mirrored' or 'multi_worker', got 'parameter_server', which "
            "does not work with Keras 3 (keras#18624)."
        )
    if name not in NAMES:
        raise ValueError(f"Expected a strategy of {NAMES}, got {name!r}.")
    jobs = tf.distribute.cluster_resolver.TFConfigClusterResolver().cluster_spec()
    workers = sum(len(jobs.as_dict().get(job, ())) for job in ("chief", "worker"))
    if name == "multi_worker" and not workers:
        raise ValueError(
            "Expected the environment variable TF_CONFIG with all workers and the "
            'index of this one, {"cluster": {"worker": ["host:port", ...]}, "task": '
            '{"type": "worker", "index": 0}}, got none.'
        )
    if name != "mirrored" and workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or len(gpus) > 1:
        devices = gpus or tf.config.list_logical_devices("CPU")
        return _mirrored(tuple(device.name for device in devices))
    return tf.distribute.get_strategy()


@functools.cache
def _mirrored(devices):
    # There must be one strategy for each set of devices: a second one would number its
    # collective operations from the start again, and the runtime would confuse them
    # with those of the first.
    return tf.distribute.MirroredStrategy(devices)


def is_chief(strategy: tf.distribute.Strategy | None = None) -> bool:
    """Whether this process writes files: it is the only one, the chief, or worker 0.

    Args:
        strategy: Strategy of the training; None uses the current one.
    """
    resolver = (strategy or tf.distribute.get_strategy()).cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_type == "worker" and resolver.task_id == 0


def mean_over_replicas(value):
    """The mean of a tensor over replicas, with the gradient of that mean.

    A loss that is not a mean over rows (the square of a mean, say) needs the statistic
    of the whole batch, of which a replica has a part: the mean over all rows is
    `mean_over_replicas(ops.mean(rows, axis=0))`, since the parts are of one size.

    Args:
        value: float32 tensor of one shape on all replicas.

    Returns:
        A tensor of that shape, equal on all replicas. Without replicas it is the value.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return value
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, value)
