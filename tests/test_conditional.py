"""Figures of translations, of captions and of parts, on emoji that were held out."""

import numpy as np
import pytest

import keras_gen
from keras_gen.metrics.captions import r_precision
from keras_gen.metrics.features import Extractor
from keras_gen.metrics.figures import Context
from keras_gen.metrics.figures.captions import Captions
from keras_gen.metrics.figures.parts import AssembledParts
from keras_gen.metrics.figures.translations import Translations
from keras_gen.metrics.parts import constant_mask_iou, l1_within, mask_iou, paste
from keras_gen.metrics.translation import translation_figures
from keras_gen.models import (
    Classifier,
    CycleGAN,
    Matcher,
    PuzzleGAN,
    StarGAN,
    TextToImage,
)

RANDOM = np.random.default_rng(0)


def means(images):
    """Features that can be computed by hand: the means of channels."""
    return np.asarray(images).mean(axis=(1, 2))


def test_gains_of_a_translation_by_hand():
    source = RANDOM.uniform(-0.5, 0.5, (20, 4, 4, 3))
    truth = source + 0.4
    figures = translation_figures(source, source + 0.3, truth, source - 0.1, means)
    assert figures["l1_untranslated"] == pytest.approx(0.4)
    assert figures["l1_gain"] == pytest.approx(0.75)
    assert figures["frechet_untranslated"] == pytest.approx(3 * 0.16)
    assert figures["frechet_gain"] == pytest.approx(1 - 0.01 / 0.16)
    assert figures["reconstruction_l1"] == pytest.approx(0.1)


def test_r_precision_of_right_and_of_random_images():
    texts = RANDOM.normal(size=(300, 8))
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    assert r_precision(texts, texts) == 1
    assert r_precision(-texts, texts) == 0
    assert r_precision(RANDOM.permutation(texts), texts) == pytest.approx(0.1, abs=0.05)
    with pytest.raises(ValueError, match="at least 10"):
        r_precision(texts[:9], texts[:9])


def test_captions_that_are_as_near_share_a_hit():
    pairs = np.eye(10)
    assert r_precision(pairs, pairs) == 1
    # Each row has one equal among the nine others, all of which are candidates.
    twice = np.eye(5).repeat(2, axis=0)
    assert r_precision(twice, twice) == pytest.approx(0.5)
    assert r_precision(np.ones((10, 1)), np.ones((10, 1))) == pytest.approx(0.1)


def test_masks_are_compared_by_intersection_over_union():
    true = np.zeros((2, 4, 4, 1))
    true[0, :2], true[1, 2:] = 1, 1
    predicted = np.zeros((2, 4, 4, 1))
    predicted[0, :2, :2], predicted[1, 2:] = 0.9, 0.6
    assert mask_iou(predicted, true) == pytest.approx((0.5 + 1) / 2)
    assert constant_mask_iou(true) == pytest.approx(0.5)
    true[1] = true[0]
    assert constant_mask_iou(true) == 1
    images = np.full((2, 4, 4, 3), 0.5)
    assert l1_within(images, images - 0.25 * true, true) == pytest.approx(0.25)


def test_pasted_parts_fill_a_box():
    parts = np.stack([np.full((1, 8, 8, 3), level) for level in (-1.0, 0.5)], axis=1)
    canvas = paste(parts.astype("float32"), [2.1, 3.9, 6, 8])
    np.testing.assert_allclose(canvas[:, 2:6, 4:8], -0.25, rtol=1e-5)
    assert (canvas == 1).sum() == 3 * (64 - 16)


# Figures of whole models, which are not trained.

EXTRACTOR = Extractor("means", (16, 16, 3), means)
SHAPE = {"image_shape": (16, 16, 3)}


def measured(figure, model, data, judge=None):
    """The figures and the kept images of one figure."""
    context = Context(model, data, features=EXTRACTOR, judge=judge)
    assert figure.applies(context)
    return figure.measure(context), context.kept(figure)


def built(cls, **options):
    model = cls(**{**cls.tiny, **SHAPE, **options})
    model.compile(seed=0)
    return model


@pytest.mark.parametrize(
    "cls, data, directions",
    [(CycleGAN, "emoji/twemoji,openmoji", 2), (StarGAN, "emoji", 6)],
)
def test_translators_are_measured_in_every_direction(cls, data, directions):
    model = built(cls)
    judge = built(Classifier, num_classes=3, target="domain")
    figures, pictures = measured(Translations(), model, data, judge)
    assert len(pictures) == directions
    gains = [v for k, v in figures.items() if k.startswith("l1_gain_")]
    assert len(gains) == directions
    assert figures["l1_gain"] == pytest.approx(np.mean(gains))
    assert figures["l1_untranslated_twemoji_to_openmoji"] == pytest.approx(
        figures["l1_untranslated_openmoji_to_twemoji"]
    )
    assert figures["l1_gain"] < 0.2  # It is not trained.
    assert 0 <= figures["agreement"] <= 1
    for rows in pictures.values():
        assert rows.shape[1:] == (4, 16, 16, 3)


def test_a_perfect_translator_would_gain_everything(monkeypatch):
    model = built(CycleGAN)
    options = {"image_shape": (16, 16, 3), "shuffle": False, "batch_size": 178}
    sets = [
        next(iter(keras_gen.data.load(f"emoji/{style}", "test", **options)))[
            "image"
        ].numpy()
        for style in ("twemoji", "openmoji")
    ]

    def translate(images, to="b"):
        """The same emoji in the other style."""
        source, target = reversed(sets) if to == "a" else sets
        gaps = [np.abs(source - image).sum(axis=(1, 2, 3)) for image in images]
        return target[np.argmin(gaps, axis=1)]

    monkeypatch.setattr(model, "translate", translate)
    judge = built(Classifier, num_classes=3, target="domain")
    figures, _ = measured(Translations(), model, "emoji/twemoji,openmoji", judge)
    assert figures["l1_gain"] == pytest.approx(1, abs=1e-4)
    assert figures["frechet_gain"] == pytest.approx(1, abs=1e-4)
    assert figures["reconstruction_l1"] == 0


def test_samples_of_captions_are_measured_by_a_matcher():
    figures, pictures = measured(
        Captions(), built(TextToImage), "emoji/noto", built(Matcher)
    )
    assert 0 <= figures["r_precision"] < 0.35
    assert figures["seed_l1"] > 0
    ((title, rows),) = pictures.items()
    assert rows.shape[1:] == (8, 16, 16, 3)


def test_assembled_parts_are_compared_with_baselines_without_positions():
    figures, pictures = measured(AssembledParts(), built(PuzzleGAN), "emoji/noto")
    assert 0 <= figures["mask_iou"] <= 1
    assert 0.2 < figures["mask_iou_constant"] < 0.8
    assert 0 < figures["parts_l1_pasted"] < 1
    ((_, rows),) = pictures.items()
    assert rows.shape[1:] == (7, 16, 16, 3)


def test_evaluation_runs_these_stages_and_shows_pictures(tmp_path):
    runs = {}
    for name, model in (
        ("classifier", built(Classifier, num_classes=3, target="domain", width=2)),
        ("matcher", built(Matcher)),
    ):
        runs[name] = tmp_path / name
        runs[name].mkdir()
        model.save(runs[name] / "model.keras")
    options = {"features": str(runs["classifier"])}
    evaluation = keras_gen.metrics.Evaluation(
        built(CycleGAN),
        "emoji/noto,openmoji",
        judge=runs["classifier"],
        **options,
    )
    titles = [title for title, _ in evaluation.stages()]
    assert titles == ["losses on the test split", "translations"]
    figures = evaluation.run()
    assert {"test_cycle", "l1_gain", "agreement_noto_to_openmoji"} <= set(figures)
    assert len(evaluation.pictures()) == 3
    assert keras_gen.metrics.report.lines(figures)
    evaluation = keras_gen.metrics.Evaluation(
        built(TextToImage),
        "emoji/noto",
        judge=runs["matcher"],
        num_images=60,
        num_train=60,
        **options,
    )
    titles = [title for title, _ in evaluation.stages()]
    assert "captions" in titles and "samples" in titles
    figures = evaluation.run()
    assert {"r_precision", "r_precision_floor", "frechet_distance"} <= set(figures)
    evaluation.pictures()
