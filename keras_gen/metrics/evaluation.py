"""All figures of a model, or of a folder of images, in one dict."""

import functools
import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from keras_gen import images as image_files
from keras_gen.core.model import GenerativeModel
from keras_gen.metrics.figures import FIGURES, Context
from keras_gen.metrics.scale import Scale

__all__ = ["Evaluation", "Scale", "evaluate", "evaluate_folder"]


class Evaluation:
    """All figures of a model, or of a folder of images, computed stage by stage.

    The model's abilities determine which figures are computed: see the classes in
    `keras_gen.metrics.figures`.

    >>> model = keras_gen.zoo.load("linear_ae", weights="mnist")
    >>> evaluation = Evaluation(model, "mnist")
    >>> [title for title, _ in evaluation.stages()]
    ['losses on the test split', 'reconstructions', 'codes']

    Attributes:
        figures: Dict from name to value of the figures computed so far.
        context: Context that the stages share, a `keras_gen.metrics.figures.Context`.
    """

    def __init__(
        self,
        model: GenerativeModel | None = None,
        data="mnist",
        *,
        images: str | os.PathLike | None = None,
        features=None,
        num_images: int | None = None,
        num_train: int | None = None,
        num_samples: int = 5_000,
        judge=None,
        seed: int = 0,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        without: Sequence[str] = (),
    ):
        """Checks the arguments and the number of images; the stages do the work.

        Args:
            model: Compiled `GenerativeModel`.
            data: Source with a train and a test split; see `keras_gen.data.load`.
            images: Path of a folder of images, from any program, that is measured
                instead of a model. The images are resized to the shape of the data or,
                if the sizes of the data differ, the data to that of the images.
            features: Feature extractor, or an argument for
                `keras_gen.metrics.extractor`. None uses the extractor that ships for
                the data, or for grey images.
            num_images: Number of samples (of a folder, the largest number of images),
                and of real images of either split, for all figures. If a split has
                more, they are drawn at random, whatever their order. None takes 10,000.
            num_train: Number of training images that are searched for the nearest ones.
                None searches `num_images`, or the whole split if that is None too.
            num_samples: Number of importance samples per image, for models whose
                likelihood is an estimate.
            judge: Weights of the model that scores the results: a classifier of domains
                for translations, or a matcher for captions; or this model itself. None
                uses the weights that ship.
            seed: Seed of samples, subsets, binary pixels and the choice of real images.
            test_fraction: Share of a folder's images in the test split, in [0, 1).
            split_seed: Seed with which a folder is split: that of the training, so that
                no training image is tested.
            without: Titles of stages that are left out, such as "likelihood", which
                takes hours for large models.

        Raises:
            ValueError: For neither or both of model and images, colour images without
                features, if none ship for the data, fewer images than the figures
                need, or titles that no stage has.
        """
        self.context = Context(
            model,
            data,
            images=images,
            features=features,
            num_images=num_images,
            num_train=num_train,
            num_samples=num_samples,
            judge=judge,
            seed=seed,
            test_fraction=test_fraction,
            split_seed=split_seed,
        )
        self.figures = {}
        own = model.own_figures() if model else []
        self._known = [*FIGURES, *own]
        self._leave_out(without)
        for figure in self._applicable():
            figure.check(self.context)
        needs = [(f.least_images(self.context), f) for f in self._applicable()]
        for least, figure in sorted(needs, key=lambda need: need[0], reverse=True):
            self._check_number(figure, least)

    def _leave_out(self, without):
        """Takes stages from those that are known, by their titles."""
        titles = [figure.title for figure in self._applicable()]
        unknown = sorted(set(without) - set(titles))
        if unknown:
            raise ValueError(f"Expected without=... among {titles}, got {unknown}.")
        self._known = [f for f in self._known if f.title not in without]

    def _check_number(self, figure, least):
        """Refuses fewer images than a figure needs."""
        context = self.context
        if context.num_images < least:
            raise ValueError(
                f"Expected num_images >= {least}, for {figure.title!r}, got "
                f"{context.num_images}; without=[{figure.title!r}] leaves that out."
            )
        sources = [(context.real, split) for split in figure.splits]
        if context.folder and figure.splits:
            sources.append((context.folder, "train"))
        for source, split in sources:
            if not source.has(split, least):
                where = split if source is context.real else "measured"
                raise ValueError(
                    f"Expected at least {least} {where} images, for {figure.title!r}, "
                    f"got {source.count(split)}; "
                    f"without=[{figure.title!r}] leaves that out."
                )

    def _applicable(self):
        return [figure for figure in self._known if figure.applies(self.context)]

    def stages(self) -> list[tuple[str, Callable]]:
        """Pairs of a title and a function that computes the next figures, in order."""
        return [
            (figure.title, functools.partial(self._measure, figure))
            for figure in self._applicable()
        ]

    def _measure(self, figure):
        self.figures |= figure.measure(self.context)

    def run(self, progress: Callable[[list], Iterable] = iter) -> dict:
        """Runs all stages.

        Args:
            progress: Function that takes the list of stages and yields them one by one,
                such as a progress bar.

        Returns:
            `figures`.
        """
        for _, stage in progress(self.stages()):
            stage()
        return self.figures

    def pictures(self) -> dict[str, np.ndarray]:
        """Grids of the measured images, after `run`: a dict of title to uint8 array."""
        real = image_files.grid(self.context.first_test_images[:64])
        found = {"Real images of the test split": real}
        for figure in self._applicable():
            found |= figure.pictures(self.context)
        return found


def evaluate(
    model: GenerativeModel, data="mnist", *, progress: Callable = iter, **options
) -> dict:
    """All figures that a model's abilities allow.

    >>> model = keras_gen.zoo.load("linear_ae", weights="mnist-2")
    >>> sorted(evaluate(model, "mnist"))
    ['neighbour_accuracy', 'probe_accuracy', 'test_autoencoder_loss',
     'test_mean_loss', 'test_reconstruction_mse']

    Args:
        model: A compiled `GenerativeModel`.
        data: A source with a train and a test split; see `keras_gen.data.load`.
        progress: Function that yields stages; see `Evaluation.run`.
        **options: Other arguments of `Evaluation`: `features`, `num_images`,
            `num_train`, `num_samples`, `judge`, `seed`, `test_fraction`, `split_seed`,
            `without`.

    Returns:
        A dict from name to value. Each class in `keras_gen.metrics.figures` documents
        its figures and the models that it applies to: losses on the test split for all
        models; for models that `sample`, distances to real images, variety, and copies
        of training images; reconstruction errors, likelihoods, the usefulness of codes,
        and so on. Figures whose names end in `_floor` are those of held-out real
        images, which a perfect model would reach.
    """
    return Evaluation(model, data, **options).run(progress)


def evaluate_folder(
    images: str | os.PathLike, data="mnist", *, progress: Callable = iter, **options
) -> dict:
    """The figures of `evaluate` that need only images, for a folder of images.

    >>> evaluate_folder("samples", "mnist")["frechet_distance"]  # doctest: +SKIP

    Args:
        images: Path of the folder.
        data: A source with a train and a test split; see `keras_gen.data.load`.
        progress: Function that yields stages; see `Evaluation.run`.
        **options: Other arguments of `Evaluation`: `features`, `num_images`,
            `num_train`, `seed`, `test_fraction`, `split_seed`, `without`.

    Returns:
        A dict from name to value.
    """
    return Evaluation(data=data, images=images, **options).run(progress)
