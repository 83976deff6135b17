"""Strategies of `tf.distribute` by name, and what callers must know of them."""

import functools

import tensorflow as tf

NAMES = ("auto", "mirrored", "multi_worker")


def strategy(name="auto"):
    """A `tf.distribute.Strategy` to build and train a model under.

        with keras_gen.distribute.strategy("mirrored").scope():
            model = keras_gen.zoo.load("dcgan")

    Args:
        name: "mirrored" copies the model to every device of this machine (its GPUs; or
            the logical CPU devices where there are several and no GPU).
            "multi_worker" trains with the machines that the environment variable
            TF_CONFIG names; call it before anything else of TensorFlow. Where that is
            this machine alone, it is "auto".
            "auto" is "multi_worker" where TF_CONFIG names several workers, "mirrored"
            where there are several devices, and otherwise no distribution.

    Raises:
        ValueError: Another name, or "multi_worker" without TF_CONFIG.
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
            "Expected the environment variable TF_CONFIG, which names the workers and "
            'this one: {"cluster": {"worker": ["host:port", ...]}, "task": {"type": '
            '"worker", "index": 0}}.'
        )
    if name != "mirrored" and workers > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    devices = [d.name for d in gpus or tf.config.list_logical_devices("CPU")]
    if name == "mirrored" or len(devices) > 1:
        return _mirrored(tuple(devices))
    return tf.distribute.get_strategy()


@functools.cache
def _mirrored(devices):
    # A second strategy over the same devices would count its collectives from the
    # start again, and the runtime would take them for those of the first.
    return tf.distribute.MirroredStrategy(devices)


def is_chief(of=None):
    """Whether this process writes the files: it is alone, the chief, or worker 0.

    Args:
        of: A strategy; None takes the one in force.
    """
    resolver = (of or tf.distribute.get_strategy()).cluster_resolver
    if resolver is None or resolver.task_type is None:
        return True
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_type == "worker" and resolver.task_id == 0
