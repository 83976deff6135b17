"""Faces: 60,000 cartoon faces, 15,000 in each of four artists' hands, on white.

Features: `image`; `domain`, the hand; `attributes`, 0 or 1 for each of `ATTRIBUTES`;
`label`, the colour of the hair; `caption`, a sentence in one of several wordings; `id`.

The name of a selection is "faces", and optionally hands and attributes:

- "faces/personas", "faces/personas,micah": some hands;
- "faces?glasses", "faces?!glasses", "faces/micah?glasses&smile&!beard": the faces with
  and without attributes;
- "faces?black_hair,blond_hair": the faces to which exactly one of several conditions
  applies, whose index is their `domain`. With "image_b" they are the two domains;
- "faces?attributes=glasses,beard,smile": all faces, whose `attributes` are these alone,
  in this order.

The split "test" has a tenth of the faces, by their ids. In "faces?split=combinations",
it has a tenth of the combinations of `COMBINED` and hair colours, which never occur in
the split "train": models of captions need it, since what a caption says was
otherwise seen in training, of another face. The division belongs to the name of the
source, so that a model is measured by the division of its training.

The package holds no images, but what the artists drew: parts of faces, at 64x64 and at
128x128 pixels, from which `draw` composes an image as the renderer of the SVGs does.
`files/README.md` states sources and licences; `tools/build_faces/` builds the files.
"""

import dataclasses
import difflib
import functools
import hashlib
import importlib.resources
import json
import re
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from keras_gen.data import pipeline, summary
from keras_gen.data.splits import select

SIZES = (64, 128)
TEST_SHARE = 0.1
# Attributes whose combinations, together with the label, are held out for captions.
COMBINED = (
    *("glasses", "sunglasses", "smile", "open_mouth", "beard", "moustache"),
    *("long_hair", "curly_hair", "tied_hair", "bald", "hat"),
)
_DIVISIONS = {
    "id": "a tenth of the faces, by their ids",
    "combinations": "a tenth of the combinations of hair, eyewear, mouth and beard",
}
_STYLES = ("long_hair", "tied_hair", "bald", "hat")  # Other hair is short.


@dataclasses.dataclass(frozen=True)
class Selection:
    """Faces that a name selects.

    Attributes:
        hands: Names of the hands.
        conditions: Texts such as "glasses&!smile"; none selects all faces of the hands.
        division: Way of splitting, "id" or "combinations".
        attributes: Names of the attributes that faces have; none stands for all.
    """

    hands: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    division: str = "id"
    attributes: tuple[str, ...] = ()

    @property
    def domain_names(self) -> tuple[str, ...]:
        """Names of the domains: the conditions, if there are several, or the hands."""
        return self.conditions if len(self.conditions) > 1 else self.hands

    def __str__(self):
        terms = [",".join(self.conditions)] if self.conditions else []
        terms += [f"split={self.division}"] if self.division != "id" else []
        names = ",".join(self.attributes)
        terms += [f"attributes={names}"] if names else []
        hands = "" if self.hands == hand_names() else f"/{','.join(self.hands)}"
        return f"faces{hands}{'?' if terms else ''}{'&'.join(terms)}"


def is_selection(source: object) -> bool:
    """Whether a source is a text that names faces.

    >>> [is_selection(text) for text in ("faces", "faces/micah", "faces?hat", "faces2")]
    [True, True, True, False]
    """
    return isinstance(source, str) and bool(re.match(r"faces(?![^/?])", source))


def parse(text: str) -> Selection:
    """The selection that a text names.

    >>> parse("faces/micah?glasses,!glasses").conditions
    ('glasses', '!glasses')
    >>> parse("faces?split=combinations&attributes=beard,smile").attributes
    ('beard', 'smile')

    Raises:
        ValueError: For an unknown hand, attribute or way of splitting, for a hand or an
            attribute that is named twice, and for conditions that exclude every face.
    """
    path, _, query = text.partition("?")
    _, slash, named = path.partition("/")
    chosen = tuple(named.split(",")) if slash else hand_names()
    if not set(chosen) <= set(hand_names()) or len(set(chosen)) < len(chosen):
        raise ValueError(f"Expected hands of {hand_names()}, each once, got {text!r}.")
    terms = query.split("&") if query else []
    division = _setting("split=", terms, text) or "id"
    attributes = _setting("attributes=", terms, text)
    conditions = "&".join(terms)
    if division not in _DIVISIONS:
        raise ValueError(f"Expected split=id or split=combinations, got {text!r}.")
    kept = () if attributes is None else tuple(attributes.split(","))
    for name in kept:
        _check_attribute(name, text)
    if len(set(kept)) < len(kept):
        raise ValueError(f"Expected attributes=..., each once, got {text!r}.")
    found = tuple(conditions.split(",")) if conditions else ()
    selection = Selection(chosen, found, division, kept)
    for condition in found:
        for term in condition.split("&"):
            _check_attribute(term.removeprefix("!"), text)
    domains = set(_rows(selection)[1])
    if not domains or len(domains) < len(found) > 1:
        raise ValueError(
            f"Expected conditions each of which some face meets, got {text!r}."
        )
    return selection


def _setting(key, terms, text):
    """The value of a term such as "split=id", which is taken from the terms."""
    given = [term for term in terms if term.startswith(key)]
    if len(given) > 1:
        raise ValueError(f"Expected {key}... once, got {text!r}.")
    for term in given:
        terms.remove(term)
        return term.removeprefix(key)
    return None


def sides(text: str) -> list[str]:
    """The names of the selections of two domains: two conditions, or two hands.

    >>> sides("faces/micah?glasses,!glasses")
    ['faces/micah?glasses', 'faces/micah?!glasses']
    >>> sides("faces")
    ['faces/personas', 'faces/toon-head']

    Args:
        text: Name of a selection. All hands stand for the first two.
    """
    chosen = parse(text)
    if len(chosen.conditions) > 1:
        return [
            str(dataclasses.replace(chosen, conditions=(condition,)))
            for condition in chosen.conditions
        ]
    hands = chosen.hands[:2] if chosen.hands == hand_names() else chosen.hands
    return [str(dataclasses.replace(chosen, hands=(hand,))) for hand in hands]


def hand_names() -> tuple[str, ...]:
    """The names of the hands, in the order of the domains of "faces"."""
    return tuple(_description()["hands"])


def attribute_names() -> list[str]:
    """The names of the attributes, in their order."""
    return list(_description()["attributes"])


def unnamed_attributes() -> list[str]:
    """Names of the attributes that most captions leave out."""
    skin = [name for name in attribute_names() if name.endswith("_skin")]
    return ["short_hair", *skin]


def class_names() -> list[str]:
    """The names of the labels: colours of hair, and "none" if no hair is visible."""
    return [*_palette("hair")[0], "none"]


def meets(condition: str, attributes: np.ndarray) -> np.ndarray:
    """Which faces meet a condition on attributes, bool (count,).

    >>> meets("!glasses&!sunglasses", np.zeros((2, len(attribute_names()))))
    array([ True,  True])

    Args:
        condition: Text such as "glasses&!smile".
        attributes: 0 or 1, or booleans, (count, attributes), in the order of
            `attribute_names`.
    """
    names, met = attribute_names(), np.ones(len(attributes), bool)
    for term in condition.split("&"):
        column = np.asarray(attributes)[:, names.index(term.removeprefix("!"))]
        met &= column == (not term.startswith("!"))
    return met


def area(name: str, attributes: Iterable[str], size: int = 64) -> np.ndarray:
    """The pixels that can change with attributes, bool (size, size).

    They are those that any option of a slot covers, if one of its options has one of
    the attributes: for "glasses", in hands that draw glasses together with eyes, those
    of all eyes. For a colour they are those of all parts that have it.

    Args:
        name: Name of a selection; the pixels of all its hands count.
        attributes: Names of attributes.
        size: Width and height in pixels, 64 or 128.
    """
    covered, wanted = np.zeros((size, size), bool), set(attributes)
    wanted |= {*_STYLES} if "short_hair" in wanted else set()
    colours = {
        palette
        for palette in ("hair", "skin")
        if wanted & {f"{colour}_{palette}" for colour in _palette(palette)[0]}
    }
    for hand in parse(name).hands:
        slots = {
            slot
            for slot, options in _hand(hand)["slots"].items()
            if any(wanted & set(option[1]) for option in options)
        }
        for layer, sprites in zip(
            _hand(hand)["layers"], _sprites(hand, size), strict=True
        ):
            if layer["slot"] in slots or layer["colour"] in colours:
                (top, bottom, left, right), _, (*_, alpha) = sprites
                covered[top:bottom, left:right] |= (alpha > 0).any(axis=(0, 1))
    return covered


# Sources of `keras_gen.data`.


def load(split: str = "train", name: str = "faces", size: int = 64) -> dict:
    """All faces of a split as arrays.

    Args:
        split: Name of a split, or a part of one, as for `keras_gen.data.load`. Parts
            contain the hands in turn.
        name: Name of a selection.
        size: Width and height of the images, 64 or 128.

    Returns:
        A dict of arrays with equal numbers of rows: image, uint8 (count, size, size,
        3); attributes, float32 (count, attributes); label and domain, int64 (count,);
        caption and id, bytes (count,).
    """
    selection = parse(name)
    features = _select(split, selection)
    return {"image": draw(features.pop("row"), size), **features}


def batches(
    name: str,
    split: str,
    features: tuple[str, ...] = (),
    *,
    image_shape: tuple[int, int, int] | None = None,
    **batching,
) -> tf.data.Dataset:
    """Batches of faces, whose images are drawn for each batch.

    Args:
        name: Name of a selection.
        split: Name of a split, or a part of one.
        features: Names of the requested features; () requests all.
        image_shape: Shape of the images; None is (64, 64, 3). Images that are wider or
            higher than 64 pixels are made from those of 128.
        **batching: Arguments of `pipeline.array_batches`.

    Returns:
        A dataset of dicts with the attributes `class_names`, `domain_names` and
        `attribute_names`.
    """
    selection = parse(name)
    arrays = _select(split, selection, features)
    if not len(arrays["row"]):
        raise ValueError(
            f"Expected faces in the split {split!r} of {name!r}, got none."
        )
    size = _size(image_shape)
    dataset = pipeline.array_batches(arrays, **batching)

    def with_images(batch):
        rows = batch.pop("row")
        if features and "image" not in features:
            return batch
        images = tf.numpy_function(draw, [rows, size], tf.uint8, stateful=False)
        images = tf.ensure_shape(images, (rows.shape[0], size, size, 3))
        return {"image": pipeline.prepare(images, image_shape), **batch}

    dataset = dataset.map(with_images, num_parallel_calls=pipeline.AUTOTUNE)
    dataset = dataset.prefetch(pipeline.AUTOTUNE)
    dataset.class_names = class_names()
    dataset.domain_names = list(selection.domain_names)
    dataset.attribute_names = list(selection.attributes) or attribute_names()
    return dataset


def describe(name: str, split: str, **facts) -> summary.Description:
    """The facts about a selection; the arguments are those of `batches`.

    Args:
        name: Name of a selection.
        split: Name of a split, or a part of one.
        **facts: Further attributes of `Description`.
    """
    selection = parse(name)
    counts = {
        part: len(_select(part, selection, ("id",))["row"])
        for part in ("train", "test", split)
    }
    division = _DIVISIONS[selection.division]
    if selection.division == "id" and "caption" in (facts.get("features") or ()):
        division += "; 'split=combinations' in the source's name holds out captions"
    size = _size(facts.get("image_shape"))
    return summary.Description(
        name,
        {part: counts[part] for part in ("train", "test")},
        split,
        counts[split],
        **summary.image_facts((size, size, 3)),
        class_names=tuple(class_names()),
        domain_names=selection.domain_names,
        division=division,
        details=(f"{len(selection.attributes or attribute_names())} attributes",),
        **facts,
    )


def _size(image_shape):
    """Size of the sprites for images of a shape."""
    small, large = SIZES
    return small if image_shape is None or max(image_shape[:2]) <= small else large


def _select(split, selection, features=()):
    """The rows of a split, and features of them apart from images."""
    rows, domains = _rows(selection)
    is_test = _held_out(selection.division)[rows]

    def part(chosen):
        return lambda: {"row": rows[chosen], "domain": domains[chosen]}

    found = select(split, {"train": part(~is_test), "test": part(is_test)})
    row = found["row"]
    attributes, labels = _attributes()
    columns = [attribute_names().index(name) for name in selection.attributes]
    attributes = attributes[:, columns] if columns else attributes
    found["attributes"] = attributes[row].astype(np.float32)
    found["label"] = labels[row]
    if not features or "caption" in features:
        found["caption"] = _captions()[row]
    return {**found, "id": _ids()[row]}


def _rows(selection):
    """Rows of the faces of a selection, and their domains, int64."""
    hands = [hand_names().index(hand) for hand in selection.hands]
    domains = np.full(len(hand_names()), -1)
    domains[hands] = np.arange(len(hands))
    domains = domains[np.arange(_count()) % len(hand_names())]
    if not selection.conditions:
        rows = np.flatnonzero(domains >= 0)
        return rows, domains[rows]
    attributes, _ = _attributes()
    met = np.stack([meets(c, attributes) for c in selection.conditions], axis=1)
    rows = np.flatnonzero((domains >= 0) & (met.sum(1) == 1))
    if len(selection.conditions) > 1:
        domains = met.argmax(1)
    return rows, domains[rows]


def _check_attribute(name, text):
    if name not in attribute_names():
        near = difflib.get_close_matches(name, attribute_names(), n=3, cutoff=0.5)
        raise ValueError(
            f"Expected attributes of {near or attribute_names()} in {text!r}, got "
            f"{name!r}."
        )


# The table of all faces. Rows contain the hands in turn.


def _count():
    return sum(len(_files()[f"{hand}/choices"]) for hand in hand_names())


@functools.cache
def _ids():
    """Identifiers by row, bytes."""
    count, hands = _count(), hand_names()
    names = [f"{hands[i % len(hands)]}-{i // len(hands):05}" for i in range(count)]
    return np.array(names).astype("S")


@functools.cache
def _attributes():
    """Attributes by row, bool (count, attributes), and labels, int64 (count,)."""
    found, labels = zip(*map(_attributes_of, hand_names()), strict=True)
    shape = (-1, len(attribute_names()))
    return np.stack(found, 1).reshape(shape), np.stack(labels, 1).reshape(-1)


def _attributes_of(hand):
    """Attributes and labels of the faces of a hand."""
    names, choices = attribute_names(), _choices(hand)
    found = np.zeros((len(choices["hair"]), len(names)), bool)
    for slot, options in _hand(hand)["slots"].items():
        table = np.array([[a in option[1] for a in names] for option in options])
        found |= table[choices[slot]]

    def column(name):
        return found[:, names.index(name)]

    column("short_hair")[:] = ~np.any([column(name) for name in _STYLES], axis=0)
    is_hair = np.array(
        ["{hair}" in words for _, _, words in _hand(hand)["slots"]["hair"]]
    )
    visible = is_hair[choices["hair"]] & ~column("hat")
    colours, tones = class_names(), np.array(_palette("skin")[0])
    labels = np.where(visible, choices["hair colour"], colours.index("none"))
    for index, colour in enumerate(colours[:-1]):
        column(f"{colour}_hair")[:] = labels == index
    for tone in set(tones):
        column(f"{tone}_skin")[:] = tones[choices["skin colour"]] == tone
    return found, labels.astype(np.int64)


def _held_out(division):
    """Boolean by row, whether a face is in the split "test"."""
    return _test_ids() if division == "id" else _test_combinations()


@functools.cache
def _test_ids():
    return np.array([_is_test(name) for name in _ids()])


@functools.cache
def _test_combinations():
    attributes, labels = _attributes()
    columns = [attribute_names().index(name) for name in COMBINED]
    table = np.concatenate([attributes[:, columns], labels[:, None]], axis=1)
    kinds, inverse = np.unique(table, axis=0, return_inverse=True)
    return np.array([_is_test(bytes(kind.tolist())) for kind in kinds])[inverse.ravel()]


def _is_test(key):
    """Whether what a key identifies is held out, which depends on the key alone."""
    digest = hashlib.sha256(key).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < TEST_SHARE


# Captions.


@functools.cache
def _captions():
    """Captions by row, bytes."""
    found = [_captions_of(hand) for hand in hand_names()]
    return np.array(found).T.reshape(-1).astype("S")


def _captions_of(hand):
    """Captions of the faces of a hand, in their order."""
    hands = hand_names()
    ids = _ids()[hands.index(hand) :: len(hands)]
    attributes = _attributes_of(hand)[0]
    choices, slots = _choices(hand), _hand(hand)["slots"]
    colours = {
        name: np.array(_palette(name)[0])[choices[f"{name} colour"]]
        for name in ("hair", "skin", "clothes")
        if f"{name} colour" in choices
    }
    names = attribute_names()
    captions = []
    for row, identifier in enumerate(ids):
        named = {name: values[row] for name, values in colours.items()}
        parts = {
            slot: options[choices[slot][row]][1:] for slot, options in slots.items()
        }
        known = {name for name, has in zip(names, attributes[row], strict=True) if has}
        wording = hashlib.sha256(identifier).digest()[-1] % len(_WORDINGS)
        captions.append(_caption(parts, known, named, wording))
    return captions


def _caption(parts, known, colours, wording):
    """A caption.

    Args:
        parts: Pairs of attributes and words of the face's parts, by slot.
        known: Names of all attributes of the face.
        colours: Names of its colours: hair, skin and clothes.
        wording: Index in `_WORDINGS`.
    """
    length = parts.get("rearHair", ("", ""))[1]
    has, wears, clothes = [], [], ""
    for slot, (attributes, words) in parts.items():
        text = " ".join(words.format(length=length, **colours).split())
        text = text.replace("a orange", "an orange")
        if slot in _CLOTHES:
            clothes = text
        elif text and slot != "rearHair":
            (wears if _WORN & set(attributes) else has).append(text)
    return _WORDINGS[wording](has, wears, clothes, colours["skin"], _expression(known))


_CLOTHES = ("body", "clothes", "shirt")  # Slots of clothes.
_WORN = {"glasses", "sunglasses", "hat", "earrings"}


def _expression(known):
    """What a face does, from its attributes; "" for nothing special."""
    verbs = {"smile": "smiling", "frown": "frowning", "wink": "winking"}
    done = [verb for name, verb in verbs.items() if name in known]
    mouth = "with an open mouth" if "open_mouth" in known else ""
    return " ".join(filter(None, [" and ".join(done), mouth]))


def _listed(texts):
    """Texts with commas, and with "and" before the last."""
    *rest, last = texts
    return f"{', '.join(rest)} and {last}" if rest else last


def _with_all(has, wears, clothes, skin, expression):
    text = f"a person with {_listed(has + wears)}"
    return f"{text}, {expression}" if expression else text


def _with_clothes(has, wears, clothes, skin, expression):
    text = "a person"
    if clothes:
        text += f" in {clothes}"
    if has:
        text += f" who has {_listed(has)}"
    if wears:
        text += f"{' and' if has else ' who'} wears {_listed(wears)}"
    return f"{text}, {expression}" if expression else text


def _with_skin(has, wears, clothes, skin, expression):
    text = f"a face with {skin} skin, {_listed(has + wears)}"
    return f"{text}, {expression}" if expression else text


def _expression_first(has, wears, clothes, skin, expression):
    text = f"someone {expression or 'looking ahead'}"
    if has:
        text += f", with {_listed(has)}"
    worn = [*wears, *([clothes] if clothes else [])]
    return f"{text}, wearing {_listed(worn)}" if worn else text


_WORDINGS = (_with_all, _with_clothes, _with_skin, _expression_first)


# Images.


def draw(rows: np.ndarray, size: int = 64) -> np.ndarray:
    """Draws faces, uint8 (count, size, size, 3).

    Args:
        rows: Numbers of the faces, whole (count,): n is face n // 4 of hand n % 4.
        size: Width and height in pixels, 64 or 128.
    """
    rows, size, hands = np.asarray(rows), int(size), hand_names()
    images = np.empty((len(rows), size, size, 3), np.uint8)
    for index, hand in enumerate(hands):
        members = np.flatnonzero(rows % len(hands) == index)
        choices = _files()[f"{hand}/choices"][rows[members] // len(hands)]
        images[members] = compose(hand, choices, size)
    return images


def compose(hand: str, choices: np.ndarray, size: int = 64) -> np.ndarray:
    """Composes faces of chosen parts and colours, uint8 (count, size, size, 3).

    Args:
        hand: Name of the hand.
        choices: Index of the option for each slot of the hand, and then of each of its
            colours in its palette, in the order of `files/faces.json`; uint8
            (count, slots and colours).
        size: Width and height in pixels, 64 or 128.

    Raises:
        ValueError: For another size.
    """
    if size not in SIZES:
        raise ValueError(f"Expected a size of {SIZES}, got {size}.")
    images = np.empty((len(choices), size, size, 3), np.uint8)
    for start in range(0, len(choices), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        planes = _compose(hand, _named(hand, choices[chunk]), size)
        images[chunk] = planes.transpose(0, 2, 3, 1)
    return images


_CHUNK = 32  # Faces that are composed at once, so that they fit into caches.


def _compose(hand, choices, size):
    """Faces of choices by slot and colour, uint8 (count, 3, size, size)."""
    images = np.ones((len(choices["hair"]), 3, size, size), np.float32)
    layers = zip(_hand(hand)["layers"], _sprites(hand, size), strict=True)
    for layer, (box, part_of, sprites) in layers:
        # Without a slot, a layer is part of all faces.
        parts = part_of[choices.get(layer["slot"], np.zeros(len(images), int))]
        rows = np.flatnonzero(parts >= 0)
        if not len(rows):
            continue
        source, coverage, alpha = (plane[parts[rows]] for plane in sprites)
        if layer["colour"]:
            palette = _tints(_hand(hand)["colours"][layer["colour"]])
            tints = palette[choices[f"{layer['colour']} colour"][rows]]
            source += coverage * tints[:, :, None, None]
        rows = slice(None) if len(rows) == len(images) else rows
        top, bottom, left, right = box
        area = images[rows, :, top:bottom, left:right]
        mixed = _MODES[layer["mode"]](area, source, alpha)
        images[rows, :, top:bottom, left:right] = mixed + (1 - alpha) * area
    return np.rint(255 * images.clip(0, 1)).astype(np.uint8)


def _overlay(backdrop, source, alpha):
    dark = 2 * backdrop * source
    bright = source + (2 * backdrop - 1) * (alpha - source)
    return np.where(backdrop <= 0.5, dark, bright)


# What a source adds to an opaque backdrop, by its blend mode in the SVG; W3C,
# "Compositing and Blending Level 1", sections 5 and 10. Sources are premultiplied.
_MODES = {
    "normal": lambda backdrop, source, alpha: source,
    "multiply": lambda backdrop, source, alpha: backdrop * source,
    "lighten": lambda backdrop, source, alpha: np.maximum(alpha * backdrop, source),
    "overlay": _overlay,
}


@functools.cache
def _sprites(hand, size):
    """For each layer of a hand: its box, its sprite by option, and the sprites.

    Sprites are triples of colour (parts, 3, height, width), coverage by a chosen colour
    and alpha (parts, 1, height, width), float32 in [0, 1].
    """
    found = []
    for index, layer in enumerate(_hand(hand)["layers"]):
        options = _hand(hand)["slots"].get(layer["slot"], [layer["parts"]])
        names = [option[0] for option in options]
        part_of = [
            layer["parts"].index(n) if n in layer["parts"] else -1 for n in names
        ]
        sprites = _files()[f"{hand}/{size}/{index}"].astype(np.float32) / 255
        sprites = np.ascontiguousarray(sprites.transpose(0, 3, 1, 2))
        triple = sprites[:, :3], sprites[:, 3:4], sprites[:, 4:]
        found.append((layer["boxes"][str(size)], np.array(part_of), triple))
    return found


# Files.


@functools.cache
def _description():
    return json.loads((_folder() / "faces.json").read_text("utf-8"))


@functools.cache
def _files():
    """The arrays of faces.npz by name."""
    with (_folder() / "faces.npz").open("rb") as file, np.load(file) as arrays:
        return dict(arrays)


def _folder():
    return importlib.resources.files("keras_gen.data") / "files"


def _hand(name):
    return _description()["hands"][name]


def _choices(hand):
    """Choices of all faces of a hand by slot, and by "<name> colour"."""
    return _named(hand, _files()[f"{hand}/choices"])


def _named(hand, choices):
    colours = [f"{name} colour" for name in _hand(hand)["colours"]]
    return dict(zip([*_hand(hand)["slots"], *colours], choices.T, strict=True))


def _palette(name):
    """Names of the colours of a palette, and the colours as hexadecimal digits."""
    return tuple(zip(*_description()["palettes"][name], strict=True))


@functools.cache
def _tints(palette):
    """The colours of a palette, float32 (colours, 3) in [0, 1]."""
    return np.array(
        [list(bytes.fromhex(digits)) for digits in _palette(palette)[1]], np.float32
    ) / np.float32(255)
