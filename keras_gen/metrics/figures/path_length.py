"""Perceptual path length of models that decode latents."""

import numpy as np

from keras_gen import latent
from keras_gen.core.inputs import LATENT
from keras_gen.distributions import priors
from keras_gen.metrics.figures.base import Figure
from keras_gen.metrics.path_length import perceptual_path_length

NUM_PATHS = 2_000


class PathLength(Figure):
    """`path_length` and `path_length_error`: a measure of how smooth latent space is.

    Models with styles also have `path_length_w` and its error, between styles along
    straight lines.
    """

    title = "path length"

    def applies(self, context):
        """For models whose `decode` takes only latents, with a prior over them."""
        prior = getattr(context.model, "prior", None)
        if not context.has_small_latents:
            return False
        if prior is None or not context.takes_only("decode", LATENT):
            return False
        return prior.distribution().event_shape == (context.model.latent_dim,)

    def measure(self, context):
        """Decodes pairs of nearby points on paths between draws of the prior."""
        model = _in_float32(context.model)
        is_normal = isinstance(model.prior, priors.Normal)
        latents = latent.draw(model, 2 * NUM_PATHS, context.seed)
        figures = _path_length(
            context,
            model.decode,
            latents,
            "spherical" if is_normal else "linear",
            "path_length",
        )
        if {"map", "synthesize"} <= context.abilities.keys():
            styles = model.map(latents)
            shape = styles.shape[1:]
            figures |= _path_length(
                context,
                lambda rows: model.synthesize(rows.reshape(-1, *shape), 0),
                styles.reshape(len(styles), -1),
                "linear",
                "path_length_w",
            )
        return figures


def _in_float32(model):
    """The model, or its weights in a model that computes in float32.

    Images of points that are 1e-4 apart differ by less than 16 bits can show.
    """
    if model.dtype_policy.compute_dtype == "float32":
        return model
    copy = type(model).from_arguments({**model.get_config(), "dtype": "float32"})
    copy.set_weights(model.get_weights())
    return copy


def _path_length(context, decode, points, interpolation, name):
    """The length of paths from the first half of points to the second, by name."""
    mean, error = perceptual_path_length(
        decode,
        *np.split(points, 2),
        interpolation=interpolation,
        features=context.scale.extractor,
        seed=context.seed,
    )
    return {name: mean, f"{name}_error": error}
