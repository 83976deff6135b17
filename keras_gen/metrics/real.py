"""RealData: where all figures get the real images of an evaluation."""

from collections.abc import Sequence

import tensorflow as tf

from keras_gen import data as data_sources
from keras_gen.core import checks
from keras_gen.data.draws import draw

BATCH = 256
# Sources whose own order is a random one. If all their rows are drawn, they keep it, so
# that figures are those of the cards.
IN_RANDOM_ORDER = ("mnist",)
DEFAULT_IMAGES = 10_000  # Number of rows of a split, unless it is given.


class RealData:
    """Rows of the splits of a source, drawn at random whatever their order.

    >>> real = RealData("mnist", (28, 28, 1), num_images=100, seed=3)
    >>> sum(len(batch["image"]) for batch in real.draw("test"))
    100
    """

    def __init__(
        self,
        data,
        image_shape: tuple[int, int, int] | None = None,
        num_images: int = DEFAULT_IMAGES,
        seed: int = 0,
        *,
        test_fraction: float = 0.1,
        split_seed: int = 0,
    ):
        """Loads nothing yet.

        Args:
            data: Source with a train and a test split; see `keras_gen.data.load`.
            image_shape: (height, width, channels) of the images; None keeps the
                source's.
            num_images: Number of rows that are drawn from a split.
            seed: Seed of the draw.
            test_fraction: Share of a folder's images in the test split, in [0, 1).
            split_seed: Seed with which a folder is split; it should be that of the
                training, so that no training image is tested.
        """
        checks.counts(num_images=num_images)
        checks.at_least(0, seed=seed, split_seed=split_seed)
        self.data, self.image_shape = data, image_shape
        self.num_images, self.seed = num_images, seed
        self._split = {"test_fraction": test_fraction, "seed": split_seed}
        self._loaded, self._drawn = {}, {}

    def load(
        self,
        split: str,
        features: tuple[str, ...] | None = None,
        image_shape: tuple[int, int, int] | None = None,
        data=None,
    ) -> tf.data.Dataset:
        """Batches of all rows of a split, in their order.

        Args:
            split: Name of the split.
            features: Names of the features; None takes all of the source.
            image_shape: Shape of the images; None takes that of this object.
            data: Name of a part of the source, "emoji/noto"; None takes the source.
        """
        image_shape = image_shape or self.image_shape
        key = (split, features, image_shape, data)
        if key not in self._loaded:
            self._loaded[key] = data_sources.load(
                self.data if data is None else data,
                split,
                features=features,
                image_shape=image_shape,
                batch_size=BATCH,
                shuffle=False,
                broken="skip",  # As in training.
                **self._split,
            )
        return self._loaded[key]

    def draw(
        self,
        split: str,
        features: tuple[str, ...] | None = None,
        *,
        image_shape: tuple[int, int, int] | None = None,
        data=None,
        count: int | None = None,
        batch_size: int = BATCH,
        by: Sequence[str] | None = None,
    ) -> tf.data.Dataset:
        """Batches of rows of a split that are drawn by the seed; see `draws.draw`.

        Args:
            split: Name of the split.
            features: Names of the features; None takes all of the source.
            image_shape: Shape of the images; None takes that of this object.
            data: Name of a part of the source, "emoji/noto"; None takes the source.
            count: Number of rows; None takes `num_images`.
            batch_size: Number of rows in a batch.
            by: Names of the features that determine which rows are drawn, and their
                order; None takes all.
        """
        key = (split, features, image_shape, data, count, batch_size, by)
        if key not in self._drawn:
            loaded = self.load(split, features, image_shape, data)
            self._drawn[key] = draw(
                loaded,
                self.num_images if count is None else count,
                self.seed,
                batch_size=batch_size,
                by=by,
                keep_order=isinstance(self.data, str) and self.data in IN_RANDOM_ORDER,
            )
            for name in ("class_names", "domain_names", "split_digest"):
                if hasattr(loaded, name):
                    setattr(self._drawn[key], name, getattr(loaded, name))
        return self._drawn[key]

    def has(
        self, split: str, rows: int, image_shape: tuple[int, int, int] | None = None
    ) -> bool:
        """Whether a split has a number of rows; at most so many are read.

        Args:
            split: Name of the split.
            rows: Number of rows.
            image_shape: Shape of the images; None takes that of this object.
        """
        batches = self.load(split, image_shape=image_shape)
        known = int(batches.cardinality())
        if known >= 0 and known * BATCH < rows:
            return False
        if (known - 1) * BATCH >= rows:
            return True
        found = 0
        for batch in batches:
            found += len(next(iter(batch.values())))
            if found >= rows:
                return True
        return False

    def count(self, split: str) -> int:
        """Number of rows of a split; all of them are read."""
        return sum(len(next(iter(batch.values()))) for batch in self.load(split))
