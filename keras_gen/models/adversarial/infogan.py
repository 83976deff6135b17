"""InfoGAN [1]: part of each latent is a code that can be predicted from the image.

A head Q on the discriminator's trunk predicts the codes of generated images. Both
players' losses include a lower bound on the mutual information between codes and
images, which grows with the quality of the prediction. Categorical codes learn to
represent classes, and continuous codes the variation within a class.

What differs from [1]: categorical and continuous codes have weights of their own in
place of one lambda, for which [1] finds 1 sufficient with categories and takes less
with continuous codes (section 4); the defaults here are 0.1 for both, and 1 and 0.03 in
the preset. Optionally Q predicts the categories from images that were rotated, scaled
and shifted [2]; otherwise categories may separate digits by slant instead of by shape.
Q's Gaussians of continuous codes have a fixed standard deviation of 1, as in the
authors' code: if Q learned it, their term would grow without bound, and the generator
would learn to encode the codes at the expense of the images. The trunk has DCGAN's
leaky ReLU of slope 0.2.

The preset is for digits. On colour images of 64 pixels it did not train from random
weights; the weights "faces" start from the networks of a DCGAN, as their card shows.

1. Chen et al., "InfoGAN: Interpretable Representation Learning by Information
   Maximizing Generative Adversarial Nets", 2016.
2. Ojha et al., "Elastic-InfoGAN: Unsupervised Disentangled Representation Learning in
   Class-Imbalanced Data", 2020: transformations that do not change the class.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from keras_gen.core.abilities import draws, transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.inputs import Input
from keras_gen.core.registry import register
from keras_gen.core.types import (
    Classes,
    Count,
    Decay,
    ImageShape,
    Natural,
    Rate,
    Weight,
)
from keras_gen.distributions import priors
from keras_gen.layers.leaky_relu import LeakyReLU
from keras_gen.models.adversarial.base import AdversarialModel
from keras_gen.networks.dcgan import (
    batch_normalized,
    dcgan_discriminator,
    dcgan_generator,
    uncapped,
)
from keras_gen.networks.normalization import batch_norm, discriminator_normalization


def code_head(categories: Sequence[Classes], continuous: int) -> Callable:
    """A head with the logit and Q's parameters for the codes ([1], appendix C.1).

    The parameters are the logits of each category, then the means of the continuous
    codes.

    Args:
        categories: Number of values of each categorical code.
        continuous: Number of continuous codes.

    Returns:
        Function for the argument `head` of discriminators.
    """

    def head(inputs, features, dense, **options):
        logits = dense(1, dtype="float32", **options)(features)
        q = batch_norm()(layers.Dense(128)(features))
        q = LeakyReLU(0.1, name="q_features")(q)
        parameters = layers.Dense(sum(categories) + continuous, dtype="float32")(q)
        return keras.Model(inputs, [logits, parameters], name="discriminator")

    return head


@register(
    "infogan",
    batch_size=128,
    image_shape=(28, 28, 1),
    mutual_weight=1.0,
    continuous_weight=0.03,
    turn=0.4,
    scale=0.1,
    shift=1.0,
    average=0.999,
)
class InfoGAN(AdversarialModel):
    """InfoGAN, whose latents contain codes that can be predicted from images.

    A latent consists of normal noise, a one-hot vector for each categorical code, and
    continuous codes in [-1, 1]. The logs also show `mutual_information`, the lower
    bound in nats.

    Args:
        image_shape: Shape of an image, (height, width, channels). Height and width are
            at least 16.
        noise_dim: Dimension of the noise in a latent.
        categories: Number of values of each categorical code, at least 2 each.
        continuous: Number of continuous codes.
        width: Feature maps in the layers next to the image; they double at every
            halving of the maps' sides, within `max_maps`.
        hidden: Units of the dense layers between latents and maps, and between maps and
            logits; 1024 in [1]. None leaves them out, as `DCGAN` does, whose generator
            training may then start from.
        max_maps: Largest number of feature maps of a layer; None for no limit.
        halvings: Number of times that maps are halved from the image to the smallest
            map; None halves until the smaller side has 4 to 7 pixels.
        normalization: Normalization of the discriminator's layers after the first:
            "batch", "layer", "instance" or "none". None uses "batch", as in [1]; or
            "none" with R1 or a gradient penalty, which has to penalise the gradient at
            each image separately. The head that predicts codes has batch normalization.
        mutual_weight: Weight of the mutual information with categories: lambda in [1],
            which finds 1 sufficient for them.
        continuous_weight: Weight of the mutual information with continuous codes, for
            which [1] takes a smaller lambda than for categories.
        turn: Largest angle, in radians, by which images are rotated before Q predicts
            their categories, so that categories do not depend on the rotation [2]; 0
            in [1].
        scale: Largest change of those images' size, as a fraction.
        shift: Largest shift of those images, in pixels.
        discriminator_rate: Learning rate of the discriminator; None uses 2e-4.
        generator_rate: Learning rate of the generator; None uses 1e-3.
        **options: Options of `AdversarialModel`, such as `loss` or `average`.
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
    fixed_options = ("num_classes", "packing", "prior")

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        noise_dim: Count = 62,
        categories: Sequence[Classes] = (10,),
        continuous: Natural = 2,
        width: Count = 64,
        hidden: Count | None = 1024,
        max_maps: Count | None = 512,
        halvings: Count | None = None,
        normalization: Literal["batch", "layer", "instance", "none"] | None = None,
        mutual_weight: Weight = 0.1,
        continuous_weight: Weight = 0.1,
        turn: Weight = 0.0,
        scale: Decay = 0.0,
        shift: Weight = 0.0,
        discriminator_rate: Rate | None = None,
        generator_rate: Rate | None = None,
        **options,
    ):
        categories = tuple(categories)
        if not categories and not continuous:
            raise ValueError("Expected categories or continuous codes, got neither.")
        image_shape = tuple(image_shape)
        latent_dim = noise_dim + sum(categories) + continuous
        sizes = {"hidden": hidden, "max_maps": max_maps, "halvings": halvings}
        normalization = discriminator_normalization(normalization, False, options)
        super().__init__(
            generator=dcgan_generator(image_shape, latent_dim, width, **sizes),
            discriminator=dcgan_discriminator(
                image_shape,
                width,
                code_head(categories, continuous),
                normalization=normalization,
                **sizes,
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
        # So that a file keeps its networks when its penalties are changed.
        self.keep_arguments(normalization=normalization)
        self.distortion = {"turn": turn, "scale": scale, "shift": shift}

    @classmethod
    def upgrade_config(cls, config):
        """Gives files of version 0.1 the networks that they had."""
        return batch_normalized(uncapped(super().upgrade_config(config)))

    def inputs(self):
        """The inputs of adversarial models, and codes."""
        codes = Input(
            "codes",
            (self.latent_dim - self.noise_dim,),
            default=self._draw_codes,
            description="One-hot vectors of the categories, then continuous codes in "
            "[-1, 1].",
        )
        return {**super().inputs(), codes.name: codes}

    def _draw_codes(self, random):
        """Draws a row of codes with a NumPy generator, distributed as in training."""
        chosen = [np.eye(count)[random.integers(count)] for count in self.categories]
        return np.concatenate([*chosen, random.uniform(-1, 1, self.continuous)])

    def forward(self, batch, training):
        """Generated images under "fake", and their codes under "codes"."""
        latents = self.draw_latents(batch)
        fake = self.generate(latents, None, training)
        return {"fake": fake, "codes": latents[:, self.noise_dim :]}

    def auxiliary_loss(self, shared, generated, others, training):
        """Minus the bound on the mutual information ([1], equation 5), weighted."""
        (parameters,) = others
        codes = shared["codes"]
        # Categories are equally likely, and continuous codes uniform on [-1, 1].
        entropy = sum(map(math.log, self.categories)) + self.continuous * math.log(2)
        categorical, gaussian = self.code_log_prob(parameters, codes)
        if training and any(self.distortion.values()):
            seed = self.noise_seed("distortion")
            distorted = distort(generated, seed, **self.distortion)
            augmented = self.augmented(distorted, "distorted")
            _, (parameters,) = self.logits(augmented, None, training)
            categorical, _ = self.code_log_prob(parameters, codes)
        information = entropy + ops.mean(categorical + gaussian)
        loss = -ops.mean(
            self.mutual_weight * categorical + self.continuous_weight * gaussian
        )
        return loss, {"mutual_information": information}

    def code_log_prob(self, parameters, codes):
        """Log q(codes | image) of categories and of continuous codes.

        Args:
            parameters: Q's parameters, float32 (batch, numbers).
            codes: Codes, float32 (batch, numbers).

        Returns:
            Two tensors in nats, float32 (batch,).
        """
        *logits, means = self._split_parameters(parameters)
        categorical = 0.0
        start = 0
        for part in logits:
            chosen = codes[:, start : start + part.shape[-1]]
            categorical += ops.sum(chosen * ops.log_softmax(part), axis=-1)
            start += part.shape[-1]
        squares = ops.square(codes[:, start:] - means)
        gaussian = -0.5 * (squares + math.log(2 * math.pi))
        return categorical, ops.sum(gaussian, axis=-1)

    def _split_parameters(self, parameters):
        """The logits of each category, then the means of continuous codes."""
        return tf.split(parameters, [*self.categories, self.continuous], axis=-1)

    @draws("images")
    def sample(self, seed, codes=None):
        """Draws images, float32 (n, height, width, channels), in [-1, 1].

        `codes`, float32 (n, numbers), are one-hot vectors of the categories, then
        continuous codes in [-1, 1]. If they are not given, they are drawn as in
        training.
        """
        noise = self.latents(seed)[:, : self.noise_dim]
        return self.decode_rows(ops.concatenate([noise, codes], axis=-1))

    @transforms("codes")
    def infer_codes(self, images):
        """Predicts the codes of images with Q, float32 (batch, numbers).

        A row has the probabilities of each category, then the means of continuous
        codes.
        """
        _, (parameters,) = self.logits(images, None, training=False)
        *logits, means = self._split_parameters(parameters)
        return ops.concatenate([*map(ops.softmax, logits), means], axis=-1)
