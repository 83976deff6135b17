"""Matcher: a model that is not generative, but measures how well images fit captions.

An image encoder and a text encoder map to a common space, in which each image should
be nearer to its own caption than to the other captions of the batch [1, 2]. R-precision
uses it to find the true caption of a generated image [3].

1. Reed et al., "Learning Deep Representations of Fine-grained Visual Descriptions",
   2016.
2. Radford et al., "Learning Transferable Visual Models From Natural Language
   Supervision", 2021.
3. Xu et al., "AttnGAN: Fine-Grained Text to Image Generation with Attentional
   Generative Adversarial Networks", 2018, section 4.1.
"""

import keras
from keras import ops

from keras_gen import losses
from keras_gen.core.abilities import transforms
from keras_gen.core.augmentation import distort
from keras_gen.core.game import Player
from keras_gen.core.inputs import caption_input
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.types import Count, Decay, ImageShape, Rate, Weight
from keras_gen.layers.text_encoder import TextEncoder
from keras_gen.networks.matching import image_encoder, unit


@register("matcher", image_shape=(32, 32, 3))
class Matcher(GenerativeModel):
    """Matcher of images and captions, which measures text-to-image models.

    The logs show `accuracy`, the share of images whose nearest caption of the batch is
    their own.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        units: Dimension of a vector of the common space.
        width: Feature maps of the first layer of the encoder of images; they double at
            every layer, within `max_maps`.
        buckets: Rows of the text encoder's table of words and parts of words.
        temperature: Divisor of cosines in the loss, above 0.
        turn: Largest angle by which training images are rotated, in radians.
        scale: Largest change of training images' size, as a fraction.
        shift: Largest shift of training images, in pixels.
        average: Decay of the moving average of the image encoder's weights, which is
            used for everything except training; None keeps no average.
        max_maps: Largest number of feature maps of a layer; None for no limit.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    figures = ("accuracy",)
    whole_batches = True  # Captions are compared with those of the batch.
    tiny = {"image_shape": (8, 8, 3), "units": 4, "width": 2, "buckets": 8}

    def __init__(
        self,
        image_shape: ImageShape = (32, 32, 3),
        units: Count = 128,
        width: Count = 32,
        buckets: Count = 8192,
        temperature: Rate = 0.1,
        turn: Weight = 0.1,
        scale: Decay = 0.1,
        shift: Weight = 2.0,
        average: Decay | None = 0.999,
        max_maps: Count | None = 512,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape, self.temperature = tuple(image_shape), temperature
        self.distortion = {"turn": turn, "scale": scale, "shift": shift}
        self.image_encoder = image_encoder(self.image_shape, units, width, max_maps)
        self.text_encoder = TextEncoder(units, buckets, name="text_encoder")
        self.keep_average(self.image_encoder, average)

    @classmethod
    def upgrade_config(cls, config):
        """Gives files from before `max_maps` the encoder that they had."""
        return cls.completed(super().upgrade_config(config), max_maps=None)

    def batch_shapes(self):
        """An image and its caption."""
        return {"image": self.image_shape, "caption": ()}

    def inputs(self):
        """The usual inputs, and captions."""
        captions = caption_input()
        return {**super().inputs(), captions.name: captions}

    def players(self):
        """One player."""
        networks = [self.image_encoder, self.text_encoder]
        return {"matcher": Player(networks, self.matcher_loss)}

    def default_optimizers(self):
        """Adam at 1e-3."""
        return {"matcher": keras.optimizers.Adam(1e-3)}

    def matcher_loss(self, batch, shared, training):
        """Matching loss; of the averaged encoder of images when not training."""
        images = batch["image"]
        network = self.image_encoder
        if training:
            images = distort(images, self.noise_seed("distortion"), **self.distortion)
        else:
            network = self.averaged(network)
        loss, right = losses.matching_loss(
            unit(network(images, training=training)),
            unit(self.text_encoder(batch["caption"])),
            self.text_encoder.keys(batch["caption"]),
            self.temperature,
        )
        return loss, {"accuracy": right}

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
