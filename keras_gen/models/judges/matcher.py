"""Matcher: not generative itself, it says how well an image fits a caption.

An image encoder and a text encoder meet in one space, where an image lies nearer to its
own caption than to the others of the batch [1, 2]. R-precision asks it for the true
caption of a generated image [3].

1. Reed et al., "Learning Deep Representations of Fine-grained Visual Descriptions",
   2016.
2. Radford et al., "Learning Transferable Visual Models From Natural Language
   Supervision", 2021.
3. Xu et al., "AttnGAN: Fine-Grained Text to Image Generation with Attentional
   Generative Adversarial Networks", 2018, section 4.1.
"""

import keras
import tensorflow as tf
from keras import ops

from keras_gen import losses
from keras_gen.core.abilities import transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.layers.text_encoder import TextEncoder
from keras_gen.networks.matching import image_encoder, unit


def matching_loss(images, texts, captions, temperature):
    """How hard it is to find an image's caption in the batch, and the other way round.

    Args:
        images: Vectors of images, float32 (batch, numbers).
        texts: Of their captions.
        captions: Strings (batch,); equal ones are right too.
        temperature: See `losses.contrastive_loss`.

    Returns:
        The loss, and the share of images whose nearest caption is right.
    """
    images, texts = unit(images), unit(texts)
    same = ops.equal(captions[:, None], captions[None])
    nearest = ops.argmax(ops.matmul(images, ops.transpose(texts)), axis=-1)
    right = tf.gather(same, nearest, axis=1, batch_dims=1)
    loss = losses.contrastive_loss(images, texts, same, temperature)
    return loss, ops.mean(ops.cast(right, "float32"))


@register("matcher", image_shape=(32, 32, 3))
class Matcher(GenerativeModel):
    """Matcher of images and captions, by which text to image is measured.

    Args:
        image_shape: (height, width, channels).
        units: Numbers in the space where both meet.
        width: Feature maps of the image encoder's first layer; they double.
        buckets: See `keras_gen.layers.TextEncoder`.
        temperature: That cosines are divided by in the loss.
        turn: Largest angle of a training image's copy, in radians.
        scale: Largest change of its size, as a share.
        shift: Largest shift, in pixels.
        average: Decay of the image encoder's moving average; None keeps none.
        **kwargs: `name`.

    The logs show `accuracy`: how often an image's nearest caption of the batch is its.
    """

    figures = ("accuracy",)
    tiny = {"image_shape": (8, 8, 3), "units": 4, "width": 2, "buckets": 8}

    def __init__(
        self,
        image_shape=(32, 32, 3),
        units=128,
        width=32,
        buckets=8192,
        temperature=0.1,
        turn=0.1,
        scale=0.1,
        shift=2.0,
        average=0.999,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not temperature > 0:
            raise ValueError(f"Expected temperature > 0, got {temperature}.")
        self.image_shape, self.temperature = tuple(image_shape), temperature
        self.distortion = {"turn": turn, "scale": scale, "shift": shift}
        self.image_encoder = image_encoder(self.image_shape, units, width)
        self.text_encoder = TextEncoder(units, buckets, name="text_encoder")
        self.keep_average(self.image_encoder, average)

    def batch_shapes(self):
        """An image and its caption."""
        return {"image": self.image_shape, "caption": ()}

    def input_specs(self):
        """Captions too."""
        captions = tf.TensorSpec((None,), tf.string, "captions")
        return {**super().input_specs(), "captions": captions}

    def players(self):
        """One player."""
        networks = [self.image_encoder, self.text_encoder]
        return {"matcher": Player(networks, self.matcher_loss)}

    def default_optimizers(self):
        """Adam at 1e-3."""
        return {"matcher": keras.optimizers.Adam(1e-3)}

    def matcher_loss(self, batch, training):
        """See `matching_loss`."""
        images = batch["image"]
        network = self.image_encoder
        if training:
            images = distort(images, self.draw_seed(), **self.distortion)
        else:
            network = self.averaged(network)
        loss, right = matching_loss(
            network(images, training=training),
            self.text_encoder(batch["caption"]),
            batch["caption"],
            self.temperature,
        )
        self.report(accuracy=right)
        return loss

    @transforms("scores")
    def match(self, images, captions):
        """Cosines between images and captions, float32 (batch,), in [-1, 1]."""
        network = self.averaged(self.image_encoder)
        texts = unit(self.text_encoder(captions))
        return ops.sum(unit(network(images, training=False)) * texts, axis=-1)

    @transforms("features")
    def features(self, images):
        """Images in the common space, float32 (batch, units), of length 1."""
        return unit(self.averaged(self.image_encoder)(images, training=False))

    @transforms("features")
    def text_features(self, captions):
        """Captions in the common space, float32 (batch, units), of length 1."""
        return unit(self.text_encoder(captions))
