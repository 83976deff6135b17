"""Requests: one call of an ability, with what the user gave for each input."""

import dataclasses
import inspect
import itertools
import pathlib
import typing

import keras_gen
from keras_gen.cli import rows
from keras_gen.cli.common import data_of, split_seed_of
from keras_gen.cli.usage import example, usage_of


@dataclasses.dataclass
class Request:
    """The arguments of one call of an ability.

    Attributes:
        model: The model.
        ability: Its `Ability`.
        name: Name of the model's preset.
        weights: Its weights, as the user gave them.
        seed: Seed of what is drawn; None draws it.
    """

    model: object
    ability: object
    name: str
    weights: str
    seed: int | None

    def __post_init__(self):
        self.declared = self.ability.declared(self.model)
        self.data, _ = data_of(self.name, self.weights)
        self.options, self.values, self.mask = {}, {}, None
        self.combinations = [{}]  # Labels and captions, by the input's name.
        self.texts = {}  # Words for the labels of an input, by label.
        self.main = rows.main_input(self.declared)
        self.rows, self.names = None, []
        self._class_names = {}  # By their number.

    def names_of_classes(self, count: int) -> tuple[str, ...]:
        """Names of so many classes; () if unknown. They are read from the data once."""
        if count not in self._class_names:
            self._class_names[count] = class_names(self.model, self.data, count)
        return self._class_names[count]

    # Reading what the user gave.

    def read_settings(self, given: dict) -> None:
        """Reads --set: plain options of the ability, and values of inputs."""
        known = [*self.declared, *self.ability.options]
        for key, value in given.items():
            if key not in known:
                raise ValueError(
                    f"Expected --set with an argument of {self.ability.name} "
                    f"({', '.join(known) or 'none'}), got {key!r}."
                )
            if key in self.ability.options:
                self.options[key] = self._checked_option(key, value)
            elif isinstance(value, str) and value.endswith(".npy"):
                self.values[key] = rows.read_array(value)
            else:
                self.values[key] = value

    def _checked_option(self, key, value):
        parameters = inspect.signature(self.ability.function).parameters
        annotation = parameters[key].annotation
        choices = typing.get_args(annotation)
        if typing.get_origin(annotation) is typing.Literal and value not in choices:
            words = ", ".join(map(str, choices))
            raise ValueError(f"Expected --set {key}= one of {words}, got {value!r}.")
        return tuple(value) if isinstance(value, list) else value

    def read_conditions(self, labels: list | None, captions: list | None) -> None:
        """Reads --label and --caption, whose values are combined with each other."""
        from keras_gen.core.inputs import LABEL, TEXT

        axes = []
        for option, role, given in (
            ("--label", LABEL, labels),
            ("--caption", TEXT, captions),
        ):
            entry = self._with_role(role)
            if given and entry is None:
                self._refuse(option)
            if given:
                values = [self._condition(entry, text) for text in given]
                axes.append([(entry.name, value) for value in values])
        self.combinations = [dict(pairs) for pairs in itertools.product(*axes)]

    def _with_role(self, role):
        """The first input with a role that --set does not give; None without one."""
        for entry in self.declared.values():
            if entry.role == role and entry.name not in self.values:
                return entry
        return None

    def _refuse(self, option):
        is_set = f" apart from --set {' '.join(self.values)}" if self.values else ""
        raise ValueError(
            f"Expected no {option}{is_set}: {self.ability.name} of {self.name} takes "
            f"{usage_of(self.declared)}."
        )

    def _condition(self, entry, text):
        """The value of --label or --caption."""
        from keras_gen.core.inputs import LABEL

        if entry.role != LABEL:
            return text
        low, high = entry.range
        if text.isdigit():
            if not low <= int(text) <= high:
                raise ValueError(f"Expected --label from {low} to {high}, got {text}.")
            return int(text)
        names = self.names_of_classes(high + 1)
        if text not in names:
            words = f", {', '.join(names)}" if names else ""
            raise ValueError(
                f"Expected --label from {low} to {high}{words}, got {text!r}."
            )
        return names.index(text)

    def read_mask(self, text: str | None) -> None:
        """Reads --mask."""
        from keras_gen.core.inputs import MASK

        entry = self._with_role(MASK)
        if text is not None and entry is None:
            self._refuse("--mask")
        if text is not None:
            self.mask = rows.mask_of(entry, text)

    def read_rows(self, files, data: str | None, split: str, n: int | None) -> None:
        """Reads the rows of the main input from files or from data."""
        if files and data:
            raise ValueError("Expected --input or --data, got both.")
        if files and n is not None:
            raise ValueError("Expected -n without --input, whose files are all used.")
        given = self.main is not None and self.main.name in self.values
        if given and n is not None:
            raise ValueError(
                f"Expected -n without --set {self.main.name}=, whose rows are all used."
            )
        if (files or data) and (self.main is None or given):
            self._refuse("--input" if files else "--data")
        count = n or (16 if len(self.combinations) == 1 else 8)
        if files:
            self.rows, self.names = rows.from_files(self.main, files)
        elif data:
            self.rows, self.names = rows.from_data(
                self.main,
                self.model,
                data,
                split,
                count,
                self.seed or 0,
                split_seed_of(self.name, self.weights, data),
            )
        elif given:
            self.rows = self.values.pop(self.main.name)
            if not hasattr(self.rows, "__len__") or isinstance(self.rows, str):
                raise ValueError(
                    f"Expected --set {self.main.name}= a list of rows, or the path of "
                    f"an .npy file, got {self.rows!r}."
                )
            self.names = [str(i) for i in range(len(self.rows))]
        self.is_drawn = self.ability.draws and self.rows is None
        self.count = 1 if self.rows is None else len(self.rows)
        if self.is_drawn:
            given = [v for v in self.values.values() if not isinstance(v, str)]
            lengths = {len(v) for v in given if hasattr(v, "__len__")}
            self.count = max(lengths, default=count)
        self._refuse_missing()

    def _refuse_missing(self):
        """Names the option of an input that must be given and is not."""
        from keras_gen.core.inputs import SEED

        given = {*self.combinations[0], *self.values}
        for name, entry in self.declared.items():
            default = entry.default
            has_default = default is not None and (
                self.ability.draws or not callable(default)
            )
            is_main = entry is self.main and self.rows is not None
            is_mask = self.mask is not None and entry is self._mask_entry()
            if name in given or has_default or is_main or is_mask:
                continue
            if entry.role != SEED:
                names = ()
                if entry.range and entry.dtype == "int64":
                    names = self.names_of_classes(entry.range[1] + 1)
                words = f"; its names: {', '.join(names)}" if names else ""
                command = example(self.model, self.name, self.weights, self.ability)
                raise ValueError(
                    f"Expected {usage_of({name: entry})}, got none{words}. "
                    f"Try: {command}"
                )

    def _mask_entry(self):
        from keras_gen.core.inputs import MASK

        return self._with_role(MASK)

    # The call.

    def answer(self):
        """The ability's result for every row with every combination.

        Rows go first, and combinations within a row; of drawn rows, combinations go
        first.
        """
        import numpy as np

        from keras_gen.core.abilities import default_conditions
        from keras_gen.core.inputs import SEED
        from keras_gen.core.noise import row_seeds

        self.seeds = self._expanded(row_seeds(self.count, self.seed))
        arguments = {}
        for name, entry in self.declared.items():
            if entry.role == SEED and name not in self.values:
                arguments[name] = self.seeds
            elif entry is self.main and self.rows is not None:
                arguments[name] = self._expanded(np.asarray(self.rows))
            elif name in self.combinations[0]:
                values = [combination[name] for combination in self.combinations]
                arguments[name] = self._combined(values)
            elif name in self.values:
                arguments[name] = self._setting(entry, self.values[name])
            elif self.mask is not None and entry is self._mask_entry():
                arguments[name] = np.broadcast_to(
                    self.mask, (len(self.seeds), *self.mask.shape)
                )
        arguments |= default_conditions(self.declared, self.seeds, arguments)
        self.arguments = arguments
        method = getattr(self.model, self.ability.name)
        if self.ability.draws:
            return method(len(self.seeds), **arguments, **self.options)
        return method(**arguments, **self.options)

    def _expanded(self, array):
        """Values of rows, repeated for every combination."""
        import numpy as np

        k = len(self.combinations)
        if self.is_drawn:
            return np.concatenate([array] * k)
        return np.repeat(array, k, axis=0)

    def _combined(self, values):
        """Values of combinations, repeated for every row."""
        if self.is_drawn:
            return [value for value in values for _ in range(self.count)]
        return values * self.count

    def _setting(self, entry, value):
        """A value of --set for every row."""
        import numpy as np

        array = np.asarray(value)
        if array.ndim == len(entry.shape):  # One for all rows.
            array = np.broadcast_to(array, (self.count, *array.shape))
        if len(array) != self.count:
            raise ValueError(
                f"Expected {self.count} values of {entry.name}, one for each row, got "
                f"{len(array)}."
            )
        return self._expanded(array)

    # Words for the results.

    def text_of(self, index: int) -> str:
        """What a result was made with: labels, captions and numbers."""
        from keras_gen.core.inputs import LABEL, NUMBER, TEXT

        words = []
        for name, entry in self.declared.items():
            if name not in self.arguments or entry.shape:
                continue
            value = self.arguments[name][index]
            if entry.role == LABEL:
                names = self.names_of_classes(entry.range[1] + 1)
                number = f"{name.removesuffix('s')} {value}"
                words.append(names[value] if names else number)
            elif entry.role == TEXT:
                words.append(str(value))
            elif entry.role == NUMBER and name in self.values:
                words.append(f"{name} {value:g}")
        words += [f"{key} {value}" for key, value in self.options.items()]
        return ", ".join(words)

    def name_of(self, index: int) -> str:
        """The name of the row that a result belongs to; "" for drawn rows."""
        return "" if not self.names else self.names[index // len(self.combinations)]

    def full_name_of(self, index: int) -> str:
        """The name of the row, and what the result was made with."""
        words = [self.name_of(index), self.text_of(index)]
        return ": ".join(filter(None, words)) or str(index)


def class_names(model, data: str | None, count: int) -> tuple[str, ...]:
    """Names of classes or domains, if the data are at hand and have so many.

    Args:
        model: The model, which is trained with labels, or with domains.
        data: Name or path of the data that it was trained with; None if unknown.
        count: Number of classes.
    """
    is_here = data is not None and (
        data.partition("/")[0] == "emoji" or pathlib.Path(data).expanduser().is_dir()
    )
    if not is_here:
        return ()
    facts = keras_gen.data.describe(data, "all")
    kinds = [facts.class_names, facts.domain_names]
    if "domain" in model.batch_shapes():
        kinds.reverse()
    return next((tuple(names) for names in kinds if len(names) == count), ())
