"""Base class of adversarial models: players, losses, and options that stabilise them.

A subclass builds its networks, defines its optimizers, and takes the options below as
keyword arguments.

1. Soenderby et al., "Amortised MAP Inference for Image Super-resolution", 2017
   (instance noise).
2. Lin et al., "PacGAN: The power of two samples in generative adversarial networks",
   2018.
3. Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
   Equilibrium", 2017.
4. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016, section 5.1 (features).
5. Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020,
   appendix B (lazy regularization).
6. Karras et al., "Progressive Growing of GANs", 2018.
"""

import warnings
from typing import Literal

import keras
import tensorflow as tf
from keras import layers, ops

from keras_gen import losses
from keras_gen.core import keras_internals
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.augmentation import Augmentations, augment
from keras_gen.core.game import Lazy, Player, lazy_adam
from keras_gen.core.inputs import label_input
from keras_gen.core.model import GenerativeModel
from keras_gen.core.types import Classes, Count, Decay, Natural, Rate, Weight
from keras_gen.distributions import priors

PRIORS = {"normal": priors.Normal, "uniform": priors.Uniform}


class AdversarialModel(GenerativeModel):
    """A generator and a discriminator that are trained against each other.

    The logs show `d_real` and `d_fake`, the discriminator's mean output for real and
    for generated images: a probability where the loss has one (1/2 is undecided), else
    the raw output. With the Wasserstein loss they also show `wasserstein`, their
    difference, which estimates the distance.

    Args:
        generator: Network from latents (batch, latent_dim), with labels where there are
            classes, to images in [-1, 1].
        discriminator: Network from images to logits (batch, 1). With `packing`, it
            takes several images concatenated in the last dimension; if there are
            classes, also labels.
        latent_dim: Dimension of a latent.
        num_classes: Number of classes whose labels both networks take; None for no
            labels.
        prior: Distribution of latents: "normal" (standard), "uniform" (on [-1, 1]), or
            a layer from `keras_gen.priors` in models that build their own prior.
        loss: Adversarial loss: "non_saturating", "minimax", "least_squares", "hinge" or
            "wasserstein".
        discriminator_moves: Discriminator updates per generator update.
        label_smoothing: Amount subtracted from the real-image target of 1.
        instance_noise: Standard deviation of noise added to images before the
            discriminator gets them (Soenderby et al., 2017), in the images' units.
        instance_noise_steps: Steps over which that noise fades to 0; 0 keeps it.
        instance_noise_on: Images that get that noise: "both" (real and generated
            images, as in its paper) or "real" (real images only: the generator then
            learns to imitate images with noise).
        gradient_penalty: Weight of WGAN-GP's gradient penalty; 10 in its paper.
        r1: Weight of the R1 penalty.
        r1_every: Steps from one R1 penalty to the next. The penalty is multiplied by
            this number, and the discriminator's default Adam is corrected for it
            (Karras et al., 2020, appendix B). An optimizer that is given to `compile`
            is used as it is; `game.lazy_adam` makes a corrected one.
        drift: Weight of the squared logits of real images, which keeps a critic's
            outputs near 0 (Karras et al., 2018, appendix A.1).
        packing: Number of images that the discriminator classifies together (PacGAN,
            Lin et al., 2018); batch sizes must be multiples of it.
        augmentation: Random changes applied to all images that the discriminator gets,
            any of "color", "translation" and "cutout".
        discriminator_rate: Learning rate of the discriminator; None uses the
            paper's. Different rates for the two players can help convergence (Heusel et
            al., 2017).
        generator_rate: Learning rate of the generator; None uses the paper's.
        average: Decay of the generator's moving average, which `sample`, saving and
            export use; None keeps no average.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    whole_batches = True  # Batch normalization of a last batch of one row gives 0.

    def __init__(
        self,
        *,
        generator: keras.Model,
        discriminator: keras.Model,
        latent_dim: Count,
        num_classes: Classes | None = None,
        prior: Literal["normal", "uniform"] | keras.Layer = "normal",
        loss: losses.AdversarialName = "non_saturating",
        discriminator_moves: Count = 1,
        label_smoothing: Decay = 0.0,
        instance_noise: Weight = 0.0,
        instance_noise_steps: Natural = 0,
        instance_noise_on: Literal["both", "real"] = "both",
        gradient_penalty: Weight = 0.0,
        r1: Weight = 0.0,
        r1_every: Count = 1,
        drift: Weight = 0.0,
        packing: Count = 1,
        augmentation: Augmentations = (),
        discriminator_rate: Rate | None = None,
        generator_rate: Rate | None = None,
        average: Decay | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if isinstance(prior, str):
            prior = PRIORS[prior](latent_dim, name="prior")
        self.augmentation = tuple(augmentation)
        self.generator = generator
        self.discriminator = discriminator
        self.keep_average(generator, average)
        # The generator of a growing model has an output for each level; the last one
        # has the full size.
        shape = self.shape = tuple(generator.outputs[-1].shape[1:])
        self.feature = "image" if len(shape) == 3 else "point"
        self.image_shape = shape if self.feature == "image" else None
        if self.augmentation and self.feature == "point":
            raise ValueError(
                f"Expected no augmentation of points, got {list(self.augmentation)}."
            )
        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.prior = prior
        self.adversarial_loss = losses.adversarial(loss)
        self.adversarial_loss.discriminator(0.0, 0.0, label_smoothing)  # Checks it.
        self.figures = ("d_real", "d_fake")
        if loss == "wasserstein":
            self.figures += ("wasserstein",)
        self.discriminator_moves = discriminator_moves
        self.label_smoothing = label_smoothing
        self.instance_noise = instance_noise
        self.instance_noise_steps = instance_noise_steps
        self.instance_noise_on = instance_noise_on
        self.gradient_penalty = gradient_penalty
        self.r1, self.r1_every, self.drift = r1, r1_every, drift
        self.packing = packing
        self.rates = {
            "discriminator": discriminator_rate,
            "generator": generator_rate,
        }

    def check_rows(self, rows):
        """Refuses mini-batches that packs do not divide."""
        if rows % self.packing:
            raise ValueError(
                "Expected mini-batches, on each replica, of a multiple of "
                f"{self.packing} rows, for packing, got {rows}."
            )

    def initialize(self, batches):
        """Warns of batch normalization in a discriminator with a gradient penalty."""
        has_penalty = self.gradient_penalty or self.r1
        if has_penalty and _has_batch_norm(self.discriminator):
            warnings.warn(
                "The discriminator has batch normalization, so that the gradient "
                "penalty is not that of single images. Use layer normalization, "
                "instance normalization or none.",
                stacklevel=3,
            )

    def batch_shapes(self):
        """An image or a point, and its label if there are classes."""
        shapes = {self.feature: self.shape}
        return shapes if self.num_classes is None else {**shapes, "label": ()}

    def inputs(self):
        """The usual inputs, and labels if there are classes."""
        declared = super().inputs()
        if self.num_classes is not None:
            labels = label_input(self.num_classes)
            declared[labels.name] = labels
        return declared

    def players(self):
        """The discriminator moves first, then the generator."""
        regularizers = []
        if self.gradient_penalty:
            regularizers.append(self.gradient_penalty_loss)
        if self.r1:
            regularizers.append(Lazy(self.r1_loss, self.r1_every))
        return {
            "discriminator": Player(
                [self.discriminator],
                self.discriminator_loss,
                moves=self.discriminator_moves,
                regularizers=regularizers,
            ),
            "generator": Player([self.generator], self.generator_loss),
        }

    def adam(self, rate: float, beta_1: float, beta_2: float = 0.999, **settings):
        """Adam for both players.

        Args:
            rate: Learning rate of players whose `..._rate` is None.
            beta_1: Decay of the mean of gradients.
            beta_2: Decay of the mean of their squares.
            **settings: Further arguments of `keras.optimizers.Adam`.

        Returns:
            Player name to optimizer. The discriminator's is corrected for lazy R1
            penalties; see `game.lazy_adam`.
        """
        return {
            player: lazy_adam(
                own or rate, beta_1, beta_2, self.lazy_interval(player), **settings
            )
            for player, own in self.rates.items()
        }

    def lazy_interval(self, player: str) -> int:
        """Steps from one penalty of a player to the next; 1 for those without any."""
        return self.r1_every if player == "discriminator" and self.r1 else 1

    def default_optimizers(self):
        """Adam at 2e-4 with beta_1 0.5 ([4], section 4)."""
        return self.adam(2e-4, beta_1=0.5)

    # The game.

    def forward(self, batch, training):
        """Generated images, as many as the batch has rows, under "fake"."""
        latents = self.draw_latents(batch)
        return {"fake": self.generate(latents, batch.get("label"), training)}

    def draw_latents(self, batch, name="latents"):
        """Latents of the prior, one for each row of the batch; a named draw."""
        count = tf.shape(batch[self.feature])[0]
        return self.prior.distribution().sample(count, seed=self.noise_seed(name))

    def generate(self, latents, labels, training):
        """Images from latents (and labels), by the network that is trained."""
        return self.generator(_with(latents, labels), training=training)

    def real_images(self, batch):
        """The batch's images, in the form that the generator should imitate."""
        return batch[self.feature]

    def logits(self, images, labels, training, network=None):
        """The discriminator's logits of augmented images, and its other outputs.

        Args:
            images: Images as `augmented` gives them.
            labels: Their labels, or None where there are no classes.
            training: Boolean, whether this is a training step.
            network: Network that computes the logits; None uses
                `active_discriminator()`.
        """
        network = network or self.active_discriminator()
        outputs = network(self.critic_inputs(images, labels), training=training)
        return (outputs[0], outputs[1:]) if isinstance(outputs, list) else (outputs, [])

    # Methods, not properties: Keras would save properties, under their names.

    def active_discriminator(self):
        """The discriminator, or the part of it that is in use now."""
        return self.discriminator

    def critic_inputs(self, images, labels):
        """The inputs of `active_discriminator()`."""
        return _with(images, labels)

    def discriminator_loss(self, batch, shared, training):
        """Loss of telling real images from generated ones."""
        labels = batch.get("label")
        generated = tf.stop_gradient(shared["fake"])
        real = self.augmented(self.real_images(batch), "real", is_real=True)
        fake = self.augmented(generated, "fake")
        real_logits, _ = self.logits(real, labels, training)
        fake_logits, others = self.logits(fake, labels, training)
        verdict = self.adversarial_loss.verdict
        figures = {"d_real": verdict(real_logits), "d_fake": verdict(fake_logits)}
        if "wasserstein" in self.figures:
            figures["wasserstein"] = ops.mean(real_logits) - ops.mean(fake_logits)
        loss = self.adversarial_loss.discriminator(
            real_logits, fake_logits, self.label_smoothing
        )
        if self.drift:
            loss += self.drift * ops.mean(ops.square(real_logits))
        auxiliary, more = self.auxiliary_loss(shared, generated, others, training)
        return loss + auxiliary, {**figures, **more}

    def generator_loss(self, batch, shared, training):
        """Loss of generated images being classified as real."""
        fake = self.augmented(shared["fake"], "fake")
        logits, others = self.logits(fake, batch.get("label"), training)
        loss = self.adversarial_loss.generator(logits)
        auxiliary, figures = self.auxiliary_loss(
            shared, shared["fake"], others, training
        )
        return loss + auxiliary, figures

    def auxiliary_loss(self, shared, generated, others, training):
        """A term that both players minimise, from the discriminator's other outputs.

        Args:
            shared: Result of `forward`.
            generated: Generated images, before noise, augmentation and packing.
            others: Other outputs of the discriminator for these images.
            training: Boolean, whether this is a training step.

        Returns:
            A scalar and a dict of figures.
        """
        return 0.0, {}

    # Regularizers of the discriminator.

    def gradient_penalty_loss(self, batch, shared, training):
        """WGAN-GP's penalty on lines between real and generated images, weighted."""
        real = self.augmented(self.real_images(batch), "penalty_real", is_real=True)
        fake = self.augmented(tf.stop_gradient(shared["fake"]), "penalty_fake")
        mix = self.noise("penalty_mix", [tf.shape(real)[0]], "uniform")
        critic = self._critic(batch, training)
        return self.gradient_penalty * losses.gradient_penalty(critic, real, fake, mix)

    def r1_loss(self, batch, shared, training):
        """The R1 penalty on real images, weighted."""
        real = self.augmented(self.real_images(batch), "r1_real", is_real=True)
        return self.r1 * losses.r1_penalty(self._critic(batch, training), real)

    def _critic(self, batch, training):
        """Function from images to logits, in float32 whatever the dtype policy."""
        network = self.in_float32(self.active_discriminator())
        labels = batch.get("label")
        return lambda images: self.logits(images, labels, training, network)[0]

    # The discriminator's input.

    def augmented(self, images, name, is_real: bool = False):
        """The discriminator's input: images with noise, augmented and packed.

        Args:
            images: float32 (batch, height, width, channels).
            name: Name of the draws, unique within a loss.
            is_real: Boolean, whether the images are real. Real images always get
                instance noise, generated ones only if `instance_noise_on` is "both".
        """
        if is_real or self.instance_noise_on == "both":
            images = self.noisy(images, f"instance_noise_{name}")
        if self.augmentation:
            seed = self.noise_seed(f"augmentation_{name}")
            images = augment(images, seed, self.augmentation)
        return self.packed(images)

    def packed(self, images):
        """Concatenates each `packing` images in the last dimension ([2], figure 1).

        In tests, whose last batch may have any size, the first images take the last
        places.
        """
        if self.packing == 1:
            return images
        rows = tf.shape(images)[0]
        images = tf.gather(images, tf.range(rows + -rows % self.packing) % rows)
        return tf.concat(tf.split(images, self.packing), axis=-1)

    def noisy(self, images, name):
        """Images with instance noise, which may fade linearly [1]."""
        if not self.instance_noise:
            return images
        deviation = self.instance_noise
        if self.instance_noise_steps:
            progress = tf.cast(self.step.value, tf.float32) / self.instance_noise_steps
            deviation *= tf.maximum(1.0 - progress, 0.0)
        return images + deviation * self.noise(name, tf.shape(images))

    # Abilities.

    @draws("images", needs="image_shape")
    def sample(self, seed, labels=None):
        """Draws images, float32 (n, height, width, channels), in [-1, 1].

        Conditional models take `labels`, int (n,).
        """
        return self.decode_rows(self.latents(seed), labels)

    @transforms("images", needs="image_shape")
    def decode(self, latents, labels=None):
        """Generates images from latents (batch, latent_dim): float32 in [-1, 1]."""
        return self.decode_rows(latents, labels)

    @transforms("logits", needs="image_shape")
    def discriminate(self, images, labels=None):
        """The discriminator's logits, float32 (batch, 1): higher is more real.

        A discriminator with batch normalization, or with the minibatch's standard
        deviation, judges other values here than in training: running statistics, or a
        deviation of 0. With `packing`, the same image is repeated to fill a pack.
        """
        repeated = ops.tile(images, (1, 1, 1, self.packing))
        return self.logits(repeated, labels, training=False)[0]

    @transforms("features", needs="image_shape")
    def features(self, images, labels=None):
        """The discriminator's features, float32 (batch, num_features).

        These are the outputs of all its activations, after max pooling of maps to about
        4x4 pixels (Radford et al., 2016, section 5.1).
        """
        repeated = ops.tile(images, (1, 1, 1, self.packing))
        outputs = self.hidden_features(repeated, labels)
        rows = [_pooled(x) for x in keras.tree.flatten(outputs)]
        return ops.cast(ops.concatenate(rows, axis=-1), "float32")

    def hidden_features(self, images, labels):
        """The outputs of all activations of the discriminator, a list."""
        hidden = [
            layer.output
            for layer in self.discriminator.layers
            if isinstance(layer, layers.LeakyReLU)
        ] or _activations(self.discriminator)
        network = keras.Model(self.discriminator.inputs, hidden)
        return network(_with(images, labels), training=False)

    def latents(self, seed):
        """Draws latents from the prior, float32 (batch, latent_dim), one per seed."""
        return priors.sample_rows(self.prior.distribution(), seed)

    def decode_rows(self, latents, labels=None):
        """Images from latents (and labels), by the averaged generator."""
        network = self.averaged(self.generator)
        return network(_with(latents, labels), training=False)


def _with(x, labels):
    """The input of a network: x, or x and labels if there are classes."""
    return x if labels is None else [x, labels]


def _pooled(x):
    """Flattens hidden outputs to (batch, numbers); maps are pooled to about 4x4."""
    if len(x.shape) == 4:
        size = [max(side // 4, 1) for side in x.shape[1:3]]
        x = ops.max_pool(x, size, size)
    return ops.reshape(x, (ops.shape(x)[0], -1))


def _has_batch_norm(discriminator):
    """Whether the logits of a discriminator go through batch normalization."""
    if getattr(discriminator, "outputs", None):  # Other outputs may go through it.
        discriminator = keras.Model(discriminator.inputs, discriminator.outputs[:1])
    return any(
        isinstance(layer, layers.BatchNormalization)
        for layer in keras_internals.nested_layers(discriminator)
    )


def _activations(network):
    """The outputs of all activations but the last layer's; else that layer's input."""
    outputs = [
        layer.output
        for layer in network.layers[:-1]
        if isinstance(layer, (layers.ReLU, layers.PReLU, layers.ELU))
        or getattr(layer, "activation", None) not in (None, keras.activations.linear)
    ]
    return outputs or [network.layers[-1].input]
