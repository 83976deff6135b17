"""Figures of models that are asked for something: translations, captions, parts.

Each takes a model and held-out data, and gives figures and pictures of what it looked
at: dicts of numbers, and of float32 (rows, columns, height, width, channels).
"""

import numpy as np
import tensorflow as tf

from keras_gen import data as data_sources
from keras_gen.data import emoji
from keras_gen.data.pipeline import prepare
from keras_gen.metrics import captions as caption_figures
from keras_gen.metrics import parts as part_figures
from keras_gen.metrics.translation import l1, translation_figures
from keras_gen.models.parts import proposals

ROWS = 16  # Of a picture.


def translations(model, data, extract, judge):
    """How near translations of test emoji are to the true drawings.

    Of every way from one style to another the figures of `translation_figures`, by
    their name and `_noto_to_openmoji`, say; without it their mean over all ways; and
    `agreement`, how often a classifier of styles finds the one asked for.

    Args:
        model: With `translate`.
        data: "emoji", with or without styles.
        extract: An `Extractor`.
        judge: A `Classifier` whose target is the domain, of all styles.
    """
    if judge.num_classes != len(emoji.STYLES):
        raise ValueError(
            f"Expected a classifier of {emoji.STYLES}, got {judge.num_classes} classes."
        )
    figures, pictures = {}, {}
    sets, ways = _styles(model, data), _ways(model)
    for source, target, over, back in ways:
        images, truth = sets[source][1], sets[target][1]
        translated = over(images)
        returned = back(translated)
        found = translation_figures(
            images, translated, truth, returned, extract.features
        )
        likeliest = judge.classify(_sized(translated, judge)).argmax(axis=1)
        asked = emoji.STYLES.index(sets[target][0])
        found["agreement"] = float(np.mean(likeliest == asked))
        way = f"{sets[source][0]} to {sets[target][0]}"
        figures |= {f"{k}_{way.replace(' ', '_')}": v for k, v in found.items()}
        for name, value in found.items():
            figures[name] = figures.get(name, 0.0) + value / len(ways)
        shown = [x[:: len(x) // ROWS] for x in (images, translated, truth, returned)]
        title = f"Test images {way}: image, translation, truth, and the way back"
        pictures[title] = np.stack(shown, axis=1)
    means = {name: figures.pop(name) for name in found}
    return {**means, **figures}, pictures


def _styles(model, data):
    """The test images of each style that a model knows, in the same order, by name."""
    part = str(data).partition("/")[2]
    names = emoji.styles_of(part) if part else emoji.STYLES
    names = names[: getattr(model, "num_domains", 2)]
    sets = []
    for name in names:
        batches = data_sources.load(
            f"emoji/{name}", "test", image_shape=model.image_shape, shuffle=False
        )
        sets.append((name, np.concatenate([b["image"].numpy() for b in batches])))
    return sets


def _ways(model):
    """Sets from and to, with functions over and back."""

    def to(**domain):
        return lambda images: model.translate(images, **domain)

    count = getattr(model, "num_domains", None)
    if count is None:
        return [(0, 1, to(to="b"), to(to="a")), (1, 0, to(to="a"), to(to="b"))]
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    return [(i, j, to(domain=j), to(domain=i)) for i, j in pairs]


def _sized(images, model):
    """Images of the size that a model takes."""
    return np.asarray(prepare(tf.constant(images), model.image_shape))


def caption_matches(model, data, judge, seed):
    """How well images fit captions of the test split.

    `r_precision`, of 10 captions by a matcher, and its floor for real images;
    `seed_l1`, how far two drawings of one caption differ, beside `caption_l1`, of two
    captions.

    Args:
        model: Whose `sample` takes captions.
        data: With captions.
        judge: A `Matcher`.
        seed: Of drawings and of candidates.
    """
    real, captions = _captioned(data, model.image_shape)
    drawn, again = (model.sample(captions=captions, seed=seed + i) for i in (0, 1))
    texts = judge.text_features(captions)
    figures = {
        f"r_precision{suffix}": caption_figures.r_precision(
            judge.features(_sized(images, judge)), texts, seed
        )
        for suffix, images in (("", drawn), ("_floor", real))
    }
    figures["seed_l1"] = l1(drawn, again)
    figures["caption_l1"] = l1(drawn, np.roll(drawn, 1, axis=0))
    step = max(len(real) // ROWS, 1)
    columns = [real[::step]] + [
        model.sample(captions=captions[::step], seed=i) for i in range(7)
    ]
    names = "; ".join(c.decode().partition(":")[0] for c in captions[::step])
    title = f"Test images, and seven drawings of the caption of each: {names}"
    return figures, {title: np.stack(columns, axis=1)}


def _captioned(data, image_shape):
    """The first test image of each caption, and the captions."""
    batches = data_sources.load(
        data,
        "test",
        features=("image", "caption"),
        image_shape=image_shape,
        shuffle=False,
    )
    pairs = [(b["image"].numpy(), b["caption"].numpy()) for b in batches]
    images, captions = (np.concatenate(x) for x in zip(*pairs, strict=True))
    _, first = np.unique(captions, return_index=True)
    return images[np.sort(first)], captions[np.sort(first)]


def assembled_parts(model, data, seed):
    """How well parts are placed, and images made of them, on the test split.

    `mask_iou`, and of the best constant mask `mask_iou_constant`; `parts_l1`, within
    the true masks, and of parts pasted at the training parts' mean box
    `parts_l1_pasted`.

    Args:
        model: With `assemble` and `predict_mask`.
        data: Images.
        seed: Of the drawings.
    """
    images = _images(model, data, "test")
    boxes, parts = model.find_boxes(images), model.cut(images)
    true = np.asarray(proposals.union(boxes, *model.image_shape[:2]))
    box = model.find_boxes(_images(model, data, "train")).mean(axis=(0, 1))
    made = model.assemble(parts, seed=seed)
    pasted = part_figures.paste(parts, box)
    figures = {
        "mask_iou": part_figures.mask_iou(model.predict_mask(parts), true),
        "mask_iou_constant": part_figures.constant_mask_iou(true),
        "parts_l1": part_figures.l1_within(made, images, true),
        "parts_l1_pasted": part_figures.l1_within(pasted, images, true),
    }
    title = "Test images: parts, true mask, predicted mask, what is made, the image"
    shown = {"image": images[:: max(len(images) // ROWS, 1)]}
    return figures, {title: model.pictures(shown)}


def _images(model, data, split):
    batches = data_sources.load(
        data, split, image_shape=model.image_shape, shuffle=False, features=("image",)
    )
    return np.concatenate([batch["image"].numpy() for batch in batches])
