"""What a model of this machine does by several calls: walks, mixing, neighbours.

Each extra is an `Offer` whose inputs are declared like those of abilities, so that one
form serves both. Which of them a model has follows from its abilities.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from keras_gen import latent
from keras_gen.app import outcomes, pictures, snippets
from keras_gen.app.calls import LISTED, Call, call_of, rows_of
from keras_gen.app.outcomes import Outcome
from keras_gen.app.source import Offer, Source
from keras_gen.core.abilities import default_conditions
from keras_gen.core.inputs import (
    ATTRIBUTES,
    IMAGE,
    IMAGES,
    Input,
    image_input,
    seed_input,
)
from keras_gen.core.noise import row_seeds
from keras_gen.metrics import memorisation

MAX_NUMBERS = 4000  # Numbers of latents in a request that may be copied.


@dataclasses.dataclass(frozen=True)
class Extra(Offer):
    """An offer that is made by a function of this module.

    Attributes:
        make: Function of a source and a call that returns an `Outcome`.
    """

    make: Callable[[Source, Call], Outcome] | None = None

    def outcome(self, source: Source, given: Mapping) -> Outcome:
        """The outcome of the values of a form."""
        return self.make(source, call_of(self, given, None, {}))


def extras(source: Source) -> dict[str, Extra]:
    """The extras of a model, by name; a server has none.

    Args:
        source: The model.
    """
    model = source.model
    if not hasattr(model, "abilities"):
        return {}
    return {extra.name: extra for extra in _extras(source, model, model.abilities())}


def _extras(source: Source, model, abilities) -> Iterator[Extra]:
    if "decode" in abilities:
        conditions = dict(list(abilities["decode"].declared(model).items())[1:])
        images_of_encode = _images_of(model, abilities.get("encode"))
        if model.latent_distribution() is not None:
            yield _walk(conditions)
        if images_of_encode is not None:
            yield _walk_of_pictures(images_of_encode, conditions)
    if {"map", "synthesize"} <= set(abilities) and hasattr(model, "mix"):
        yield _mix(model)
    if "sample" in abilities and source.has_examples:
        yield _nearest()


def _images_of(model, encode):
    """The images that a model encodes; None without any, or for other inputs too."""
    declared = encode.declared(model) if encode else {}
    return declared.get(IMAGES)


def _number(name, low, high, default, description):
    return Input(
        name, (), "int64", range=(low, high), default=default, description=description
    )


STEPS = _number("steps", 2, 25, 11, "Number of images, both ends included.")


# Walks.


def _walk(conditions):
    ends = {
        "start": seed_input("start", default=0, description="Seed of the start."),
        "end": seed_input("end", default=1, description="Seed of the end."),
    }
    return _walk_from("sample", "walk", ends, conditions)


def _walk_of_pictures(images, conditions):
    ends = {
        name: image_input(images.shape, name, description=f"Picture at the {end}.")
        for name, end in (("start_images", "start"), ("end_images", "end"))
    }
    return _walk_from("picture", "walk_between_pictures", ends, conditions)


def _walk_from(what, name, ends, conditions):
    return Extra(
        name,
        f"Walks from one {what} to another through the latents.",
        {**ends, "steps": STEPS, **conditions},
        IMAGES,
        make=_make_walk,
    )


def _make_walk(source, call):
    inputs = call.offer.inputs
    first, second, _, *names = inputs
    conditions = _conditions(call, names)
    lines = snippets.reading(call)
    if inputs[first].role == IMAGE:
        ends = [call.arguments()[name] for name in (first, second)]
    else:
        ends = [_drawn(source, call, name) for name in (first, second)]
        for name in (first, second):
            repeat = f".repeat({call.count}, axis=0)" if call.count > 1 else ""
            seed = _value(call, name)
            lines.append(
                f"{name} = keras_gen.latent.draw(model, 1, seed={seed}){repeat}"
            )
    steps = _value(call, "steps")
    walks = latent.interpolate(source.model, *ends, steps, **conditions)
    given = "".join(f", {n}={snippets.literal(v)}" for n, v in conditions.items())
    lines.append(
        f"answer = keras_gen.latent.interpolate(model, {first}, {second}, "
        f"steps={steps}{given})"
    )
    name = f"{call.offer.name}.png"
    flat = walks.reshape(-1, *walks.shape[2:])
    what = "answer.reshape(-1, *answer.shape[2:])"
    lines.append(outcomes.saving(name, flat, steps, what))
    texts = _texts(source, inputs, conditions, call.count)
    places = np.linspace(0, 1, steps)
    frames = [
        pictures.gallery(walks[:, i], texts, f"position {places[i]:.2f}:")
        for i in range(steps)
    ]
    return Outcome(
        pictures.gallery(flat, [""] * len(flat), "step", steps),
        name,
        outcomes.grid_of(flat, steps),
        snippets.program(source, lines),
        _request_of_walk(source, call, ends, conditions, places),
        outcomes.files_of(call),
        tuple(frames),
    )


def _value(call, name):
    """The value that a user gave, or the default."""
    return call.values.get(name, call.entry(name).default)


def _drawn(source, call, name):
    drawn = latent.draw(source.model, 1, _value(call, name))
    return drawn.repeat(call.count, axis=0)


def _conditions(call, names):
    """Rows of the conditions, with defaults that the first end's seed draws."""
    entries = {name: call.entry(name) for name in names}
    first = next(iter(call.offer.inputs))
    seed = call.values.get(first, 0)
    seeds = row_seeds(call.count, seed if isinstance(seed, int) else 0)
    rows = default_conditions(entries, seeds, call.values)
    for name in names:
        if name in call.values:
            given = rows_of(entries[name], call.values[name], call.count)
            rows[name] = np.repeat(given, call.count) if np.ndim(given) == 0 else given
    return {name: np.asarray(rows[name], object).tolist() for name in names}


def _texts(source, inputs, conditions, count):
    """The labels and captions of each walk."""
    words = [[] for _ in range(count)]
    for name, values in conditions.items():
        if inputs[name].role in LISTED:
            known = source.names(inputs[name]) if inputs[name].dtype == "int64" else ()
            for row, value in zip(words, values, strict=True):
                row.append(str(known[value] if known else value))
    return [", ".join(row) for row in words]


def _request_of_walk(source, call, ends, conditions, places):
    """The request for all positions of the first walk."""
    steps = len(places)
    given = {name: [values[0]] * steps for name, values in conditions.items()}
    rows = {"position": [round(float(place), 4) for place in places], **given}
    first, second, *_ = call.offer.inputs
    if call.entry(first).role == IMAGE:
        files = {
            name.replace("_images", "_image_bytes"): [snippets.content(name)] * steps
            for name in (first, second)
        }
        return snippets.request(
            source.url, "interpolate_images_bytes", {**files, **rows}, IMAGES
        )
    if steps * 2 * ends[0][0].size > MAX_NUMBERS:
        return "# The latents are too many numbers to be copied into a request."
    latents = {
        name: [end[0].round(5).tolist()] * steps
        for name, end in zip(("start", "end"), ends, strict=True)
    }
    return snippets.request(source.url, "interpolate", {**latents, **rows}, IMAGES)


NO_REQUEST = "# A server does this by several requests: keras_gen.export.Client."


# Mixing styles.


def _mix(model):
    count = model.inputs()["styles"].shape[0]
    coarse = tuple(int(i < (count + 1) // 2) for i in range(count))
    return Extra(
        "mix",
        "Mixes styles: chosen layers take those of the top row, others of the left.",
        {
            "seed": seed_input("seed", default=0, description="Seed of the latents."),
            "size": _number("size", 1, 8, 4, "Number of rows and of columns."),
            "layers": Input(
                "layers",
                (count,),
                role=ATTRIBUTES,
                range=(0.0, 1.0),
                default=coarse,
                description="Layers with the styles of the top row; 0 is the coarsest.",
            ),
        },
        IMAGES,
        make=_make_mix,
    )


def _make_mix(source, call):
    seed, size = _value(call, "seed"), _value(call, "size")
    layers = tuple(np.flatnonzero(_value(call, "layers")).tolist())
    latents = latent.draw(source.model, 2 * size, seed)
    labels, words = _labels_of_mix(source.model, size, seed)
    table = latent.mix_styles(
        source.model, latents[:size], latents[size:], layers, labels
    )
    flat = table.reshape(-1, *table.shape[2:])
    ends = f"latents[:{size}], latents[{size}:]"
    lines = [
        f"latents = keras_gen.latent.draw(model, {2 * size}, seed={seed})",
        f"answer = keras_gen.latent.mix_styles(model, {ends}, {layers}{words})",
        outcomes.saving(
            "mix.png", flat, size + 1, "answer.reshape(-1, *answer.shape[2:])"
        ),
    ]
    texts = [
        "" if i == 0 else "top" if i <= size else "left" if i % (size + 1) == 0 else ""
        for i in range(len(flat))
    ]
    return Outcome(
        pictures.gallery(flat, texts, "mixed styles", size + 1),
        "mix.png",
        outcomes.grid_of(flat, size + 1),
        snippets.program(source, lines),
        NO_REQUEST,
    )


def _labels_of_mix(model, size, seed):
    """Labels of sources and of targets, and the words that pass them."""
    declared = model.abilities()["map"].declared(model)
    if "labels" not in declared:
        return None, ""
    entry = {"labels": declared["labels"]}
    rows = default_conditions(entry, row_seeds(2 * size, seed))["labels"]
    rows = [int(row) for row in rows]
    pair = rows[:size], rows[size:]
    return pair, f", labels=({pair[0]}, {pair[1]})"


# Nearest training images.


def _nearest():
    return Extra(
        "nearest",
        "Shows samples, and beside each the training images whose pixels are nearest.",
        {
            "seed": seed_input("seed", default=0, description="Seed of the samples."),
            "samples": _number("samples", 1, 8, 4, "Number of samples."),
            "neighbours": _number("neighbours", 1, 9, 5, "Images beside each sample."),
        },
        IMAGES,
        make=_make_nearest,
    )


def _make_nearest(source, call):
    n, k = _value(call, "samples"), _value(call, "neighbours")
    seed = _value(call, "seed")
    samples = source.model.sample(n, seed=seed)
    options = {"k": k}
    if source.split_seed:
        options["split_seed"] = source.split_seed
    found = memorisation.nearest_images(samples, source.data, **options)
    given = ", ".join(f"{name}={value}" for name, value in options.items())
    rows = np.concatenate([samples[:, None], found], axis=1)
    flat = rows.reshape(-1, *rows.shape[2:])
    lines = [
        f"samples = model.sample({n}, seed={seed})",
        f"answer = keras_gen.metrics.memorisation.nearest_images(samples, "
        f"{snippets.literal(source.data)}, {given})",
        "rows = np.concatenate([samples[:, None], answer], axis=1)",
        outcomes.saving(
            "nearest.png", flat, k + 1, "rows.reshape(-1, *rows.shape[2:])"
        ),
    ]
    texts = ["sample" if i % (k + 1) == 0 else "" for i in range(len(flat))]
    return Outcome(
        pictures.gallery(flat, texts, "samples and training images", k + 1),
        "nearest.png",
        outcomes.grid_of(flat, k + 1),
        snippets.program(source, lines),
        NO_REQUEST,
    )
