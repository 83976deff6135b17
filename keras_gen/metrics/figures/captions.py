"""How well samples match the captions that they were drawn for."""

import numpy as np

from keras_gen.core.inputs import TEXT
from keras_gen.metrics.captions import r_precision
from keras_gen.metrics.features import resized
from keras_gen.metrics.figures.base import Figure
from keras_gen.metrics.figures.judged import JUDGED
from keras_gen.metrics.translation import l1

JUDGE = ("matcher", "emoji")  # Preset and weights of a matcher of images and captions.
CANDIDATES = 10  # Captions that an image is compared with.
ROWS = 16  # Rows of a picture.
SAMPLES = 7  # Samples of one caption in a picture.


class Captions(Figure):
    """How well samples match captions of the test split.

    `r_precision`: the share of samples for which a matcher (the `judge`) finds their
    own caption nearest among 10; `r_precision_floor` is that of the real images.
    `seed_l1`: the distance of two samples of the same caption; compare with
    `caption_l1`, that of samples of different captions.
    """

    title = "captions"
    splits = ("test",)

    def applies(self, context):
        """For models whose `sample` takes captions.

        Where a classifier of attributes ships, `NamedAttributes` applies instead.
        """
        is_judged = context.source in JUDGED
        return context.condition("sample", TEXT) is not None and not is_judged

    def least_images(self, context):
        """As many as a matcher compares, if every image has its own caption."""
        return CANDIDATES

    def check(self, context):
        """Refuses a missing matcher."""
        context.check_judge(*JUDGE)

    def measure(self, context):
        """Draws two samples of each caption."""
        judge, judge_name = context.load_judge(*JUDGE)
        note = None
        if context.judge is None and context.source != JUDGE[1]:
            note = (
                f"The judge was trained on {JUDGE[1]}: compare r_precision with its "
                "floor; --judge takes a matcher of your own."
            )
        seed = context.seed
        real, captions = _captioned_images(context)
        draw = drawing(context)
        drawn, again = draw(captions, seed), draw(captions, seed + 1)
        keep_samples(context, self, real, captions)
        return {
            "judge": judge_name,
            **({} if note is None else {"judge_note": note}),
            **precisions(judge, drawn, real, captions, seed),
            **distances(drawn, again),
        }


def drawing(context):
    """Function from captions and a seed to samples."""
    name = context.condition("sample", TEXT).name
    return lambda captions, seed: context.model.sample(seed=seed, **{name: captions})


def precisions(matcher, drawn, real, captions, seed):
    """The figure `r_precision` of samples, and its floor of the real images."""
    texts = matcher.text_features(captions)

    def precision(images):
        features = matcher.features(resized(images, matcher.image_shape))
        return r_precision(features, texts, seed, CANDIDATES)

    return {"r_precision": precision(drawn), "r_precision_floor": precision(real)}


def distances(drawn, again):
    """The figures `seed_l1` and `caption_l1` of two samples of each caption."""
    others = np.roll(drawn, 1, axis=0)
    return {"seed_l1": l1(drawn, again), "caption_l1": l1(drawn, others)}


def keep_samples(context, figure, real, captions):
    """Keeps a picture of some real images with samples of their captions."""
    draw, step = drawing(context), max(len(real) // ROWS, 1)
    shown = captions[::step][:ROWS]
    columns = [real[::step][:ROWS], *(draw(shown, i) for i in range(SAMPLES))]
    names = "; ".join(caption.decode().partition(":")[0] for caption in shown)
    title = f"Test images, and seven samples of the caption of each: {names}"
    context.keep(figure, title, np.stack(columns, axis=1))


def _captioned_images(context):
    """One test image of each caption, and the captions."""
    batches = context.draw("test", features=("image", "caption"))
    pairs = [(b["image"].numpy(), b["caption"].numpy()) for b in batches]
    images, captions = (np.concatenate(x) for x in zip(*pairs, strict=True))
    _, first = np.unique(captions, return_index=True)
    return images[np.sort(first)], captions[np.sort(first)]
