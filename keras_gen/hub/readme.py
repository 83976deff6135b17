"""The README of a repository on the hub, written from the card.

Results are in a table and not in `model-index`, which the hub calls legacy; its new
files `.eval_results/` are for the benchmarks that the hub itself lists.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from typing import Any

from keras_gen import zoo
from keras_gen.core import inputs
from keras_gen.core.hub_client import SCHEME
from keras_gen.core.model import GenerativeModel
from keras_gen.metrics import report, words

# Names on the hub of data sets.
DATASETS = {
    "mnist": "ylecun/mnist",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "cifar10": "uoft-cs/cifar10",
}
# The hub's names of tasks, and the abilities of which a model has one.
PIPELINES = {
    "unconditional-image-generation": ("sample", "assemble"),
    "image-to-image": ("translate", "denoise"),
    "image-classification": ("classify",),
    "image-feature-extraction": ("encode", "reconstruct", "reconstruct_sequences"),
}
# Published figures by model and data, as docs/results.md has them.
PUBLISHED = {
    ("pixelcnn", "mnist"): {"nll_nats": 81.3},
    ("pixelrnn", "mnist"): {"nll_nats": 79.2},
    ("semi_aae", "mnist"): {"test_accuracy": 0.984},
    ("infogan", "mnist"): {"category_accuracy": 0.95},
}
_MARK = (
    "<!-- Written by keras_gen from card.json; a push replaces it unless it was edited."
)
_MARKED = re.compile(re.escape(_MARK) + r" sha256: ([0-9a-f]{64}) -->\Z")


def written(
    card: dict[str, Any],
    model: GenerativeModel,
    repository: str,
    pictures: Sequence[str] = (),
    licence: str | None = None,
) -> str:
    """The text of a README, with a last line by which `is_unedited` knows it.

    Args:
        card: The card.
        model: The model that the card describes.
        repository: Name of the repository, as "user/name".
        pictures: Names of the repository's pictures.
        licence: The hub's identifier of the licence of the weights; None states none.
    """
    chosen = zoo.card(card["preset"])
    load = f'"{SCHEME}{repository}"'
    again = evaluation_command(card, f"{SCHEME}{repository}")
    parts = [
        _head(card, model, licence),
        f"# {repository.partition('/')[2]}",
        f"{chosen['summary'].removesuffix('.')}{_trained_on(card)}, for "
        "[keras_gen](https://pypi.org/project/keras-gen/).",
        *(f"![{name.rpartition('.')[0].capitalize()}]({name})" for name in pictures),
        "## Use",
        "```bash\npip install 'keras-gen[hub]'\n```",
        f"```python\n{python_example(card, model, load)}\n```",
        f"```bash\n{command_example(card, model, repository)}\n```",
        "Only `card.json` and `weights.safetensors` are loaded, and no code.",
        *figures(card, again),
        *training(card),
        "## Model",
        chosen["description"],
        f"The weights are {card['parameters']:,} numbers, stored as "
        f"{card['stored_as']}. The arguments of `{card['model']}`:"
        if "parameters" in card
        else f"The arguments of `{card['model']}`:",
        f"```json\n{_as_json(card['configuration'])}\n```",
        *_notes(card),
    ]
    return _signed("\n\n".join(part.strip() for part in parts))


def is_unedited(text: str) -> bool:
    """Whether a README is exactly what `written` returned, apart from line ends.

    >>> is_unedited(_signed("# Birds")), is_unedited(_signed("# Birds") + "Edited.")
    (True, False)
    """
    text = text.replace("\r\n", "\n").strip()
    found = _MARKED.search(text)
    return found is not None and found[1] == _sum(text[: found.start()])


def _signed(text):
    return f"{text}\n\n{_MARK} sha256: {_sum(text)} -->\n"


def _sum(text):
    return hashlib.sha256(text.strip().encode()).hexdigest()


def _head(card, model, licence):
    """The YAML that the hub reads."""
    import yaml  # Comes with the hub's client.

    head = {"library_name": "keras_gen"}
    task = pipeline(model)
    if task is not None:
        head["pipeline_tag"] = task
    if licence is not None:
        head["license"] = licence
    data = str(card.get("data") or "").partition("/")[0]
    if data in DATASETS:
        head["datasets"] = [DATASETS[data]]
    measured = [
        name
        for name, value in (card.get("figures") or {}).items()
        if isinstance(value, (int, float))
        and not name.endswith(("_floor", "_error"))
        and words.words(name).group != words.SETTINGS
    ]
    if measured:
        head["metrics"] = measured
    head["tags"] = ["keras", "keras_gen", "tensorflow", "generative", card["preset"]]
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---"


def pipeline(model: GenerativeModel) -> str | None:
    """The hub's name of the task of a model; None if it has none."""
    abilities = model.abilities()
    if "sample" in abilities and "captions" in abilities["sample"].declared(model):
        return "text-to-image"
    for task, names in PIPELINES.items():
        if any(name in abilities for name in names):
            return task
    return None


def _trained_on(card):
    return f", trained on {card['data']}" if card.get("data") else ""


# Examples.

_ORDER = ("sample", "translate", "reconstruct", "classify", "encode", "match", "cut")


def _first_ability(model):
    """The ability that the examples show; None for a model without any."""
    known = model.abilities()
    chosen = [*(name for name in _ORDER if name in known), *known]
    return known[chosen[0]] if chosen else None


def _needed(ability, model):
    """The inputs that a caller must give, without seeds."""
    return [
        entry
        for entry in ability.declared(model).values()
        if entry.role != inputs.SEED
        and not (ability.draws and entry.default is not None)
    ]


SAMPLING = """\
import keras_gen

model = keras_gen.zoo.load({load})
results = model.sample(16, seed=0)
keras_gen.images.save_grid(results, "results.png")"""


def python_example(card: dict, model: GenerativeModel, load: str) -> str:
    """Code that loads a model and uses it.

    Args:
        card: The card.
        model: The model.
        load: Arguments of `keras_gen.zoo.load`, as code.
    """
    lines = ["import keras_gen", "", f"model = keras_gen.zoo.load({load})"]
    ability = _first_ability(model)
    if ability is None:
        return "\n".join(lines)
    needed = _needed(ability, model)
    if not ability.draws and any(entry.role == inputs.IMAGE for entry in needed):
        lines += _batch(card, model, needed)
    values = [f"{entry.name}={_value(entry)}" for entry in needed]
    if ability.draws:
        values = ["16", "seed=0", *values]
    lines.append(f"results = model.{ability.name}({', '.join(values)})")
    if ability.output == inputs.IMAGES:
        lines.append('keras_gen.images.save_grid(results, "results.png")')
    return "\n".join(lines)


def _batch(card, model, needed):
    """Lines that load images, and what else has more than one number for each."""
    shapes = model.batch_shapes()
    image = next(entry for entry in needed if entry.role == inputs.IMAGE)
    shape = tuple(shapes.get("image") or image.shape)
    data = card.get("data") or "path/to/images"
    lines = [
        f'batches = keras_gen.data.load("{data}", "test", image_shape={shape})',
        "batch = next(iter(batches))",
        'images = batch["image"].numpy()',
    ]
    others = [entry.name for entry in needed if entry.shape and entry != image]
    return lines + [
        f'{name} = batch["{name}"].numpy()[::-1]  # Those of other images'
        for name in others
    ]


def _value(entry):
    """An input of an example as code."""
    if entry.role == inputs.IMAGE:
        return "images"
    if entry.role == inputs.TEXT:
        return '"red heart"'
    if entry.range is not None and not entry.shape:
        return str(entry.range[0])
    return entry.name


def command_example(card: dict, model: GenerativeModel, repository: str) -> str:
    """Commands that use a model from the hub.

    Args:
        card: The card.
        model: The model.
        repository: Name of the repository, as "user/name".
    """
    name, weights = card["preset"], f"--weights {SCHEME}{repository}"
    lines = [f"keras-gen run {name} {weights}"]
    ability = _first_ability(model)
    is_plain = ability is not None and not _needed(ability, model)
    if is_plain and ability.name == "sample":
        lines.insert(0, f"keras-gen sample {name} {weights} -o samples.png")
    elif is_plain and ability.draws:
        lines.insert(0, f"keras-gen run {name} {ability.name} {weights}")
    return "\n".join(lines)


# Figures and training.


def evaluation_command(card: dict, weights: str) -> str:
    """Command that measures a card's figures again, with the settings of the card.

    Args:
        card: The card.
        weights: Weights that the command names in place of the card's own name.
    """
    own = shlex.split(str(card.get("figures_again") or ""))
    if own[:2] == ["keras-gen", "evaluate"] and "--weights" in own[:-1]:
        own[own.index("--weights") + 1] = weights
        return shlex.join(own)
    plain = ["keras-gen", "evaluate", card["preset"], "--weights", weights]
    if card.get("data"):
        plain += ["--data", str(card["data"])]
    return shlex.join(plain)


def figures(card: dict, again: str) -> list[str]:
    """Figures of a card beside published ones, as parts of a text in Markdown.

    Args:
        card: The card.
        again: Command that measures the figures again.
    """
    measured = card.get("figures")
    if not measured:
        return ["## Figures", "Nothing was measured."]
    known = PUBLISHED.get((card["preset"], card.get("data")), {})
    published = {**known, **(card.get("published") or {})}
    parts = ["## Figures"]
    for heading, rows in report.groups(measured).items():
        head = ["figure", "value", "floor", "published", "better", "meaning"]
        table = [
            [
                row.words.name,
                row.value,
                row.floor,
                report.number(published.get(row.name)),
                row.words.better,
                row.words.meaning,
            ]
            for row in rows
        ]
        parts += [f"### {heading}", _table(head, table)]
    parts.append("The floor is the value of real test images, that of a perfect model.")
    return [*parts, f"```bash\n{_quoted(again)}\n```"]


def _table(head, rows):
    """A table in Markdown, without columns that are empty."""
    kept = [i for i in range(len(head)) if i == 0 or any(row[i] for row in rows)]
    lines = [[head[i] for i in kept], ["---"] * len(kept)]
    lines += [[str(row[i]).replace("|", "\\|") for i in kept] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def training(card: dict) -> list[str]:
    """How a model was trained, as parts of a text in Markdown.

    Args:
        card: The card.
    """
    parts = []
    if card.get("data"):
        licence = card.get("data_licence")
        parts.append(f"Data: {card['data']}{f' ({licence})' if licence else ''}.")
    if card.get("steps"):
        epochs = f" in {card['epochs']:,} epochs" if card.get("epochs") else ""
        parts.append(f"{card['steps']:,} steps{epochs}.")
    if card.get("commands"):
        commands = map(_quoted, card["commands"])
        parts.append("```bash\n" + "\n".join(commands) + "\n```")
    return ["## Training", *(parts or ["How it was trained is not recorded."])]


def _quoted(command):
    """A command whose words are quoted where a shell would expand them."""
    return shlex.join(shlex.split(command))


def _as_json(config):
    """A JSON object with one entry in a line."""
    lines = [f"  {json.dumps(key)}: {json.dumps(config[key])}" for key in config]
    return "{\n" + ",\n".join(lines) + "\n}"


def _notes(card):
    return ["## Notes", str(card["notes"])] if card.get("notes") else []
