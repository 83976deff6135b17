"""The arguments of a model's constructor, including the inherited ones.

A model takes its family's options as `**options` and passes them to its base class.
This module merges both into one signature and one list of descriptions, for `help`, for
completion in a notebook and for the command line.
"""

import inspect
import re
import textwrap

HEADING = "Args:"
OPTION = re.compile(r"^\*\*\w+:")


def parameters_of(cls) -> dict[str, inspect.Parameter]:
    """The parameters of a class's constructor and, through `**options`, of its bases'.

    The class's own parameters come first; inherited parameters are keyword-only. A
    parameter of the class hides a parameter of a base with the same name. The class
    itself passes to its base the inherited parameters without a default, such as
    networks, and those in its `fixed_options`: these are left out.
    """
    found, fixed = {}, set(getattr(cls, "fixed_options", ()))
    for base in cls.__mro__:
        if "__init__" not in base.__dict__:
            continue
        is_own = not found
        own = list(inspect.signature(base.__init__).parameters.values())[1:]
        for parameter in own:
            if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                continue
            if not is_own and parameter.name not in found:
                if parameter.default is parameter.empty or parameter.name in fixed:
                    continue
                parameter = parameter.replace(kind=parameter.KEYWORD_ONLY)
            found.setdefault(parameter.name, parameter)
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


def signature_of(cls) -> inspect.Signature:
    """A signature with all of `parameters_of`, own parameters before inherited ones."""
    parameters = list(parameters_of(cls).values())
    return inspect.Signature(sorted(parameters, key=lambda p: p.kind))


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
    inherited arguments.
    """
    cls.__signature__ = signature_of(cls)
    own = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    entries = _entries(own)
    options = [
        name for name, lines in entries.items() if OPTION.match(lines[0].strip())
    ]
    if not options:
        return cls
    described = descriptions_of(cls)
    inherited = [
        textwrap.fill(
            f"{name}: {described[name]}",
            88,
            initial_indent="    ",
            subsequent_indent="        ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name in parameters_of(cls)
        if name in described and name not in entries
    ]
    replaced = "\n".join(entries[options[0]])
    cls.__doc__ = own.replace(replaced, "\n".join(inherited) or replaced)
    return cls


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
