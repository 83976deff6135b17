"""VAE [1]: an encoder and a decoder that maximise a bound on the images' likelihood.

What differs from [1]: the layers are gated as in [2], whose settings are the defaults
of the MLP; log-variances are clipped to [-6, 2], also as in [2]. Options are the priors
of [2], priors with normalizing flows, the importance-weighted bound [3], and free bits
and inverse autoregressive posteriors [4].

1. Kingma and Welling, "Auto-Encoding Variational Bayes", 2014.
2. Tomczak and Welling, "VAE with a VampPrior", 2018.
3. Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016.
4. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow",
   2016.
"""

import math
from typing import Literal

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from keras_gen.core import schedules
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.core.types import Count, ImageShape, Natural, Rate, Weight, Widths
from keras_gen.distributions import posteriors, priors
from keras_gen.distributions.likelihoods import LIKELIHOODS
from keras_gen.images import is_photo
from keras_gen.layers.flow import Flow
from keras_gen.networks.vae import (
    NETWORKS,
    default_network,
    default_widths,
    with_exact_widths,
)

tfd = tfp.distributions


@register("vae", batch_size=100, image_shape=(28, 28, 1))
class VAE(GenerativeModel):
    """Variational autoencoder with a fixed or a learned prior.

    The loss is minus a lower bound on log p(x) in nats, summed over pixels and latents
    and averaged over the batch. The logs show its two terms without weights,
    `reconstruction` and `kl`, and `active_units`: the number of latents whose posterior
    mean has a variance above 0.01 over the batch ([3], section 5.2). At 0 active units
    the posterior has collapsed to the prior.

    >>> model = keras_gen.zoo.load("vae", weights="mnist")
    >>> images = model.sample(4, seed=0)
    >>> images.shape
    (4, 28, 28, 1)
    >>> model.encode(images).shape
    (4, 40)

    Args:
        image_shape: (height, width, channels).
        latent_dim: Dimension of a latent.
        network: Kind of the networks: "mlp" or "conv". None uses "conv" for images with
            several channels or a side above 32 pixels, and "mlp" for others, and where
            `widths` are given.
        widths: Widths of the encoder's hidden layers, or its numbers of feature maps,
            each of which halves the map; the decoder's are reversed. None uses
            (300, 300) for "mlp" ([2]). For "conv" it uses 32 maps, which double up to
            256, and halves them while both sides are above 8.
        likelihood: Distribution of pixels. "bernoulli": pixels are binary, drawn anew
            in every step with the grey value as probability ([2], section 5.1).
            "gaussian": pixels in [-1, 1] share one learned standard deviation.
            "discretized_logistic": pixels have 256 levels. None uses the latter for
            images with several channels or a side above 32 pixels, and "bernoulli" for
            others.
        prior: Prior over latents: "normal"; "mixture" of Gaussians; "vamp", a mixture
            of the posteriors at learned images, which start as training images; or
            "flow".
        num_components: Number of components of "mixture" or "vamp".
        posterior: Family of posteriors: "gaussian" (diagonal), or "iaf", a Gaussian
            transformed by inverse autoregressive steps ([4]).
        flow: Kind of the prior's flow: "realnvp" or "maf".
        flow_steps: Number of steps of the prior's flow, and of the posterior's.
        flow_width: Width of the two hidden layers in the network of a flow's step.
        beta: Weight of the KL term.
        kl_warmup: Steps in which that weight grows from 0, in training only.
        free_bits: Nats per latent that the KL term does not count ([4], equation 15):
            for each latent if prior and posterior are factorised, else in total.
        num_importance_samples: Number of samples of the importance-weighted bound
            ([3], equation 8); with 1 it is the evidence lower bound.
        learning_rate: Initial learning rate of Adam.
        decay_steps: Steps in which the learning rate falls to 0 along a cosine; None
            keeps it constant.
        num_samples: Default number of importance samples for `log_prob`; a server
            always uses it.
        **kwargs: Arguments of `GenerativeModel`: `name`.
    """

    figures = ("reconstruction", "kl", "active_units")
    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3, "widths": (8,)}

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        latent_dim: Count = 40,
        network: Literal["mlp", "conv"] | None = None,
        widths: Widths | None = None,
        likelihood: Literal["bernoulli", "gaussian", "discretized_logistic"]
        | None = None,
        prior: Literal["normal", "mixture", "vamp", "flow"] = "normal",
        num_components: Count = 500,
        posterior: Literal["gaussian", "iaf"] = "gaussian",
        flow: Literal["realnvp", "maf"] = "realnvp",
        flow_steps: Count = 8,
        flow_width: Count = 128,
        beta: Weight = 1.0,
        kl_warmup: Natural = 0,
        free_bits: Weight = 0.0,
        num_importance_samples: Count = 1,
        learning_rate: Rate = 5e-4,
        decay_steps: Count | None = None,
        num_samples: Count = 500,
        **kwargs,
    ):
        super().__init__(**kwargs)
        network = network or default_network(image_shape, widths)
        widths = widths or default_widths(network, image_shape)
        if likelihood is None:
            likelihood = (
                "discretized_logistic" if is_photo(image_shape) else "bernoulli"
            )
        self.keep_arguments(network=network, widths=list(widths), likelihood=likelihood)
        if free_bits and num_importance_samples > 1:
            raise ValueError(
                "The importance-weighted bound has no KL term with free bits: expected "
                f"num_importance_samples=1, got {num_importance_samples}."
            )
        if prior == "vamp" and posterior == "iaf":
            raise ValueError(
                "A mixture of inverse autoregressive posteriors has no fast density: "
                "expected posterior='gaussian' with prior='vamp'."
            )
        self.image_shape = tuple(image_shape)
        self.latent_dim = latent_dim
        self.beta, self.kl_warmup, self.free_bits = beta, kl_warmup, free_bits
        self.num_importance_samples = num_importance_samples
        self.learning_rate, self.decay_steps = learning_rate, decay_steps
        self.num_samples = num_samples
        encoder, decoder = NETWORKS[network]
        context_dim = flow_width if posterior == "iaf" else 0
        shapes = self.image_shape, latent_dim, tuple(widths)
        self.encoder = encoder(*shapes, context_dim)
        self.decoder = decoder(*shapes)
        self.posterior_flow = None
        if context_dim:
            self.posterior_flow = Flow(
                latent_dim,
                "iaf",
                flow_steps,
                (flow_width,) * 2,
                context_dim,
                name="posterior_flow",
            )
        self.prior = self._build_prior(
            prior, num_components, (flow, flow_steps, (flow_width,) * 2)
        )
        self.likelihood = LIKELIHOODS[likelihood](name="likelihood")

    @classmethod
    def upgrade_config(cls, config):
        """Gives older files the widths and the likelihood that they had by default."""
        config = with_exact_widths(super().upgrade_config(config))
        if config.get("likelihood", "") is None and config["image_shape"][-1] == 1:
            config = {**config, "likelihood": "bernoulli"}
        return config

    def _build_prior(self, kind, num_components, flow):
        if kind == "normal":
            return priors.Normal(self.latent_dim, name="prior")
        if kind == "mixture":
            return priors.Mixture(self.latent_dim, num_components, name="prior")
        if kind == "vamp":
            return priors.Vamp(
                self.posterior, self.image_shape, num_components, name="prior"
            )
        return priors.Flow(self.latent_dim, *flow, name="prior")

    def initialize(self, batches):
        """Training images, drawn by the seed, become a "vamp" prior's pseudo-inputs."""
        if isinstance(self.prior, priors.Vamp):
            images = (batch["image"] for batch in batches)
            self.prior.initialize(images, int(self.seed.numpy()))

    def players(self):
        """One player trains encoder, decoder, prior and likelihood together."""
        networks = [self.encoder, self.decoder, self.prior, self.likelihood]
        if self.posterior_flow is not None:
            networks.append(self.posterior_flow)
        return {"vae": Player(networks, self.vae_loss)}

    def default_optimizers(self):
        """Adam, by default at 5e-4 ([2], section 5.2)."""
        rate = schedules.cosine(self.learning_rate, self.decay_steps)
        return {"vae": keras.optimizers.Adam(rate)}

    def vae_loss(self, batch, shared, training):
        """Minus a lower bound on log p(x) ([1], equation 3; [3], equation 8)."""
        images = self.likelihood.draw(batch["image"], self.noise_seed("pixels"))
        posterior = self.posterior(images, training)
        count = self.num_importance_samples
        shape = (count, tf.shape(images)[0], self.latent_dim)
        latents, log_q = posteriors.from_noise(posterior, self.noise("latents", shape))
        log_likelihood = self.log_likelihood(images, latents, training)
        kl = posteriors.kl_divergence(
            posterior,
            self.prior.distribution(),
            latents,
            log_q,
            closed_form=count == 1,
        )
        figures = {
            "reconstruction": -ops.mean(log_likelihood),
            "kl": ops.mean(ops.sum(kl, axis=-1)),
            "active_units": posteriors.active_units(self.centre(posterior)),
        }
        weight = self.kl_weight() if training else self.beta
        cost = posteriors.with_free_nats(kl, self.free_bits * self.latent_dim)
        log_weights = log_likelihood - weight * cost
        bound = ops.logsumexp(log_weights, axis=0) - math.log(count)
        return -ops.mean(bound), figures

    def kl_weight(self):
        """The weight of the KL term in training: beta, or less during warm-up."""
        if not self.kl_warmup:
            return self.beta
        progress = tf.cast(self.step.value, tf.float32) / self.kl_warmup
        return self.beta * tf.minimum(progress, 1.0)

    def posterior(
        self, images, training: bool = False, *, precise: bool = False
    ) -> tfd.Distribution:
        """q(z | x): a diagonal Gaussian, transformed by the posterior's flow if any.

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1].
            training: Boolean, whether this is a training step.
            precise: Boolean, whether the encoder computes in float32 under every dtype
                policy.
        """
        encoder = self.in_float32(self.encoder) if precise else self.encoder
        mean, log_variance, *context = encoder(images, training=training)
        deviation = ops.exp(0.5 * ops.clip(log_variance, -6.0, 2.0))
        gaussian = priors.gaussian(mean, deviation)
        if self.posterior_flow is None:
            return gaussian
        bijector = self.posterior_flow.bijector(*context)
        return tfd.TransformedDistribution(gaussian, bijector)

    def centre(self, posterior):
        """The mean of the posterior's Gaussian, after the flow: (batch, latent_dim)."""
        return posteriors.from_noise(posterior, tf.zeros((self.latent_dim,)))[0]

    def log_likelihood(self, images, latents, training=False, *, precise=False):
        """Log p(x | z), (samples, batch), of latents (samples, batch, latent_dim).

        If `precise`, the decoder computes in float32 under every dtype policy.
        """
        flat = ops.reshape(latents, (-1, self.latent_dim))
        decoder = self.in_float32(self.decoder) if precise else self.decoder
        pixels = decoder(flat, training=training)
        shape = tf.concat([tf.shape(latents)[:2], self.image_shape], axis=0)
        return self.likelihood.log_prob(ops.reshape(pixels, shape), images)

    @property
    def is_binary(self) -> bool:
        """Whether the likelihood is that of pixels that are -1 or 1."""
        return isinstance(self.likelihood, LIKELIHOODS["bernoulli"])

    @property
    def is_density(self) -> bool:
        """Whether the likelihood is a density, not a probability."""
        return isinstance(self.likelihood, LIKELIHOODS["gaussian"])

    @transforms("log_prob")
    def log_prob(self, images, *, num_samples=None):
        """Importance-sampling estimate of log p(x), float32 (batch,), in nats.

        Its expectation is a lower bound, which rises to log p(x) with the number of
        samples ([3], theorem 1). The noise is fixed: an image gets the same estimate in
        every call. A Bernoulli likelihood applies to binary images, which
        `keras_gen.images.binarize` draws; in grey images, pixels above 0 count as
        white and all others as black. The discretized logistic likelihood rounds pixels
        to the nearest of 256 levels.

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1].
            num_samples: Number of importance samples for each image; None uses the
                model's. Samples are drawn in chunks, so that memory does not grow with
                their number.
        """
        count = self.num_samples if num_samples is None else num_samples
        images = self.likelihood.nearest(images)
        posterior = self.posterior(images, precise=True)
        is_encoded = isinstance(self.prior, priors.Vamp)
        prior = self.prior.distribution(**({"precise": True} if is_encoded else {}))

        def log_weights(noise):
            latents, log_q = posteriors.from_noise(posterior, noise)
            log_p = self.log_likelihood(images, latents, precise=True)
            return log_p + prior.log_prob(latents) - log_q

        return posteriors.log_mean_weight(
            log_weights, count, self.latent_dim, tf.shape(images)[0]
        )

    @draws("images")
    def sample(self, seed):
        """Draws latents from the prior and decodes them: expected pixels in [-1, 1].

        The images are float32 (n, height, width, channels).
        """
        return self.expected_pixels(priors.sample_rows(self.prior.distribution(), seed))

    @transforms("latents")
    def encode(self, images):
        """The posterior's mean, float32 (batch, latent_dim), of images in [-1, 1].

        With posterior="iaf" it is the Gaussian's mean, transformed by the flow.
        """
        return self.centre(self.posterior(images))

    @transforms("images")
    def decode(self, latents):
        """Decodes latents (batch, latent_dim) to expected pixels in [-1, 1]."""
        return self.expected_pixels(latents)

    @transforms("images")
    def reconstruct(self, images):
        """Encodes images and decodes the latents to expected pixels in [-1, 1]."""
        return self.expected_pixels(self.centre(self.posterior(images)))

    def expected_pixels(self, latents):
        """E[x | z], (batch, height, width, channels), in [-1, 1]."""
        return self.likelihood.mean(self.decoder(latents, training=False))
