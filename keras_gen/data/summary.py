"""Descriptions of data: what a source holds, and what `keras_gen.data.load` does to it.

    print(keras_gen.data.describe("photos", image_shape=(64, 64, 3)))

Every source describes itself beside its `load`; this module turns the facts into text.
"""

import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
import PIL.Image
import tensorflow as tf

from keras_gen.data import labels, splits

NAMES = 5  # Names in a line; if there are more, they are counted.


@dataclasses.dataclass(frozen=True)
class Description:
    """The facts about a source of data; `str` gives them as a few lines of text.

    Attributes:
        source: Name or path of the source.
        counts: Number of examples by the name of the split.
        split: Name of the chosen split, or of a part of one.
        num_selected: Number of examples in that split or part; None if unknown.
        unit: Noun for the examples, in the plural.
        sizes: Pairs (width, height) in pixels, of every image or of a random sample; a
            single pair if all images have the same size. Empty if sizes are unknown.
        is_sample: Boolean, whether `sizes` is of a random sample.
        kinds: Kinds of images that occur: some of "animated", "colour", "grey" and
            "transparent".
        image_shape: Shape (height, width, channels) to which images are brought; None
            keeps theirs.
        mirror: Boolean, whether half of the images are mirrored.
        left_out: Pairs of the path of a file that is left out and the reason, a clause
            such as "it cannot be read: image file is truncated".
        class_names: Names of the classes, by label.
        domain_names: Names of the domains, by index.
        num_captions: Number of captions of the chosen split.
        features: Names of the features that batches contain; None for all.
        division: Text on how examples are divided into splits.
        details: Further facts, each a phrase.
        domains: Descriptions of the two domains, for a source of two; all other
            attributes then describe the first.
    """

    source: str
    counts: dict[str, int]
    split: str
    num_selected: int | None
    unit: str = "images"
    sizes: tuple[tuple[int, int], ...] = ()
    is_sample: bool = False
    kinds: tuple[str, ...] = ()
    image_shape: tuple[int, int, int] | None = None
    mirror: bool = False
    left_out: tuple[tuple[str, str], ...] = ()
    class_names: tuple[str, ...] = ()
    domain_names: tuple[str, ...] = ()
    num_captions: int = 0
    features: tuple[str, ...] | None = None
    division: str = ""
    details: tuple[str, ...] = ()
    domains: tuple["Description", ...] = ()

    def __str__(self):
        return "\n".join([*self.source_lines(), *self.split_lines()])

    @property
    def held_out(self) -> dict[str, int]:
        """Number of examples in each of the other splits."""
        chosen = re.findall(r"[A-Za-z]\w*", self.split)
        if "all" in chosen:
            return {}
        return {k: n for k, n in self.counts.items() if n and k not in chosen}

    @property
    def all_left_out(self) -> set[tuple[str, str]]:
        """The pairs in `left_out`, also those of the two domains."""
        return {*self.left_out, *(i for side in self.domains for i in side.left_out)}

    def source_lines(self) -> list[str]:
        """Lines on what the source holds, what is left out, and what happens to it."""
        if self.domains:
            return self._of_domains(Description.source_lines)
        lines = [self._data_line(), *left_out_lines(self.left_out, self.source)]
        if self.unit == "images":
            lines.append(self._images_line())
        return lines

    def split_lines(self) -> list[str]:
        """Lines on the number of examples that are used and held out."""
        if self.domains:
            return self._of_domains(Description.split_lines)
        name, bracket, _ = self.split.partition("[")
        number = "an unknown number of"
        if self.num_selected is not None:
            number = f"{self.num_selected:,}"
            if bracket and name in self.counts:
                number += f" of {self.counts[name]:,}"
        text = f"{number} {self.unit}"
        if bracket:
            text += f" (split {self.split!r})"
        if self.num_captions:
            text += f" with {self.num_captions:,} captions"
        if name == "all":
            return [f"Split 'all': {text}; nothing is held out"]
        division = f" ({self.division})" if self.division else ""
        if not name.startswith("train"):
            return [f"Split {name!r}: {text}{division}"]
        held = [f"{n:,} in the split {k!r}" for k, n in self.held_out.items()]
        if held:
            text += f"; held out: {_enumerated(held)}{division}"
        return [f"Training: {text}"]

    @property
    def is_in_colour(self) -> bool:
        """Whether some images, also of a second domain, are stored in colour."""
        return any("colour" in side.kinds for side in self.domains or (self,))

    def in_shape(self, image_shape: tuple[int, int, int]) -> "Description":
        """The description of the same data, brought to another shape.

        Args:
            image_shape: Shape (height, width, channels) to which images are brought.
        """
        domains = tuple(side.in_shape(image_shape) for side in self.domains)
        return dataclasses.replace(self, image_shape=image_shape, domains=domains)

    def without(self, left_out: Iterable[tuple[str, str]]) -> "Description":
        """The description after more files of the chosen split are left out.

        Args:
            left_out: Pairs of path and reason, as in the attribute. Those that the
                description has already are ignored.
        """
        known = self.all_left_out
        left_out = tuple(item for item in left_out if item not in known)
        if self.domains:
            own = [
                [item for item in left_out if _is_in(item[0], side.source)]
                for side in self.domains
            ]
            sides = zip(self.domains, own, strict=True)
            return dataclasses.replace(
                self, domains=tuple(side.without(items) for side, items in sides)
            )
        count = self.num_selected
        return dataclasses.replace(
            self,
            left_out=self.left_out + left_out,
            num_selected=None if count is None else count - len(left_out),
        )

    def _of_domains(self, lines_of):
        """The lines of both domains, marked A and B."""
        lines = []
        for letter, side in zip("AB", self.domains, strict=True):
            for line in lines_of(side):
                label, colon, text = line.partition(":")
                lines.append(f"{label} ({letter}){colon}{text}")
        return lines

    def _data_line(self):
        total = sum(self.counts.values())
        facts = [f"{f'{total:,} ' if total else ''}{self.unit}{self._span()}"]
        facts += _groups("classes", self.class_names, self._has("label", "domain"))
        facts += _groups("domains", self.domain_names, self._has("domain"))
        return f"Data: {self.source}, {', '.join([*facts, *self.details])}"

    def _has(self, *features):
        """Whether batches contain one of the features."""
        return self.features is None or bool(set(features) & set(self.features))

    def _span(self):
        """The smallest, largest and median size, by area."""
        if not self.sizes:
            return ""
        ordered = sorted(self.sizes, key=math.prod)
        if len(set(ordered)) == 1:
            return f" of {_size(ordered[0])} pixels{self._sample_note(' ({})')}"
        median = ordered[len(ordered) // 2]
        return (
            f" of {_size(ordered[0])} to {_size(ordered[-1])} pixels (width x height; "
            f"median {_size(median)}{self._sample_note('; {}')})"
        )

    def _sample_note(self, form):
        if not self.is_sample:
            return ""
        return form.format(f"sizes of a random sample of {len(self.sizes):,}")

    def _images_line(self):
        if self.image_shape is None and len(set(self.sizes)) > 1:
            done = ["of several sizes: to load them, give image_shape"]
        elif self.image_shape is None:
            done = ["used at their size"]
        else:
            done = [self._fitting(), *self._colours()]
        if "animated" in self.kinds:
            done.append("animated files give their first frame")
        if self.mirror:
            done.append("half are mirrored, chosen anew in each epoch")
        return f"Images: {'; '.join(filter(None, done))}"

    def _fitting(self):
        """What `pipeline.to_size` does to the images."""
        height, width, _ = self.image_shape
        target = (width, height)
        if set(self.sizes) == {target}:
            return f"used at their size, {_size(target)}"
        crops = [cropped(size, target) for size in self.sizes]
        pairs = zip(crops, self.sizes, strict=True)
        cut = max((1 - math.prod(c) / math.prod(s) for c, s in pairs), default=1)
        text = f"resized to {_size(target)} pixels"
        if cut > 0:
            divisor = math.gcd(width, height)
            ratio = f"{width // divisor}:{height // divisor}"
            to = "a square" if width == height else f"the proportions {ratio}"
            text = f"cropped around the centre to {to}{self._loss(cut)}, then {text}"
        small = sum(c[0] < width or c[1] < height for c in crops)
        if small == len(crops) > 0:
            text += ", which enlarges them"
        elif small and self.is_sample:
            share = max(round(100 * small / len(crops)), 1)
            text += f", which enlarges about {share}% of them"
        elif small:
            text += f", which enlarges {small:,} of them"
        return text

    def _loss(self, cut):
        percent = round(100 * cut)
        if not self.sizes or not percent:
            return ""
        most = "" if len(set(self.sizes)) == 1 else "up to "
        return f" (cuts off {most}{percent}% of the area)"

    def _colours(self):
        notes = []
        height, width, channels = self.image_shape
        if channels == 1 and "colour" in self.kinds:
            kept = f"image_shape=[{height},{width},3] keeps them"
            notes.append(f"colours become grey ({kept})")
        if channels > 1 and "grey" in self.kinds:
            notes.append("grey becomes three equal channels")
        if channels == 4:
            notes.append("alpha is kept, and images without it are opaque")
        elif "transparent" in self.kinds:
            notes.append("transparent parts become white")
        return notes


def left_out_lines(
    left_out: Iterable[tuple[str, str]], folder: str | os.PathLike = "."
) -> list[str]:
    """Lines on files that are left out, one for each kind of reason.

    >>> left_out_lines([("p/a.jpg", "it cannot be read: no end")], "p")
    ['Left out: 1 file, because it cannot be read: a.jpg (no end)']

    Args:
        left_out: Pairs of the path of a file and the reason: a clause, which may have
            details after a colon.
        folder: Path of the folder to which shown paths are relative.
    """
    kinds = {}
    for path, reason in left_out:
        kind, _, detail = reason.partition(": ")
        name = str(path)
        if _is_in(path, folder):
            name = str(pathlib.Path(path).relative_to(folder))
        # Names of files may hold bytes that are no UTF-8, which cannot be printed.
        name = name.encode("utf-8", "backslashreplace").decode()
        kinds.setdefault(kind, []).append(f"{name} ({detail})" if detail else name)
    lines = []
    for kind, names in kinds.items():
        files = "1 file," if len(names) == 1 else f"{len(names):,} files, each"
        shown = names[:NAMES]
        if len(names) > NAMES:
            shown.append(f"{len(names) - NAMES:,} more")
        lines.append(f"Left out: {files} because {kind}: {_enumerated(shown)}")
    return lines


def header(path: str | os.PathLike) -> tuple[tuple[int, int], set[str]] | None:
    """Size and kinds of an image, from its header alone.

    Args:
        path: Path of a file.

    Returns:
        The pair (width, height) after the rotation by the EXIF orientation, and some of
        "animated" (also of pages), "colour", "grey" and "transparent"; None for a file
        without a known header.
    """
    try:
        with PIL.Image.open(path) as image:
            width, height = image.size
            # Without this condition, Pillow would decode the image to look for EXIF.
            if "exif" in image.info and image.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
            kinds = {"grey" if image.mode in _GREY else "colour"}
            if image.has_transparency_data:
                kinds.add("transparent")
            if image.format in _ANIMATED and getattr(image, "n_frames", 1) > 1:
                kinds.add("animated")
            return (width, height), kinds
    except Exception:  # Decoders of damaged files raise many kinds of errors.
        return None


_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")
# Not MPO: the further images of a photo, such as one of depth, are no frames.
_ANIMATED = ("AVIF", "GIF", "PNG", "TIFF", "WEBP")


def of_arrays(source: str, arrays: Mapping[str, np.ndarray], **facts) -> Description:
    """The description of arrays in memory, which are a single split.

    Args:
        source: Name of the source.
        arrays: Features by name; see `keras_gen.data.pipeline.array_batches`.
        **facts: Further attributes of `Description`.
    """
    count = _count(arrays)
    known = {"counts": {"train": count}, "split": "train", "num_selected": count}
    if "image" in arrays:
        known.update(image_facts(np.shape(arrays["image"])[1:]))
    else:
        known["unit"] = "points" if "point" in arrays else "examples"
    if "label" in arrays:
        found, names = labels.whole(arrays["label"])
        known["class_names"] = tuple(names or map(str, np.unique(found)))
    return Description(source, **{**known, **facts})


def of_splits(
    source: str, load: Callable[[str], Mapping[str, np.ndarray]], split: str, **facts
) -> Description:
    """The description of a data set that ships.

    Args:
        source: Name of the data set.
        load: Function from the name of a split, or a part of one, to its arrays.
        split: Name of a split, or a part of one.
        **facts: Further attributes of `Description`.
    """
    arrays = load("train")
    return of_arrays(
        source,
        arrays,
        counts={"train": _count(arrays), "test": _count(load("test"))},
        split=split,
        num_selected=_count(load(split)),
        division="the data set's own",
        **facts,
    )


def of_dataset(dataset: tf.data.Dataset, **facts) -> Description:
    """The description of a dataset of single elements, which is a single split.

    Args:
        dataset: Images, pairs of image and label, or dicts with "image".
        **facts: Further attributes of `Description`.
    """
    spec = dataset.element_spec
    first = spec[0] if isinstance(spec, tuple) else spec
    image = first.get("image") if isinstance(first, dict) else first
    count = int(dataset.cardinality())
    known = {} if image is None else image_facts(image.shape)
    return Description(
        "dataset",
        {"train": max(count, 0)},
        "train",
        count if count >= 0 else None,
        **known,
        **facts,
    )


def _count(arrays):
    return len(next(iter(arrays.values())))


def division_at_random(count: int, test_fraction: float, seed: int | None) -> dict:
    """The attributes `counts` and `division` of data that `splits.at_random` divides.

    Args:
        count: Number of examples.
        test_fraction: Share of the examples in the test split, in [0, 1).
        seed: Seed of the split; None is 0.
    """
    rows = splits.at_random(count, test_fraction, seed)
    return {
        "counts": {name: len(rows[name]) for name in ("train", "test")},
        "division": f"{100 * test_fraction:g}%, chosen by seed {seed or 0}",
    }


def image_facts(shape: Sequence[int | None]) -> dict:
    """The attributes `sizes` and `kinds` of images that all have the same shape.

    Args:
        shape: Shape (height, width[, channels]); dimensions that vary are None.
    """
    height, width, channels = (*shape, 1)[:3]
    kinds = ["colour" if channels in (3, 4) else "grey"]
    if channels in (2, 4):
        kinds.append("transparent")
    known = height is not None and width is not None
    sizes = ((int(width), int(height)),) if known else ()
    return {"sizes": sizes, "kinds": tuple(kinds)}


def _groups(noun, names, are_used):
    """A phrase on classes or domains, in a list; none for a single one."""
    if len(names) < 2:
        return []
    note = ""
    if not are_used:
        note = " that the model does not use"
    elif len(names) <= NAMES and not "".join(names).isdecimal():
        note = f" ({', '.join(names)})"
    return [f"{len(names):,} {noun}{note}"]


def cropped(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int]:
    """The size of an image after the crop of `keras_gen.data.pipeline.to_size`.

    >>> cropped((640, 480), (64, 64))
    (480, 480)

    Args:
        size: Pair (width, height) of the image.
        target: Pair (width, height) to which the crop is then resized.
    """
    (old_width, old_height), (width, height) = size, target
    return (
        max(min(old_width, old_height * width // height), 1),
        max(min(old_height, old_width * height // width), 1),
    )


def _size(size):
    return f"{size[0]}x{size[1]}"


def _is_in(path, folder):
    return pathlib.Path(folder) in pathlib.Path(path).parents


def _enumerated(names: Collection[str]):
    """The names with commas, and with "and" before the last."""
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
