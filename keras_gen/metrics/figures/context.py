"""Context: the measured model or images, and the data and settings of figures."""

import contextlib
import functools
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from keras_gen import catalogue, zoo
from keras_gen.core import checks
from keras_gen.core.inputs import Input, with_role
from keras_gen.core.model import GenerativeModel
from keras_gen.data.folder import SeveralSizes
from keras_gen.metrics.features import (
    Extractor,
    default_features,
    extractor,
    measured_shape,
    source_name,
)
from keras_gen.metrics.real import DEFAULT_IMAGES, RealData
from keras_gen.metrics.scale import Scale
from keras_gen.metrics.summary import Summary, summarize

BATCH = 64  # Number of rows in the batches of figures.


class Context:
    """The measured model or folder, and the data and settings that figures share.

    Args:
        model: Compiled `GenerativeModel`, or None.
        data: Source with a train and a test split; see `keras_gen.data.load`.
        images: Path of a folder of images that is measured if there is no model.
        features: Feature extractor, or an argument for `keras_gen.metrics.extractor`;
            None uses the one that ships for the data.
        num_images: Number of samples, and of real images of each split, for all
            figures. None takes 10,000.
        num_train: Number of training images that are searched for the nearest ones;
            None searches `num_images`, or the whole split if that is None too.
        num_samples: Number of importance samples per image, for likelihoods that are
            estimated.
        judge: Weights of the model that scores images, or this model itself; None uses
            the weights that a figure names.
        seed: Seed of all draws, also of that of real images: figures do not depend on
            the order of the data.
        test_fraction: Share of a folder's images in the test split, in [0, 1).
        split_seed: Seed with which a folder is split.

    Attributes:
        abilities: Abilities of the model, by name.
        image_shape: (height, width, channels) of the images that are measured.
        test: Batches of `num_images` rows of the test split, drawn by the seed, with
            all features of the source.
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
        num_images: int | None = None,
        num_train: int | None = None,
        num_samples: int = 5_000,
        judge=None,
        seed: int = 0,
        test_fraction: float = 0.1,
        split_seed: int = 0,
    ):
        if (model is None) == (images is None):
            raise ValueError("Expected a model or a folder of images.")
        if model is not None and getattr(model, "image_shape", None) is None:
            raise ValueError(
                f"Expected a model of images, got {type(model).__name__} of "
                f"{', '.join(model.batch_shapes())}."
            )
        self.model, self.data = model, data
        self.num_images = DEFAULT_IMAGES if num_images is None else num_images
        self.num_train = num_images if num_train is None else num_train
        self.num_samples, self.judge, self.seed = num_samples, judge, seed
        self.abilities = model.abilities() if model else {}
        counts = {"num_train": self.num_train, "num_samples": num_samples}
        checks.counts(**{n: count for n, count in counts.items() if count is not None})
        self.real = RealData(
            data,
            tuple(model.image_shape) if model else None,
            self.num_images,
            seed,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )
        if not model:
            self.real.image_shape = self._common_shape(images)
        self.image_shape = self.real.image_shape
        # A second domain is loaded only if it is asked for.
        shapes = model.batch_shapes() if model else {}
        self.test = self.draw(
            "test", features=tuple(shapes) if "image_b" in shapes else None
        )
        self.has_images = images is not None or "sample" in self.abilities
        self._features, self.scale, self._kept = features, None, {}
        self.folder = None
        if images is not None:
            self.folder = RealData(
                images,
                measured_shape(self.image_shape),
                self.num_images,
                seed,
                test_fraction=0.0,
            )
        if self.has_images:
            self.scale = Scale(self.real, self.image_shape, features)

    def _common_shape(self, images):
        """The shape of the data or, if their sizes differ, of the measured images."""
        measured = RealData(images, num_images=self.num_images, test_fraction=0.0)
        for batches in (lambda: self.real.load("test"), lambda: measured.load("train")):
            with contextlib.suppress(SeveralSizes):
                return tuple(batches().element_spec["image"].shape[1:])
        raise ValueError(
            f"Expected images of one size in {self.data} or in {images}, got several "
            "sizes in both: resize those of one."
        )

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
        found = self.abilities.get(ability)
        return found is not None and found.roles(self.model) == [role]

    @property
    def has_small_latents(self) -> bool:
        """Whether latents have fewer numbers than images.

        Those of diffusion models are images in other coordinates: there are no features
        to read off, and each costs as many evaluations of the network as a sample.
        """
        size = getattr(self.model, "latent_dim", None) or 0
        return size < np.prod(self.image_shape)

    # The data.

    @property
    def source(self) -> str:
        """Name of the source, without its part: "emoji" for "emoji/noto"."""
        return source_name(self.data)

    @property
    def has_labels(self) -> bool:
        """Whether the images of the test split have labels."""
        return "label" in self.test.element_spec

    @functools.cached_property
    def first_test_images(self) -> np.ndarray:
        """The first batch of `test`, float32, in [-1, 1]."""
        return next(iter(self.test))["image"].numpy()

    def draw(self, split: str, **options) -> tf.data.Dataset:
        """Batches of `num_images` rows of a split, drawn at random by the seed.

        Figures get real images here, and nowhere else, so that what they are computed
        from does not depend on the order of the data.

        Args:
            split: Name of the split.
            **options: Arguments of `RealData.draw`: `features`, `image_shape`, `data`,
                `count`, `batch_size`, `by`.
        """
        return self.real.draw(split, **{"batch_size": BATCH, **options})

    def training_images(self) -> Iterator[np.ndarray]:
        """Yields batches of the training images that are searched for neighbours.

        If these are the whole split, their order is that of the data: neighbours do not
        depend on it, and the split need not fit in memory.
        """
        shape = self.scale.image_shape
        if self.num_train is None:
            return self.scale.all_real("train")
        drawn = self.draw("train", image_shape=shape, count=self.num_train)
        return (batch["image"].numpy() for batch in drawn)

    # Generated images.

    @functools.cached_property
    def generated(self) -> Summary:
        """The `Summary` of the model's samples, or of the folder's images."""
        if self.model:
            return self.scale.draw(self.model)
        return summarize(self.folder.draw("train"), self.scale.extractor, self.seed)

    # Models that measure.

    @functools.cached_property
    def extractor(self) -> Extractor:
        """The feature extractor."""
        if self.scale:
            return self.scale.extractor
        if self._features is not None:
            return extractor(self._features)
        return extractor(default_features(self.data, measured_shape(self.image_shape)))

    @property
    def spaces(self) -> dict[str, Callable]:
        """Functions from images to rows (batch, numbers) for comparisons, by name."""
        return {
            "pixels": lambda images: images.reshape(len(images), -1),
            "features": self.extractor.features,
        }

    def check_judge(self, name: str, weights: str) -> None:
        """Refuses a default for `load_judge` that is not there.

        Raises:
            ValueError: If the user gave no judge and the weights are not installed.
        """
        if self.judge is None:
            self.check_shipped(name, weights, "judge=..., or ")

    def check_shipped(self, name: str, weights: str, others: str = "") -> None:
        """Refuses weights of the zoo that are not there.

        Args:
            name: Name of the preset in the zoo.
            weights: Name of the weights.
            others: Text that names what would do as well, for the message.

        Raises:
            ValueError: If the weights are not installed.
        """
        if catalogue.find(name, weights) is None:
            reason = catalogue.problem() or "they are not listed"
            raise ValueError(
                f"Expected {others}the weights {weights!r} of {name!r}: {reason}."
            )

    def load_shipped(self, name: str, weights: str) -> GenerativeModel:
        """The model with weights of the zoo."""
        return zoo.load(name, weights=weights)

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
