"""VAE [1]: an encoder and a decoder that maximise a bound on the images' likelihood.

What differs from [1]: the layers are gated as in [2], whose settings the MLP's defaults
are; log-variances are clipped to [-6, 2], as there. Priors from [2] and by normalizing
flows, the importance-weighted bound [3], free bits and inverse autoregressive
posteriors [4] are options.

1. Kingma and Welling, "Auto-Encoding Variational Bayes", 2014.
2. Tomczak and Welling, "VAE with a VampPrior", 2018.
3. Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016.
4. Kingma et al., "Improving Variational Inference with Inverse Autoregressive Flow",
   2016.
"""

import math

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from keras import ops

from keras_gen.core import schedules
from keras_gen.core.abilities import draws, transforms
from keras_gen.core.game import Player
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import register
from keras_gen.distributions import posteriors, priors
from keras_gen.distributions.likelihoods import LIKELIHOODS
from keras_gen.layers.flow import Flow
from keras_gen.networks.vae import NETWORKS

tfd = tfp.distributions

PRIORS = ("normal", "mixture", "vamp", "flow")
POSTERIORS = ("gaussian", "iaf")


@register("vae", image_shape=(28, 28, 1))
class VAE(GenerativeModel):
    """Variational autoencoder; its prior may be learned.

    The loss is minus a lower bound on log p(x) in nats, summed over pixels and latents
    and averaged over the batch. The logs show its two terms as they are, whatever they
    weigh, and the active units: latents whose posterior mean has a variance above 0.01
    over the batch ([3], section 5.2); when it falls to 0 the posterior has collapsed.

    Args:
        image_shape: (height, width, channels).
        latent_dim: Numbers in a latent.
        network: "mlp" or "conv".
        widths: Of the encoder's hidden layers; the decoder's are reversed.
        likelihood: "bernoulli": pixels are binary, drawn afresh with the grey value as
            probability in every step ([2], section 5.1). "gaussian": pixels in [-1, 1]
            have one learned deviation. "discretized_logistic": pixels have 256 levels.
        prior: "normal"; "mixture" of Gaussians; "vamp": a mixture of the posteriors at
            learned images, which start as images of the training data; "flow".
        num_components: Of a mixture or of "vamp".
        posterior: "gaussian" (diagonal), or "iaf": then bent by inverse autoregressive
            steps ([4]).
        flow: Of the prior: "realnvp" or "maf".
        flow_steps: Of the prior's and of the posterior's flow, each.
        flow_width: Of the two hidden layers of a step's network.
        beta: Weight of the KL term.
        kl_warmup: Steps in which that weight grows from 0; in training alone.
        free_bits: Nats a latent that the KL term does not count ([4], equation 15):
            latent by latent where prior and posterior are factorised, else in sum.
        num_importance_samples: Of the importance-weighted bound ([3], equation 8); with
            1 it is the evidence lower bound.
        learning_rate: Of Adam.
        decay_steps: Steps in which the learning rate falls to 0, by a cosine; None
            keeps it.
        num_samples: Of `log_prob`, where it is not told, as behind a server.
        **kwargs: `name`.
    """

    figures = ("reconstruction", "kl", "active_units")
    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3, "widths": (8,)}

    def __init__(
        self,
        image_shape=(28, 28, 1),
        latent_dim=40,
        network="mlp",
        widths=(300, 300),
        likelihood="bernoulli",
        prior="normal",
        num_components=500,
        posterior="gaussian",
        flow="realnvp",
        flow_steps=8,
        flow_width=128,
        beta=1.0,
        kl_warmup=0,
        free_bits=0.0,
        num_importance_samples=1,
        learning_rate=5e-4,
        decay_steps=None,
        num_samples=500,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_choices(
            network=(network, NETWORKS),
            likelihood=(likelihood, LIKELIHOODS),
            prior=(prior, PRIORS),
            posterior=(posterior, POSTERIORS),
        )
        _check_numbers(beta, kl_warmup, free_bits, num_importance_samples, num_samples)
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
        """Training images become the pseudo-inputs of a "vamp" prior."""
        if isinstance(self.prior, priors.Vamp):
            self.prior.initialize(batch["image"] for batch in batches)

    def players(self):
        """One player: encoder, decoder, prior and likelihood together."""
        networks = [self.encoder, self.decoder, self.prior, self.likelihood]
        if self.posterior_flow is not None:
            networks.append(self.posterior_flow)
        return {"vae": Player(networks, self.vae_loss)}

    def default_optimizers(self):
        """Adam at 5e-4 ([2], section 5.2)."""
        rate = schedules.cosine(self.learning_rate, self.decay_steps)
        return {"vae": keras.optimizers.Adam(rate)}

    def vae_loss(self, batch, training):
        """Minus a lower bound on log p(x) ([1], equation 3; [3], equation 8)."""
        images = self.likelihood.draw(batch["image"], self.draw_seed())
        posterior = self.posterior(images, training)
        count = self.num_importance_samples
        shape = (count, tf.shape(images)[0], self.latent_dim)
        noise = tf.random.stateless_normal(shape, self.draw_seed())
        latents, log_q = posteriors.from_noise(posterior, noise)
        log_likelihood = self.log_likelihood(images, latents, training)
        kl = posteriors.kl_divergence(
            posterior,
            self.prior.distribution(),
            latents,
            log_q,
            closed_form=count == 1,
        )
        self.report(
            reconstruction=-ops.mean(log_likelihood),
            kl=ops.mean(ops.sum(kl, axis=-1)),
            active_units=posteriors.active_units(self.centre(posterior)),
        )
        weight = self.kl_weight() if training else self.beta
        counted = posteriors.less_free_nats(kl, self.free_bits * self.latent_dim)
        log_weights = log_likelihood - weight * counted
        return -ops.mean(ops.logsumexp(log_weights, axis=0) - math.log(count))

    def kl_weight(self):
        """What the KL term weighs in training: beta, after the warm-up."""
        if not self.kl_warmup:
            return self.beta
        progress = tf.cast(self.step.value, tf.float32) / self.kl_warmup
        return self.beta * tf.minimum(progress, 1.0)

    def posterior(self, images, training=False):
        """q(z | x): a diagonal Gaussian, bent by a flow where there is one."""
        mean, log_variance, *context = self.encoder(images, training=training)
        deviation = ops.exp(0.5 * ops.clip(log_variance, -6.0, 2.0))
        gaussian = priors.gaussian(mean, deviation)
        if self.posterior_flow is None:
            return gaussian
        bijector = self.posterior_flow.bijector(*context)
        return tfd.TransformedDistribution(gaussian, bijector)

    def centre(self, posterior):
        """The posterior's mean, bent as it is: (batch, latent_dim)."""
        return posteriors.from_noise(posterior, tf.zeros((self.latent_dim,)))[0]

    def log_likelihood(self, images, latents, training=False):
        """Log p(x | z), (samples, batch), of latents (samples, batch, latent_dim)."""
        flat = ops.reshape(latents, (-1, self.latent_dim))
        pixels = self.decoder(flat, training=training)
        shape = tf.concat([tf.shape(latents)[:2], self.image_shape], axis=0)
        return self.likelihood.log_prob(ops.reshape(pixels, shape), images)

    @property
    def is_binary(self):
        """Whether the likelihood is of pixels that are -1 or 1."""
        return isinstance(self.likelihood, LIKELIHOODS["bernoulli"])

    @property
    def is_density(self):
        """Whether it is a density, not a probability."""
        return isinstance(self.likelihood, LIKELIHOODS["gaussian"])

    @transforms("log_prob")
    def log_prob(self, images, *, num_samples=None):
        """Importance-sampling estimate of log p(x), float32 (batch,), in nats.

        Its expectation is a lower bound that rises to log p(x) with the number of
        samples ([3], theorem 1). The noise is fixed: an image gets the same estimate
        at every call. A Bernoulli likelihood is one of binary images,
        `keras_gen.images.binarize` draws them; in grey ones pixels above 0 count as
        white, all others as black. That of 256 levels takes the nearest level.

        Args:
            images: float32 (batch, height, width, channels), in [-1, 1].
            num_samples: Of the posterior, for each image. None takes the model's. They
                are drawn and summed some at a time: memory does not grow.
        """
        count = self.num_samples if num_samples is None else num_samples
        images = self.likelihood.nearest(images)
        posterior, prior = self.posterior(images), self.prior.distribution()

        def log_weights(noise):
            latents, log_q = posteriors.from_noise(posterior, noise)
            log_p = self.log_likelihood(images, latents) + prior.log_prob(latents)
            return log_p - log_q

        return posteriors.log_mean_weight(
            log_weights, count, self.latent_dim, tf.shape(images)[0]
        )

    @draws("images")
    def sample(self, seed):
        """Draws expected pixels, float32 (n, height, width, channels), in [-1, 1]."""
        return self.expected_pixels(priors.sample_rows(self.prior.distribution(), seed))

    @transforms("latents")
    def encode(self, images):
        """The posterior's mean, float32 (batch, latent_dim), of images in [-1, 1].

        With posterior="iaf": what the Gaussian's mean is bent to.
        """
        return self.centre(self.posterior(images))

    @transforms("images")
    def decode(self, latents):
        """Expected pixels in [-1, 1] of latents (batch, latent_dim)."""
        return self.expected_pixels(latents)

    @transforms("images")
    def reconstruct(self, images):
        """Expected pixels in [-1, 1] from `encode` of images in [-1, 1]."""
        return self.expected_pixels(self.centre(self.posterior(images)))

    def expected_pixels(self, latents):
        """E[x | z] in [-1, 1]."""
        return self.likelihood.mean(self.decoder(latents, training=False))


def _check_choices(**choices):
    for name, (got, known) in choices.items():
        if got not in known:
            raise ValueError(f"Expected {name} of {list(known)}, got {got!r}.")


def _check_numbers(beta, kl_warmup, free_bits, num_importance_samples, num_samples):
    for name, got, least in (
        ("beta", beta, 0),
        ("kl_warmup", kl_warmup, 0),
        ("free_bits", free_bits, 0),
        ("num_importance_samples", num_importance_samples, 1),
        ("num_samples", num_samples, 1),
    ):
        if got < least:
            raise ValueError(f"Expected {name} >= {least}, got {got}.")
    if free_bits and num_importance_samples > 1:
        raise ValueError(
            "The importance-weighted bound has no KL term to free bits of: expected "
            f"num_importance_samples=1, got {num_importance_samples}."
        )
