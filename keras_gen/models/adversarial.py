"""What all adversarial models share: the game of two, its losses and stabilisers.

A model on top owns its networks and its optimizers' settings, and takes the options
below as keyword arguments.

1. Soenderby et al., "Amortised MAP Inference for Image Super-resolution", 2017
   (instance noise).
2. Lin et al., "PacGAN: The power of two samples in generative adversarial networks",
   2018.
3. Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
   Equilibrium", 2017.
4. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016, section 5.1 (features).
5. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020,
   appendix B (lazy regularisation).
6. Karras et al., "Progressive Growing of GANs", 2018.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from keras_gen import losses, priors
from keras_gen.abilities import ability
from keras_gen.augmentation import augment, check_augmentation
from keras_gen.training import GenerativeModel, Player


class AdversarialModel(GenerativeModel):
    """A generator against a discriminator.

    Args:
        generator: Latents (batch, latent_dim), with labels where there are classes, to
            images in [-1, 1].
        discriminator: Images to logits (batch, 1); `packing` of them side by side in
            the last dimension, or with labels where there are classes.
        latent_dim: Numbers in a latent.
        num_classes: Of the labels that both networks take too; None for none.
        prior: "normal" (standard) or "uniform" (on [-1, 1]); or a layer of
            `keras_gen.priors`, from models that have their own.
        loss: "non_saturating", "minimax", "least_squares", "hinge" or "wasserstein".
        discriminator_moves: Of the discriminator for one of the generator.
        label_smoothing: What the target of real images lies below 1.
        instance_noise: Deviation of noise on real and fake images, in their units [1].
        instance_noise_steps: Steps until it has faded; 0 keeps it.
        gradient_penalty: Weight of WGAN-GP's penalty; 10 there.
        r1: Weight of the R1 penalty.
        r1_every: Steps from one R1 penalty to the next, which weighs as much more [5].
        drift: Weight of the squared logits of real images, which keeps those of a
            critic near 0 ([6], appendix A.1).
        packing: Images that the discriminator judges together [2]; batches are
            multiples of it.
        augmentation: Changes that it sees all images through, of "color",
            "translation" and "cutout"; see `keras_gen.augmentation`.
        discriminator_rate: Learning rate in place of the paper's [3].
        generator_rate: The same, of the generator.
        average: Decay of the generator's moving average, which `sample`, saving and
            export use; None keeps none.
        **kwargs: `name`.

    The logs show `d_real` and `d_fake`, the discriminator's mean verdict on either: a
    probability where the loss has one (1/2 is undecided), else the raw output; and
    `wasserstein`, their difference, with that loss: the estimate of the distance.
    """

    def __init__(
        self,
        *,
        generator,
        discriminator,
        latent_dim,
        num_classes=None,
        prior="normal",
        loss="non_saturating",
        discriminator_moves=1,
        label_smoothing=0.0,
        instance_noise=0.0,
        instance_noise_steps=0,
        gradient_penalty=0.0,
        r1=0.0,
        r1_every=1,
        drift=0.0,
        packing=1,
        augmentation=(),
        discriminator_rate=None,
        generator_rate=None,
        average=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_choices(prior, label_smoothing)
        self.augmentation = check_augmentation(augmentation)
        _check_least(
            1,
            discriminator_moves=discriminator_moves,
            packing=packing,
            r1_every=r1_every,
        )
        _check_least(
            0,
            instance_noise=instance_noise,
            instance_noise_steps=instance_noise_steps,
            gradient_penalty=gradient_penalty,
            r1=r1,
            drift=drift,
        )
        self.generator = generator
        self.discriminator = discriminator
        self.keep_average(generator, average)
        # One that grows has an output a level, the last one whole.
        shape = self.shape = tuple(generator.outputs[-1].shape[1:])
        self.feature = "image" if len(shape) == 3 else "point"
        self.image_shape = shape if self.feature == "image" else None
        self.latent_dim, self.num_classes = latent_dim, num_classes
        if isinstance(prior, str):
            prior = PRIORS[prior](latent_dim, name="prior")
        self.prior = prior
        self.adversarial_loss = losses.adversarial(loss)
        self.adversarial_loss.discriminator(0.0, 0.0, label_smoothing)  # May refuse.
        self.figures = ("d_real", "d_fake")
        if loss == "wasserstein":
            self.figures += ("wasserstein",)
        self.discriminator_moves = discriminator_moves
        self.label_smoothing = label_smoothing
        self.instance_noise = instance_noise
        self.instance_noise_steps = instance_noise_steps
        self.gradient_penalty = gradient_penalty
        self.r1, self.r1_every, self.drift = r1, r1_every, drift
        self.packing = packing
        self.rates = {
            "discriminator": discriminator_rate,
            "generator": generator_rate,
        }

    def batch_shapes(self):
        """An image or a point, and its label where there are classes."""
        shapes = {self.feature: self.shape}
        return shapes if self.num_classes is None else {**shapes, "label": ()}

    def input_specs(self):
        """Labels too, where there are classes."""
        specs = super().input_specs()
        if self.num_classes is not None:
            specs["labels"] = tf.TensorSpec((None,), tf.int64, "labels")
        return specs

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

    def adam(self, rate, **settings):
        """Adam for both players, at this rate where no other was asked for."""
        return {
            player: keras.optimizers.Adam(own or rate, **settings)
            for player, own in self.rates.items()
        }

    def default_optimizers(self):
        """Adam at 2e-4 with beta_1 0.5 ([4], section 4), which others settled on."""
        return self.adam(2e-4, beta_1=0.5)

    # The game.

    def discriminator_loss(self, batch, training):
        """How far real and generated images are from being told apart."""
        labels = batch.get("label")
        batch["fake"] = self.generate(batch, training)
        generated = tf.stop_gradient(batch["fake"])
        real = self.seen(batch[self.feature])
        fake = self.seen(generated)
        real_logits, _ = self.judge(real, labels, training)
        fake_logits, others = self.judge(fake, labels, training)
        verdict = self.adversarial_loss.verdict
        self.report(d_real=verdict(real_logits), d_fake=verdict(fake_logits))
        if "wasserstein" in self.figures:
            self.report(wasserstein=ops.mean(real_logits) - ops.mean(fake_logits))
        loss = self.adversarial_loss.discriminator(
            real_logits, fake_logits, self.label_smoothing
        )
        if self.drift:
            loss += self.drift * ops.mean(ops.square(real_logits))
        loss += self.shared_loss(batch, generated, others, training)
        return loss + self.penalty(real, fake, labels, training)

    def shared_loss(self, batch, generated, others, training):
        """What both players minimise besides, from the discriminator's other outputs.

        Args:
            batch: With what `generate` left there.
            generated: The fakes, before noise, augmentation and packing.
            others: Of the discriminator on the fakes, after the logits.
            training: Whether this is a training step.
        """
        return 0.0

    def penalty(self, real, fake, labels, training):
        """Gradient penalties that were asked for."""
        penalty = 0.0

        def judge(images):
            return self.judge(images, labels, training)[0]

        if self.gradient_penalty:
            mix = tf.random.stateless_uniform([tf.shape(real)[0]], self.draw_seed())
            penalty += self.gradient_penalty * losses.gradient_penalty(
                judge, real, fake, mix
            )
        if self.r1:
            r1 = self.lazily(lambda: losses.r1_penalty(judge, real), training)
            penalty += self.r1 * r1
        return penalty

    def lazily(self, penalty, training):
        """In training one step of `r1_every` has the penalty, as many times as strong.

        The others have 0; outside training it comes as it is.
        """
        if self.r1_every == 1 or not training:
            return penalty()
        return tf.cond(
            self.step.value % self.r1_every == 0,
            lambda: self.r1_every * penalty(),
            lambda: 0.0,
        )

    def generator_loss(self, batch, training):
        """How far the fakes that the discriminator just saw are from convincing it."""
        fake = self.seen(batch["fake"])
        logits, others = self.judge(fake, batch.get("label"), training)
        loss = self.adversarial_loss.generator(logits)
        return loss + self.shared_loss(batch, batch["fake"], others, training)

    def generate(self, batch, training):
        """As many images as the batch has, from latents of this replica and step."""
        count = tf.shape(batch[self.feature])[0]
        latents = self.prior.distribution().sample(count, seed=self.draw_seed())
        return self.render(latents, batch.get("label"), training)

    def render(self, latents, labels, training):
        """What the generator makes of latents, and of labels if any."""
        return self.generator(_with(latents, labels), training=training)

    def judge(self, images, labels, training):
        """The discriminator's logits of what it sees, and its other outputs."""
        outputs = self.discriminator(_with(images, labels), training=training)
        return (outputs[0], outputs[1:]) if isinstance(outputs, list) else (outputs, [])

    # What the discriminator sees.

    def seen(self, images):
        """Noisy, augmented and packed, as was asked for."""
        images = self.noisy(images)
        if self.augmentation:
            images = augment(images, self.draw_seed(), self.augmentation)
        return self.packed(images)

    def packed(self, images):
        """`packing` images side by side in the last dimension ([2], figure 1)."""
        if self.packing == 1:
            return images
        tf.debugging.assert_equal(
            tf.shape(images)[0] % self.packing,
            0,
            f"Expected batches, on each replica, of a multiple of {self.packing}.",
        )
        return tf.concat(tf.split(images, self.packing), axis=-1)

    def noisy(self, images):
        """Adds instance noise, which may fade linearly [1]."""
        if not self.instance_noise:
            return images
        deviation = self.instance_noise
        if self.instance_noise_steps:
            progress = tf.cast(self.step.value, tf.float32) / self.instance_noise_steps
            deviation *= tf.maximum(1.0 - progress, 0.0)
        noise = tf.random.stateless_normal(tf.shape(images), self.draw_seed())
        return images + deviation * noise

    # Abilities.

    @ability("images", needs="image_shape")
    def sample(self, seed, labels=None):
        """Draws images, float32 (n, height, width, channels), in [-1, 1].

        Conditional models take `labels`, int (n,).
        """
        return self.decode_rows(self.latents(seed), labels)

    @ability("images", needs="image_shape")
    def decode(self, latents, labels=None):
        """Images of latents (batch, latent_dim): float32 in [-1, 1]."""
        return self.decode_rows(latents, labels)

    @ability("logits", needs="image_shape")
    def discriminate(self, images, labels=None):
        """The discriminator's logits, float32 (batch, 1): higher is more real.

        One that judges several images at once sees the same image several times.
        """
        seen = ops.tile(images, (1, 1, 1, self.packing))
        return self.judge(seen, labels, False)[0]

    @ability("features", needs="image_shape")
    def features(self, images, labels=None):
        """What the discriminator looks at ([4], section 5.1), float32 (batch, numbers).

        The outputs of its activations; maps are max-pooled to 4x4 or so first.
        """
        seen = ops.tile(images, (1, 1, 1, self.packing))
        outputs = self.look(seen, labels)
        rows = [_pooled(x) for x in keras.tree.flatten(outputs)]
        return ops.cast(ops.concatenate(rows, axis=-1), "float32")

    def look(self, images, labels):
        """The outputs of all activations of the discriminator."""
        hidden = [
            layer.output
            for layer in self.discriminator.layers
            if isinstance(layer, layers.LeakyReLU)
        ]
        network = keras.Model(self.discriminator.inputs, hidden)
        return network(_with(images, labels), training=False)

    def latents(self, seed):
        """Latents of the prior, a row from a seed each."""
        return priors.sample_rows(self.prior.distribution(), seed)

    def decode_rows(self, latents, labels=None):
        """What the averaged generator makes of latents, and of labels if any."""
        network = self.averaged(self.generator)
        return network(_with(latents, labels), training=False)


PRIORS = {"normal": priors.Normal, "uniform": priors.Uniform}


def _with(x, labels):
    """What a network takes: x, or x and labels where there are classes."""
    return x if labels is None else [x, labels]


def _pooled(x):
    """Rows (batch, numbers) of hidden outputs: maps pooled to 4x4 or so."""
    if len(x.shape) == 4:
        size = [max(side // 4, 1) for side in x.shape[1:3]]
        x = ops.max_pool(x, size, size)
    return ops.reshape(x, (ops.shape(x)[0], -1))


def _check_choices(prior, label_smoothing):
    if isinstance(prior, str) and prior not in PRIORS:
        raise ValueError(f"Expected a prior of {list(PRIORS)}, got {prior!r}.")
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"Expected label_smoothing in [0, 1), got {label_smoothing}.")


def _check_least(least, **options):
    for name, value in options.items():
        if value < least:
            raise ValueError(f"Expected {name} >= {least}, got {value}.")
