"""Consistency models [1]: one network evaluation from noise to data.

The network learns a function f(x, t) that is the same along a path of the flow, so that
f at pure noise is the data at the path's end. It is trained on neighbours: f at time t
imitates f at a time r < t on the straight line through the same data and noise [2]. The
gap t - r shrinks in stages [3]. At the first stage r is 0, and the network learns to
denoise, as any diffusion model; a trained flow may stand for that stage
(`Consistency.from_flow`).

What differs from [2] and [3]: paths are straight, as in flow matching, so that f(x, t)
= x - t F(x, t) is the data at t = 0 without further factors; gaps are the same share of
t at all times; and a share of the rows has pure noise, at which one step samples.

1. Song et al., "Consistency Models", 2023.
2. Song and Dhariwal, "Improved Techniques for Training Consistency Models", 2024
   (training without a teacher; pseudo-Huber loss).
3. Geng et al., "Consistency Models Made Easy", 2024 (stages; weights 1 / (t - r)).
"""

import tensorflow as tf
from keras import ops

from keras_gen.core import checks
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.registry import register
from keras_gen.core.types import Count, Decay, ImageShape, Natural
from keras_gen.models.diffusion import samplers
from keras_gen.models.diffusion.base import DiffusionModel, rows_of
from keras_gen.models.diffusion.flow_matching import Emphasis, FlowMatching
from keras_gen.models.diffusion.processes import Straight

LONGEST_STAGE = 2_000  # In steps.
HUBER = 0.00054  # Times the root of the number of dimensions ([2], section 3.3).


@register("consistency", batch_size=64, image_shape=(32, 32, 1))
class Consistency(DiffusionModel):
    """Consistency model: samples in one or two steps.

    It has one sampler, which draws new noise between steps, and cannot encode images,
    since the way back from f(x, t) to x is unknown.

    The logs show `gap`, the share of the time t by which the imitated time is smaller.

    Args:
        image_shape: Shape of an image, (height, width, channels); None for points.
        stage_steps: Training steps of a stage, after which gaps are half as large. None
            gives all stages equally many steps of the run, at most 2,000; a run that is
            resumed to a later epoch then has longer stages.
        first_stage: Number of the first stage: 0 trains from scratch; larger numbers
            start with a gap of 2**-first_stage, for a network that denoises already.
        last_stage: Number of the last stage.
        times: Distribution of times in training, as for `FlowMatching`.
        at_end: Share of the rows that are trained at t = 1, at which one step samples;
            the times of the others are distributed as `times` says.
        steps: Default number of steps.
        **options: Options of `DiffusionModel`, such as `settings` or `num_classes`.
    """

    figures = ("gap",)
    tiny = {
        "image_shape": (8, 8, 1),
        "network": "dit",
        "settings": {"width": 8, "depth": 1, "heads": 2},
        "stage_steps": 2_000,
        "steps": 2,
        "learning_rate": 0.01,
    }
    fixed_options = ("outputs",)

    def __init__(
        self,
        image_shape: ImageShape | None = (32, 32, 1),
        stage_steps: Count | None = None,
        first_stage: Natural = 0,
        last_stage: Natural = 8,
        times: Emphasis = "uniform",
        at_end: Decay = 0.125,
        steps: Count = 1,
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
            **options,
        )
        self.stage_steps, self.at_end = stage_steps, at_end
        self.first_stage, self.last_stage = first_stage, last_stage
        self.schedule_steps = stage_steps or LONGEST_STAGE

    @classmethod
    def from_flow(
        cls, flow: FlowMatching, first_stage: int = 3, **options
    ) -> "Consistency":
        """A consistency model that starts with the network of a trained flow.

        Args:
            flow: Model without captions, whose averaged network is copied, without its
                dropout.
            first_stage: Number of the first stage.
            **options: Other arguments of `Consistency`.

        Raises:
            ValueError: For a flow with captions.
        """
        if flow.text_units is not None:
            raise ValueError(
                "Expected a flow without captions, got one with "
                f"text_units={flow.text_units}."
            )
        shared = ("image_shape", "point_dim", "network", "settings", "num_classes")
        config = {k: v for k, v in flow.get_config().items() if k in shared}
        config["settings"] = {**config["settings"], "dropout": 0.0}
        model = cls(**config, first_stage=first_stage, **options)
        weights = flow.averaged(flow.network).get_weights()
        for network in (model.network, model.averaged(model.network)):
            network.set_weights(weights)
        return model

    def precondition(self, alpha, sigma):
        """As for flow matching: f(x, t) = x - t F(x, t), which is x at t = 0."""
        return tf.ones_like(sigma), -sigma, tf.ones_like(sigma)

    def prepare_run(self, rows, steps):
        """Fits the stages to the run, or says that it ends before the last one.

        Dropout is refused: the outputs at two times would have masks of their own, and
        differ by more than the times.
        """
        dropout = self.get_config()["settings"].get("dropout")
        if dropout:
            raise ValueError(f"Expected settings with dropout=0, got {dropout}.")
        if steps is None:
            return
        steps += int(self.step.numpy())
        stages = self.last_stage - self.first_stage
        if self.stage_steps is None:
            fitted = min(max(steps // (stages + 1), 1), LONGEST_STAGE)
            self.set_schedule_steps(fitted)
        elif steps <= stages * self.stage_steps:
            last = self.first_stage + (steps - 1) // self.stage_steps
            print(
                f"Stages: the run ends in stage {last} of {self.last_stage}, and "
                "samples of one step will be blurred; smaller stage_steps reach the "
                "last."
            )

    def gap(self):
        """The share of t by which the imitated time is smaller, at this step."""
        stage = self.first_stage + self.step.value // self.schedule_steps
        stage = tf.minimum(tf.cast(stage, tf.float32), float(self.last_stage))
        return 2.0**-stage

    def training_times(self, count):
        """Times of the process, and t = 1 for a share of the rows."""
        position = self.spread(count) / (1.0 - self.at_end)
        times = self.process.times(tf.minimum(position, 1.0))
        return tf.where(position < 1.0, times, 1.0)

    def loss_at(self, data, noise, time, condition, training):
        """The pseudo-Huber distance of f at two times, over their gap ([2], [3])."""
        gap = self.gap()
        earlier = time * (1.0 - gap)
        network = self.current(self.network, training)
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

    # Abilities.

    @draws("images", needs="image_shape")
    def sample(
        self,
        seed,
        labels=None,
        captions=None,
        guidance=None,
        *,
        steps: int | None = None,
    ):
        """Draws images, float32 (n, height, width, channels), in [-1, 1].

        Models with classes take `labels`, int (n,), models of captions `captions`,
        strings (n,), and both `guidance`. `steps` is the number of evaluations of the
        network, between which noise is added ([1], algorithm 1).
        """
        return self._sample(seed, self.condition_of(labels, captions), guidance, steps)

    @draws("points", needs="point_dim")
    def sample_points(
        self,
        seed,
        labels=None,
        captions=None,
        guidance=None,
        *,
        steps: int | None = None,
    ):
        """Draws points, float32 (n, point_dim); the arguments are those of `sample`."""
        return self._sample(seed, self.condition_of(labels, captions), guidance, steps)

    def _sample(self, seed, condition, guidance, steps):
        path = self.path_of(steps)
        noise = self.first_noise(seed)
        denoise = self.denoiser(path, condition, guidance)
        return self.finished(
            samplers.consistency(denoise, noise, path, self.row_noise(seed))
        )

    @transforms("images", needs="image_shape")
    def decode(self, latents, labels=None, captions=None, guidance=None):
        """Images of latents (batch, latent_dim), the noise from which samples are made.

        Args:
            latents: Standard normal numbers, (batch, height * width * channels).
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
            guidance: Factor of the condition's effect, (batch,), for models with
                classes or captions; 1 by default.

        Returns:
            Images, float32 (batch, height, width, channels), in [-1, 1].
        """
        noise = tf.reshape(latents, (-1, *self.shape))
        condition = self.condition_of(labels, captions)
        return self._path_end(noise, tf.ones(tf.shape(noise)[0]), condition, guidance)

    def _path_end(self, x, time, condition, guidance):
        """f(x, t) at times (batch,), in [-1, 1]."""
        level = time, *self.process.levels(time)
        return self.finished(self.guided_estimate(x, level, condition, guidance)[0])

    @transforms("images", needs="image_shape")
    def edit(
        self, images, strength, seed=None, labels=None, captions=None, guidance=None
    ):
        """Adds noise to images and removes it in one step.

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1].
            strength: Share of the noise, (batch,), in [0, 1]: with 0 images stay as
                they are, with 1 they are forgotten.
            seed: Seed of the noise, an int in [0, 2**31), or one for each row; None
                draws one.
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
            guidance: Factor of the condition's effect, (batch,), for models with
                classes or captions; 1 by default.

        Returns:
            Images, float32 (batch, height, width, channels), in [-1, 1].
        """
        noise = self.first_noise(seed)
        share = rows_of(strength, images)
        x = (1.0 - share) * images + share * noise
        condition = self.condition_of(labels, captions)
        return self._path_end(x, strength, condition, guidance)

    @transforms("images", needs="image_shape")
    def complete(
        self,
        images,
        mask,
        seed=None,
        labels=None,
        captions=None,
        guidance=None,
        *,
        steps: int = 20,
    ):
        """Keeps the observed pixels of images and draws the others.

        In each step, noise is added to the images, f(x, t) is computed, and the
        observed pixels are put back ([1], algorithm 4).

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1]; values
                of pixels that are not observed are ignored.
            mask: Mask, float32 (batch, height, width, 1): 1 where a pixel is observed,
                else 0.
            seed: Seed of the draw, an int in [0, 2**31), or one for each row; None
                draws one.
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
            guidance: Factor of the condition's effect, (batch,), for models with
                classes or captions; 1 by default.
            steps: Number of steps; in the first, nothing is known of the images.

        Returns:
            Completed images, float32 (batch, height, width, channels), in [-1, 1].
        """
        checks.counts(steps=steps)
        path = self.process.path(steps)
        alpha, sigma = (
            tf.constant(table, tf.float32) for table in (path.alpha, path.sigma)
        )
        condition = self.condition_of(labels, captions)
        denoise, draw = self.denoiser(path, condition, guidance), self.row_noise(seed)

        def step(i, x):
            drawn = denoise(alpha[i] * x + sigma[i] * draw(i), i)
            return i + 1, mask * images + (1.0 - mask) * drawn

        _, x = tf.while_loop(
            lambda i, _: i < steps,
            step,
            (tf.constant(0), mask * images),
            parallel_iterations=1,
        )
        return self.finished(x)
