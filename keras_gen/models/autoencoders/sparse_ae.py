"""Sparse autoencoder [1]: many units, of which few are active for each image.

Codes are sigmoid units. A penalty keeps each unit's mean activation over the batch near
a target (by the Kullback-Leibler divergence of [1], or by the squared distance), or all
activations small (L1). With several replicas, the mean is over the batch of all.

1. Ng, "Sparse autoencoder", CS294A lecture notes, 2011.
"""

from typing import Annotated, Literal

import keras
import numpy as np
from annotated_types import Interval
from keras import layers, ops

from keras_gen import losses
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Weight
from keras_gen.distribute import mean_over_replicas
from keras_gen.models.autoencoders.base import Autoencoder

# The default weight of each penalty. Near a target of 0.1, the divergence is about
# (mean - target)^2 / (2 * 0.1 * 0.9), so that a squared distance needs 5.6 times its
# weight to be as strong.
PENALTIES = {"kl": 0.01, "squared": 0.056, "l1": 1e-4}


def sparse_encoder(image_shape: tuple[int, int, int], latent_dim: int) -> keras.Model:
    """Network from images to activations in [0, 1], (batch, latent_dim)."""
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    # Kernels keep their initial values at constant pixels; larger values would be
    # visible as noise in the filters.
    near_zero = keras.initializers.RandomNormal(stddev=0.01)
    x = layers.Dense(latent_dim, kernel_initializer=near_zero, name="codes")(x)
    x = layers.Activation("sigmoid", dtype="float32")(x)
    return keras.Model(inputs, x, name="encoder")


def sparse_decoder(image_shape: tuple[int, int, int], latent_dim: int) -> keras.Model:
    """Network from activations to images in [-1, 1]."""
    inputs = keras.Input((latent_dim,))
    x = layers.Dense(int(np.prod(image_shape)), dtype="float32", name="pixels")(inputs)
    x = layers.Activation("tanh", dtype="float32")(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def kl_penalty(activations, target: float):
    """Sum over units of KL(target || mean activation over the batch) ([1], page 15).

    Args:
        activations: Activations of this replica's rows, float32 (batch, latent_dim), in
            [0, 1].
        target: Mean activation at which the penalty is 0, in (0, 1).

    Returns:
        A float32 scalar, in nats.
    """
    mean = mean_over_replicas(ops.mean(activations, axis=0))
    mean = ops.clip(mean, 1e-6, 1.0 - 1e-6)
    on = target * ops.log(target / mean)
    off = (1.0 - target) * ops.log((1.0 - target) / (1.0 - mean))
    return ops.sum(on + off)


def squared_penalty(activations, target: float):
    """Sum over units of (mean activation over the batch - target)^2.

    Args:
        activations: Activations of this replica's rows, float32 (batch, latent_dim).
        target: Mean activation at which the penalty is 0.

    Returns:
        A float32 scalar.
    """
    mean = mean_over_replicas(ops.mean(activations, axis=0))
    return ops.sum(ops.square(mean - target))


@register("sparse_ae", image_shape=(28, 28, 1))
class SparseAE(Autoencoder):
    """Sparse autoencoder, in which few sigmoid units are active.

    The logs show both terms of the loss (`mse` and the unweighted `penalty`) and
    `mean_activation`, over units and batch.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Number of units.
        penalty: Kind of the penalty: "kl" (divergence of each unit's mean activation
            from the target), "squared" (its squared distance from the target) or "l1"
            (sum of an image's activations).
        target: Mean activation of each unit that "kl" and "squared" aim at, in (0, 1).
        weight: Weight of the penalty; None uses 0.01 for "kl", 0.056 for "squared" and
            1e-4 for "l1".
        **options: Options of `Autoencoder`, such as `learning_rate`.
    """

    figures = ("mse", "penalty", "mean_activation")
    tiny = {"image_shape": (8, 8, 1), "latent_dim": 12}

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        latent_dim: Count = 300,
        penalty: Literal["kl", "squared", "l1"] = "kl",
        target: Annotated[float, Interval(gt=0, lt=1)] = 0.1,
        weight: Weight | None = None,
        **options,
    ):
        super().__init__(
            encoder=sparse_encoder(image_shape, latent_dim),
            decoder=sparse_decoder(image_shape, latent_dim),
            image_shape=image_shape,
            **options,
        )
        self.penalty, self.target = penalty, target
        self.weight = PENALTIES[penalty] if weight is None else weight

    def autoencoder_loss(self, batch, shared, training):
        """Mean squared error per pixel plus the weighted penalty ([1], page 16)."""
        images = batch["image"]
        codes = self.encoder(images, training=training)
        outputs = self.decoder(codes, training=training)
        mse = losses.mean_squared_error(outputs, images)
        if self.penalty == "kl":
            penalty = kl_penalty(codes, self.target)
        elif self.penalty == "squared":
            penalty = squared_penalty(codes, self.target)
        else:
            penalty = ops.mean(ops.sum(ops.abs(codes), axis=-1))
        figures = {"mse": mse, "penalty": penalty, "mean_activation": ops.mean(codes)}
        return mse + self.weight * penalty, figures

    def filters(self) -> np.ndarray:
        """The kernel of each unit as an image, scaled to reach -1 or 1.

        Returns:
            float32 (latent_dim, height, width, channels).
        """
        kernels = self.encoder.get_layer("codes").kernel.numpy().T
        largest = np.abs(kernels).max(axis=1, keepdims=True)
        scaled = kernels / np.where(largest > 0, largest, 1)
        return scaled.reshape(-1, *self.image_shape)
