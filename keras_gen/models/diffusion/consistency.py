"""Consistency models [1]: one network evaluation from noise to data.

The network learns a function f(x, t) that is the same along a path of the flow, so that
f at pure noise is the data at the path's end. It is trained on neighbours: f at time t
imitates f at a time r < t on the straight line through the same data and noise [2]. The
gap t - r shrinks in stages [3]. At the first stage r is 0, and the network learns to
denoise, as any diffusion model; a trained flow may stand for that stage
(`Consistency.from_flow`).

What differs from [2] and [3]: paths are straight, as in flow matching, so that f(x, t)
= x - t F(x, t) is the data at t = 0 without further factors; gaps are the same share of
t at all times.

1. Song et al., "Consistency Models", 2023.
2. Song and Dhariwal, "Improved Techniques for Training Consistency Models", 2024
   (training without a teacher; pseudo-Huber loss).
3. Geng et al., "Consistency Models Made Easy", 2024 (stages; weights 1 / (t - r)).
"""

import tensorflow as tf
from keras import ops

from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Natural
from keras_gen.models.diffusion.base import DiffusionModel, Sampler, rows_of
from keras_gen.models.diffusion.flow_matching import Emphasis, FlowMatching
from keras_gen.models.diffusion.processes import Straight

HUBER = 0.00054  # Times the root of the number of dimensions ([2], section 3.3).


@register("consistency", batch_size=64, image_shape=(32, 32, 1))
class Consistency(DiffusionModel):
    """Consistency model: samples in one or two steps.

    The logs show `gap`, the share of the time t by which the imitated time is smaller.

    Args:
        image_shape: Shape of an image, (height, width, channels); None for points.
        stage_steps: Training steps of a stage, after which gaps are half as large.
        first_stage: Number of the first stage: 0 trains from scratch; larger numbers
            start with a gap of 2**-first_stage, for a network that denoises already.
        last_stage: Number of the last stage.
        times: Distribution of times in training, as for `FlowMatching`.
        steps: Default number of steps.
        sampler: Default sampler: "consistency", which draws new noise between steps.
        **options: Options of `DiffusionModel`, such as `settings` or `num_classes`.
    """

    figures = ("gap",)
    tiny = {
        "image_shape": (8, 8, 1),
        "network": "dit",
        "settings": {"width": 8, "depth": 1, "heads": 2},
        "steps": 2,
        "learning_rate": 0.01,
    }
    fixed_options = ("outputs",)

    def __init__(
        self,
        image_shape: ImageShape | None = (32, 32, 1),
        stage_steps: Count = 2_000,
        first_stage: Natural = 0,
        last_stage: Natural = 8,
        times: Emphasis = "logit_normal",
        steps: Count = 1,
        sampler: Sampler = "consistency",
        **options,
    ):
        if last_stage < first_stage:
            raise ValueError(
                f"Expected last_stage of at least first_stage={first_stage}, got "
                f"{last_stage}."
            )
        super().__init__(
            process=Straight(times),
            image_shape=image_shape,
            steps=steps,
            sampler=sampler,
            **options,
        )
        self.stage_steps = stage_steps
        self.first_stage, self.last_stage = first_stage, last_stage

    @classmethod
    def from_flow(
        cls, flow: FlowMatching, first_stage: int = 3, **options
    ) -> "Consistency":
        """A consistency model that starts with the network of a trained flow.

        Args:
            flow: Model, whose averaged network is copied.
            first_stage: Number of the first stage.
            **options: Other arguments of `Consistency`.
        """
        shared = ("image_shape", "point_dim", "network", "settings", "num_classes")
        config = {k: v for k, v in flow.get_config().items() if k in shared}
        model = cls(**config, first_stage=first_stage, **options)
        weights = flow.averaged(flow.network).get_weights()
        for network in (model.network, model.averaged(model.network)):
            network.set_weights(weights)
        return model

    def precondition(self, alpha, sigma):
        """As for flow matching: f(x, t) = x - t F(x, t), which is x at t = 0."""
        return tf.ones_like(sigma), -sigma, tf.ones_like(sigma)

    def gap(self):
        """The share of t by which the imitated time is smaller, at this step."""
        stage = self.first_stage + self.step.value // self.stage_steps
        stage = tf.minimum(tf.cast(stage, tf.float32), float(self.last_stage))
        return 2.0**-stage

    def loss_at(self, data, noise, time, condition, training):
        """The pseudo-Huber distance of f at two times, over their gap ([2], [3])."""
        gap = self.gap()
        earlier = time * (1.0 - gap)
        network = self.network if training else self.averaged(self.network)
        of_later = self._value(network, data, noise, time, condition, training)
        # The imitated value is a target: no gradient passes through it.
        target = tf.stop_gradient(
            self._value(network, data, noise, earlier, condition, training)
        )
        axes = list(range(1, len(data.shape)))
        squares = ops.sum(ops.square(of_later - target), axis=axes)
        margin = HUBER * self.latent_dim**0.5
        distance = ops.sqrt(squares + margin**2) - margin
        loss = ops.mean(distance / ops.maximum(time - earlier, 1e-4))
        return loss / self.latent_dim**0.5, {"gap": gap}

    def _value(self, network, data, noise, time, condition, training):
        alpha, sigma = self.process.levels(time)
        x = rows_of(alpha, data) * data + rows_of(sigma, data) * noise
        output = self.predict_output(
            network, x, time, alpha, sigma, condition, training
        )
        return x - rows_of(time, x) * output
