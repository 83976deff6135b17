"""Figures in words: their group, name, better direction and meaning."""

import dataclasses
import re

LOWER, HIGHER, FLOOR = "lower", "higher", "the floor"
# Groups, in the order of a report.
SAMPLES = "Samples against real images"
VARIETY = "Variety of samples"
COPIES = "Copies of training images"
LIKELIHOOD = "Likelihood of test images"
LOSSES = "Losses on test images"
CODES = "Codes and labels"
CONDITIONS = "Conditions of samples"
TRANSLATIONS = "Translations"
PARTS = "Parts"
PATHS = "Smoothness of latent space"
OTHERS = "Other figures"
SETTINGS = "Settings of the measurement"


@dataclasses.dataclass(frozen=True)
class Words:
    """A figure in words.

    Attributes:
        group: Heading under which reports show the figure.
        name: Name in words.
        better: Direction that is better, "lower" or "higher"; "the floor", or the
            empty string if neither is.
        meaning: Meaning in one line, or the empty string.
    """

    group: str
    name: str
    better: str = ""
    meaning: str = ""


_ERROR = "standard error of the figure above it"
# Patterns of figures' names, in the order of a report; groups of a pattern replace the
# fields {0}, {1} of the name.
_WORDS = [
    ("frechet_distance", SAMPLES, "Fréchet distance", LOWER,
     "distance of the means and covariances of features; 0 if both are equal"),
    ("kernel_distance", SAMPLES, "kernel distance", LOWER,
     "squared distance of the distributions of features; about 0 if they are equal"),
    ("kernel_distance_error", SAMPLES, "kernel distance, error", "", _ERROR),
    ("precision", SAMPLES, "precision", HIGHER,
     "share of samples that lie among real images"),
    ("recall", SAMPLES, "recall", HIGHER,
     "share of real images that lie among samples"),
    ("density", SAMPLES, "density", HIGHER,
     "how densely real images surround samples; 1 for equal distributions"),
    ("coverage", SAMPLES, "coverage", HIGHER,
     "share of real images with a sample near them"),
    ("classifier_score", SAMPLES, "classifier score", HIGHER,
     "sure and varied classes; from 1 to the number of classes"),
    ("classifier_score_deviation", SAMPLES, "classifier score, deviation", "",
     "standard deviation of the score over ten parts"),
    ("modes", SAMPLES, "classes among samples", HIGHER,
     "number of classes with at least one sample"),
    ("modes_of_data", SAMPLES, "classes among real images", "",
     "number of classes with at least one training image"),
    ("modes_kl", SAMPLES, "divergence of the classes", LOWER,
     "of the samples' classes from those of real images, in nats"),
    ("ms_ssim", VARIETY, "similarity of samples (MS-SSIM)", FLOOR,
     "mean similarity of pairs of samples; above the floor, they vary too little"),
    ("ms_ssim_error", VARIETY, "similarity, error", "", _ERROR),
    (r"sliced_wasserstein_(\d+)", VARIETY, "patches, {0} pixels (sliced Wasserstein)",
     LOWER, "distance of patches from those of training images at this size"),
    (r"nearest_distance_ratio_in_(\w+)", COPIES, "nearest distance, in {0}", "",
     "to training images, relative to test images: 1 is new, near 0 is copied"),
    (r"copies_in_(\w+)", COPIES, "share of copies, in {0}", LOWER,
     "share of samples nearer to one than 99 % of test images; 0.01 by chance"),
    ("num_searched", COPIES, "training images searched", "",
     "copies of other images are not found"),
    ("nll_nats", LIKELIHOOD, "negative log-likelihood, nats", LOWER, "per image"),
    ("nll_nats_error", LIKELIHOOD, "negative log-likelihood, error", "", _ERROR),
    ("bits_per_dim", LIKELIHOOD, "bits per dimension", LOWER,
     "the same per pixel and channel, in bits"),
    ("nll_samples", LIKELIHOOD, "importance samples", "", "per image, of the estimate"),
    ("nll_images", LIKELIHOOD, "test images of the likelihood", "",
     "fewer than elsewhere, since each takes many evaluations of the network"),
    ("parzen_nats", LIKELIHOOD, "Parzen log-likelihood, nats", HIGHER,
     "of test images under Gaussians around samples"),
    ("parzen_nats_error", LIKELIHOOD, "Parzen log-likelihood, error", "", _ERROR),
    ("parzen_bandwidth", LIKELIHOOD, "Parzen bandwidth", "",
     "deviation of the Gaussians, for pixels in [0, 1]"),
    ("test_reconstruction_mse", LOSSES, "reconstruction error", LOWER,
     "mean squared error of a pixel, in [-1, 1] units"),
    (r"test_d_(real|fake)", LOSSES, "discriminator, {0} images", "",
     "mean output; 1/2 means that it cannot tell real and generated ones apart"),
    (r"test_(\w+)", LOSSES, "{0}", "", "the model's own, as in the log of training"),
    ("probe_accuracy", CODES, "accuracy of a linear probe", HIGHER,
     "share of test labels that a linear classifier reads off codes"),
    ("neighbour_accuracy", CODES, "accuracy of neighbours", HIGHER,
     "share of test labels that the nearest training codes give"),
    ("category_accuracy", CODES, "accuracy of categories", HIGHER,
     "share of test labels that the best match of categories gives"),
    ("prior_two_sample_accuracy", CODES, "codes told from the prior", LOWER,
     "accuracy of a classifier; 1/2 means that both are alike"),
    ("prior_mmd", CODES, "distance of codes from the prior", LOWER,
     "squared maximum mean discrepancy; about 0 if they are alike"),
    ("label_agreement", CONDITIONS, "samples of the class asked for", HIGHER,
     "share that the classifier assigns to it"),
    ("r_precision", CONDITIONS, "captions found (R-precision)", HIGHER,
     "share of samples whose caption is found among ten; 0.1 by chance"),
    ("named_found", CONDITIONS, "attributes that captions name", HIGHER,
     "share of samples that have them, by a classifier"),
    ("named_found_floor", CONDITIONS, "attributes that captions name, real images", "",
     "which the share of samples can hardly exceed"),
    (r"named_found_(.*)", CONDITIONS, "attribute that captions name, {0}", HIGHER,
     "share of samples that have it"),
    ("unnamed_found", CONDITIONS, "attributes not named", LOWER,
     "share of samples that have them all the same"),
    ("unnamed_found_floor", CONDITIONS, "attributes not named, real images", "",
     "share of the images that have them, by the classifier"),
    ("arithmetic_agreement", CODES, "arithmetic with latents", HIGHER,
     "share of sums that show the attributes that they should"),
    ("arithmetic_floor", CODES, "arithmetic with latents, samples", "",
     "share of samples that show them"),
    ("vector_found", CODES, "attributes added to codes", HIGHER,
     "share of decoded images that have them, by a classifier"),
    ("vector_found_floor", CODES, "attributes added to codes, without adding", "",
     "share of reconstructions that have them all the same"),
    (r"vector_found_(.*)", CODES, "attribute added to codes, {0}", HIGHER,
     "share of decoded images that have it"),
    ("vector_kept", CODES, "attributes kept in codes", HIGHER,
     "share of the others that is as it should be, by a classifier"),
    ("vector_kept_floor", CODES, "attributes kept in reconstructions", "",
     "which the share of attributes kept in codes can hardly exceed"),
    ("code_information_floor", CODES, "information of shuffled codes", "",
     "the largest with any attribute, in nats"),
    (r"code_information_(category|continuous)_(\d+)", CODES,
     "information of the {0} code {1}", HIGHER,
     "the largest with any attribute of samples, in nats"),
    (r"code_information_(category|continuous)_(\d+)_(.*)", CODES,
     "information of the {0} code {1}, {2}", "", "with this attribute, in nats"),
    ("seed_l1", CONDITIONS, "difference of seeds", HIGHER,
     "between two samples of a caption"),
    ("caption_l1", CONDITIONS, "difference of captions", HIGHER,
     "between samples of different captions"),
    (r"l1_untranslated(.*)", TRANSLATIONS, "L1 distance, untranslated{0}", "",
     "of the images before translation from the true images"),
    (r"l1_gain(.*)", TRANSLATIONS, "L1 distance, gain{0}", HIGHER,
     "share of the distance that translation removes"),
    (r"l1(|_\w+_to_\w+)", TRANSLATIONS, "L1 distance{0}", LOWER,
     "mean absolute difference of translations from the true images"),
    (r"frechet_untranslated(.*)", TRANSLATIONS, "Fréchet distance, untranslated{0}", "",
     "of the images before translation from the true images"),
    (r"frechet_gain(.*)", TRANSLATIONS, "Fréchet distance, gain{0}", HIGHER,
     "share of the distance that translation removes"),
    (r"frechet(|_\w+_to_\w+)", TRANSLATIONS, "Fréchet distance{0}", LOWER,
     "of translations from the true images, by their features"),
    (r"reconstruction_l1(.*)", TRANSLATIONS, "L1 distance, there and back{0}", LOWER,
     "of images from their translations that are translated back"),
    ("attribute_asked", TRANSLATIONS, "attribute asked for", HIGHER,
     "share of translations that have it, by a classifier"),
    (r"attribute_asked_(.*)", TRANSLATIONS, "attribute asked for, {0}", HIGHER,
     "share of translations that have it, or have it no longer"),
    ("attribute_kept", TRANSLATIONS, "other attributes", HIGHER,
     "share that is as it should be, by a classifier"),
    ("attribute_kept_floor", TRANSLATIONS, "other attributes, real images", "",
     "which the share of other attributes can hardly exceed"),
    ("elsewhere_l1", TRANSLATIONS, "L1 distance, elsewhere", LOWER,
     "of translations from images, where the attributes change no pixels"),
    (r"agreement(.*)", TRANSLATIONS, "domain asked for{0}", HIGHER,
     "share that a classifier assigns to it"),
    ("mask_iou", PARTS, "overlap of masks", HIGHER,
     "of predicted and true masks; 1 if they are equal"),
    ("mask_iou_constant", PARTS, "overlap of the best constant mask", "",
     "which the overlap of masks should exceed"),
    ("parts_l1", PARTS, "difference within parts", LOWER,
     "mean absolute difference of assembled from true images"),
    ("parts_l1_pasted", PARTS, "difference of pasted parts", "",
     "which the difference within parts should be below"),
    ("path_length", PATHS, "path length", LOWER,
     "change of features along paths between latents"),
    ("path_length_error", PATHS, "path length, error", "", _ERROR),
    ("path_length_w", PATHS, "path length between styles", LOWER,
     "change of features along straight lines between styles"),
    ("path_length_w_error", PATHS, "path length between styles, error", "", _ERROR),
    ("features", SETTINGS, "features", "", "network that images are compared with"),
    ("features_note", SETTINGS, "worth of these features", "", ""),
    ("judge", SETTINGS, "judge", "", "model that scores results"),
    ("judge_note", SETTINGS, "worth of the judge", "", ""),
    ("num_generated", SETTINGS, "samples", "", ""),
    ("num_real", SETTINGS, "training images", "", ""),
    ("num_held_out", SETTINGS, "test images, the floor", "", ""),
    ("seed", SETTINGS, "seed", "", ""),
]  # fmt: skip
_ORDER = [SAMPLES, VARIETY, COPIES, LIKELIHOOD, CODES, CONDITIONS, TRANSLATIONS, PARTS]
_ORDER += [PATHS, LOSSES, OTHERS, SETTINGS]


def words(name: str) -> Words:
    """A figure in words; those that are unknown keep their name.

    >>> words("recall").name, words("recall").better
    ('recall', 'higher')
    >>> words("sliced_wasserstein_32").name
    'patches, 32 pixels (sliced Wasserstein)'
    """
    for pattern, group, text, better, meaning in _WORDS:
        match = re.fullmatch(pattern, name)
        if match:
            parts = [re.sub("^_", ": ", part) for part in match.groups()]
            text = text.format(*(part.replace("_", " ") for part in parts))
            return Words(group, text, better, meaning)
    return Words(OTHERS, name.replace("_", " "))


def grouped(names: list[str]) -> dict[str, list[str]]:
    """Names of figures by their group, in the order of a report.

    >>> grouped(["seed", "recall", "precision"])
    {'Samples against real images': ['recall', 'precision'],
     'Settings of the measurement': ['seed']}
    """
    found = {group: [] for group in _ORDER}
    for name in names:
        found[words(name).group].append(name)
    return {group: names for group, names in found.items() if names}
