"""Averages of weights whose length is chosen after training [1].

At step t, an average with exponent g weights the network of step s in proportion to
s**g. So it covers the same share of the training at all times, which suits short runs
as well as long ones. Its width is the standard deviation of these weights over t.
Snapshots of two such averages are kept during training; afterwards, a linear
combination of them gives an average of any other width.

What differs from [1]: the factors of the combination sum to 1, so that weights that did
not change are exact even with few snapshots.

1. Karras et al., "Analyzing and Improving the Training Dynamics of Diffusion Models",
   2024, section 3 and appendix C.
"""

import os
import pathlib
import re
from collections.abc import Sequence

import keras
import numpy as np
import safetensors
import safetensors.numpy
import tensorflow as tf

from keras_gen import distribute, files
from keras_gen.core.arguments import checked
from keras_gen.core.model import GenerativeModel
from keras_gen.core.types import Count, Path
from keras_gen.models.growing.base import GrowingModel

LIMIT = 12**-0.5  # The width of a plain mean of all steps.
PATTERN = re.compile(r"step_(\d+)\.safetensors")


class PowerAverages(keras.callbacks.Callback):
    """Keeps snapshots of averages, from which `reconstruct` makes others.

    It averages the networks of which the model keeps an average (`average=0.999`), and
    does not change the model. A snapshot takes four bytes for each weight and width.
    Training that resumes needs the snapshot of the step at which it resumes. One is
    written after every epoch and, unless `every` says that it is kept, removed two
    epochs later. Put this callback before a `Checkpoint`, whose `every` should be a
    multiple of this one's.

    >>> size = {"image_shape": (8, 8, 1), "widths": (16,)}
    >>> model = keras_gen.zoo.load("gan", average=0.99, **size)
    >>> images = np.random.default_rng(0).integers(0, 256, (128, 8, 8, 1), np.uint8)
    >>> averages = keras_gen.callbacks.PowerAverages("averages")
    >>> history = model.fit(images, epochs=4, callbacks=[averages], verbose=0)
    >>> error = keras_gen.callbacks.reconstruct(model, "averages", width=0.07)
    >>> digits = model.sample(4, seed=0)  # With that average.

    Args:
        folder: Path of the folder for the files `step_0000012000.safetensors`, ...
        widths: Widths of the averages, two or more numbers above 0 and below 0.288, the
            width of a plain mean.
        every: Number of epochs between snapshots that are kept.

    Raises:
        ValueError: When training begins, for a model that keeps no average or grows, a
            folder with snapshots of another training, or without the one to resume
            from.
    """

    @checked(unchecked=("widths",))
    def __init__(
        self, folder: Path, widths: Sequence[float] = (0.05, 0.1), every: Count = 1
    ):
        super().__init__()
        self.folder, self.every = pathlib.Path(folder), every
        self.widths = tuple(widths)
        if len(set(self.widths)) < 2:
            raise ValueError(f"Expected two or more widths, got {list(widths)}.")
        self.exponents = [exponent_of(width) for width in self.widths]
        self._averages, self._recent = None, []

    def on_train_begin(self, logs=None):
        """Checks that the model keeps averages, of networks that stay."""
        if isinstance(self.model, GrowingModel):
            raise ValueError(
                f"Expected a model whose networks do not grow, got a "
                f"{type(self.model).__name__}."
            )
        sources_of(self.model)
        self._averages = None

    def on_epoch_begin(self, epoch, logs=None):
        """Starts with the weights at that step, or with the snapshot of that step."""
        if self._averages is None:
            self._begin(epoch)

    def on_train_batch_end(self, batch, logs=None):
        """Moves all averages towards the weights."""
        self._update()

    def on_epoch_end(self, epoch, logs=None):
        """Writes a snapshot, and removes the one before the last if it is not kept.

        The last one stays for a checkpoint that is not written yet.
        """
        if not distribute.is_chief(self.model.distribute_strategy):
            return
        path = _path(self.folder, int(self.model.step.numpy()))
        arrays = {
            f"{width!r}/{name}": average.numpy()
            for width, averages in zip(self.widths, self._averages, strict=True)
            for name, average in averages.items()
        }
        files.write_aside(
            path, lambda aside: safetensors.numpy.save_file(arrays, aside)
        )
        self._recent = [item for item in self._recent if item[0] != path]
        self._recent.append((path, epoch + 1))
        self._forget(2)

    def on_train_end(self, logs=None):
        """Removes the snapshot before the last if it is not kept."""
        self._forget(1)

    def _forget(self, count):
        """Keeps the last snapshots, and those that `every` says."""
        while len(self._recent) > count:
            path, epochs = self._recent.pop(0)
            if epochs % self.every:
                path.unlink(missing_ok=True)

    def _begin(self, epoch):
        step, found = int(self.model.step.numpy()), snapshots(self.folder)
        sources = sources_of(self.model)
        start = {name: tf.convert_to_tensor(v) for name, v in sources.items()}
        values = [start for _ in self.widths]
        if step:
            if step not in found:
                raise ValueError(
                    f"Expected the averages of step {step} in {self.folder}, got those "
                    f"of steps {sorted(found) or 'none'}."
                )
            self._recent = [(found[step], epoch)]
            values = [_read(found[step], width, sources) for width in self.widths]
        elif found:
            raise ValueError(
                f"Expected no averages of another training in {self.folder}, got those "
                f"of steps {sorted(found)}: remove them if they are of a run that was "
                "stopped in its first epoch and starts anew."
            )
        self._averages = [
            {name: tf.Variable(value) for name, value in own.items()} for own in values
        ]
        before = tf.Variable(step, dtype=tf.int64)
        counter = self.model.step

        @tf.function(autograph=False)
        def update():
            now = tf.cast(tf.convert_to_tensor(counter.value), tf.int64)
            share = tf.cast(before, tf.float64) / tf.cast(now, tf.float64)
            for exponent, own in zip(self.exponents, self._averages, strict=True):
                # [1], equation 2, over all steps since the last update.
                decay = share ** (exponent + 1.0)
                for name, average in own.items():
                    weight = tf.cast(1.0 - decay, average.dtype)
                    source = tf.convert_to_tensor(sources[name])
                    average.assign_add(weight * (source - average))
            before.assign(now)

        self._update = update


def reconstruct(
    model: GenerativeModel,
    folder: str | os.PathLike,
    width: float,
    step: int | None = None,
) -> float:
    """Gives the averaged networks of a model the average of a width ([1], section 3.2).

    Args:
        model: Model of the training that wrote the snapshots, or one like it.
        folder: Path of the folder of `PowerAverages`.
        width: Width of the average, above 0 and below 0.288. With 0.1, the weights of
            the last fifth of the training count most.
        step: Step at which the average ends; None is the last snapshot's.

    Returns:
        The distance of the combination's profile from the wanted one, relative to the
        latter: 0 is exact. Widths far below those of the snapshots, or few snapshots,
        make it large.

    Raises:
        ValueError: For a model that keeps no average, widths out of range, or a folder
            without fitting snapshots.
    """
    sources, exponent = sources_of(model), exponent_of(width)
    found = snapshots(pathlib.Path(folder))
    step = max(found, default=0) if step is None else step
    if step not in found:
        raise ValueError(
            f"Expected averages of step {step} in {str(folder)!r}, got those of steps "
            f"{sorted(found) or 'none'}."
        )
    parts = [(s, w) for s in sorted(found) if s <= step for w in _widths(found[s])]
    factors, error = combination(
        [(s, exponent_of(w)) for s, w in parts], (step, exponent)
    )
    totals = {name: 0.0 for name in sources}
    for (s, w), factor in zip(parts, factors, strict=True):
        for name, value in _read(found[s], w, sources).items():
            totals[name] = totals[name] + factor * value.astype(np.float64)
    for name, target in targets_of(model).items():
        target.assign(totals[name])
    return error


# Profiles.


def exponent_of(width: float) -> float:
    """The exponent g of the profile s**g whose width is given ([1], algorithm 2).

    >>> round(exponent_of(0.1), 2)
    6.94

    Args:
        width: Standard deviation of the profile over its length.

    Raises:
        ValueError: For a width that no positive exponent has.
    """
    if not 0.0 < width < LIMIT:
        raise ValueError(f"Expected a width above 0 and below 0.288, got {width}.")
    # width**2 = (g + 1) / ((g + 2)**2 (g + 3)), a cubic equation in g.
    inverse = width**-2
    return float(np.roots([1.0, 7.0, 16.0 - inverse, 12.0 - inverse]).real.max())


def combination(
    parts: Sequence[tuple[int, float]], wanted: tuple[int, float]
) -> tuple[np.ndarray, float]:
    """The factors, with sum 1, of profiles whose sum is nearest to a wanted one.

    See [1], equation 17, without the condition on the sum.

    Args:
        parts: Length and exponent of each profile (g + 1) s**g / length**(g + 1).
        wanted: Length and exponent of the wanted profile.

    Returns:
        Factors, float64 (parts,), and the distance in L2, relative to the wanted
        profile.
    """

    def product(one, other):
        """The integral of the product of two profiles over the shorter length."""
        (a, g), (b, h) = sorted((one, other))
        return (g + 1) * (h + 1) / (g + h + 1) * (a / b) ** h / b

    products = np.array([[product(p, q) for q in parts] for p in parts])
    with_wanted = np.array([product(p, wanted) for p in parts])
    # Least squares with a multiplier for the condition.
    ones = np.ones((len(parts), 1))
    equations = np.block([[products, ones], [ones.T, np.zeros((1, 1))]])
    solution = np.linalg.lstsq(equations, np.append(with_wanted, 1.0), rcond=None)[0]
    factors = solution[:-1]
    square = product(wanted, wanted)
    rest = square - 2 * factors @ with_wanted + factors @ products @ factors
    return factors, float(np.sqrt(max(rest, 0.0) / square))


# Networks and files.


def sources_of(model: GenerativeModel) -> dict:
    """The weights of the networks of which a model keeps an average, by name."""
    return _floats({source: network for source, network, _ in _pairs(model)})


def targets_of(model: GenerativeModel) -> dict:
    """The weights of the averaged networks, by the names of `sources_of`."""
    return _floats({source: copy for source, _, copy in _pairs(model)})


def _pairs(model):
    pairs = [
        (network.name, network, model.averaged(network))
        for player in model.players().values()
        for network in player.networks
        if model.averaged(network) is not network
    ]
    if not pairs:
        raise ValueError(
            f"Expected a model with average=0.999 or the like, got a "
            f"{type(model).__name__} that keeps no average."
        )
    return pairs


def _floats(networks):
    return {
        f"{name}/{index}": variable
        for name, network in networks.items()
        for index, variable in enumerate(network.variables)
        if "float" in str(variable.dtype)
    }


def _path(folder, step):
    return folder / f"step_{step:010d}.safetensors"


def snapshots(folder: pathlib.Path) -> dict[int, pathlib.Path]:
    """The files of snapshots in a folder, which may not exist, by step."""
    names = {} if not folder.is_dir() else {p.name: p for p in folder.iterdir()}
    matches = {name: PATTERN.fullmatch(name) for name in names}
    return {int(match[1]): names[name] for name, match in matches.items() if match}


def _widths(path):
    with safetensors.safe_open(path, "numpy") as file:
        return sorted({float(key.partition("/")[0]) for key in file.keys()})


def _read(path, width, sources):
    """The arrays of one average, which must fit the weights of a model."""
    with safetensors.safe_open(path, "numpy") as file:
        prefix, keys = f"{float(width)!r}/", set(file.keys())
        arrays = {n: file.get_tensor(prefix + n) for n in sources if prefix + n in keys}
        count = sum(key.startswith(prefix) for key in keys)
    shapes = {name: tuple(variable.shape) for name, variable in sources.items()}
    if {n: a.shape for n, a in arrays.items()} != shapes or count != len(shapes):
        raise ValueError(
            f"Expected averages of width {width} of the model's networks in {path}, "
            "got others."
        )
    return arrays
