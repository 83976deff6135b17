"""Images, classes and splits of folders, by the names of files alone.

- Each subfolder with images is a class. In a folder with subfolders for splits, such as
  `train` and `val`, the classes are those of all splits together, so that a class that
  one split lacks does not change the labels of others.
- Linked folders are followed, except into a folder that contains the link.
- Hidden files and folders, such as `.ipynb_checkpoints`, `__MACOSX` and `._1.png`, are
  no images and no classes.
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Iterator

import numpy as np

from keras_gen.data import captions
from keras_gen.data.decoding import SUFFIXES
from keras_gen.data.splits import at_random, parse

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval"),
}
# "training_set", "test-images", "val2017"
_SPLIT = re.compile(
    rf"({'|'.join(sum(SPLITS.values(), ()))})([ _-]?(set|data|images|imgs|\d{{4}}))?",
    re.IGNORECASE,
)
_HIDDEN = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information"}
*_FIRST, _LAST = sorted(SUFFIXES)
_NOT_NAMED = f"its name does not end in {', '.join(_FIRST)} or {_LAST}"


@dataclasses.dataclass(frozen=True)
class Listing:
    """The images of a folder.

    Attributes:
        folder: Path of the folder.
        roots: Folder of each split that the folder has, by the name "train",
            "validation" or "test"; empty for a folder that is not divided.
        images: Sorted paths of images, by the name of the split; all have the name
            "all" in a folder that is not divided.
        class_names: Names of the classes, by label; empty without classes.
        left_out: Pairs of the path of another file and the reason why it is left out.
    """

    folder: pathlib.Path
    roots: dict[str, pathlib.Path]
    images: dict[str, list[pathlib.Path]]
    class_names: list[str]
    left_out: list[tuple[str, str]]

    def select(self, split: str, test_fraction: float, seed: int) -> list[pathlib.Path]:
        """The paths of a split, or of a part of one.

        Args:
            split: Name of a split: "all", or that of one of the folder's, or "train" or
                "test" of a folder that is not divided; or a part of one.
            test_fraction: Share of the images of a folder that is not divided that is
                in the test split, in [0, 1).
            seed: Seed of that split.

        Raises:
            ValueError: For another split, or one without images.
        """
        everything = sum(self.images.values(), [])
        if self.roots:
            known = {**_with_names(self.roots, self.images), "all": everything}
        else:
            chosen = at_random(len(everything), test_fraction, seed)
            known = {k: [everything[i] for i in rows] for k, rows in chosen.items()}
        name, part = parse(split, known)
        paths = known[name][part(len(known[name]))]
        if not paths:
            raise ValueError(
                f"Expected images in the split {split!r} of {self.folder}, got 0."
            )
        return paths

    def names(self) -> list[str]:
        """The paths of all images, relative to the folder where they lie in it."""
        return [
            str(path.relative_to(self.folder))
            if path.is_relative_to(self.folder)
            else path.name
            for path in sum(self.images.values(), [])
        ]

    def labels(self, paths: list[pathlib.Path]) -> np.ndarray | None:
        """The label of each image, int64; None without classes."""
        if not self.class_names:
            return None
        known = {name: label for label, name in enumerate(self.class_names)}
        names = [p.relative_to(self.root_of(p)).parts[0] for p in paths]
        return np.array([known[name] for name in names], np.int64)

    def captions(self, paths: list[pathlib.Path]) -> list[list[str]] | None:
        """The captions of each image; None if there is no file of captions.

        Raises:
            ValueError: For an image without a caption, or a file that cannot be read.
        """
        roots = {self.root_of(path) for path in paths}
        files = {root: captions.find(root) for root in roots}
        if not any(files.values()):
            return None
        found = {}
        for file in filter(None, files.values()):
            found.update(captions.read(file))
        for path in paths:
            if path not in found:
                source = files[self.root_of(path)] or self.root_of(path)
                raise ValueError(f"Expected a caption of {path} in {source}, got none.")
        return [found[path] for path in paths]

    def root_of(self, path: pathlib.Path) -> pathlib.Path:
        """The folder of classes, and of captions, that contains an image."""
        roots = self.roots.values()
        return next((root for root in roots if root in path.parents), self.folder)


def read(folder: str | os.PathLike) -> Listing:
    """Lists a folder.

    Args:
        folder: Path of the folder.

    Raises:
        ValueError: For a folder without images, with two folders for one split, or with
            an image outside of the classes' folders.
    """
    folder, roots = splits_of(pathlib.Path(folder))
    images, left_out = {}, []
    for name, root in roots.items() or {"all": folder}.items():
        images[name], others = scan(root)
        left_out += others
        if not images[name]:
            raise ValueError(
                f"Expected images ({', '.join([*_FIRST, _LAST])}) in {root}."
            )
    if roots:
        left_out += _outside(folder, roots)
    listing = Listing(folder, roots, images, [], left_out)
    return dataclasses.replace(listing, class_names=_classes(listing))


def of_files(paths: list[str | os.PathLike]) -> Listing:
    """A listing of the given files of images, without classes.

    Raises:
        ValueError: For a path that is not that of an image's file.
    """
    paths = [pathlib.Path(path).expanduser().absolute() for path in paths]
    for path in paths:
        if not path.is_file() or path.suffix.lower() not in SUFFIXES:
            kind = "a folder" if path.is_dir() else "no image" if path.exists() else ""
            raise ValueError(
                f"Expected paths of images ({', '.join([*_FIRST, _LAST])}) in a list, "
                f"got {path}, which is {kind or 'not here'}."
            )
    folder = pathlib.Path(os.path.commonpath([path.parent for path in paths]))
    return Listing(folder, {}, {"all": paths}, [], [])


def splits_of(
    folder: pathlib.Path,
) -> tuple[pathlib.Path, dict[str, pathlib.Path]]:
    """The subfolders for splits, if there are at least two.

    A folder in which the subfolder for a split is alone, without images beside it, is
    replaced by that subfolder.

    Args:
        folder: Path of a folder.

    Returns:
        The folder, or its replacement, and its subfolders by "train", "validation" and
        "test".

    Raises:
        ValueError: For two folders of the same split.
    """
    folders = subfolders(folder)
    found = {}
    for path in folders:
        match = _SPLIT.fullmatch(path.name)
        if match:
            (name,) = (n for n, names in SPLITS.items() if match[1].lower() in names)
            found.setdefault(name, []).append(path)
    if len(found) < 2:
        alone = [path for path in folders if _has_images(path)]
        if alone in found.values() and not _has_images(folder, 1):
            return alone[0], {}
        return folder, {}
    for name, paths in found.items():
        if len(paths) > 1:
            raise ValueError(
                f"Expected one folder for the split {name!r} in {folder}, got "
                f"{[path.name for path in paths]}."
            )
    return folder, {name: found[name][0] for name in SPLITS if name in found}


def _has_images(folder, depth=None):
    """Whether a folder has images that are not hidden, at any depth or at depth 1."""
    return any(
        path.suffix.lower() in SUFFIXES
        and not any(map(_is_hidden, path.relative_to(folder).parts))
        for path in (folder.iterdir() if depth else _walk(folder, ()))
    )


def root_of_split(roots: dict[str, pathlib.Path], split: str) -> pathlib.Path:
    """The subfolder of a split, or of a part of one.

    Args:
        roots: The subfolders, from `splits_of`.
        split: Name of a split: a key of `roots`, or the name of a subfolder.

    Raises:
        ValueError: For another split.
    """
    known = _with_names(roots, roots)
    return known[parse(split, known)[0]]


def _with_names(roots, values):
    """Values by the split's name, also by that of its folder.

    Figures are those of the split "test": without one, "validation" serves.
    """
    found = dict(values)
    if "test" not in found and "validation" in found:
        found["test"] = found["validation"]
    return {**found, **{root.name: found[name] for name, root in roots.items()}}


def subfolders(folder: pathlib.Path) -> list[pathlib.Path]:
    """The folders in a folder that are not hidden, sorted."""
    found = [p for p in folder.iterdir() if p.is_dir() and not _is_hidden(p.name)]
    return sorted(found)


def folders_of_images(folder: pathlib.Path) -> list[pathlib.Path]:
    """The folders in a folder that have images and are not hidden, sorted."""
    return [path for path in subfolders(folder) if _has_images(path)]


def scan(
    root: str | os.PathLike,
) -> tuple[list[pathlib.Path], list[tuple[str, str]]]:
    """Finds the images in a folder and its subfolders.

    Args:
        root: Path of the folder.

    Returns:
        Sorted paths of the images, and pairs of the path of another file and the reason
        why it is left out. Of hidden folders, only images are among those; files of
        captions are neither.
    """
    root = pathlib.Path(root)
    images, left_out, known = [], [], captions.find(root)
    for path in _files(root):
        is_image = path.suffix.lower() in SUFFIXES
        if _is_inside_hidden(path, root):
            if is_image:
                left_out.append((str(path), "it is in a hidden folder"))
        elif not is_image:
            if path != known:
                left_out.append((str(path), _NOT_NAMED))
        elif _is_hidden(path.name):
            left_out.append((str(path), "its name begins with a dot"))
        else:
            images.append(path)
    return images, left_out


def _is_hidden(name):
    return name.startswith(".") or name in _HIDDEN


def _is_inside_hidden(path, root):
    return any(map(_is_hidden, path.relative_to(root).parts[:-1]))


def _files(root):
    """Paths of all files in a folder and its subfolders, in the order of `Path`."""
    return sorted(_walk(root, ()), key=lambda path: path.parts)


def _walk(folder, above) -> Iterator[pathlib.Path]:
    """The files under a folder; `above` are the real paths of those that contain it."""
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _walk(entry.path, (*above, real))
            else:
                yield pathlib.Path(entry.path)


def _outside(folder, roots):
    """Files of a folder that are in none of its splits."""
    names = [root.name for root in roots.values()]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    number = "neither" if len(names) == 2 else "none"
    reason = f"it is in {number} of the subfolders {listed}"
    return [
        (str(path), reason)
        for path in _files(folder)
        if path.relative_to(folder).parts[0] not in names
        and (path.suffix.lower() in SUFFIXES or not _is_inside_hidden(path, folder))
    ]


def _classes(listing):
    """Names of the subfolders with images; none for a flat folder."""
    names, flat = set(), []
    for path in sum(listing.images.values(), []):
        inner = path.relative_to(listing.root_of(path)).parts
        names.add(inner[0]) if len(inner) > 1 else flat.append(str(path))
    if names and flat:
        raise ValueError(f"Expected every image in a class's folder, got {flat[:3]}.")
    return sorted(names)
