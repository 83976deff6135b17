"""What models can do: methods on rows, the same in Python and behind a server.

A model writes an ability as a function of tensors with rows in dimension 0, named by
what they are:

    @ability("images")
    def sample(self, seed):
        return self.generator(priors.sample_rows(self.prior.distribution(), seed))

In Python it is `model.sample(16, seed=0)`: arguments are checked, rows are cut into
batches, the graph is compiled once, and NumPy arrays come back. `keras_gen.export`
makes a signature of the same function, so that a server gives the same answer.
Arguments after `*` are plain Python values with defaults, which a server takes.
"""

import functools
import inspect
import secrets

import numpy as np
import tensorflow as tf

MAX_ROWS = 256  # Rows that go through a network at once.


class Ability:
    """A function of tensors, with the names of what goes in and what comes out.

    Attributes:
        name: The method's name.
        inputs: Its arguments; `GenerativeModel.input_specs()` says what they are.
            Those that are None by default go in where the model has a spec for them.
        options: Its arguments that are no tensors.
        output: The name of the tensor that it returns.
        needs: The argument of the model without which it is not there; None for none.
        function: `function(model, **tensors)`, to be traced.
    """

    def __init__(self, function, output, needs):
        self.function = function
        self.output = output
        self.needs = needs
        self.name = function.__name__
        parameters = list(inspect.signature(function).parameters.values())[1:]
        self.options = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        self.inputs = tuple(p.name for p in parameters if p.name not in self.options)
        self._optional = {p.name for p in parameters if p.default is None}

    def specs(self, model):
        """The `tf.TensorSpec` of every input, by name."""
        known = model.input_specs()
        absent = self._optional - set(known)
        return {name: known[name] for name in self.inputs if name not in absent}

    def run(self, model, arguments):
        """Checks arrays with equal numbers of rows, and runs them in batches."""
        if self.needs and not model.get_config().get(self.needs):
            raise ValueError(
                f"Expected a {type(model).__name__} with {self.needs}=..., to "
                f"{self.name}, got one without."
            )
        options = {n: arguments[n] for n in self.options if n in arguments}
        given = {n for n, a in arguments.items() if a is not None} - set(options)
        specs = self.specs(model)
        if given != set(specs):
            raise ValueError(
                f"Expected {self.name} of this model with {list(specs)}, got "
                f"{sorted(given)}."
            )
        repeat_single(arguments, {n: spec.shape.rank for n, spec in specs.items()})
        arrays = {n: check_rows(n, arguments[n], spec) for n, spec in specs.items()}
        for name, classes in (("labels", "num_classes"), ("domain", "num_domains")):
            if name in arrays:
                check_labels(name, arrays[name], getattr(model, classes))
        rows = {name: len(array) for name, array in arrays.items()}
        if len(set(rows.values())) > 1:
            raise ValueError(f"Expected equal numbers of rows, got {rows}.")
        graph = self.graph(model, **options)
        outputs = [
            graph(**{n: a[start : start + MAX_ROWS] for n, a in arrays.items()})
            for start in range(0, max(next(iter(rows.values())), 1), MAX_ROWS)
        ]
        return np.concatenate([output.numpy() for output in outputs])

    def graph(self, model, **options):
        """The function as a `tf.function` with named inputs, traced once a model."""
        graphs = model.__dict__.setdefault("_ability_graphs", {})
        key = (self.name, *sorted(options.items()))
        if key not in graphs:
            graphs[key] = tf.function(
                functools.partial(self.function, model, **options),
                reduce_retracing=True,
                autograph=False,
            )
        specs = self.specs(model)

        def call(**arrays):
            return graphs[key](
                **{n: tf.constant(a, specs[n].dtype) for n, a in arrays.items()}
            )

        return call


def ability(output, needs=None):
    """Makes a model's method on tensors an ability; see this module's docstring.

    A method that takes nothing but seeds and conditions is called with the number of
    rows first, `sample(n, seed=None, **conditions)`; elsewhere a seed stands last.

    Args:
        output: The name of the tensor that comes out: "images", "latents", ...
        needs: The argument of the model without which it cannot do this: a plain
            autoencoder samples where it has `density_components`. None for none.
    """

    def decorate(function):
        this = Ability(function, output, needs)
        first = this.inputs[0]

        if first == "seed":

            @functools.wraps(function)
            def method(self, n=None, seed=None, **conditions):
                if n is None:
                    n = _count(conditions)
                seeds = row_seeds(n, seed)
                if set(this.specs(self)) - {"seed", *conditions}:
                    conditions = {**self.default_conditions(seeds), **conditions}
                return this.run(self, {"seed": seeds, **conditions})

            method.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n{_SAMPLE}"
            method.__signature__ = inspect.signature(method, follow_wrapped=False)
        else:

            @functools.wraps(function)
            def method(self, *args, **kwargs):
                bound = signature.bind(self, *args, **kwargs)
                arguments = dict(list(bound.arguments.items())[1:])
                for name in {"seed", "noise_seed"} & set(this.inputs):
                    seed = arguments.get(name)
                    arguments[name] = row_seeds(len(arguments[first]), seed)
                return this.run(self, arguments)

            parameters = [
                p.replace(default=None) if p.name.endswith("seed") else p
                for p in inspect.signature(function).parameters.values()
            ]
            signature = inspect.Signature(parameters)
        method.ability = this
        return method

    return decorate


_SAMPLE = """
Args:
    n: How many rows to draw; None takes as many as the conditions have.
    seed: An int in [0, 2**31), or n of them (int64), one a row. Row i of an int's
        draw has the row seed `seed * 2**32 + i`: the same seed gives the same row
        whatever n, the batch and the machine. None draws a seed.
"""


def _count(conditions):
    """Rows of the first condition that has any; ValueError where there is none."""
    counts = [len(value) for value in conditions.values() if np.ndim(value)]
    if not counts:
        raise ValueError(
            "Expected a number of rows, or conditions with rows, got none."
        )
    return counts[0]


def abilities_of(cls, config):
    """The abilities by method name of a model's class, configured so."""
    found = {}
    for name, member in inspect.getmembers(cls):
        this = getattr(member, "ability", None)
        if isinstance(this, Ability) and (this.needs is None or config.get(this.needs)):
            found[name] = this
    return found


def row_seeds(n, seed=None):
    """One seed a row, int64 (n,); see `ability`.

    Raises:
        ValueError: For n < 1, seeds below 0, or a number of seeds other than n.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"Expected a number of rows of at least 1, got {n!r}.")
    if seed is None:
        seed = secrets.randbits(31)
    seeds = np.asarray(seed)
    if seeds.dtype.kind not in "iu" or (seeds < 0).any():
        raise ValueError(f"Expected seeds that are ints of at least 0, got {seed!r}.")
    if seeds.ndim == 0:
        if seeds >= 2**31:
            raise ValueError(f"Expected a seed below 2**31, got {seed}.")
        return (np.int64(seeds) << np.int64(32)) + np.arange(n, dtype=np.int64)
    if seeds.shape != (n,):
        raise ValueError(f"Expected {n} seeds, one a row, got shape {seeds.shape}.")
    return seeds.astype(np.int64)


def repeat_single(arguments, ranks):
    """Repeats, in place, one value for all rows as often as the first input has rows.

    Args:
        arguments: Values by name.
        ranks: How many dimensions each input has, rows among them, in their order.
    """
    count = np.shape(arguments[next(iter(ranks))])[:1]
    for name, rank in ranks.items():
        if count and rank == 1 and np.ndim(arguments[name]) == 0:
            arguments[name] = np.repeat(arguments[name], count)


def row_random(seed):
    """A NumPy generator for what a row draws outside of a graph.

    Args:
        seed: The row's, an int of at least 0.
    """
    return np.random.default_rng(int(seed))


def check_rows(name, value, spec):
    """An array of the spec's type and shape; ValueError says what is wrong with it."""
    array = np.asarray(value)
    expected = tuple("batch" if d is None else d for d in spec.shape)
    fits = array.ndim == spec.shape.rank and all(
        wanted in (None, got)
        for wanted, got in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"Expected {name} of shape ({', '.join(map(str, expected))}), got "
            f"{array.shape}."
        )
    if spec.dtype == tf.string:
        return array.astype(object)
    wanted = spec.dtype.as_numpy_dtype
    kinds = "iu" if np.issubdtype(wanted, np.integer) else "fiu"
    if array.dtype.kind not in kinds:
        raise ValueError(f"Expected {name} of {spec.dtype.name}, got {array.dtype}.")
    if kinds == "fiu" and not np.isfinite(array).all():
        raise ValueError(f"Expected finite {name}, got NaN or infinity.")
    if name in ("images", "parts"):
        check_range(array)
    return array.astype(wanted)


def check_labels(name, labels, num_classes):
    """Refuses labels that are not those of a class."""
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"Expected {name} from 0 to {num_classes - 1}, got {name} from "
            f"{labels.min()} to {labels.max()}."
        )


def check_range(images):
    """Refuses images outside [-1, 1] (a hundredth of slack for resizing)."""
    low, high = (images.min(), images.max()) if images.size else (0, 0)
    if low < -1.01 or high > 1.01:
        raise ValueError(
            "Expected images with values in [-1, 1], got values from "
            f"{low:g} to {high:g}. keras_gen.images.from_uint8 converts 0..255."
        )
