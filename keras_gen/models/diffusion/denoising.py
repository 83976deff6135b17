"""Diffusion models whose estimate is the mean of the data, given noisy data.

The estimate gives the direction of the path through noisy data, which samplers follow
in small steps. Such models encode images too, and edit and complete them.

1. Meng et al., "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential
   Equations", 2022.
"""

from typing import Literal

import numpy as np
import tensorflow as tf

from keras_gen.core import checks, types
from keras_gen.core.abilities import default_conditions, draws, transforms
from keras_gen.core.inputs import check_rows
from keras_gen.core.noise import row_seeds
from keras_gen.models.diffusion import samplers
from keras_gen.models.diffusion.base import DiffusionModel, rows_of

Sampler = Literal["dpm++", "heun", "ddim", "euler", "ancestral"]


class DenoisingModel(DiffusionModel):
    """A denoiser of data with any noise, and samplers that use it.

    Args:
        sampler: Default sampler: "dpm++", "heun", "ddim", "euler" or "ancestral"; see
            `keras_gen.models.diffusion.samplers`.
        **options: Arguments of `DiffusionModel`.
    """

    def __init__(self, *, sampler: Sampler = "dpm++", **options):
        super().__init__(**options)
        self.sampler = sampler

    def draw_along(self, path, latents, seed, condition, guidance, sampler, eta=0.0):
        """Runs a sampler from latents; random samplers draw from the rows' seeds."""
        known = set(samplers.SAMPLERS) - set(samplers.RANDOM if seed is None else ())
        checks.one_of(sorted(known), sampler=sampler)
        denoise = self.denoiser(path, condition, guidance)
        draw = None if seed is None else self.row_noise(seed)
        options = {"eta": eta} if eta else {}
        start = self.start_of(path, latents)
        return samplers.SAMPLERS[sampler](denoise, start, path, draw, **options)

    def start_of(self, path, latents):
        """The noise at the first point of a path, in the shape of the data."""
        noise = tf.reshape(latents, (-1, *self.shape))
        return tf.constant(path.sigma[0], tf.float32) * noise

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
        sampler: str | None = None,
        eta: float = 0.0,
    ):
        """Draws images, float32 (n, height, width, channels), in [-1, 1].

        Models with classes take `labels`, int (n,), models of captions `captions`,
        strings (n,), and both `guidance`. `steps` is the number of steps of the
        sampler: more are slower and nearer to the exact solution. `sampler` is "dpm++",
        "heun" (which evaluates the network twice a step), "ddim", "euler" or
        "ancestral"; None uses the model's. With "ddim", `eta` is the share of the noise
        of ancestral sampling that is drawn between steps, from 0 to 1.
        """
        condition = self.condition_of(labels, captions)
        return self._sample(seed, condition, guidance, steps, sampler, eta)

    @draws("points", needs="point_dim")
    def sample_points(
        self,
        seed,
        labels=None,
        captions=None,
        guidance=None,
        *,
        steps: int | None = None,
        sampler: str | None = None,
        eta: float = 0.0,
    ):
        """Draws points, float32 (n, point_dim); the arguments are those of `sample`."""
        condition = self.condition_of(labels, captions)
        return self._sample(seed, condition, guidance, steps, sampler, eta)

    def _sample(self, seed, condition, guidance, steps, sampler, eta):
        path, sampler = self.path_of(steps), sampler or self.sampler
        if not (types.is_number(eta) and 0.0 <= eta <= 1.0):
            raise ValueError(f"Expected eta in [0, 1], got {types.shown(eta)}.")
        if eta and sampler != "ddim":
            raise ValueError(
                f"Expected sampler='ddim' with eta above 0, got {sampler!r}."
            )
        latents = self.latents(seed)
        return self.finished(
            self.draw_along(path, latents, seed, condition, guidance, sampler, eta)
        )

    def trajectory(
        self, n: int, seed: int | None = None, *, steps: int | None = None, **conditions
    ) -> np.ndarray:
        """The points between noise and samples, through which "ddim" goes.

        Args:
            n: Number of samples.
            seed: Seed of the draw, as for `sample`.
            steps: Number of steps; None uses the model's.
            **conditions: Labels, captions and guidance, as for `sample`.

        Returns:
            Points, float32 (steps + 1, n, ...), from noise to samples, each divided by
            alpha + sigma: in these coordinates, the path of one pair of data and noise
            is a straight line, whatever the process.

        Raises:
            ValueError: For conditions that the model does not take or that do not fit.
        """
        draw = self.sample if self.image_shape is not None else self.sample_points
        path, seeds = self.path_of(steps), row_seeds(n, seed)
        declared = draw.ability.declared(self)
        drawn = default_conditions(declared, seeds, conditions)
        given = {**drawn, **conditions, "seed": seeds}
        if set(given) != set(declared):
            raise ValueError(
                f"Expected conditions among {sorted(set(declared) - {'seed'})}, got "
                f"{sorted(conditions)}."
            )
        rows = check_rows(declared, given)

        def places(seed, labels=None, captions=None, guidance=None):
            condition = self.condition_of(labels, captions)
            denoise = self.denoiser(path, condition, guidance)
            start = self.start_of(path, self.latents(seed))
            return samplers.trajectory(denoise, start, path)

        tensors = {n: tf.constant(a, declared[n].spec.dtype) for n, a in rows.items()}
        return tf.function(places, autograph=False)(**tensors).numpy()

    @transforms("images", needs="image_shape")
    def decode(
        self,
        latents,
        labels=None,
        captions=None,
        guidance=None,
        *,
        steps: int | None = None,
        sampler: Literal["dpm++", "heun", "ddim", "euler"] | None = None,
    ):
        """Images of latents (batch, latent_dim), the noise at which samplers start.

        Args:
            latents: Standard normal numbers, (batch, height * width * channels).
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
            guidance: Factor of the condition's effect, (batch,), for models with
                classes or captions; 1 by default.
            steps: Number of steps; None uses the model's.
            sampler: A deterministic sampler; None uses the model's, or "ddim" if that
                is random.

        Returns:
            Images, float32 (batch, height, width, channels), in [-1, 1].
        """
        path, sampler = self.path_of(steps), sampler or self._deterministic()
        condition = self.condition_of(labels, captions)
        return self.finished(
            self.draw_along(path, latents, None, condition, guidance, sampler)
        )

    def _deterministic(self):
        return "ddim" if self.sampler in samplers.RANDOM else self.sampler

    @transforms("latents", needs="image_shape")
    def encode(
        self,
        images,
        labels=None,
        captions=None,
        guidance=None,
        *,
        steps: int | None = None,
    ):
        """The noise that `decode` turns into images: the deterministic way back.

        Heun's method runs from the data, taken for data with the least noise, to noise.
        With more steps, `decode` gives back the images more exactly.

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1].
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
            guidance: Factor of the condition's effect, (batch,), for models with
                classes or captions; 1 by default.
            steps: Number of steps; None uses the model's.

        Returns:
            Latents, float32 (batch, latent_dim).
        """
        path = self.process.way_back(self.steps_or_default(steps))
        start = tf.constant(path.alpha[0], tf.float32) * images
        denoise = self.denoiser(path, self.condition_of(labels, captions), guidance)
        noise = samplers.heun(denoise, start, path) / float(path.sigma[-1])
        return tf.reshape(noise, (-1, self.latent_dim))

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
        steps: int | None = None,
    ):
        """Keeps the observed pixels of images and draws the others (RePaint).

        Each step is made 10 times ([5] of `samplers`), so that this takes 10 times as
        long as `sample`.

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
            steps: Number of steps; None uses the model's.

        Returns:
            Completed images, float32 (batch, height, width, channels), in [-1, 1].
        """
        path = self.path_of(steps)
        noise = self.first_noise(seed)
        return self.finished(
            samplers.repaint(
                self.denoiser(path, self.condition_of(labels, captions), guidance),
                float(path.sigma[0]) * noise,
                path,
                self.row_noise(seed),
                images,
                mask,
            )
        )

    @transforms("images", needs="image_shape")
    def edit(
        self,
        images,
        strength,
        seed=None,
        labels=None,
        captions=None,
        guidance=None,
        *,
        steps: int | None = None,
    ):
        """Adds noise to images and removes it again (after SDEdit, [1]).

        What differs from [1]: noise is removed by "ddim", without new noise in each
        step, whatever the model's sampler.

        Args:
            images: Images, float32 (batch, height, width, channels), in [-1, 1], such
                as strokes of colour.
            strength: Share of the steps that are run, (batch,), in [0, 1]: with 0
                images stay as they are, with 1 they are forgotten.
            seed: Seed of the noise, an int in [0, 2**31), or one for each row; None
                draws one.
            labels: Classes, int (batch,), if the model has classes.
            captions: Captions, strings (batch,), if the model takes captions.
            guidance: Factor of the condition's effect, (batch,), for models with
                classes or captions; 1 by default.
            steps: Number of steps of the whole way; None uses the model's.

        Returns:
            Images, float32 (batch, height, width, channels), in [-1, 1].
        """
        path = self.path_of(steps)
        start = tf.cast(tf.round((1.0 - strength) * path.steps), tf.int32)
        alpha, sigma = (
            rows_of(tf.gather(tf.constant(table, tf.float32), start), images)
            for table in (path.alpha, path.sigma)
        )
        noise = self.first_noise(seed)
        return self.finished(
            samplers.ddim(
                self.denoiser(path, self.condition_of(labels, captions), guidance),
                alpha * images + sigma * noise,
                path,
                start=start,
            )
        )
