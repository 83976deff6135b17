"""Every private hook of Keras and tensorflow-datasets that this package relies on.

The reason for each hook is given here, and `tests/test_keras_internals.py` has a test
of each, which fails if Keras changes it. No other module of the package uses a name of
Keras that begins with an underscore.
"""

import inspect

import keras

from keras_gen.core import types


def bound_arguments(cls, instance, args: tuple, kwargs: dict) -> dict:
    """The arguments that a constructor was called with, with defaults filled in.

    Keras records a subclass's arguments for `get_config` too. But if the constructor
    takes `**options`, it records the defaults instead of the values that were given.
    NumPy's numbers become Python's, which JSON has.
    """
    bound = inspect.signature(cls.__init__).bind(instance, *args, **kwargs)
    bound.apply_defaults()
    arguments = {}
    for name, value in list(bound.arguments.items())[1:]:
        kind = bound.signature.parameters[name].kind
        is_options = kind is inspect.Parameter.VAR_KEYWORD
        arguments.update(value if is_options else {name: value})
    return types.builtin(arguments)


class NoSymbolicBuild:
    """A model that Keras does not build from a batch of the data.

    To find shapes, Keras's `fit` would take a batch, which shifts a seeded order of the
    data by one and fails with several workers. Our models are built by their
    constructors.
    """

    def _maybe_symbolic_build(self, *args, **kwargs):
        pass


def direct_layers(model: keras.Model) -> dict[str, keras.Layer]:
    """The layers that are attributes of a model, by name.

    `model.layers` has no option to leave out layers nested in them.
    """
    layers = model._flatten_layers(include_self=False, recursive=False)
    return {layer.name: layer for layer in layers}


def untrack(model: keras.Model, layer: keras.Layer):
    """Takes a layer that was replaced out of a model's layers and weights.

    Keras adds a layer that is set as an attribute, and keeps one that it replaces.
    """
    model._layers[:] = [other for other in model._layers if other is not layer]


def without_reduction(optimizer: keras.optimizers.Optimizer):
    """Makes an optimizer not sum gradients over replicas, for a single replica.

    Keras sums gradients over a single replica too. TensorFlow registers the gradient of
    each such sum by a name until the process ends, and with it the step's graph: memory
    would grow with every retracing. With several replicas the sums are needed, and
    their graphs stay in memory.
    """
    optimizer._all_reduce_sum_gradients = list
    return optimizer


def unscaled(optimizer: keras.optimizers.Optimizer):
    """The optimizer inside a `LossScaleOptimizer`; any other optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether an optimizer's learning rate is a schedule.

    The public property `learning_rate` is the current value of a schedule or constant.
    """
    rate = unscaled(optimizer)._learning_rate
    return isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)


def reset(optimizer: keras.optimizers.Optimizer):
    """Sets an optimizer's slots and its step count to 0, and keeps its rate."""
    bare = unscaled(optimizer)
    for variable in bare.variables:
        if variable is not bare.learning_rate:
            variable.assign(keras.ops.zeros_like(variable.value))


def nested_layers(network: keras.Model) -> list[keras.Layer]:
    """All layers inside a network, those inside of other layers included.

    `network.layers` has only the outermost ones.
    """
    return network._flatten_layers(include_self=False)


def in_float32(network: keras.Model) -> keras.Model:
    """A copy of a model that shares its weights and whose layers compute in float32.

    Keras copies layers only together with their weights. Here, the copy of a layer is
    another object with the same attributes, variables included, except for its dtype
    policy, its list of calls and the layers inside of it, which are copied too. It is
    made by `__new__`, since `copy.copy` would save and load a Keras object.

    Args:
        network: Model that is built: functional, sequential or of a class of its own.
    """
    copies = {}

    def copied(layer):
        if id(layer) in copies:
            return copies[id(layer)]
        if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):
            # A functional model, whose graph Keras builds again.
            copy = keras.models.clone_model(layer, clone_function=copied)
            copies[id(layer)] = copy
            return copy
        copy = copies[id(layer)] = object.__new__(type(layer))
        for name, value in layer.__dict__.items():
            copy.__dict__[name] = inner(value)
        copy.__dict__.update(_inbound_nodes=[], _outbound_nodes=[])
        copy.__dict__["_dtype_policy"] = keras.dtype_policies.get("float32")
        return copy

    def inner(value):
        if isinstance(value, keras.Layer):
            return copied(value)
        if isinstance(value, (list, tuple)):
            items = [inner(item) for item in value]
            is_same = all(a is b for a, b in zip(items, value, strict=True))
            return value if is_same else items
        if isinstance(value, dict):
            items = {key: inner(item) for key, item in value.items()}
            is_same = all(items[key] is item for key, item in value.items())
            return value if is_same else items
        return value

    return copied(network)


class Untracked:
    """Holds objects that Keras must neither track as parts of a model nor save.

    Keras looks for layers in all attributes of a model, private ones included, and in
    lists and dicts; it leaves out objects of classes that it does not know.

    Attributes:
        values: Dictionary of the objects.
    """

    def __init__(self):
        self.values = {}


def forget_graphs(model: keras.Model):
    """Drops a model's compiled steps, so that the next step is traced again.

    `fit` reads `train_function` in every step, so that a model may replace it while
    `fit` runs.
    """
    running = model.train_function is not None
    model.train_function = model.test_function = None
    if running:
        model.make_train_function()


def set_direction(callback: keras.callbacks.Callback):
    """Makes a callback that monitors a player's loss expect it to fall.

    Keras infers the direction of metrics only from those given to `compile`, after the
    first epoch. `mode` is an undocumented attribute of `EarlyStopping`,
    `ModelCheckpoint` and other callbacks that monitor a value.
    """
    callback.mode = "min"


def is_validation_of_fit(kwargs: dict) -> bool:
    """Whether `evaluate` was called by Keras's `fit`, with data prepared already."""
    return bool(kwargs.get("_use_cached_eval_dataset"))


class ReplacedWeights(keras.StatelessScope):
    """A scope in which Keras reads weights from a function, not from their variables.

    `StatelessScope` is public, but its constructor takes all values. Keras calls its
    undocumented method `get_current_value` for each weight that it reads, so that no
    value is computed for a weight that is not read.

    Args:
        value_of: Function from a Keras variable to the tensor to read, or to None to
            read the variable itself.
    """

    def __init__(self, value_of):
        super().__init__()
        self._value_of = value_of

    def get_current_value(self, variable):
        """The tensor to read for a variable, or None for its own value."""
        return self._value_of(variable)


def before_downloads(builder, check) -> None:
    """Lets a builder of tensorflow-datasets call a function before it downloads.

    Nothing public comes between the search for prepared data and the downloads, which
    try for minutes to find a network.

    Args:
        builder: Builder of a data set.
        check: Function without arguments, which may raise an error.
    """
    make = builder._make_download_manager

    def check_and_make(*args, **kwargs):
        check()
        return make(*args, **kwargs)

    builder._make_download_manager = check_and_make
