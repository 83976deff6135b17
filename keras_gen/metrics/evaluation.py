"""What a model's abilities let one measure, in one dict of numbers.

Images against images by `image_figures`; how varied samples are, whether they are
copies, how smooth latent space is; reconstructions, likelihoods, codes, and losses on
held-out data.
"""

import sys

import numpy as np

from keras_gen import data as data_sources
from keras_gen import images as image_files
from keras_gen import latent
from keras_gen.core.noise import row_seeds
from keras_gen.distributions import priors
from keras_gen.metrics import codes as codes_figures
from keras_gen.metrics import conditional, densities, memorisation, variety
from keras_gen.metrics.features import BATCH, extractor
from keras_gen.metrics.path_length import perceptual_path_length
from keras_gen.metrics.summary import image_figures, summarize, with_suffix

NUM_COMPARED = 1_000  # Samples whose nearest training images are looked for.
NUM_PATHS = 2_000  # Of the perceptual path length.
NUM_MMD = 2_000  # Codes, and draws of the prior, whose distances are held.
# Of colour images, by the source's name.
DEFAULT_FEATURES = {"stacked_mnist": "stacked_mnist", "emoji": "emoji"}
JUDGES = {"translate": ("classifier", "emoji_style"), "sample": ("matcher", "emoji")}


def default_features(data, image_shape):
    """The extractor that ships for images of a source.

    Raises:
        ValueError: If there is none.
    """
    known = "mnist" if image_shape[-1] == 1 else None
    features = DEFAULT_FEATURES.get(str(data).partition("/")[0], known)
    if features is None:
        raise ValueError(
            "Expected features=... for colour images: a file of InceptionV3's "
            "weights, a Keras model or a SavedModel."
        )
    return features


class Scale:
    """Real images to measure generated ones against: a reference and its floor.

    The reference is of the training split, the floor compares it with the test split.
    """

    def __init__(self, data, image_shape, features=None, num_images=10_000, seed=0):
        """Chooses the extractor; real images are read when they are needed, once.

        Args:
            data: A source with a train and a test split; see `keras_gen.data.load`.
            image_shape: (height, width, channels) of what is to be measured.
            features: See `extractor`; None takes the one that ships for one channel,
                or for Stacked MNIST.
            num_images: Real images of either split, and samples of a model.
            seed: Of the choice of training images, of samples and of subsets.

        Raises:
            ValueError: For other colour images without features.
        """
        image_shape = tuple(image_shape)
        features = features or default_features(data, image_shape)
        self.extractor = extractor(features)
        self.num_images, self.seed = num_images, seed
        self._source, self.image_shape = data, image_shape
        self._summaries = {}

    def load(self, split, shuffle=False):
        """Batches of real images, shuffled in an order of their own or as they come."""
        return data_sources.load(
            self._source,
            split,
            image_shape=self.image_shape,
            batch_size=BATCH,
            shuffle=shuffle,
            drop_remainder=False,
            seed=self.seed,
        )

    def real(self, split):
        """The `Summary` of `num_images` of a split."""
        if split not in self._summaries:
            images = _first(self.load(split, shuffle=split == "train"), self.num_images)
            self._summaries[split] = summarize(images, self.extractor, self.seed)
        return self._summaries[split]

    def draw(self, model):
        """The `Summary` of `model.sample(num_images, seed)`.

        Captions, where the model takes them, are those of the test split, in turn.
        """
        seeds = row_seeds(self.num_images, self.seed)
        conditions = {}
        if "captions" in model.abilities()["sample"].specs(model):
            captions = [batch["caption"].numpy() for batch in self.load("test")]
            conditions["captions"] = np.resize(np.concatenate(captions), len(seeds))

        def parts():
            step = model.rows_per_call
            for start in range(0, len(seeds), step):
                rows = slice(start, start + step)
                own = {name: value[rows] for name, value in conditions.items()}
                yield model.sample(len(seeds[rows]), seed=seeds[rows], **own)

        return summarize(parts(), self.extractor, self.seed)

    def measure(self, images, floor=True):
        """`image_figures` of an array, of batches of images, or of a `Summary`."""
        return image_figures(
            images,
            self.real("train"),
            self.real("test") if floor else None,
            features=self.extractor,
            seed=self.seed,
        )


class Evaluation:
    """All that can be measured of a model, or of a folder of images, stage by stage.

    Attributes:
        figures: What the stages that ran have found.
    """

    def __init__(
        self,
        model=None,
        data="mnist",
        *,
        images=None,
        features=None,
        num_images=10_000,
        num_train=None,
        num_samples=5_000,
        judge=None,
        seed=0,
    ):
        """Looks at what is to be measured; works in the stages.

        Args:
            model: A compiled `GenerativeModel`.
            data: A source with a train and a test split; see `keras_gen.data.load`.
            images: A folder, whoever made its images, in place of a model; see
                `keras_gen.data.load`. They are brought to the shape of the data's.
            features: See `Scale`.
            num_images: See `Scale`; at most so many of the folder.
            num_train: Training images among which the nearest are looked for; None
                takes all of the split.
            num_samples: Of the importance-sampling estimate of likelihoods, for models
                that have no exact one.
            judge: Weights of the classifier of styles that looks at translations, or of
                the matcher that looks at captions; None takes those that ship.
            seed: Of binary images too; see `Scale`.
        """
        if (model is None) == (images is None):
            raise ValueError("Expected a model or a folder of images.")
        self.model, self.images, self.data, self.seed = model, images, data, seed
        self.figures, self._shown = {}, {}
        self._features, self._judge = features, judge
        self.abilities = model.abilities() if model else {}
        if model:
            image_shape = tuple(model.image_shape)
        else:
            probe = data_sources.load(data, "test", batch_size=1, shuffle=False)
            image_shape = tuple(probe.element_spec["image"].shape[1:])
        shapes = model.batch_shapes() if model else {}
        self._test = data_sources.load(
            data,
            "test",
            features=tuple(shapes) if "image_b" in shapes else None,
            image_shape=image_shape,
            shuffle=False,
        )
        self.has_images = images is not None or "sample" in self.abilities
        self.scale = self._generated = None
        if self.has_images:
            self.scale = Scale(data, image_shape, features, num_images, seed)
        self.num_images, self.num_train = num_images, num_train
        self.num_samples = num_samples

    def stages(self):
        """Pairs of a title and a function that takes the next figures, in order."""
        can = self.abilities
        found = []
        if self.model:
            found.append(("losses on the test split", self._losses))
        if "reconstruct" in can:
            found.append(("reconstructions", self._reconstructions))
        if "translate" in can and str(self.data).partition("/")[0] == "emoji":
            found.append(("translations", self._translations))
        if "assemble" in can:
            found.append(("parts", self._parts))
        if "sample" in can and "captions" in self.model.input_specs():
            found.append(("captions", self._captions))
        if "log_prob" in can:
            found.append(("likelihood", self._likelihood))
        has_labels = "label" in self._test.element_spec
        if self._look() is not None and has_labels:
            found.append(("codes", self._codes))
        if "infer_codes" in can and self.model.categories and has_labels:
            found.append(("categories", self._categories))
        if hasattr(self.model, "draw_codes"):
            found.append(("codes against the prior", self._prior))
        if self.has_images:
            found += [
                ("samples", self._draw),
                ("training images", lambda: self.scale.real("train")),
                ("test images", lambda: self.scale.real("test")),
                ("distances", self._distances),
                ("variety", self._variety),
                ("nearest training images", self._memorisation),
            ]
        if (
            "sample" in can
            and "log_prob" not in can
            and self.scale.image_shape[-1] == 1
        ):
            found.append(("Parzen windows", self._parzen))
        if "sample" in can and self._has_classes():
            found.append(("labels asked for", self._agreement))
        if "sample" in can and self._has_paths():
            found.append(("path length", self._path_length))
        return found

    def run(self, progress=iter) -> dict:
        """Runs all stages.

        Args:
            progress: Passes on the items of a list of stages: to show how far it is.

        Returns:
            `figures`.
        """
        for _, stage in progress(self.stages()):
            stage()
        return self.figures

    def _losses(self):
        test = data_sources.load(
            self.data,
            "test",
            features=tuple(self.model.batch_shapes()),
            image_shape=self.model.batch_shapes().get("image"),
            shuffle=False,
        )
        losses = self.model.evaluate(test, verbose=0, return_dict=True)
        self.figures |= {f"test_{name}": float(loss) for name, loss in losses.items()}

    def _reconstructions(self):
        total, count = 0.0, 0
        for batch in self._test:
            images = batch["image"].numpy()
            error = (self.model.reconstruct(images) - images) ** 2
            total += float(np.mean(error, axis=(1, 2, 3)).sum())
            count += len(images)
        self.figures["test_reconstruction_mse"] = total / count

    def _translations(self):
        features = self._features or default_features(self.data, self.model.image_shape)
        self._keep(
            conditional.translations(
                self.model,
                self.data,
                extractor(features),
                self._load_judge("translate"),
            )
        )

    def _captions(self):
        judge = self._load_judge("sample")
        self._keep(conditional.caption_matches(self.model, self.data, judge, self.seed))

    def _parts(self):
        self._keep(conditional.assembled_parts(self.model, self.data, self.seed))

    def _keep(self, found):
        figures, pictures = found
        self.figures |= figures
        self._shown |= pictures

    def _load_judge(self, ability):
        from keras_gen import zoo  # It stands above.

        name, weights = JUDGES[ability]
        weights = self._judge or weights
        self.figures["judge"] = f"{name}/{weights}"
        return zoo.load(name, weights=weights)

    def _likelihood(self):
        options = {}
        if "num_samples" in self.model.abilities()["log_prob"].options:
            options["num_samples"] = self.num_samples
            self.figures["nll_samples"] = self.num_samples
        images = np.concatenate([batch["image"].numpy() for batch in self._test])
        if getattr(self.model, "is_binary", False):
            images = image_files.binarize(images, self.seed)
        nats = -float(np.mean(self.model.log_prob(images, **options)))
        dimensions = int(np.prod(self.model.image_shape))
        levels = 256 if getattr(self.model, "is_density", False) else None
        self.figures["nll_nats"] = nats
        self.figures["bits_per_dim"] = densities.bits_per_dim(nats, dimensions, levels)

    def _categories(self):
        """How well the first categorical code tells the labels of the test split."""
        clusters, labels = [], []
        for batch in self._test:
            codes = self.model.infer_codes(batch["image"].numpy())
            clusters.append(codes[:, : self.model.categories[0]].argmax(axis=1))
            labels.append(batch["label"].numpy())
        self.figures["category_accuracy"] = codes_figures.cluster_accuracy(
            np.concatenate(clusters), np.concatenate(labels)
        )

    def _look(self):
        """What gives codes of images alone; features may be told the label."""
        for name in ("encode", "features"):
            ability = self.abilities.get(name)
            if ability and list(ability.specs(self.model)) == ["images"]:
                return getattr(self.model, name)
        return None

    def _codes(self):
        look, sets = self._look(), []
        for split in ("train", "test"):
            batches = data_sources.load(
                self.data, split, image_shape=self.model.image_shape, shuffle=False
            )
            rows, labels = [], []
            for batch in batches.take(-(-self.num_images // 64)):
                rows.append(look(batch["image"].numpy()))
                labels.append(batch["label"].numpy())
            rows = np.concatenate(rows)
            sets += [rows.reshape(len(rows), -1), np.concatenate(labels)]
        self.figures["probe_accuracy"] = codes_figures.linear_probe(*sets)
        self.figures["neighbour_accuracy"] = codes_figures.neighbour_accuracy(*sets)

    def _prior(self):
        """How far codes of test images, noise included, are from the prior."""
        random = np.random.default_rng(self.seed)
        codes = []
        for batch in self._test:
            images = batch["image"].numpy()
            noise = random.normal(size=(len(images), self.model.latent_dim))
            codes.append(self.model.draw_codes(images, noise.astype(np.float32)))
        codes = np.concatenate(codes)
        draws = latent.draw(self.model, len(codes), self.seed)
        self.figures |= {
            "prior_two_sample_accuracy": codes_figures.two_sample_accuracy(
                codes, draws, self.seed
            ),
            "prior_mmd": codes_figures.prior_mmd(codes[:NUM_MMD], draws[:NUM_MMD]),
        }

    def _has_classes(self):
        """Whether samples have labels that the extractor's classes stand for."""
        takes = self.model.abilities()["sample"].specs(self.model)
        if "labels" not in takes or not self.scale.extractor.has_classes:
            return False
        blank = np.zeros((1, *self.model.image_shape), np.float32)
        classes = self.scale.extractor.probabilities(blank).shape[1]
        return classes == self.model.num_classes

    def _agreement(self):
        """How often the extractor's class is the label that was asked for."""
        labels = np.arange(self.num_images) % self.model.num_classes
        images = self.model.sample(len(labels), seed=self.seed, labels=labels)
        guesses = self.scale.extractor.probabilities(images).argmax(axis=1)
        self.figures["label_agreement"] = float(np.mean(guesses == labels))

    def _parzen(self):
        """Log-density of test images under Gaussians around samples, in [0, 1].

        The bandwidth is chosen on a tenth of the test images, which is not scored.
        """
        real = _unit_rows(_first(self.scale.load("test"), self.num_images))
        validation, test = np.split(real, [len(real) // 10])
        sets = {
            "": [self.model.sample(self.num_images, seed=self.seed)],
            "_floor": _first(self.scale.load("train", shuffle=True), self.num_images),
        }
        for suffix, samples in sets.items():
            mean, error, bandwidth = densities.parzen(
                _unit_rows(samples), test, validation
            )
            found = {"nats": mean, "nats_error": error, "bandwidth": bandwidth}
            found = {f"parzen_{name}": value for name, value in found.items()}
            self.figures |= with_suffix(suffix, found)

    def _draw(self):
        if self.model:
            self._generated = self.scale.draw(self.model)
            return
        folder = data_sources.load(
            self.images,
            image_shape=self.scale.image_shape,
            shuffle=False,
            test_fraction=0.0,
        )
        images = _first(folder, self.num_images)
        self._generated = summarize(images, self.scale.extractor, self.seed)

    def _distances(self):
        self.figures |= self.scale.measure(self._generated)

    def _variety(self):
        sets = {
            "": self._generated.images,
            "_floor": self.scale.real("test").images,
        }
        reference = self.scale.real("train").images
        for suffix, images in sets.items():
            if min(images.shape[1:3]) < variety.WINDOW or len(images) < 2:
                continue
            mean, error = variety.sample_similarity(images, seed=self.seed)
            levels = variety.sliced_wasserstein(images, reference, seed=self.seed)
            found = {"ms_ssim": mean, "ms_ssim_error": error}
            found |= {f"sliced_wasserstein_{k}": v for k, v in levels.items()}
            self.figures |= with_suffix(suffix, found)

    def _memorisation(self):
        sets = (self._generated.images, self.scale.real("test").images)
        for name, look in self._looks().items():
            both = [
                memorisation.Neighbours(look(images[:NUM_COMPARED])) for images in sets
            ]
            for images in self._training_images():
                rows = look(images)
                for found in both:
                    found.update(rows)
            found = memorisation.memorisation_figures(
                *(neighbours.distances[:, 0] for neighbours in both)
            )
            self.figures |= with_suffix(f"_in_{name}", found)

    def _training_images(self):
        """Batches of the training split, in its order."""
        return _first(self.scale.load("train"), self.num_train or sys.maxsize)

    def _looks(self):
        """What images are compared by, to rows of numbers."""
        return {
            "pixels": lambda images: images.reshape(len(images), -1),
            "features": self.scale.extractor.features,
        }

    def _has_paths(self):
        """Whether latents alone make an image, and the prior is over all of them."""
        decode = self.model.abilities().get("decode")
        prior = getattr(self.model, "prior", None)
        if decode is None or prior is None:
            return False
        alone = set(decode.specs(self.model)) == {"latents"}
        return alone and prior.distribution().event_shape == (self.model.latent_dim,)

    def _path_length(self):
        prior = self.model.prior
        latents = latent.draw(self.model, 2 * NUM_PATHS, self.seed)
        mean, error = perceptual_path_length(
            self.model.decode,
            latents[:NUM_PATHS],
            latents[NUM_PATHS:],
            interpolation=(
                "spherical" if isinstance(prior, priors.Normal) else "linear"
            ),
            features=self.scale.extractor,
            seed=self.seed,
        )
        self.figures |= {"path_length": mean, "path_length_error": error}
        if {"map", "synthesize"} <= self.abilities.keys():
            self._style_path_length(latents)

    def _style_path_length(self, latents):
        """The same between styles, along straight lines."""
        styles = self.model.map(latents)
        mean, error = perceptual_path_length(
            lambda rows: self.model.synthesize(rows.reshape(-1, *styles.shape[1:]), 0),
            *np.split(styles.reshape(len(styles), -1), 2),
            interpolation="linear",
            features=self.scale.extractor,
            seed=self.seed,
        )
        self.figures |= {"path_length_w": mean, "path_length_w_error": error}

    def pictures(self) -> dict:
        """Grids of what was measured, after `run`: title to uint8 array."""
        found = {
            title: image_files.grid(rows.reshape(-1, *rows.shape[2:]), rows.shape[1])
            for title, rows in self._shown.items()
        }
        if self.has_images:
            samples = self._generated.images
            if self.model:
                samples = self.model.sample(64, seed=self.seed)
            found["Samples, not picked"] = image_files.grid(samples[:64])
        batch = next(iter(self._test))["image"].numpy()
        found["Real images of the test split"] = image_files.grid(batch[:64])
        if "reconstruct" in self.abilities:
            pairs = np.stack([batch[:32], self.model.reconstruct(batch[:32])], axis=1)
            flat = pairs.reshape(-1, *batch.shape[1:])
            found["Test images, each beside its reconstruction"] = image_files.grid(
                flat, columns=8
            )
        if self.has_images:
            for name, look in self._looks().items():
                title = f"Samples (left) and their nearest training images, by {name}"
                found[title] = self._nearest_images(samples[:8], look)
        return found

    def _nearest_images(self, samples, look, k=7):
        nearest = memorisation.Neighbours(look(samples), k)
        for images in self._training_images():
            nearest.update(look(images))
        wanted, start = {}, 0
        for images in self._training_images():  # Held in the second pass alone.
            for place in set(nearest.places.ravel()) & set(
                range(start, start + len(images))
            ):
                wanted[place] = images[place - start]
            start += len(images)
        rows = np.array([[wanted[place] for place in row] for row in nearest.places])
        return memorisation.neighbours_grid(samples, rows)


def evaluate(model, data="mnist", *, progress=iter, **options) -> dict:
    """All figures that a model's abilities allow.

    Args:
        model: A compiled `GenerativeModel`.
        data: A source with a train and a test split; see `keras_gen.data.load`.
        progress: See `Evaluation.run`.
        **options: `features`, `num_images`, `num_train`, `num_samples`, `seed`; see
            `Evaluation`.

    Returns:
        Losses on the test split as `test_...`. For models that `reconstruct`,
        `test_reconstruction_mse` per pixel in [-1, 1]; that have `log_prob`, `nll_nats`
        and `bits_per_dim` (of densities: at 256 levels), with pixels drawn where the
        model has binary ones; that `infer_codes`, `category_accuracy`; that `encode` or
        have `features`, `probe_accuracy` and `neighbour_accuracy` of the labels; that
        draw codes to match a prior, `prior_two_sample_accuracy` and `prior_mmd`. For
        models that `translate`, `assemble`, or `sample` of captions, the figures of
        `keras_gen.metrics.conditional`. For models that `sample`: the figures of
        `image_figures`, `ms_ssim` between samples and `sliced_wasserstein_...` by side
        of the pyramid's level (for images of at least 11 pixels a side), all with the
        floor; without a likelihood and of one channel, `parzen_nats`; given labels,
        `label_agreement` of the extractor's classes with what was asked for;
        `nearest_distance_ratio` and `copies`, in pixels and in features, of 1,000
        samples against the whole training split; and `path_length`, of models with
        styles `path_length_w` too.
    """
    return Evaluation(model, data, **options).run(progress)


def evaluate_folder(images, data="mnist", *, progress=iter, **options) -> dict:
    """Scores a folder of images by the same ruler; see `Evaluation` and `evaluate`."""
    return Evaluation(data=data, images=images, **options).run(progress)


def _first(dataset, count):
    """Batches of images, so many in all, or fewer where there are fewer."""
    for batch in dataset:
        images = batch["image"].numpy()[:count]
        count -= len(images)
        yield images
        if count == 0:
            return


def _unit_rows(batches):
    """Rows of numbers in [0, 1], of batches of images in [-1, 1]."""
    images = np.concatenate(list(batches))
    return images.reshape(len(images), -1) / 2.0 + 0.5
