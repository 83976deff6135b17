"""Context: the measured model or images, and the data and settings of figures."""

import functools
import sys
from collections.abc import Callable, Iterator

import keras
import numpy as np

from keras_gen import data as data_sources
from keras_gen import zoo
from keras_gen.core.inputs import Input, with_role
from keras_gen.core.model import GenerativeModel
from keras_gen.metrics.features import Extractor, default_features, extractor
from keras_gen.metrics.scale import Scale, first_images
from keras_gen.metrics.summary import Summary, summarize


class Context:
    """The measured model or folder, and the data and settings that figures share.

    Args:
        model: Compiled `GenerativeModel`, or None.
        data: Source with a train and a test split; see `keras_gen.data.load`.
        images: Path of a folder of images that is measured if there is no model.
        features: Feature extractor, or an argument for `keras_gen.metrics.extractor`;
            None uses the one that ships for the data.
        num_images: Number of samples, and of real images of each split.
        num_train: Number of training images that are searched for the nearest ones;
            None searches the whole split.
        num_samples: Number of importance samples per image, for likelihoods that are
            estimated.
        judge: Weights of the model that scores images, or this model itself; None uses
            the weights that a figure names.
        seed: Seed of all draws.

    Attributes:
        abilities: Abilities of the model, by name.
        image_shape: (height, width, channels) of the images that are measured.
        test: Batches of the test split, in order, with all features of the source.
        has_images: Boolean, whether there are generated images: a folder, or a model's
            samples.
        scale: The `Scale` of generated images, or None without any.
    """

    def __init__(
        self,
        model: GenerativeModel | None = None,
        data="mnist",
        *,
        images=None,
        features=None,
        num_images: int = 10_000,
        num_train: int | None = None,
        num_samples: int = 5_000,
        judge=None,
        seed: int = 0,
    ):
        if (model is None) == (images is None):
            raise ValueError("Expected a model or a folder of images.")
        self.model, self.folder, self.data = model, images, data
        self.num_images, self.num_train = num_images, num_train
        self.num_samples, self.judge, self.seed = num_samples, judge, seed
        self.abilities = model.abilities() if model else {}
        if model:
            self.image_shape = tuple(model.image_shape)
        else:
            probe = data_sources.load(data, "test", batch_size=1, shuffle=False)
            self.image_shape = tuple(probe.element_spec["image"].shape[1:])
        # A second domain is loaded only if it is asked for.
        shapes = model.batch_shapes() if model else {}
        self.test = data_sources.load(
            data,
            "test",
            features=tuple(shapes) if "image_b" in shapes else None,
            image_shape=self.image_shape,
            shuffle=False,
        )
        self.has_images = images is not None or "sample" in self.abilities
        self._features, self.scale, self._kept = features, None, {}
        if self.has_images:
            self.scale = Scale(data, self.image_shape, features, num_images, seed)

    # What the model can do.

    def inputs_of(self, ability: str) -> dict[str, Input]:
        """The `Input`s of an ability, by name; empty if the model lacks the ability."""
        if ability not in self.abilities:
            return {}
        return self.abilities[ability].declared(self.model)

    def condition(self, ability: str, role: str) -> Input | None:
        """The first input of an ability with a given role, or None."""
        return next(iter(with_role(self.inputs_of(ability), role)), None)

    def takes_only(self, ability: str, role: str) -> bool:
        """Whether the model has this ability, with a single input of this role."""
        return [entry.role for entry in self.inputs_of(ability).values()] == [role]

    # The data.

    @property
    def source(self) -> str:
        """Name of the source, without its part: "emoji" for "emoji/noto"."""
        return str(self.data).partition("/")[0].partition("?")[0]

    @property
    def has_labels(self) -> bool:
        """Whether the images of the test split have labels."""
        return "label" in self.test.element_spec

    @functools.cached_property
    def first_test_images(self) -> np.ndarray:
        """The first batch of the test split, float32, in [-1, 1]."""
        return next(iter(self.test))["image"].numpy()

    def load(self, split: str, **options):
        """Batches of a split in order, with the size of the measured images."""
        return data_sources.load(
            self.data, split, image_shape=self.image_shape, shuffle=False, **options
        )

    def training_images(self) -> Iterator[np.ndarray]:
        """Yields batches of the training images to be searched, in order."""
        return first_images(self.scale.load("train"), self.num_train or sys.maxsize)

    # Generated images.

    @functools.cached_property
    def generated(self) -> Summary:
        """The `Summary` of the model's samples, or of the folder's images."""
        if self.model:
            return self.scale.draw(self.model)
        folder = data_sources.load(
            self.folder,
            image_shape=self.image_shape,
            shuffle=False,
            test_fraction=0.0,
        )
        images = first_images(folder, self.num_images)
        return summarize(images, self.scale.extractor, self.seed)

    # Models that measure.

    @functools.cached_property
    def extractor(self) -> Extractor:
        """The feature extractor."""
        if self.scale:
            return self.scale.extractor
        features = self._features or default_features(self.data, self.image_shape)
        return extractor(features)

    @property
    def spaces(self) -> dict[str, Callable]:
        """Functions from images to rows (batch, numbers) for comparisons, by name."""
        return {
            "pixels": lambda images: images.reshape(len(images), -1),
            "features": self.extractor.features,
        }

    def load_judge(self, name: str, weights: str) -> tuple[GenerativeModel, str]:
        """The model that scores images, and its name.

        Args:
            name: Name of the preset in the zoo.
            weights: Name of weights that ship, used if the user gave none.
        """
        if isinstance(self.judge, keras.Model):
            return self.judge, self.judge.name
        weights = self.judge or weights
        return zoo.load(name, weights=weights), f"{name}/{weights}"

    # Images that figures keep for their pictures.

    def keep(self, figure, title: str, rows: np.ndarray) -> None:
        """Keeps images that a figure measured, for a picture.

        Args:
            figure: The `Figure`.
            title: Title of the picture.
            rows: Images, float32 (rows, columns, height, width, channels), in [-1, 1].
        """
        self._kept.setdefault(figure, {})[title] = rows

    def kept(self, figure) -> dict[str, np.ndarray]:
        """The images that a figure kept, by the title of their picture."""
        return self._kept.get(figure, {})
