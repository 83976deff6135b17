"""What all adversarial models share: the game of two, its losses and stabilisers.

A model on top owns its networks and its optimizers' settings, and takes the options
below as keyword arguments.
"""

import tensorflow as tf
from keras import ops

from keras_gen import losses, priors
from keras_gen.abilities import ability
from keras_gen.training import GenerativeModel, Player


class AdversarialModel(GenerativeModel):
    """A generator against a discriminator.

    Args:
        generator: Latents (batch, latent_dim) to images in [-1, 1].
        discriminator: Images to logits (batch, 1).
        prior: "normal" (standard) or "uniform" (on [-1, 1]).
        loss: "non_saturating", "minimax", "least_squares", "hinge" or "wasserstein".
        discriminator_moves: Of the discriminator for one of the generator.
        label_smoothing: What the target of real images lies below 1.
        instance_noise: Deviation of noise on real and fake images, in their units.
        instance_noise_steps: Steps until it has faded; 0 keeps it.
        gradient_penalty: Weight of WGAN-GP's penalty; 10 there.
        r1: Weight of the R1 penalty.
        average: Decay of the generator's moving average, which `sample`, saving and
            export use; None keeps none.
        **kwargs: `name`.

    The logs show `d_real` and `d_fake`, the discriminator's mean verdict on either: a
    probability where the loss has one (1/2 is undecided), else the raw output.
    """

    figures = ("d_real", "d_fake")

    def __init__(
        self,
        *,
        generator,
        discriminator,
        prior="normal",
        loss="non_saturating",
        discriminator_moves=1,
        label_smoothing=0.0,
        instance_noise=0.0,
        instance_noise_steps=0,
        gradient_penalty=0.0,
        r1=0.0,
        average=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if prior not in PRIORS:
            raise ValueError(f"Expected a prior of {list(PRIORS)}, got {prior!r}.")
        if discriminator_moves < 1:
            raise ValueError(
                f"Expected discriminator_moves >= 1, got {discriminator_moves}."
            )
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"Expected label_smoothing in [0, 1), got {label_smoothing}."
            )
        weights = {
            "instance_noise": instance_noise,
            "instance_noise_steps": instance_noise_steps,
            "gradient_penalty": gradient_penalty,
            "r1": r1,
        }
        for name, weight in weights.items():
            if weight < 0:
                raise ValueError(f"Expected {name} >= 0, got {weight}.")
        self.generator = generator
        self.discriminator = discriminator
        self.keep_average(generator, average)
        self.image_shape = discriminator.input_shape[1:]
        self.latent_dim = generator.input_shape[-1]
        self.prior = PRIORS[prior](self.latent_dim, name="prior")
        self.adversarial_loss = losses.adversarial(loss)
        self.adversarial_loss.discriminator(0.0, 0.0, label_smoothing)  # May refuse.
        self.discriminator_moves = discriminator_moves
        self.label_smoothing = label_smoothing
        self.instance_noise = instance_noise
        self.instance_noise_steps = instance_noise_steps
        self.gradient_penalty = gradient_penalty
        self.r1 = r1

    def players(self):
        """The discriminator moves first; the generator reuses its last fakes."""
        return {
            "discriminator": Player(
                [self.discriminator],
                self.discriminator_loss,
                moves=self.discriminator_moves,
            ),
            "generator": Player([self.generator], self.generator_loss),
        }

    def discriminator_loss(self, batch, training):
        """How far real and generated images are from being told apart."""
        real = self.noisy(batch["image"])
        batch["fake"] = self.generate(ops.shape(real)[0], training)
        fake = self.noisy(tf.stop_gradient(batch["fake"]))
        real_logits = self.discriminator(real, training=training)
        fake_logits = self.discriminator(fake, training=training)
        verdict = self.adversarial_loss.verdict
        self.report(d_real=verdict(real_logits), d_fake=verdict(fake_logits))
        loss = self.adversarial_loss.discriminator(
            real_logits, fake_logits, self.label_smoothing
        )
        return loss + self.penalty(real, fake, training)

    def penalty(self, real, fake, training):
        """Gradient penalties that were asked for."""
        penalty = 0.0

        def discriminate(images):
            return self.discriminator(images, training=training)

        if self.gradient_penalty:
            mix = tf.random.stateless_uniform([tf.shape(real)[0]], self.draw_seed())
            penalty += self.gradient_penalty * losses.gradient_penalty(
                discriminate, real, fake, mix
            )
        if self.r1:
            penalty += self.r1 * losses.r1_penalty(discriminate, real)
        return penalty

    def generator_loss(self, batch, training):
        """How far the fakes that the discriminator just saw are from convincing it."""
        fake = self.noisy(batch["fake"])
        fake_logits = self.discriminator(fake, training=training)
        return self.adversarial_loss.generator(fake_logits)

    def generate(self, count, training):
        """Images from latents drawn for this replica and step."""
        latents = self.prior.distribution().sample(count, seed=self.draw_seed())
        return self.generator(latents, training=training)

    def noisy(self, images):
        """Adds instance noise, which may fade linearly (Soenderby et al., 2017)."""
        if not self.instance_noise:
            return images
        deviation = self.instance_noise
        if self.instance_noise_steps:
            progress = tf.cast(self.step.value, tf.float32) / self.instance_noise_steps
            deviation *= tf.maximum(1.0 - progress, 0.0)
        noise = tf.random.stateless_normal(tf.shape(images), self.draw_seed())
        return images + deviation * noise

    @ability("images")
    def sample(self, seed):
        """Draws images, float32 (n, height, width, channels), in [-1, 1]."""
        latents = priors.sample_rows(self.prior.distribution(), seed)
        return self.averaged(self.generator)(latents, training=False)

    @ability("images")
    def decode(self, latents):
        """Images of latents (batch, latent_dim): float32 in [-1, 1]."""
        return self.averaged(self.generator)(latents, training=False)

    @ability("logits")
    def discriminate(self, images):
        """The discriminator's logits, float32 (batch, 1): higher is more real."""
        return self.discriminator(images, training=False)


PRIORS = {"normal": priors.Normal, "uniform": priors.Uniform}
