"""A scale for generated images: real images as the reference, and as the floor."""

from collections.abc import Iterator

import numpy as np

from keras_gen.core.inputs import TEXT, with_role
from keras_gen.core.model import GenerativeModel
from keras_gen.core.noise import row_seeds
from keras_gen.metrics.features import default_features, extractor, measured_shape
from keras_gen.metrics.real import DEFAULT_IMAGES, RealData
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
        num_images: int = DEFAULT_IMAGES,
        seed: int = 0,
        **split,
    ):
        """Chooses the extractor; real images are read once, when they are needed.

        Args:
            data: Source with a train and a test split; see `keras_gen.data.load`. Or
                `RealData`, for which `num_images`, `seed` and `split` are not used.
            image_shape: (height, width, channels) of the images to be measured. Images
                with alpha are measured on white.
            features: Feature extractor, or what `keras_gen.metrics.extractor` makes one
                of. None uses the one that ships for the source, or else for grey or
                colour images.
            num_images: Number of real images of either split, and of samples.
            seed: Seed of the choice of real images, of samples and of subsets.
            **split: Arguments `test_fraction` and `split_seed` of `RealData`.
        """
        if not isinstance(data, RealData):
            data = RealData(data, None, num_images, seed, **split)
        self.image_shape = measured_shape(image_shape)
        if features is None:
            features = default_features(data.data, self.image_shape)
        self.extractor = extractor(features)
        self.num_images, self.seed = data.num_images, data.seed
        self._data, self._summaries = data, {}

    def check(self, split: str) -> None:
        """Refuses fewer images than the covariance of the features needs.

        Args:
            split: Name of the split whose images are compared with samples.

        Raises:
            ValueError: For too few images, or too few in the split.
        """
        features = self.extractor.num_features
        expected = (
            f"Expected more images than the {features} features of "
            f"{self.extractor.name}"
        )
        if self.num_images <= features:
            raise ValueError(f"{expected}, got num_images={self.num_images}.")
        if not self._data.has(split, features + 1, self.image_shape):
            raise ValueError(f"{expected}, got fewer in the split {split!r}.")

    def draw_real(self, split: str) -> Iterator[np.ndarray]:
        """Yields batches of `num_images` images of a split, drawn by the seed."""
        for batch in self._data.draw(split, image_shape=self.image_shape):
            yield batch["image"].numpy()

    def all_real(self, split: str) -> Iterator[np.ndarray]:
        """Yields batches of all images of a split, in their order."""
        for batch in self._data.load(split, image_shape=self.image_shape):
            yield batch["image"].numpy()

    def real(self, split: str) -> Summary:
        """The `Summary` of `num_images` of a split."""
        if split not in self._summaries:
            self._summaries[split] = summarize(
                self.draw_real(split), self.extractor, self.seed
            )
        return self._summaries[split]

    def draw(self, model: GenerativeModel) -> Summary:
        """The `Summary` of `model.sample(num_images, seed)`.

        A model that draws images from captions gets the captions of the test split.
        """
        seeds = row_seeds(self.num_images, self.seed)
        conditions = {}
        for entry in with_role(model.abilities()["sample"].declared(model), TEXT):
            rows = self._data.draw("test", ("image", "caption"))
            captions = [batch["caption"].numpy() for batch in rows]
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
