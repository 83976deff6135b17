"""Abilities: methods of models that work on rows, the same in Python and on a server.

A model defines an ability as a function of tensors with rows in dimension 0, whose
arguments have the names that its `inputs()` declares:

    @draws("images")
    def sample(self, seed):
        return self.generator(self.latents(seed))

    @transforms("latents")
    def encode(self, images):
        return self.encoder(images)

In Python they are called as `model.sample(16, seed=0)` and `model.encode(images)`: the
arguments are checked, rows are cut into batches, the graph is traced once, and NumPy
arrays are returned. `keras_gen.export` makes a signature from the same function, so
that a server gives the same answer. Arguments after `*` are plain Python values; a
server always uses their defaults.
"""

import functools
import inspect
import math
from collections.abc import Collection, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_gen import progress
from keras_gen.core.checks import fits_memory
from keras_gen.core.guards import refuse_forked
from keras_gen.core.inputs import SEED, Input, check_rows
from keras_gen.core.noise import row_generator, row_seeds

ROWS = np.ndarray | list  # The type of tensors with rows, for signatures.


class Ability:
    """A function of tensors, and the names of its inputs and its output.

    Attributes:
        name: Name of the method.
        inputs: Names of the arguments that are tensors. An argument whose default is
            None is an input only of models that declare it.
        options: Names of the arguments that are plain values.
        output: Name of the tensor that it returns.
        needs: Constructor argument that a model must have set to have the ability, or
            None.
        draws: Boolean, whether rows are drawn from seeds and conditions alone.
        function: `function(model, **tensors)`, to be traced.
    """

    def __init__(self, function, output, needs, draws):
        self.function, self.output = function, output
        self.needs, self.draws = needs, draws
        self.name = function.__name__
        parameters = list(inspect.signature(function).parameters.values())[1:]
        self.options = tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
        self.inputs = tuple(p.name for p in parameters if p.name not in self.options)
        self._optional = {p.name for p in parameters if p.default is None}

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return (self.function.__doc__ or self.name).strip().splitlines()[0]

    def declared(self, model: keras.Model) -> dict[str, Input]:
        """The `Input` of every argument, by name, in the order of the arguments."""
        known = model.inputs()
        absent = self._optional - set(known)
        return {name: known[name] for name in self.inputs if name not in absent}

    def roles(self, model: keras.Model) -> list[str]:
        """The role of every input, such as "image", in the order of the arguments."""
        return [entry.role for entry in self.declared(model).values()]

    def specs(self, model: keras.Model) -> dict[str, tf.TensorSpec]:
        """The `tf.TensorSpec` of every input, by name."""
        return {name: entry.spec for name, entry in self.declared(model).items()}

    def check_needs(self, model: keras.Model) -> None:
        """Refuses a model that has not set the argument that the ability needs."""
        if self.needs and not model.get_config().get(self.needs):
            raise ValueError(
                f"Expected a {type(model).__name__} with {self.needs}=..., to "
                f"{self.name}, got one without."
            )

    def run(self, model: keras.Model, arguments: dict) -> np.ndarray:
        """Checks that all arrays have equally many rows, and runs them in batches.

        Raises:
            ValueError: For missing or unknown arguments, or rows that do not fit what
                the model declares.
        """
        refuse_forked()
        options = {n: arguments[n] for n in self.options if n in arguments}
        given = {n for n, a in arguments.items() if a is not None} - set(options)
        declared = self.declared(model)
        if given != set(declared):
            raise ValueError(
                f"Expected {self.name} of this model with {list(declared)}, got "
                f"{sorted(given)}."
            )
        arrays = check_rows(declared, arguments)
        count = len(next(iter(arrays.values())))
        if not count:
            raise ValueError(f"Expected {self.name} with at least one row, got none.")
        graph, step = self.graph(model, **options), model.rows_per_call
        outputs = [
            graph(**{n: a[start : start + step] for n, a in arrays.items()})
            for start in progress.over(range(0, count, step), self.name)
        ]
        return np.concatenate([output.numpy() for output in outputs])

    def graph(self, model: keras.Model, **options):
        """The function as a `tf.function` with named inputs, traced once per model."""
        graphs = model.ability_graphs
        key = (self.name, *sorted(options.items()))
        specs = self.specs(model)
        if key not in graphs:

            def of_tensors(*tensors):
                rows = dict(zip(specs, tensors, strict=True))
                return self.function(model, **rows, **options)

            graphs[key] = tf.function(
                of_tensors, input_signature=list(specs.values()), autograph=False
            )

        def call(**arrays):
            return graphs[key](*(tf.constant(arrays[n], specs[n].dtype) for n in specs))

        return call


def draws(output: str, needs: str | None = None):
    """Makes a method of seeds and conditions an ability that draws rows.

    It is called with the number of rows, `sample(n, seed=None, **conditions)`. The
    conditions that a caller does not give take their `Input`'s default.

    Args:
        output: Name of the output tensor, such as "images" or "points".
        needs: Constructor argument that a model must have set to have the ability, or
            None: a plain autoencoder can sample only if it has `density_components`.
    """

    def decorate(function):
        this = Ability(function, output, needs, draws=True)

        @functools.wraps(function)
        def method(self, n=None, seed=None, **conditions):
            this.check_needs(self)
            if n is None:
                n = rows_of(conditions)
            values = max(map(math.prod, _known_shapes(self)), default=1)
            fits_memory(n, 8 + 8 * values)
            conditions = {
                name: value
                for name, value in conditions.items()
                if value is not None or name in this.options
            }
            seeds = row_seeds(n, seed)
            drawn = default_conditions(this.declared(self), seeds, conditions)
            return this.run(self, {**drawn, **conditions, "seed": seeds})

        method.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n{_DRAWS}"
        method.__signature__ = _drawing_signature(function)
        method.ability = this
        return method

    return decorate


def transforms(output: str, needs: str | None = None):
    """Makes a method of rows an ability that returns one row for each row.

    Seeds among its arguments may be omitted, or be a single seed for all rows. So may
    numbers whose `Input` has a default.

    Args:
        output: Name of the output tensor, such as "images", "latents" or "log_prob".
        needs: Constructor argument that a model must have set to have the ability, as
            for `draws`, or None.
    """

    def decorate(function):
        this = Ability(function, output, needs, draws=False)
        signature = inspect.signature(function)

        @functools.wraps(function)
        def method(self, *args, **kwargs):
            this.check_needs(self)
            bound = signature.bind(self, *args, **kwargs)
            arguments = dict(list(bound.arguments.items())[1:])
            fill_in(this.declared(self), arguments, len(arguments[this.inputs[0]]))
            return this.run(self, arguments)

        method.__signature__ = _typed(signature, this)
        method.ability = this
        return method

    return decorate


_DRAWS = """
Args:
    n: Number of rows to draw; None uses the number of rows of the conditions.
    seed: Seed of the draw, an int in [0, 2**31), or n row seeds (int64), one for each
        row. An int gives row i the row seed `seed * 2**32 + i`, so that the same seed
        gives the same row for every n, batch and machine. None draws a seed.
"""


def _drawing_signature(function):
    """The signature `(self, n=None, seed=None, *, ...)` with named conditions."""
    parameters = list(inspect.signature(function).parameters.values())
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    first = [
        parameters[0],
        inspect.Parameter("n", kind, default=None, annotation=int | None),
        inspect.Parameter("seed", kind, default=None, annotation=int | ROWS | None),
    ]
    conditions = [
        p
        if p.kind is p.KEYWORD_ONLY
        else p.replace(kind=p.KEYWORD_ONLY, default=None, annotation=ROWS | None)
        for p in parameters[2:]
    ]
    return inspect.Signature([*first, *conditions], return_annotation=np.ndarray)


def _typed(signature, ability):
    """A method's signature with the types of rows: arrays in, an array out."""
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.name in ability.inputs:
            is_needed = parameter.default is parameter.empty
            annotation = ROWS if is_needed else ROWS | None
            parameter = parameter.replace(annotation=annotation)
        parameters.append(parameter)
    return signature.replace(parameters=parameters, return_annotation=np.ndarray)


def default_conditions(
    declared: dict, seeds: Sequence[int] | np.ndarray, given: Collection[str] = ()
) -> dict:
    """The defaults of conditions that were not given, drawn with the rows' seeds.

    Args:
        declared: `Input`s by name.
        seeds: Seeds of the rows, int64 (n,).
        given: Names of conditions that the caller gave.

    Returns:
        A dict from name to n values.
    """
    return {
        name: entry.default_rows([row_generator(seed) for seed in seeds])
        for name, entry in declared.items()
        if entry.default is not None and name not in given
    }


def _known_shapes(model):
    """The shapes of rows of a model's data and inputs, where they are known."""
    shapes = [entry.shape for entry in model.inputs().values()]
    return [s for s in (*shapes, *model.batch_shapes().values()) if None not in s]


def fill_in(inputs: Mapping[str, Input], arguments: dict, count: int) -> None:
    """Adds what may be omitted where rows are transformed: seeds, and default numbers.

    Args:
        inputs: Declared inputs, by name.
        arguments: Arguments by name, which are changed. None counts as omitted.
        count: Number of rows.
    """
    for name, declared in inputs.items():
        given = arguments.get(name)
        if declared.role == SEED:
            arguments[name] = row_seeds(count, given)
        elif given is None and isinstance(declared.default, (int, float)):
            arguments[name] = np.full(count, declared.default)


def rows_of(conditions: Mapping) -> int:
    """Number of rows of the first condition that has rows.

    Args:
        conditions: Conditions by name.

    Raises:
        ValueError: If no condition has rows.
    """
    counts = [len(value) for value in conditions.values() if np.ndim(value)]
    if not counts:
        raise ValueError(
            "Expected a number of rows, or conditions with rows, got none."
        )
    return counts[0]


def abilities_of(cls, config: dict) -> dict[str, Ability]:
    """The abilities of a model class under a configuration, by method name."""
    found = {}
    for name, member in inspect.getmembers(cls):
        this = getattr(member, "ability", None)
        if isinstance(this, Ability) and (this.needs is None or config.get(this.needs)):
            found[name] = this
    return found
