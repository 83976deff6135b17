"""Sparse autoencoder [1]: more units than it needs, of which few may be active.

Codes are sigmoid units. A penalty keeps their mean activation over the batch at a
target (the Kullback-Leibler divergence of [1]), or all activations small (L1).

1. Ng, "Sparse autoencoder", CS294A lecture notes, 2011.
"""

import keras
import numpy as np
from keras import layers, ops

from keras_gen.core.registry import register
from keras_gen.models.autoencoders.base import Autoencoder, check_counts, squared_error

PENALTIES = ("kl", "l1")


def sparse_encoder(image_shape, latent_dim):
    """Images to activations in [0, 1], (batch, latent_dim)."""
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    # Where pixels never change kernels stay as they begin: near 0, for clear filters.
    near_zero = keras.initializers.RandomNormal(stddev=0.01)
    x = layers.Dense(latent_dim, kernel_initializer=near_zero, name="codes")(x)
    x = layers.Activation("sigmoid", dtype="float32")(x)
    return keras.Model(inputs, x, name="encoder")


def sparse_decoder(image_shape, latent_dim):
    """Activations to images in [-1, 1]."""
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(int(np.prod(image_shape)), dtype="float32", name="pixels")(inputs)
    x = layers.Activation("tanh", dtype="float32")(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def kl_penalty(activations, target):
    """Sum over units of KL(target || mean activation over the batch) ([1], page 15).

    Args:
        activations: float32 (batch, latent_dim), in [0, 1].
        target: In (0, 1).
    """
    mean = ops.clip(ops.mean(activations, axis=0), 1e-6, 1.0 - 1e-6)
    on = target * ops.log(target / mean)
    off = (1.0 - target) * ops.log((1.0 - target) / (1.0 - mean))
    return ops.sum(on + off)


@register("sparse_ae", image_shape=(28, 28, 1))
class SparseAE(Autoencoder):
    """Sparse autoencoder, of whose sigmoid units few are active.

    The logs show the two terms, and the mean activation.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Units.
        penalty: "kl" (to the target) or "l1" (mean over the batch of the sum).
        target: Mean activation of a unit that "kl" asks for, in (0, 1).
        weight: Of the penalty; None takes 0.01 for "kl" and 1e-4 for "l1".
        **options: Of `Autoencoder`: `learning_rate`, `density_components`, ...
    """

    figures = ("mse", "penalty", "mean_activation")
    tiny = {"image_shape": (8, 8, 1), "latent_dim": 12}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=300,
        penalty="kl",
        target=0.1,
        weight=None,
        **options,
    ):
        check_counts(latent_dim=latent_dim)
        if penalty not in PENALTIES:
            raise ValueError(f"Expected a penalty of {PENALTIES}, got {penalty!r}.")
        if not 0 < target < 1:
            raise ValueError(f"Expected a target in (0, 1), got {target}.")
        if weight is not None and weight < 0:
            raise ValueError(f"Expected weight >= 0, got {weight}.")
        super().__init__(
            encoder=sparse_encoder(image_shape, latent_dim),
            decoder=sparse_decoder(image_shape, latent_dim),
            image_shape=image_shape,
            **options,
        )
        self.penalty, self.target = penalty, target
        self.weight = {"kl": 0.01, "l1": 1e-4}[penalty] if weight is None else weight

    def autoencoder_loss(self, batch, training):
        """Squared error per pixel and the weighed penalty ([1], page 16)."""
        images = batch["image"]
        codes = self.encoder(images, training=training)
        mse = squared_error(self.decoder(codes, training=training), images)
        if self.penalty == "kl":
            penalty = kl_penalty(codes, self.target)
        else:
            penalty = ops.mean(ops.sum(ops.abs(codes), axis=-1))
        self.report(mse=mse, penalty=penalty, mean_activation=ops.mean(codes))
        return mse + self.weight * penalty

    def filters(self):
        """What each unit looks for: its kernel, scaled to reach -1 or 1.

        Returns:
            float32 (latent_dim, height, width, channels).
        """
        kernels = self.encoder.get_layer("codes").kernel.numpy().T
        largest = np.abs(kernels).max(axis=1, keepdims=True)
        scaled = kernels / np.where(largest > 0, largest, 1)
        return scaled.reshape(-1, *self.image_shape)
