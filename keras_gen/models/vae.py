"""VAE [1]: an encoder and a decoder that maximise a bound on the images' likelihood.

What differs from [1]: the layers are gated, tanh-free ones as in [2], whose settings
the MLP's defaults are; log-variances are clipped to [-6, 2], as there.

1. Kingma and Welling, "Auto-Encoding Variational Bayes", 2014.
2. Tomczak and Welling, "VAE with a VampPrior", 2018.
"""

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from keras import layers, ops

from keras_gen import priors
from keras_gen.abilities import ability
from keras_gen.registry import register
from keras_gen.training import GenerativeModel, Player

tfd = tfp.distributions

LIKELIHOODS = ("bernoulli", "gaussian")


def gated(layer, x, units, **kwargs):
    """H * sigmoid(g), for two layers h and g of the same kind ([2], section 5.2)."""
    gate = layer(units, activation="sigmoid", **kwargs)(x)
    return layers.Multiply()([layer(units, **kwargs)(x), gate])


def _posterior(inputs, x, latent_dim):
    mean = layers.Dense(latent_dim, dtype="float32", name="mean")(x)
    log_variance = layers.Dense(latent_dim, dtype="float32", name="log_variance")(x)
    return keras.Model(inputs, [mean, log_variance], name="encoder")


def mlp_encoder(image_shape, latent_dim, widths):
    """Images in [-1, 1] to mean and log-variance, each (batch, latent_dim)."""
    inputs = keras.Input(image_shape)
    x = layers.Flatten()(inputs)
    for width in widths:
        x = gated(layers.Dense, x, width)
    return _posterior(inputs, x, latent_dim)


def mlp_decoder(image_shape, latent_dim, widths):
    """(batch, latent_dim) to logits of pixels, (batch, height, width, channels)."""
    inputs = x = keras.Input((latent_dim,))
    for width in reversed(widths):
        x = gated(layers.Dense, x, width)
    x = layers.Dense(int(np.prod(image_shape)), dtype="float32")(x)
    x = layers.Reshape(image_shape, dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def conv_encoder(image_shape, latent_dim, widths):
    """As `mlp_encoder`, by convolutions: every width halves the map."""
    inputs = x = keras.Input(image_shape)
    for width in widths:
        x = gated(layers.Conv2D, x, width, kernel_size=4, strides=2, padding="same")
    return _posterior(inputs, layers.Flatten()(x), latent_dim)


def conv_decoder(image_shape, latent_dim, widths):
    """As `mlp_decoder`, by transposed convolutions."""
    height, width, channels = image_shape
    factor = 2 ** len(widths)
    if height % factor or width % factor:
        raise ValueError(
            f"Expected sides that are multiples of {factor}, as {len(widths)} widths "
            f"halve them, got {image_shape}."
        )
    first = (height // factor, width // factor, widths[-1])
    inputs = keras.Input((latent_dim,))
    x = layers.Reshape(first)(gated(layers.Dense, inputs, int(np.prod(first))))
    for filters in [*reversed(widths[:-1]), widths[0]]:
        x = gated(
            layers.Conv2DTranspose,
            x,
            filters,
            kernel_size=4,
            strides=2,
            padding="same",
        )
    x = layers.Conv2D(channels, 3, padding="same", dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


NETWORKS = {"mlp": (mlp_encoder, mlp_decoder), "conv": (conv_encoder, conv_decoder)}


@register("vae", image_shape=(28, 28, 1))
class VAE(GenerativeModel):
    """Variational autoencoder with a standard normal prior.

    The loss is minus the evidence lower bound in nats, summed over pixels and latents
    and averaged over the batch; the logs show its two terms.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Numbers in a latent.
        network: "mlp" or "conv".
        widths: Of the encoder's hidden layers; the decoder's are reversed.
        likelihood: "bernoulli": pixels are binary, drawn afresh with the grey value as
            probability in every step ([2], section 5.1). "gaussian": pixels in [-1, 1]
            have one learned deviation.
        **kwargs: `name`.
    """

    figures = ("reconstruction", "kl")
    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3, "widths": (8,)}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=40,
        network="mlp",
        widths=(300, 300),
        likelihood="bernoulli",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if network not in NETWORKS:
            raise ValueError(f"Expected network of {list(NETWORKS)}, got {network!r}.")
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"Expected one of {LIKELIHOODS}, got {likelihood!r}.")
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        encoder, decoder = NETWORKS[network]
        self.encoder = encoder(self.image_shape, latent_dim, tuple(widths))
        self.decoder = decoder(self.image_shape, latent_dim, tuple(widths))
        self.prior = priors.Normal(latent_dim, name="prior")
        self.likelihood = Likelihood(likelihood, name="likelihood")

    def players(self):
        """One player: encoder, decoder and likelihood together."""
        networks = [self.encoder, self.decoder, self.likelihood]
        return {"vae": Player(networks, self.vae_loss)}

    def default_optimizers(self):
        """Adam at 5e-4 ([2], section 5.2)."""
        return {"vae": keras.optimizers.Adam(5e-4)}

    def vae_loss(self, batch, training):
        """Minus the evidence lower bound ([1], equation 3), in nats per image."""
        images = self.likelihood.draw(batch["image"], self.draw_seed())
        posterior = self.posterior(images, training)
        latents = posterior.sample(seed=self.draw_seed())
        pixels = self.likelihood(self.decoder(latents, training=training))
        reconstruction = -ops.mean(pixels.log_prob(self.likelihood.target(images)))
        kl = ops.mean(tfd.kl_divergence(posterior, self.prior.distribution()))
        self.report(reconstruction=reconstruction, kl=kl)
        return reconstruction + kl

    def posterior(self, images, training=False):
        """q(z | x), a diagonal Gaussian."""
        mean, log_variance = self.encoder(images, training=training)
        deviation = ops.exp(0.5 * ops.clip(log_variance, -6.0, 2.0))
        return tfd.MultivariateNormalDiag(mean, deviation)

    @ability("images")
    def sample(self, seed):
        """Draws expected pixels, float32 (n, height, width, channels), in [-1, 1]."""
        return self.expected_pixels(priors.sample_rows(self.prior.distribution(), seed))

    @ability("latents")
    def encode(self, images):
        """The posterior's mean, float32 (batch, latent_dim), of images in [-1, 1]."""
        return self.encoder(images, training=False)[0]

    @ability("images")
    def decode(self, latents):
        """Expected pixels in [-1, 1] of latents (batch, latent_dim)."""
        return self.expected_pixels(latents)

    @ability("images")
    def reconstruct(self, images):
        """Expected pixels in [-1, 1] from the posterior's mean of images in [-1, 1]."""
        return self.expected_pixels(self.encoder(images, training=False)[0])

    def expected_pixels(self, latents):
        """E[x | z] in [-1, 1]."""
        return self.likelihood.mean(self.decoder(latents, training=False))


@keras.saving.register_keras_serializable("keras_gen")
class Likelihood(layers.Layer):
    """p(x | z) over images, event shape (height, width, channels).

    Args:
        kind: "bernoulli", whose parameters are logits, or "gaussian", whose parameters
            go through tanh to means and which owns its deviation.
        **kwargs: Of the layer.
    """

    def __init__(self, kind, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.kind = kind
        if kind == "gaussian":
            self.log_deviation = self.add_weight(
                name="log_deviation", shape=(), initializer="zeros"
            )
        self.built = True

    def call(self, parameters):
        """The distribution, for parameters (batch, height, width, channels)."""
        if self.kind == "bernoulli":
            pixels = tfd.Bernoulli(logits=parameters, dtype=tf.float32)
        else:
            deviation = ops.exp(ops.convert_to_tensor(self.log_deviation))
            pixels = tfd.Normal(ops.tanh(parameters), deviation)
        return tfd.Independent(pixels, reinterpreted_batch_ndims=3)

    def draw(self, images, seed):
        """Images as the likelihood sees them: binary (-1 or 1), or unchanged."""
        if self.kind == "gaussian":
            return images
        uniform = tf.random.stateless_uniform(tf.shape(images), seed)
        return ops.where(uniform < (images + 1.0) / 2.0, 1.0, -1.0)

    def target(self, images):
        """What `log_prob` takes: 0 and 1, or images unchanged."""
        return (images + 1.0) / 2.0 if self.kind == "bernoulli" else images

    def mean(self, parameters):
        """Expected pixels in [-1, 1]."""
        if self.kind == "bernoulli":
            return 2.0 * ops.sigmoid(parameters) - 1.0
        return ops.tanh(parameters)
