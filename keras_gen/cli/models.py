"""`keras-gen list` and `keras-gen show`: the models and their cards."""

import json
import textwrap
from typing import Annotated

import typer

import keras_gen
from keras_gen import catalogue, index, plugins
from keras_gen.cli import completions
from keras_gen.cli.common import (
    AsJson,
    Name,
    Weights,
    note,
    shorten,
    width_of_output,
)

# What a model is for, and the abilities of which it has one.
TASKS = {
    "generation": {"sample", "assemble"},
    "translation": {"translate"},
    "text-to-image": set(),  # Those that sample from captions.
    "autoencoding": {"reconstruct", "reconstruct_sequences"},
    "denoising": {"denoise"},
    "completion": {"complete"},
    "classification": {"classify"},
    "matching": {"match"},
    "likelihood": {"log_prob"},
    "codes": {"infer_codes"},
    "parts": {"assemble"},
}


def tasks_of(name: str) -> list[str]:
    """The tasks of a model, which follow from its abilities.

    >>> tasks_of("stargan")
    ['translation', 'classification']
    """
    from keras_gen.core.abilities import abilities_of
    from keras_gen.core.registry import preset

    chosen = preset(name)
    config = {**keras_gen.zoo.arguments(chosen.model), **chosen.config}
    abilities = abilities_of(chosen.model, config)
    tasks = [task for task, needed in TASKS.items() if needed & set(abilities)]
    if "sample" in abilities and "captions" in abilities["sample"].inputs:
        tasks.insert(1, "text-to-image")
    return tasks


def list_models(
    task: Annotated[
        str | None,
        typer.Option(
            help=f"Only models for a task: {', '.join(TASKS)}; or with an ability, "
            "such as encode.",
            autocompletion=completions.one_of(*TASKS),
        ),
    ] = None,
    as_json: AsJson = False,
):
    """Lists all models, with the weights that ship for them, and those of your own.

    KERAS_GEN_ZOO names places of your own: paths of folders, and https:// addresses of
    indexes, separated by colons (on Windows by semicolons).
    """
    _note_what_is_not_listed()
    is_quick = all(map(index.presets_of, plugins.installed()))
    if task is None and not as_json and is_quick:  # TensorFlow is not imported.
        found = index.models().items()
        print_models([(n, text, catalogue.weights_of(n)) for n, text in found])
        return
    zoo = keras_gen.zoo
    cards = {name: zoo.card(name) for name in zoo.names()}
    tasks = {name: tasks_of(name) for name in cards}
    if task is not None:
        known = {*TASKS, *(a for card in cards.values() for a in card["abilities"])}
        if task not in known:
            raise ValueError(
                f"Expected a task ({', '.join(TASKS)}) or an ability, got {task!r}."
            )
        cards = {
            name: card
            for name, card in cards.items()
            if task in tasks[name] or task in card["abilities"]
        }
    if as_json:
        keys = ("summary", "abilities", "weights")
        chosen = {
            name: {"tasks": tasks[name], **{key: card[key] for key in keys}}
            for name, card in cards.items()
        }
        print(json.dumps(chosen))
        return
    print_models([(n, card["summary"], card["weights"]) for n, card in cards.items()])


def print_models(models):
    """Prints a line for each model: name, summary, and at the right its weights.

    A summary is cut where the name and the weights leave too little room for it.
    """
    lines = [("name", "what it is", "weights")]
    lines += [(n, text.removesuffix("."), ", ".join(w)) for n, text, w in models]
    first = max(len(name) for name, _, _ in lines) + 2
    ends = [f"  {weights}" if weights else "" for _, _, weights in lines]
    longest = max(
        len(line[1]) + len(end) for line, end in zip(lines, ends, strict=True)
    )
    width = min(width_of_output() - first, longest)
    for (name, text, _), end in zip(lines, ends, strict=True):
        room = max(width - len(end), 12)
        print(f"{name:{first}}{shorten(text, room):{room}}{end}".rstrip())


def _note_what_is_not_listed():
    """Says which weights cannot be used: those of another version, or of no model."""
    if problem := catalogue.problem():
        note(f"Not all weights are listed: {problem}.")
    for place in catalogue.places():
        if unknown := place.presets() - set(index.models()):
            names = ", ".join(sorted(unknown))
            note(f"Not listed: weights in {place.title} for {names}, not a model here.")


def show(name: Name, weights: Weights = None, as_json: AsJson = False):
    """Shows a model: its arguments and abilities; or the card of weights."""
    card = keras_gen.zoo.card(name, weights)
    if as_json:
        print(json.dumps(card))
    elif "summary" in card:
        _show_model(name, card)
        if problem := catalogue.problem():
            note(f"Not all weights are shown: {problem}.")
    else:
        for key, value in card.items():
            is_plain = not isinstance(value, (dict, list))
            print(f"{key}: {value if is_plain else json.dumps(value, indent=2)}")


def _show_model(name, card):
    print(f"{name}: {card['summary']}")
    print(f"\n{card['description']}")
    print("\nArguments, for --set NAME=VALUE and keras_gen.zoo.load:")
    for argument, lines in _arguments(name, card).items():
        print(f"\n  {argument}: {lines[0]}")
        for line in lines[1:]:
            print(f"      {line}")
    print(f"\nBatch size: {card['batch_size']}")
    print(f"Tasks: {', '.join(tasks_of(name)) or 'none'}")
    print(f"Weights: {', '.join(card['weights']) or 'none'}")
    print("\nAbilities, for keras-gen run:")
    from keras_gen.core.registry import preset

    for ability in card["abilities"]:
        print(f"  {ability}: {getattr(preset(name).model, ability).ability.summary}")
    print(f"\nkeras-gen run {name} prints what each ability takes.")


def _arguments(name, card):
    """Lines on each argument: its default and values, then its description."""
    from keras_gen.core.arguments import descriptions_of, kinds_of
    from keras_gen.core.registry import preset

    cls, found = preset(name).model, {}
    kinds, described = kinds_of(cls), descriptions_of(cls)
    width = max(min(width_of_output(), 88) - 6, 30)
    for argument, default in card["arguments"].items():
        facts = [f"default {_as_json(default)}"]
        if argument in card["configuration"]:
            value = _as_json(card["configuration"][argument])
            if value != facts[0].removeprefix("default "):
                facts.insert(0, f"{value} in this preset")
        kind, text = kinds.get(argument, ""), described.get(argument, "")
        # Descriptions end with the range of a number.
        is_said = kind.removesuffix(" or None").capitalize() in text
        found[argument] = [
            f"{', '.join(facts)}",
            *([] if is_said else [f"Takes {kind}."]),
            *textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False),
        ]
    return found


def _as_json(value):
    """A value as --set takes it."""
    try:
        return json.dumps(value)
    except TypeError:
        return str(value)
