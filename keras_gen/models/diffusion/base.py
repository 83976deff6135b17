"""Base class of diffusion models: a network that predicts, and a process.

Training draws a time and mixes the data with noise, x = alpha x0 + sigma e. The network
F gets x and the time. As in [2], section 5, a model says how F's output becomes the
estimate of x0:

    D(x) = skip x + out F(in x, time)

with `precondition`, three numbers at each time, and how errors of F at each time are
weighted, with `weight`. Training minimises weight |F - (x0 - skip x) / out|^2. So
predictions of the noise, of x0, of v [3], of a velocity [4], and those of [2] are lines
of numbers, and all samplers work with all models whose D is a mean of the data.

1. Ho, Jain and Abbeel, "Denoising Diffusion Probabilistic Models", 2020.
2. Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models",
   2022.
3. Salimans and Ho, "Progressive Distillation for Fast Sampling of Diffusion Models",
   2022.
4. Lipman et al., "Flow Matching for Generative Modeling", 2023.
5. Ho and Salimans, "Classifier-Free Diffusion Guidance", 2022.
6. Kingma et al., "Variational Diffusion Models", 2021, appendix I.1 (equally spread
   times).
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_gen.core import checks, schedules
from keras_gen.core.game import Player
from keras_gen.core.inputs import (
    NUMBER,
    Input,
    caption_input,
    label_input,
    mask_input,
)
from keras_gen.core.model import GenerativeModel
from keras_gen.core.noise import for_each_row
from keras_gen.core.types import Classes, Count, Decay, ImageShape, Rate
from keras_gen.distributions import priors
from keras_gen.layers.text_encoder import TextEncoder
from keras_gen.models.diffusion import processes, samplers
from keras_gen.networks import denoisers

NETWORKS = {
    "unet": denoisers.unet,
    "dit": denoisers.transformer,
    "mlp": denoisers.residual_mlp,
}
# Arguments of a network that follow from the model.
OF_MODEL = ("shape", "outputs", "num_classes", "text")
MAX_GUIDANCE = 20.0


class DiffusionModel(GenerativeModel):
    """A denoiser, trained at all noise levels.

    Args:
        process: Forward process, one of `keras_gen.models.diffusion.processes`.
        image_shape: Shape of an image, (height, width, channels); None for points.
        point_dim: Dimension of a point, such as 2 for the plane; only with
            `image_shape=None`.
        network: Kind of the network: "unet"; "dit", a transformer; or "mlp", for
            points. None uses "unet" for images and "mlp" for points.
        settings: Arguments of that network, by name, such as `{"width": 32}`; see
            `keras_gen.networks.denoisers`.
        num_classes: Number of classes for whose labels samples can be drawn; None for
            no labels.
        text_units: Dimension of encoded captions, for models that draw from captions;
            None for no captions.
        buckets: Rows of the table of words and parts of words, with captions.
        prompts: Captions from which `sample` draws if none are given.
        dropped: Share of the rows whose condition the network does not get in training,
            so that it also learns without; needed for guidance ([5]).
        outputs: Number of numbers that the network returns for each number of the data.
        average: Decay of the moving averages of the network and of the encoder of
            captions, which are used for everything except training; None keeps none.
        learning_rate: Initial learning rate of Adam; small networks train faster with
            1e-3.
        decay_steps: Steps of cosine decay of the learning rate to 0; None keeps it
            constant.
        steps: Default number of steps of a sampler.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    fixed_options = ("outputs",)
    spherical_latents = True

    def __init__(
        self,
        *,
        process: processes.VariancePreserving
        | processes.VarianceExploding
        | processes.Straight,
        image_shape: ImageShape | None = (32, 32, 1),
        point_dim: Count | None = None,
        network: Literal["unet", "dit", "mlp"] | None = None,
        settings: Mapping | None = None,
        num_classes: Classes | None = None,
        text_units: Count | None = None,
        buckets: Count = 8192,
        prompts: Sequence[str] = (),
        dropped: Decay = 0.1,
        outputs: Count = 1,
        average: Decay | None = 0.999,
        learning_rate: Rate = 3e-4,
        decay_steps: Count | None = None,
        steps: Count = 50,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if (image_shape is None) == (point_dim is None):
            raise ValueError(
                "Expected image_shape, or image_shape=None and point_dim, got "
                f"{image_shape} and {point_dim}."
            )
        if network is None:
            network = "mlp" if image_shape is None else "unet"
        if (network == "mlp") != (image_shape is None):
            raise ValueError(
                "Expected network='unet' or 'dit' for images and 'mlp' for points, got "
                f"{network!r}."
            )
        if num_classes is not None and text_units is not None:
            raise ValueError("Expected num_classes or text_units, got both.")
        self.process = process
        self.shape = (point_dim,) if image_shape is None else tuple(image_shape)
        self.image_shape = None if image_shape is None else self.shape
        self.feature = "point" if image_shape is None else "image"
        self.num_classes, self.dropped = num_classes, dropped
        self.text_units, self.prompts = text_units, tuple(prompts)
        self.learning_rate, self.decay_steps = learning_rate, decay_steps
        self.steps = steps
        self.latent_dim = int(np.prod(self.shape))
        self.prior = priors.Normal(self.latent_dim, name="prior")
        settings = whole_settings(network, settings or {})
        if settings.get("patch", 1) is None:
            settings["patch"] = (
                denoisers.unet_patch(self.shape, settings["multipliers"])
                if network == "unet"
                else denoisers.transformer_patch(self.shape)
            )
        self.network = NETWORKS[network](
            shape=self.shape,
            outputs=outputs * self.shape[-1],
            num_classes=num_classes,
            text=text_units or 0,
            **settings,
        )
        if settings.get("attention", ()) is None:
            sizes = settings["multipliers"], settings["patch"]
            settings["attention"] = denoisers.heights(self.shape, *sizes)[-1:]
        # Saved as a whole, so that files keep their networks if a default changes.
        self._arguments.update(network=network, settings=settings)
        if text_units is not None:
            self.text_encoder = TextEncoder(text_units, buckets, name="text_encoder")
            self.keep_average(self.text_encoder, average)
        self.keep_average(self.network, average)

    # What a model says of itself.

    def precondition(self, alpha, sigma) -> tuple:
        """The numbers skip, out and in at noise levels, each of their shape.

        Args:
            alpha: Factors of the data, float32.
            sigma: Standard deviations of the noise, float32.
        """
        raise NotImplementedError

    def weight(self, alpha, sigma):
        """The weight of the network's squared errors at noise levels; 1 by default."""
        return tf.ones_like(sigma)

    # Conditions.

    def condition(self, batch: Mapping, training: bool):
        """The condition of a batch for the network; None for models without any.

        In training, that of a random share of the rows is replaced by none.
        """
        labels, captions = batch.get("label"), batch.get("caption")
        if not training:
            return self.condition_of(labels, captions)
        condition = labels if captions is None else self.text_encoder(captions)
        if condition is None or not self.dropped:
            return condition
        chance = self.noise("dropped", [tf.shape(condition)[0]], "uniform")
        is_dropped = rows_of(chance < self.dropped, condition)
        return tf.where(is_dropped, self.no_condition(condition), condition)

    def condition_of(self, labels, captions, precise: bool = False):
        """Labels, or captions encoded with averaged weights, or None.

        Args:
            labels: Labels, int (batch,), or None.
            captions: Captions, strings (batch,), or None.
            precise: Boolean, whether captions are encoded in float32, whatever the
                dtype policy.
        """
        if captions is None:
            return labels
        encoder = self.averaged(self.text_encoder)
        return (self.in_float32(encoder) if precise else encoder)(captions)

    def no_condition(self, condition):
        """The condition that stands for none: another label, or a vector of zeros."""
        if self.text_units is not None:
            return tf.zeros_like(condition)
        return tf.fill(tf.shape(condition), tf.cast(self.num_classes, condition.dtype))

    # Declarations.

    def batch_shapes(self):
        """An image or a point, and its label or its caption."""
        shapes = {self.feature: self.shape}
        if self.num_classes is not None:
            shapes["label"] = ()
        if self.text_units is not None:
            shapes["caption"] = ()
        return shapes

    def inputs(self):
        """The usual inputs, and those of conditions and of edits, or points."""
        extra = []
        if self.num_classes is not None:
            extra.append(label_input(self.num_classes))
        if self.text_units is not None:
            extra.append(caption_input(self.prompts))
        if extra:
            extra.append(
                Input(
                    "guidance",
                    role=NUMBER,
                    range=(0.0, MAX_GUIDANCE),
                    default=1.0,
                    description="Factor of the condition's effect: 0 without, 1 as "
                    "trained, above 1 more typical and less varied.",
                )
            )
        if self.image_shape is None:
            extra.append(Input("points", self.shape, description="Points."))
        else:
            extra.append(mask_input((*self.image_shape[:2], 1)))
            extra.append(
                Input(
                    "strength",
                    role=NUMBER,
                    range=(0.0, 1.0),
                    default=0.5,
                    description="Share of the way to noise: 0 keeps the image, 1 "
                    "draws another one.",
                )
            )
        return {**super().inputs(), **{entry.name: entry for entry in extra}}

    def players(self):
        """One player, with the name of the network."""
        networks = [self.network]
        if self.text_units is not None:
            networks.append(self.text_encoder)
        return {"network": Player(networks, self.denoising_loss)}

    def default_optimizers(self):
        """Adam at the initial learning rate, with cosine decay if it is asked for."""
        rate = schedules.cosine(self.learning_rate, self.decay_steps)
        return {"network": keras.optimizers.Adam(rate)}

    # Training.

    def denoising_loss(self, batch, shared, training):
        """The mean weighted squared error of the network's output.

        Times are equally spread over the batch, from a common random start ([6]).
        """
        data = self.data_of(batch)
        time = self.training_times(tf.shape(data)[0])
        noise = self.paired_noise(data, batch.get("label"))
        condition = self.condition(batch, training)
        return self.loss_at(data, noise, time, condition, training)

    def training_times(self, count):
        """Times at which the network is trained, float32 (count,)."""
        return self.process.times(self.spread(count))

    def data_of(self, batch):
        """The batch's images or points, as the network learns to draw them."""
        return batch[self.feature]

    def paired_noise(self, data, labels=None):
        """Noise for each row of the data, in its shape.

        Args:
            data: Data, (batch, ...).
            labels: Classes of the rows, int (batch,), or None.
        """
        return self.noise("noise", tf.shape(data))

    def spread(self, count):
        """Numbers in [0, 1), float32 (count,), equally spread and in a random order."""
        start = self.noise("time", [1], "uniform")
        order = tf.argsort(self.noise("order", [count], "uniform"))
        position = tf.cast(order, tf.float32) / tf.cast(count, tf.float32)
        return tf.math.floormod(start + position, 1.0)

    def loss_at(self, data, noise, time, condition, training):
        """The loss at given times; see `denoising_loss`."""
        alpha, sigma = self.process.levels(time)
        x = rows_of(alpha, data) * data + rows_of(sigma, data) * noise
        network = self.current(self.network, training)
        output = self.predict_output(
            network, x, time, alpha, sigma, condition, training
        )
        return self.loss_of_output(output, data, x, time)

    def loss_of_output(self, output, data, x, time):
        """The loss, or a pair of it and figures, of the network's output.

        Args:
            output: Output of the network for noisy data, at `time`.
            data: Data, (batch, ...).
            x: Noisy data, (batch, ...).
            time: Times, (batch,).
        """
        alpha, sigma = self.process.levels(time)
        skip, out, _ = self.precondition(alpha, sigma)
        target = (data - rows_of(skip, data) * x) / rows_of(out, data)
        error = ops.mean(ops.square(output - target), axis=list(range(1, len(x.shape))))
        return ops.mean(self.weight(alpha, sigma) * error)

    def predict_output(self, network, x, time, alpha, sigma, condition, training=False):
        """The network's output F for noisy data at times (batch,)."""
        factor = self.precondition(alpha, sigma)[2]
        inputs = [rows_of(factor, x) * x, time]
        inputs += [] if condition is None else [condition]
        return network(inputs, training=training)

    # Sampling.

    def denoiser(self, path: samplers.Path, condition=None, guidance=None):
        """The averaged network as a denoiser on a path, with guidance ([5]).

        Args:
            path: Points of the forward process.
            condition: Condition of each row for the network, or None.
            guidance: Factor of the condition's effect, float32 (batch,), or None.

        Returns:
            Function from x and the index of a point to the estimate of x0.
        """
        tables = [
            tf.constant(table, tf.float32)
            for table in (path.time, path.alpha, path.sigma)
        ]

        def denoise(x, i):
            level = [table[i] for table in tables]
            data, position = self.guided_estimate(x, level, condition, guidance)
            data = self.bounded(data)
            return data if position is None else (data, position)

        return denoise

    def guided_estimate(self, x, level, condition=None, guidance=None):
        """The pair that `estimate` returns, with guidance ([5]).

        Args:
            x: Noisy data, (batch, ...).
            level: Time, alpha and sigma, as for `estimate`.
            condition: Condition of each row for the network, or None.
            guidance: Factor of the condition's effect, float32 (batch,), or None.
        """
        if condition is None:
            return self.estimate(x, *level, condition)
        # Both estimates come from one call of the network, whose tracing takes seconds;
        # where no row is guided, the rows without condition are left out.
        rows = tf.shape(x)[0]
        copies = 1 + tf.cast(tf.reduce_any(guidance != 1.0), tf.int32)
        x, *level = (
            tf.tile(value, [copies] + [1] * (value.shape.rank - 1))
            for value in (x, *(tf.broadcast_to(value, [rows]) for value in level))
        )
        both = tf.concat([condition, self.no_condition(condition)], axis=0)
        data, position = self.estimate(x, *level, both[: copies * rows])
        free, data = data[-rows:], data[:rows]
        factor = rows_of(guidance, data)
        data = tf.where(factor == 1.0, data, free + factor * (data - free))
        return data, None if position is None else position[:rows]

    def estimate(self, x, time, alpha, sigma, condition):
        """The estimate of x0 by the averaged network.

        Args:
            x: Noisy data, (batch, ...).
            time: Time, float32, a scalar or (batch,).
            alpha: Factor of the data, of the same shape.
            sigma: Standard deviation of the noise, of the same shape.
            condition: Condition of each row for the network, or None.

        Returns:
            The estimate, in the shape of x, and the position of the variance between
            its bounds, as `samplers.ancestral` takes it; None if it is not learned.
        """
        time, alpha, sigma = (
            tf.broadcast_to(value, [tf.shape(x)[0]]) for value in (time, alpha, sigma)
        )
        network = self.averaged(self.network)
        output = self.predict_output(network, x, time, alpha, sigma, condition)
        return self.estimate_of_output(output, x, alpha, sigma)

    def estimate_of_output(self, output, x, alpha, sigma):
        """The pair that `estimate` returns, from the network's output."""
        skip, out, _ = self.precondition(alpha, sigma)
        return rows_of(skip, x) * x + rows_of(out, x) * output, None

    def bounded(self, estimate):
        """An estimate of x0, within the bounds that it is known to have."""
        return estimate

    def first_noise(self, seed):
        """Standard normal noise from the rows' seeds, in the shape of the data."""
        return tf.reshape(self.latents(seed), (-1, *self.shape))

    def row_noise(self, seed, stream: int = 1):
        """A function from the index of a draw to noise from the rows' seeds."""

        def draw(i):
            def of_row(key):
                key = tf.random.experimental.stateless_fold_in(key, i)
                return tf.random.stateless_normal(self.shape, key)

            return for_each_row(of_row, seed, self.shape, stream=stream)

        return draw

    def latents(self, seed):
        """Standard normal latents (batch, latent_dim), from the rows' seeds."""
        return priors.sample_rows(self.prior.distribution(), seed)

    def path_of(self, steps: int | None) -> samplers.Path:
        """The points of a sampler in a number of steps; None uses the model's."""
        return self.process.path(self.steps_or_default(steps))

    def steps_or_default(self, steps: int | None) -> int:
        """A number of steps, which must be at least 1; None stands for the model's."""
        steps = self.steps if steps is None else steps
        checks.counts(steps=steps)
        return steps

    def finished(self, x):
        """Samples in [-1, 1]; points as they are."""
        return x if self.image_shape is None else tf.clip_by_value(x, -1.0, 1.0)


def whole_settings(kind: str, settings: Mapping) -> dict:
    """Settings of a network, with the defaults of those that are not given.

    >>> whole_settings("mlp", {"depth": 2})
    {'width': 128, 'depth': 2, 'dropout': 0.0}

    Args:
        kind: Kind of the network, a key of `NETWORKS`.
        settings: Arguments that a user gave, by name.

    Raises:
        ValueError: For settings that the network does not have.
    """
    defaults = {
        name: list(p.default) if isinstance(p.default, tuple) else p.default
        for name, p in inspect.signature(NETWORKS[kind]).parameters.items()
        if name not in OF_MODEL
    }
    unknown = sorted(set(settings) - set(defaults))
    if unknown:
        raise ValueError(
            f"Expected settings of {kind!r} among {sorted(defaults)}, got {unknown}."
        )
    return {**defaults, **settings}


def rows_of(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Values (batch,) with dimensions of 1, so that they broadcast over rows."""
    return tf.reshape(values, [-1] + [1] * (like.shape.rank - 1))
