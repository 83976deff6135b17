"""A scale for generated images: real images as the reference, and as the floor."""

import numpy as np
import tensorflow as tf

from keras_gen import data as data_sources
from keras_gen.core.inputs import TEXT, with_role
from keras_gen.core.model import GenerativeModel
from keras_gen.core.noise import row_seeds
from keras_gen.metrics.features import BATCH, default_features, extractor
from keras_gen.metrics.summary import Summary, image_figures, summarize


class Scale:
    """Real images that generated ones are compared with: a reference and its floor.

    The reference is the training split. The floor is the figure of the test split
    compared with it, which a perfect model would reach.

    >>> model = keras_gen.zoo.load("gan", weights="mnist")
    >>> scale = Scale("mnist", (28, 28, 1), num_images=100)
    >>> figures = scale.measure(scale.draw(model))
    >>> figures["num_generated"], figures["num_real"], figures["num_held_out"]
    (100, 100, 100)
    """

    def __init__(
        self,
        data,
        image_shape: tuple[int, int, int],
        features=None,
        num_images: int = 10_000,
        seed: int = 0,
    ):
        """Chooses the extractor; real images are read once, when they are needed.

        Args:
            data: Source with a train and a test split; see `keras_gen.data.load`.
            image_shape: (height, width, channels) of the images to be measured.
            features: Feature extractor, or what `keras_gen.metrics.extractor` makes one
                of. None uses the one that ships for the source, or for grey images.
            num_images: Number of real images of either split, and of samples.
            seed: Seed of the choice of training images, of samples and of subsets.

        Raises:
            ValueError: For colour images without features, if none ship for the source.
        """
        image_shape = tuple(image_shape)
        features = features or default_features(data, image_shape)
        self.extractor = extractor(features)
        self.num_images, self.seed = num_images, seed
        self._source, self.image_shape = data, image_shape
        self._summaries = {}

    def load(self, split: str, shuffle: bool = False) -> tf.data.Dataset:
        """Batches of real images, in their order or shuffled by the seed."""
        return data_sources.load(
            self._source,
            split,
            image_shape=self.image_shape,
            batch_size=BATCH,
            shuffle=shuffle,
            drop_remainder=False,
            seed=self.seed,
        )

    def real(self, split: str) -> Summary:
        """The `Summary` of `num_images` of a split."""
        if split not in self._summaries:
            images = first_images(
                self.load(split, shuffle=split == "train"), self.num_images
            )
            self._summaries[split] = summarize(images, self.extractor, self.seed)
        return self._summaries[split]

    def draw(self, model: GenerativeModel) -> Summary:
        """The `Summary` of `model.sample(num_images, seed)`.

        A model that draws images from captions gets the captions of the test split.
        """
        seeds = row_seeds(self.num_images, self.seed)
        conditions = {}
        for entry in with_role(model.abilities()["sample"].declared(model), TEXT):
            captions = [batch["caption"].numpy() for batch in self.load("test")]
            conditions[entry.name] = np.resize(np.concatenate(captions), len(seeds))

        def batches():
            step = model.rows_per_call
            for start in range(0, len(seeds), step):
                rows = slice(start, start + step)
                own = {name: value[rows] for name, value in conditions.items()}
                yield model.sample(len(seeds[rows]), seed=seeds[rows], **own)

        return summarize(batches(), self.extractor, self.seed)

    def measure(self, images, floor: bool = True) -> dict:
        """`image_figures` of an array, of batches of images, or of a `Summary`.

        Args:
            images: Generated images; see `keras_gen.metrics.summarize`.
            floor: Boolean, whether the figures of the test split are computed too.
        """
        return image_figures(
            images,
            self.real("train"),
            self.real("test") if floor else None,
            features=self.extractor,
            seed=self.seed,
        )


def first_images(dataset, count: int):
    """Yields batches of images from batches with "image", `count` images in all.

    There are fewer if the dataset has fewer.
    """
    for batch in dataset:
        images = batch["image"].numpy()[:count]
        count -= len(images)
        yield images
        if count == 0:
            return
