"""InfoGAN [1]: some of the latents are codes that must be readable off the image.

A head Q on the discriminator's trunk guesses the codes of generated images; a bound on
the mutual information between codes and images, how well it guesses, stands in both
losses. Categories become classes, continuous codes what varies within them.
What differs from [1]: on request Q guesses categories of images that are turned, scaled
and shifted [2]; without, it is as content to split digits by slant as by shape. Q's
Gaussians of continuous codes have deviation 1, as in the authors' code: where Q learns
it, their term grows without bound, and the generator writes codes, not images.

1. Chen et al., "InfoGAN: Interpretable Representation Learning by Information
   Maximizing Generative Adversarial Nets", 2016.
2. Ojha et al., "Elastic-InfoGAN: Unsupervised Disentangled Representation Learning in
   Class-Imbalanced Data", 2020: transformations that leave the class alone.
"""

import math

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen.core.abilities import draws, transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.noise import row_generator
from keras_gen.core.registry import register
from keras_gen.distributions import priors
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.dcgan import dcgan_discriminator, dcgan_generator


def code_head(categories, continuous):
    """A head with logits, and Q's parameters of the codes ([1], appendix C.1).

    Of each category its logits, then means of continuous codes.
    """

    def head(inputs, x, dense, **options):
        verdict = dense(1, dtype="float32", **options)(x)
        q = layers.BatchNormalization(synchronized=True)(layers.Dense(128)(x))
        q = layers.LeakyReLU(0.1, name="q_features")(q)
        codes = layers.Dense(sum(categories) + continuous, dtype="float32")(q)
        return keras.Model(inputs, [verdict, codes], name="discriminator")

    return head


@register(
    "infogan",
    image_shape=(28, 28, 1),
    mutual_weight=1.0,
    continuous_weight=0.03,
    turn=0.4,
    scale=0.1,
    shift=1.0,
)
class InfoGAN(AdversarialModel):
    """InfoGAN, whose latents hold codes that one can read off images.

    Latents are noise, a one-hot vector a category, then continuous codes in [-1, 1].

    Args:
        image_shape: (height, width, channels); as `DCGAN`'s.
        noise_dim: Numbers of noise in a latent.
        categories: Values of each categorical code.
        continuous: Continuous codes.
        width: Feature maps next to the image.
        hidden: Units of the dense layers between latents and maps, and between maps and
            verdict. [1]: 1024.
        mutual_weight: Of the bound on the mutual information with categories, lambda in
            [1], 1 there.
        continuous_weight: The same, with the continuous codes.
        turn: Largest angle in radians by which images are turned before Q guesses their
            categories, so that these stand for what stays the same [2]; 0 in [1].
        scale: Largest change of their size, as a share.
        shift: Largest shift, in pixels.
        discriminator_rate: See `AdversarialModel`; None takes 2e-4.
        generator_rate: See `AdversarialModel`; None takes 1e-3.
        **options: Of `AdversarialModel`: `loss`, `average`, ...
    """

    tiny = {
        "image_shape": (16, 16, 1),
        "noise_dim": 3,
        "categories": (3,),
        "continuous": 1,
        "width": 4,
        "hidden": 8,
        "turn": 0.2,
    }

    def __init__(
        self,
        image_shape=(28, 28, 1),
        noise_dim=62,
        categories=(10,),
        continuous=2,
        width=64,
        hidden=1024,
        mutual_weight=0.1,
        continuous_weight=0.1,
        turn=0.0,
        scale=0.0,
        shift=0.0,
        discriminator_rate=None,
        generator_rate=None,
        **options,
    ):
        categories = tuple(categories)
        if any(count < 2 for count in categories) or continuous < 0 or noise_dim < 1:
            raise ValueError(
                "Expected noise_dim >= 1, categories of at least 2 values and "
                f"continuous >= 0, got {noise_dim}, {categories} and {continuous}."
            )
        if not categories and not continuous:
            raise ValueError("Expected categories or continuous codes, got neither.")
        if options.get("packing", 1) > 1:
            raise ValueError("Expected packing=1: images of one pack have codes each.")
        image_shape = tuple(image_shape)
        latent_dim = noise_dim + sum(categories) + continuous
        super().__init__(
            generator=dcgan_generator(image_shape, latent_dim, width, hidden=hidden),
            discriminator=dcgan_discriminator(
                image_shape, width, code_head(categories, continuous), hidden=hidden
            ),
            latent_dim=latent_dim,
            prior=priors.Codes(noise_dim, categories, continuous, name="prior"),
            discriminator_rate=discriminator_rate or 2e-4,
            generator_rate=generator_rate or 1e-3,
            **options,
        )
        self.figures += ("mutual_information",)
        self.noise_dim, self.categories = noise_dim, categories
        self.continuous, self.mutual_weight = continuous, mutual_weight
        self.continuous_weight = continuous_weight
        self.distortion = {"turn": turn, "scale": scale, "shift": shift}

    def input_specs(self):
        """Codes too: one-hot vectors and numbers in [-1, 1], side by side."""
        shape = (None, self.latent_dim - self.noise_dim)
        codes = {"codes": tf.TensorSpec(shape, tf.float32, "codes")}
        return {**super().input_specs(), **codes}

    def default_conditions(self, seeds):
        """Codes from the rows' seeds, as in training."""
        return {"codes": [self._draw_codes(row_generator(seed)) for seed in seeds]}

    def _draw_codes(self, random):
        """A row of codes, by a NumPy generator."""
        chosen = [np.eye(count)[random.integers(count)] for count in self.categories]
        return np.concatenate([*chosen, random.uniform(-1, 1, self.continuous)])

    def generate(self, batch, training):
        """Leaves the codes of the images in the batch."""
        count = tf.shape(batch["image"])[0]
        latents = self.prior.distribution().sample(count, seed=self.draw_seed())
        batch["codes"] = latents[:, self.noise_dim :]
        return self.generator(latents, training=training)

    def shared_loss(self, batch, generated, others, training):
        """Minus the bound on the mutual information ([1], equation 5), weighted."""
        (parameters,) = others
        # Even categories, and numbers even on [-1, 1].
        entropy = sum(map(math.log, self.categories)) + self.continuous * math.log(2)
        categorical, gaussian = self.code_log_prob(parameters, batch["codes"])
        if training and any(self.distortion.values()):
            distorted = distort(generated, self.draw_seed(), **self.distortion)
            _, (parameters,) = self.judge(self.seen(distorted), None, training)
            categorical, _ = self.code_log_prob(parameters, batch["codes"])
        self.report(mutual_information=entropy + ops.mean(categorical + gaussian))
        return -ops.mean(
            self.mutual_weight * categorical + self.continuous_weight * gaussian
        )

    def code_log_prob(self, parameters, codes):
        """Log q(codes | image), float32 (batch,): of categories, and of numbers."""
        *logits, means = self._parts(parameters)
        total = 0.0
        start = 0
        for part in logits:
            chosen = codes[:, start : start + part.shape[-1]]
            total += ops.sum(chosen * ops.log_softmax(part), axis=-1)
            start += part.shape[-1]
        squares = ops.square(codes[:, start:] - means)
        gaussian = -0.5 * (squares + math.log(2 * math.pi))
        return total, ops.sum(gaussian, axis=-1)

    def _parts(self, parameters):
        """Logits of each category, and means."""
        return tf.split(parameters, [*self.categories, self.continuous], axis=-1)

    @draws("images")
    def sample(self, seed, codes=None):
        """Draws images, float32 (n, height, width, channels), in [-1, 1].

        `codes`, (n, numbers), holds one-hot vectors and continuous codes; they are
        drawn where they are not given.
        """
        noise = self.latents(seed)[:, : self.noise_dim]
        return self.decode_rows(ops.concatenate([noise, codes], axis=-1))

    @transforms("codes")
    def infer_codes(self, images):
        """Q's guess: probabilities of each category, then means, (batch, numbers)."""
        _, (parameters,) = self.judge(images, None, training=False)
        *logits, means = self._parts(parameters)
        return ops.concatenate([*map(ops.softmax, logits), means], axis=-1)
