"""What a model's abilities let one measure, in one dict of numbers.

Images against images by `image_figures`; reconstructions, accuracy and losses on
held-out data.
"""

import numpy as np

from keras_gen import data as data_sources
from keras_gen.abilities import MAX_ROWS, row_seeds
from keras_gen.metrics.features import extractor
from keras_gen.metrics.report import image_figures, summarize


class Scale:
    """Real images to measure generated ones against: a reference and its floor.

    The reference is of the training split, the floor compares it with the test split.
    """

    def __init__(self, data, image_shape, features=None, num_images=10_000, seed=0):
        """Chooses the extractor; real images are read when they are needed, once.

        Args:
            data: A source with a train and a test split; see `keras_gen.data.load`.
            image_shape: (height, width, channels) of what is to be measured.
            features: See `extractor`; None takes the one that ships for one channel.
            num_images: Real images of either split, and samples of a model.
            seed: Of the choice of training images, of samples and of subsets.

        Raises:
            ValueError: For colour images without features.
        """
        image_shape = tuple(image_shape)
        if features is None and image_shape[-1] != 1:
            raise ValueError(
                "Expected features=... for colour images: a file of InceptionV3's "
                "weights, a Keras model or a SavedModel."
            )
        self.extractor = extractor("mnist" if features is None else features)
        self.num_images, self.seed = num_images, seed
        self._source, self._image_shape = data, image_shape
        self._summaries = {}

    def load(self, split):
        """Batches of real images; the training split in an order of its own."""
        return data_sources.load(
            self._source,
            split,
            image_shape=self._image_shape,
            shuffle=split == "train",
            drop_remainder=False,
            seed=self.seed,
        )

    def real(self, split):
        """The `Summary` of `num_images` of a split."""
        if split not in self._summaries:
            images = _first(self.load(split), self.num_images)
            self._summaries[split] = summarize(images, self.extractor, self.seed)
        return self._summaries[split]

    def measure(self, images, floor=True):
        """`image_figures` of an array, or of batches of images."""
        return image_figures(
            images,
            self.real("train"),
            self.real("test") if floor else None,
            features=self.extractor,
            seed=self.seed,
        )

    def measure_model(self, model, floor=True):
        """`image_figures` of `model.sample(num_images, seed)`."""
        seeds = row_seeds(self.num_images, self.seed)
        starts = range(0, len(seeds), MAX_ROWS)
        parts = (seeds[start : start + MAX_ROWS] for start in starts)
        return self.measure((model.sample(len(p), seed=p) for p in parts), floor)


def evaluate(model, data="mnist", *, features=None, num_images=10_000, seed=0) -> dict:
    """All figures that a model's abilities allow.

    Args:
        model: A compiled `GenerativeModel`.
        data: A source with a train and a test split; see `keras_gen.data.load`.
        features: See `Scale`.
        num_images: See `Scale`.
        seed: See `Scale`.

    Returns:
        Losses on the test split as `test_...`; for models that `reconstruct`,
        `test_reconstruction_mse` per pixel in [-1, 1]; for models that `sample`, the
        figures of `image_figures` with their floor.
    """
    abilities = model.abilities()
    scale = None
    if "sample" in abilities:
        scale = Scale(data, model.image_shape, features, num_images, seed)
    options = {"image_shape": tuple(model.image_shape), "shuffle": False}
    test = data_sources.load(data, "test", **options)
    losses = model.evaluate(test, verbose=0, return_dict=True)
    figures = {f"test_{name}": float(value) for name, value in losses.items()}
    if "reconstruct" in abilities:
        figures["test_reconstruction_mse"] = _reconstruction_error(model, test)
    if scale is not None:
        figures |= scale.measure_model(model)
    return figures


def evaluate_folder(
    images, data="mnist", *, features=None, num_images=10_000, seed=0
) -> dict:
    """Scores a folder of images, whoever made them, by the same ruler.

    Args:
        images: A folder; see `keras_gen.data.load`. All are brought to the shape of the
            data's.
        data: See `Scale`.
        features: See `Scale`.
        num_images: See `Scale`; at most so many of the folder.
        seed: See `Scale`.

    Returns:
        The figures of `image_figures`, with their floor.
    """
    probe = data_sources.load(data, "test", batch_size=1, shuffle=False)
    image_shape = tuple(probe.element_spec["image"].shape[1:])
    scale = Scale(data, image_shape, features, num_images, seed)
    folder = data_sources.load(
        images, image_shape=image_shape, shuffle=False, test_fraction=0.0
    )
    return scale.measure(_first(folder, num_images))


def _first(dataset, count):
    """Batches of images, so many in all, or fewer where there are fewer."""
    for batch in dataset:
        images = batch["image"].numpy()[:count]
        count -= len(images)
        yield images
        if count == 0:
            return


def _reconstruction_error(model, dataset):
    total, count = 0.0, 0
    for batch in dataset:
        images = batch["image"].numpy()
        errors = np.mean((model.reconstruct(images) - images) ** 2, axis=(1, 2, 3))
        total, count = total + errors.sum(), count + len(images)
    return float(total / count)
