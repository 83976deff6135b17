"""The arguments of a model's constructor, including the inherited ones.

A model takes its family's options as `**options` and passes them to its base class.
This module merges both into one signature and one list of descriptions, for `help`, for
completion in a notebook and for the command line, and checks every call against it.
"""

import dataclasses
import difflib
import functools
import inspect
import re
import textwrap
import typing
from collections.abc import Iterable

from keras_gen.core import types

HEADING = "Args:"
OPTION = re.compile(r"^\*\*\w+:")


def parameters_of(cls) -> dict[str, inspect.Parameter]:
    """The parameters of a class's constructor and, through `**options`, of its bases'.

    The class's own parameters come first; inherited parameters are keyword-only. A
    parameter of the class hides a parameter of a base with the same name, but has its
    annotation if it has none of its own. The class itself passes to its base the
    inherited parameters without a default, such as networks, and those in its
    `fixed_options`: these are left out.
    """
    found, fixed = {}, set(getattr(cls, "fixed_options", ()))
    for base in cls.__mro__:
        if "__init__" not in base.__dict__:
            continue
        is_own = not found
        own = _annotated(base.__init__)[1:]
        for parameter in own:
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                continue
            name = parameter.name
            if name in found and found[name].annotation is parameter.empty:
                found[name] = found[name].replace(annotation=parameter.annotation)
            if not is_own and name not in found:
                if parameter.default is parameter.empty or name in fixed:
                    continue
                parameter = parameter.replace(kind=parameter.KEYWORD_ONLY)
            found.setdefault(name, parameter)
        if not any(p.kind is p.VAR_KEYWORD for p in own):
            break
    return found


def refuse_fixed(cls: type, given: dict) -> None:
    """Refuses options of the bases that a class sets itself.

    Their default is accepted: configurations that name it remain valid.

    Raises:
        ValueError: For an option in the class's `fixed_options` with another value.
    """
    for name in set(given) & set(cls.fixed_options):
        defaults = [
            parameters[name].default
            for base in cls.__mro__
            if name in (parameters := inspect.signature(base.__init__).parameters)
        ]
        if given[name] != defaults[0]:
            raise ValueError(
                f"Expected no {name}, which {cls.__name__} does not take, got "
                f"{given[name]!r}."
            )


def _annotated(function) -> list[inspect.Parameter]:
    """The parameters of a function, with annotations that are no strings."""
    parameters = inspect.signature(function).parameters.values()
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError:  # Names that exist only for type checkers are not checked.
        hints = {}
    return [
        p.replace(annotation=hints.get(p.name, inspect.Parameter.empty))
        for p in parameters
    ]


def refuse_unknown(cls: type, names: Iterable[str]) -> None:
    """Refuses names that are not arguments of a class.

    Raises:
        ValueError: For such a name; the message gives the nearest known arguments.
    """
    refuse_unknown_names(cls.__name__, parameters_of(cls), names)


def refuse_unknown_names(
    owner: str, known: Iterable[str], names: Iterable[str]
) -> None:
    """Refuses names of arguments that something does not have.

    Args:
        owner: Name of the class or function.
        known: Names of its arguments.
        names: Names that were given.

    Raises:
        ValueError: For another name; the message gives the nearest known ones.
    """
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            raise ValueError(
                f"Expected an argument of {owner}, got {name!r}. "
                f"{'Nearest' if near else 'There are'}: "
                f"{', '.join(near or sorted(known))}."
            )


def check_construction(cls: type, args: tuple, given: dict) -> None:
    """Checks the arguments of a constructor's call, inherited ones included.

    Raises:
        ValueError: For a value that the annotation of its argument does not allow, an
            unknown or missing argument, or an option that the class sets itself.
    """
    refuse_fixed(cls, given)
    refuse_unknown(cls, set(given) - set(cls.fixed_options))
    given = {n: v for n, v in given.items() if n not in cls.fixed_options}
    _check_call(cls.__name__, _sorted(parameters_of(cls)), args, given)


def _check_call(owner, signature, args, kwargs, unchecked=()):
    """Checks the arguments of a call by the annotations of a signature."""
    try:
        bound = signature.bind_partial(*args, **kwargs)
    except TypeError as error:
        raise ValueError(f"Expected arguments of {owner}, got {error}.") from None
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if name in bound.arguments:
            if name not in unchecked and parameter.annotation is not parameter.empty:
                types.check(name, bound.arguments[name], parameter.annotation)
        elif parameter.default is parameter.empty:
            raise ValueError(f"Expected the argument {name} of {owner}, got none.")


def checked(function=None, *, unchecked: Iterable[str] = ()):
    """Decorates a function or a constructor, whose arguments are checked in each call.

    Numbers of NumPy become Python's.

    Args:
        function: Function with annotations that `types` understands.
        unchecked: Names of arguments that the function checks itself.

    Raises:
        ValueError: For a value that the annotation of its argument does not allow, or
            an unknown or missing argument.
    """
    if function is None:
        return functools.partial(checked, unchecked=unchecked)
    parameters = _annotated(function)
    signature = inspect.Signature(parameters)
    known = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    is_open = len(known) < len(parameters)
    is_constructor = function.__name__ == "__init__"

    @functools.wraps(function)
    def call(*args, **kwargs):
        owner = type(args[0]).__name__ if is_constructor else function.__name__
        if not is_open:
            refuse_unknown_names(owner, known, kwargs)
        _check_call(owner, signature, args, kwargs, unchecked)
        return function(*types.builtin(args), **types.builtin(kwargs))

    # Keras reads the names of arguments without following `__wrapped__`.
    call.__signature__ = _plain(signature)
    return call


def check_fields(instance) -> None:
    """Checks the fields of a dataclass; its `__post_init__` calls it.

    Raises:
        ValueError: For a value that the annotation of its field does not allow.
    """
    hints = typing.get_type_hints(type(instance), include_extras=True)
    for field in dataclasses.fields(instance):
        types.check(field.name, getattr(instance, field.name), hints[field.name])


def converted(function):
    """Decorates a function, which gets Python's numbers in place of NumPy's.

    Layers of Keras refuse NumPy's numbers as sizes.
    """

    @functools.wraps(function)
    def call(*args, **kwargs):
        return function(*types.builtin(args), **types.builtin(kwargs))

    call.__signature__ = inspect.signature(function)
    return call


def _sorted(parameters):
    return inspect.Signature(sorted(parameters.values(), key=lambda p: p.kind))


def _plain(signature):
    """A signature without ranges, which descriptions have."""
    return signature.replace(
        parameters=[
            p.replace(annotation=types.plain(p.annotation))
            for p in signature.parameters.values()
        ]
    )


def signature_of(cls) -> inspect.Signature:
    """A signature with all of `parameters_of`, own parameters before inherited ones."""
    return _plain(_sorted(parameters_of(cls)))


def kinds_of(cls) -> dict[str, str]:
    """The values that each argument takes, in words: "a whole number of at least 1".

    Arguments whose annotation is not understood are left out.
    """
    kinds = {n: types.kind_of(p.annotation) for n, p in parameters_of(cls).items()}
    return {name: kind.words for name, kind in kinds.items() if kind is not None}


def defaults_of(cls) -> dict:
    """The default of every argument that has one; `dtype` is left out."""
    return {
        name: parameter.default
        for name, parameter in parameters_of(cls).items()
        if parameter.default is not parameter.empty and name != "dtype"
    }


def descriptions_of(cls) -> dict[str, str]:
    """The description of every documented argument, each in one line."""
    found = {}
    for base in cls.__mro__:
        for name, lines in _entries(base.__dict__.get("__doc__") or "").items():
            if not OPTION.match(lines[0].strip()):
                text = " ".join(line.strip() for line in lines)
                found.setdefault(name, text.partition(": ")[2])
        if base.__name__ == "GenerativeModel":
            break
    known = parameters_of(cls)
    return {name: text for name, text in found.items() if name in known}


def document(cls):
    """Gives a class a signature and a docstring with all its arguments.

    The line `**options: ...` of the docstring is replaced by the descriptions of the
    inherited arguments, and the ranges of numbers are added.
    """
    cls.__signature__ = signature_of(cls)
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    entries = _entries(text)
    parameters, described = parameters_of(cls), descriptions_of(cls)
    whole = {
        name: _entry(name, description, parameters[name].annotation)
        for name, description in described.items()
    }
    for name, lines in entries.items():
        old = "\n".join(lines)
        if OPTION.match(lines[0].strip()):
            inherited = [n for n in parameters if n in whole and n not in entries]
            text = text.replace(old, "\n".join(map(whole.get, inherited)) or old)
        elif name in whole and _range_sentence(parameters[name].annotation):
            text = text.replace(old, whole[name])
    cls.__doc__ = text or None
    return cls


def _entry(name, description, annotation):
    """An entry of a docstring's "Args:", with the range of a number."""
    sentence = _range_sentence(annotation)
    if sentence and not description.endswith(sentence):
        description = f"{description} {sentence}"
    return textwrap.fill(
        f"{name}: {description}",
        88,
        initial_indent="    ",
        subsequent_indent="        ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _range_sentence(annotation):
    """The range of a number as a sentence; empty for arguments of other types."""
    for part in (annotation, *typing.get_args(annotation)):  # X, or X | None.
        if types.range_words(part):
            words = types.kind_of(part).words
            return f"{words[0].upper()}{words[1:]}."
    return ""


def _entries(docstring) -> dict[str, list[str]]:
    """The lines of every entry under "Args:", by the argument's name."""
    lines = inspect.cleandoc(docstring).splitlines()
    found, name = {}, None
    inside = False
    for line in lines:
        if line.strip() == HEADING:
            inside = True
        elif inside and line and not line.startswith(" "):
            break
        elif inside and re.match(r"^    \S", line):
            name = line.strip().partition(":")[0].lstrip("*")
            found[name] = [line]
        elif inside and name and line.strip():
            found[name].append(line)
    return found
