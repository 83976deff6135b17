"""Types of arguments: which values an annotation accepts, and its description.

Constructors declare the types and the ranges of their arguments by annotations:

    width: Count                       a whole number of at least 1
    rate: Annotated[float, Gt(0)]      a number above 0

`Gt`, `Ge`, `Lt`, `Le`, `Len` and `doc` are those of the package annotated-types, which
other libraries read too. Nothing is converted, except that a list stands for a tuple, a
NumPy scalar for a Python number, and an int for a float: "64" and 64.0 are no ints, and
True is no number. Numbers are finite as float32, in which models compute.
"""

import collections.abc
import dataclasses
import functools
import inspect
import numbers
import os
import types
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import numpy as np
from annotated_types import DocInfo, Ge, Gt, Interval, Le, Len, Lt, MaxLen, MinLen, doc

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Classes = Annotated[int, Ge(2)]
Seed = Annotated[int, doc("within 64 bits")]
Rate = Annotated[float, Gt(0)]
Weight = Annotated[float, Ge(0)]
Share = Annotated[float, Interval(ge=0, le=1)]
Decay = Annotated[float, Interval(ge=0, lt=1)]
ImageShape = Annotated[tuple[Count, Count, Count], doc("height, width, channels")]
Widths = Annotated[Sequence[Count], Len(1)]
Path = str | os.PathLike

_LONGEST = 80  # Characters of a value in a message.
_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass(frozen=True)
class Kind:
    """What an annotation says about values.

    Attributes:
        accepts: Function from a value to a boolean, whether the annotation allows it.
        words: Description of such a value, as in "a whole number of at least 1".
        plural: Description of several, as in "whole numbers of at least 1".
    """

    accepts: Callable[[object], bool]
    words: str
    plural: str


def kind_of(annotation) -> Kind | None:
    """The kind of an annotation; None for one that is not understood.

    >>> kind_of(Count).words
    'a whole number of at least 1'
    >>> kind_of(Literal["mlp", "conv"] | None).words
    "'mlp', 'conv' or None"
    """
    if annotation is inspect.Parameter.empty:
        return None
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _bounded(parts[0], annotation.__metadata__)
    if origin is Literal:
        return _choice(parts)
    if origin in (typing.Union, types.UnionType):
        return _union(parts)
    if origin is tuple and parts[-1] is not ...:
        return _fixed([kind_of(part) for part in parts])
    if origin in _LISTS:
        return _listed(
            kind_of(parts[0]), _is_iterable if origin in _ITERABLES else _is_list
        )
    origin = origin or annotation
    if origin in (collections.abc.Callable, Callable):
        return Kind(callable, "a function", "functions")
    if inspect.isclass(origin):
        return _instance(origin)
    return None


def check(name: str, value: object, annotation) -> None:
    """Refuses a value that an annotation does not allow.

    Annotations that are not understood allow every value.

    >>> check("width", 64, Count)
    >>> check("width", "big", Count)
    Traceback (most recent call last):
    ValueError: Expected width, a whole number of at least 1, got 'big'.
    """
    kind = kind_of(annotation)
    if kind is not None and not kind.accepts(value):
        raise ValueError(f"Expected {name}, {kind.words}, got {shown(value)}.")


def shown(value: object) -> str:
    """A value for a message, in one line and cut where it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def plain(annotation):
    """An annotation without its ranges, for signatures.

    >>> plain(ImageShape | None)
    tuple[int, int, int] | None
    """
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return plain(parts[0])
    if origin in (typing.Union, types.UnionType):
        return functools.reduce(lambda a, b: a | b, map(plain, parts))
    if origin in _LISTS or origin is tuple:
        return origin[tuple(p if p is ... else plain(p) for p in parts)]
    return annotation


def builtin(value):
    """A value with Python's numbers in place of NumPy's, for configurations."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(builtin(entry) for entry in value)
    if type(value) is dict:
        return {key: builtin(entry) for key, entry in value.items()}
    return value


def is_whole(value: object) -> bool:
    """Whether a value is an int, of Python or NumPy, that 64 bits hold."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_whole and -(2**63) <= value < 2**63


def is_number(value: object) -> bool:
    """Whether a value is a real number that float32 holds; True is none."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    return -_LARGEST <= value <= _LARGEST  # False for NaN.


def _is_list(value):
    is_text = isinstance(value, (str, bytes))
    return isinstance(value, collections.abc.Sequence) and not is_text


def _is_iterable(value):
    others = (str, bytes, collections.abc.Mapping)
    return isinstance(value, collections.abc.Iterable) and not isinstance(value, others)


_PLAIN = {
    int: Kind(is_whole, "a whole number", "whole numbers"),
    float: Kind(is_number, "a number", "numbers"),
    bool: Kind(
        lambda value: isinstance(value, (bool, np.bool_)), "True or False", "booleans"
    ),
    str: Kind(lambda value: isinstance(value, str), "a string", "strings"),
    None: Kind(lambda value: value is None, "None", "Nones"),
    types.NoneType: Kind(lambda value: value is None, "None", "Nones"),
    object: Kind(lambda value: True, "any value", "any values"),
    typing.Any: Kind(lambda value: True, "any value", "any values"),
    os.PathLike: Kind(lambda value: isinstance(value, os.PathLike), "a path", "paths"),
}
_ITERABLES = (collections.abc.Iterable, collections.abc.Collection)
_LISTS = (list, tuple, collections.abc.Sequence, *_ITERABLES)
_BOUNDS = {  # Attribute of the annotation to test, and to description.
    "ge": (lambda value, bound: value >= bound, "of at least {}"),
    "gt": (lambda value, bound: value > bound, "above {}"),
    "le": (lambda value, bound: value <= bound, "of at most {}"),
    "lt": (lambda value, bound: value < bound, "below {}"),
}


def bounds_of(annotation) -> dict[str, float]:
    """The bounds of numbers that an annotation sets, by the name of the comparison.

    >>> bounds_of(Decay)
    {'ge': 0, 'lt': 1}
    """
    found = {}
    for entry in getattr(annotation, "__metadata__", ()):
        for part in entry if isinstance(entry, Interval) else (entry,):
            if isinstance(part, (Ge, Gt, Le, Lt)):
                found.update(dataclasses.asdict(part))
    return found


def range_words(annotation) -> str:
    """The range of numbers that an annotation allows, in words; empty without one.

    >>> [range_words(a) for a in (Count, Rate, Decay, int)]
    ['of at least 1', 'above 0', 'in [0, 1)', '']
    """
    bounds = bounds_of(annotation)
    lower, upper = bounds.keys() & {"ge", "gt"}, bounds.keys() & {"le", "lt"}
    if lower and upper:
        (low,), (high,) = lower, upper
        ends = "[" if low == "ge" else "(", "]" if high == "le" else ")"
        return f"in {ends[0]}{bounds[low]}, {bounds[high]}{ends[1]}"
    return " ".join(_BOUNDS[name][1].format(bound) for name, bound in bounds.items())


def _bounded(annotation, metadata):
    kind = kind_of(annotation)
    if kind is None:
        return None
    whole = Annotated[(annotation, *metadata)]
    bounds, lengths = bounds_of(whole), {}
    texts = [entry.documentation for entry in metadata if isinstance(entry, DocInfo)]
    for entry in metadata:
        for part in entry if isinstance(entry, Len) else (entry,):
            if isinstance(part, (MinLen, MaxLen)):
                lengths.update(dataclasses.asdict(part))
    least, most = lengths.get("min_length", 0), lengths.get("max_length")
    words = [range_words(whole)] if bounds else []
    words += [f"({text})" for text in texts]
    one = kind.words
    if least or most is not None:
        size = f"{least} or more" if most is None else f"{least} to {most}"
        one = one.replace("a list of", f"a list of {size}", 1)

    def accepts(value):
        return (
            kind.accepts(value)
            and all(_BOUNDS[name][0](value, bound) for name, bound in bounds.items())
            and (not lengths or least <= len(value))
            and (most is None or len(value) <= most)
        )

    return Kind(
        accepts, " ".join(filter(None, [one, *words])), " ".join([kind.plural, *words])
    )


def _choice(values):
    def accepts(value):
        return any(isinstance(value, type(v)) and value == v for v in values)

    words = [repr(value) for value in values]
    return Kind(accepts, _joined(words, "or"), _joined(words, "and"))


def _union(parts):
    kinds = [kind_of(part) for part in parts]
    if None in kinds:
        return None

    def accepts(value):
        return any(kind.accepts(value) for kind in kinds)

    words = []
    for part, kind in zip(parts, kinds, strict=True):
        is_choice = typing.get_origin(part) is Literal
        words += map(repr, typing.get_args(part)) if is_choice else [kind.words]
    plural = _joined([kind.plural for kind in kinds], "or")
    return Kind(accepts, _joined(words, "or"), plural)


def _fixed(kinds):
    if None in kinds:
        return None

    def accepts(value):
        return (
            _is_list(value)
            and len(value) == len(kinds)
            and all(kind.accepts(v) for kind, v in zip(kinds, value, strict=True))
        )

    if len({kind.words for kind in kinds}) == 1:
        words = f"{len(kinds)} {kinds[0].plural}"
    else:
        words = _joined([kind.words for kind in kinds], "and")
    return Kind(accepts, words, f"lists of {words}")


def _listed(kind, is_right):
    if kind is None:
        return None

    def accepts(value):
        if not is_right(value):
            return False
        # An iterator would be used up.
        is_lasting = isinstance(value, collections.abc.Collection)
        return not is_lasting or all(kind.accepts(entry) for entry in value)

    return Kind(accepts, f"a list of {kind.plural}", f"lists of {kind.plural}")


def _instance(cls):
    if getattr(cls, "_is_protocol", False):
        return None
    name = {dict: "dict", collections.abc.Mapping: "dict"}.get(cls, cls.__name__)
    return Kind(
        lambda value: isinstance(value, cls),
        f"{'an' if name[0] in 'AEIOU' else 'a'} {name}",
        f"{name}s",
    )


def _joined(words, conjunction):
    *first, last = words
    return f"{', '.join(first)} {conjunction} {last}" if first else last
