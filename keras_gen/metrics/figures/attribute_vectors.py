"""Attributes that are added to images as vectors between their codes.

1. Larsen et al., "Autoencoding beyond Pixels Using a Learned Similarity Metric", 2016,
   section 4.2 (attribute vectors as differences of means).
"""

import numpy as np

from keras_gen.core.inputs import IMAGE, LATENT
from keras_gen.metrics.figures.judged import JUDGED, JudgedFigure, load_judge, test_rows
from keras_gen.models.translation.stargan import changed

ROWS = 16  # Rows of a picture.


def vectors_of(codes: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """The coefficients of attributes in a linear regression of codes.

    Args:
        codes: Codes, (count, latent_dim).
        attributes: Attributes, 0 or 1, (count, attributes).

    Returns:
        What an attribute adds to a code, (attributes, latent_dim).
    """
    design = np.concatenate([attributes, np.ones((len(codes), 1))], axis=1)
    return np.linalg.lstsq(design, codes)[0][:-1]


def with_one_changed(
    model,
    codes: np.ndarray,
    attributes: np.ndarray,
    index: int,
    data: np.ndarray,
    vectors: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Decodes codes after one attribute has been added or taken away.

    Args:
        model: Model that decodes codes.
        codes: Codes of images, (count, latent_dim).
        attributes: The images' attributes, 0 or 1, (count, attributes).
        index: Index of the attribute.
        data: Attributes of many images, which show what excludes what.
        vectors: What each attribute adds to a code, (attributes, latent_dim).

    Returns:
        The images, float32 (count, height, width, channels), and the attributes that
        they should have.
    """
    wanted = changed(attributes, index, data)
    return model.decode(codes + (wanted - attributes) @ vectors), wanted


class AttributeVectors(JudgedFigure):
    """Whether images get an attribute if its vector is added to their code.

    Codes are regressed on attributes: a coefficient is an attribute's vector. Means of
    the images with and without an attribute, as in [1], would also differ by what
    tends to come with it. To codes of test images without an attribute, its vector is
    added, and those of attributes that exclude it are taken away.

    `vector_found`: the share of decoded images in which the `judge` finds the
    attribute, as a mean over the attributes, and with a suffix for each;
    `vector_found_floor`: that share if nothing is added. `vector_kept`: the share of
    the other attributes that the judge finds as they should be; `vector_kept_floor`:
    that share if nothing is added.
    """

    title = "attribute vectors"
    splits = ("train", "test")

    def applies(self, context):
        """For models of codes that they encode and decode, on sources in `JUDGED`."""
        return (
            context.source in JUDGED
            and context.has_small_latents
            and context.takes_only("encode", IMAGE)
            and context.takes_only("decode", LATENT)
        )

    def measure(self, context):
        """Finds the vectors in the split "train", and adds them in the split "test"."""
        source, model = JUDGED[context.source], context.model
        names = context.real.load("test").attribute_names
        judge, judged = load_judge(context, names)
        images, attributes = test_rows(context, "image", "attributes", split="train")
        vectors = vectors_of(model.encode(images), attributes)
        images, own = test_rows(context, "image", "attributes")
        codes = model.encode(images)
        plain = model.decode(codes)
        before, figures = judged(plain), {}
        rest = {"vector_found_floor": [], "vector_kept": [], "vector_kept_floor": []}
        shown, titles = [images[:ROWS], plain[:ROWS]], []
        for index, name in enumerate(names):
            lacks = own[:, index] == 0
            if not lacks.any():
                continue
            edited, wanted = with_one_changed(
                model, codes[lacks], own[lacks], index, own, vectors
            )
            found, kept = judged(edited), np.arange(len(names)) != index
            figures[f"vector_found_{name}"] = float(found[:, index].mean())
            rest["vector_found_floor"].append(before[lacks, index].mean())
            rest["vector_kept"].append((found == (wanted == 1))[:, kept].mean())
            as_they_are = (before == (own == 1))[lacks][:, kept]
            rest["vector_kept_floor"].append(as_they_are.mean())
            if name in source.shown:
                first = codes[:ROWS], own[:ROWS]
                edited, _ = with_one_changed(model, *first, index, own, vectors)
                shown.append(edited)
                titles.append(name)
        title = (
            "Test images, their reconstructions, and these with another value of "
            f"{', '.join(titles)}"
        )
        context.keep(self, title.replace("_", " "), np.stack(shown, axis=1))
        means = {name: float(np.mean(values)) for name, values in rest.items()}
        mean = float(np.mean(list(figures.values())))
        return {**judge, "vector_found": mean, **means, **figures}
