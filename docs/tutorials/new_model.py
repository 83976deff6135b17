# %% [markdown]
# # A new model in 60 lines
#
# The library gives a model everything that is not its idea: the training loop with
# several players, moving averages, checkpoints, seeds, saving, the command line,
# figures, exports and clients. What remains for you are networks, losses and abilities.
#
# The example is the Wasserstein autoencoder with a maximum mean discrepancy (Tolstikhin
# et al., "Wasserstein Auto-Encoders", 2018). It is a plain autoencoder with one more
# term: the codes of a batch, taken together, shall look like draws from a normal
# distribution. A VAE asks this of the code of *each* image, which blurs; here the
# encoder stays deterministic.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from keras import ops

import keras_gen
from keras_gen.core import abilities, game, registry
from keras_gen.core.model import GenerativeModel
from keras_gen.core.types import Count, ImageShape, Weight
from keras_gen.distributions import priors
from keras_gen.losses import mean_squared_error
from keras_gen.networks import autoencoder

# %% tags=["parameters"]
epochs = 10  # small: 1
steps_per_epoch = None  # small: 2
widths = (512, 256)  # small: (16,)
num_images = 2000  # small: 32

# %% [markdown]
# ## The model
#
# The difference of two distributions is measured by a kernel k, as the mean of k within
# the codes, plus that within draws from the prior, minus twice that between them. The
# paper takes the sum of inverse multiquadratics, k(a, b) = c / (c + |a - b|^2), for
# several scales c. The diagonal is left out, which makes the estimate unbiased.


# %%
def discrepancy(codes, draws):
    """The squared maximum mean discrepancy of codes and as many draws, unbiased."""
    scales = [2.0 * codes.shape[-1] * factor for factor in (0.1, 0.5, 1, 2, 10)]

    def kernel(a, b):
        distances = ops.sum(ops.square(a[:, None] - b[None]), axis=-1)
        return sum(scale / (scale + distances) for scale in scales)

    terms = kernel(codes, codes) + kernel(draws, draws) - 2 * kernel(codes, draws)
    count = ops.cast(ops.shape(codes)[0], "float32")
    return (ops.sum(terms) - ops.trace(terms)) / (count * (count - 1))


@registry.register("wae", batch_size=100, image_shape=(28, 28, 1))
class WAE(GenerativeModel):
    """Wasserstein autoencoder, whose codes are matched to a normal distribution.

    Args:
        image_shape: Shape of an image, (height, width, channels).
        latent_dim: Dimension of a code.
        widths: Widths of the encoder's hidden layers; the decoder's are reversed.
        weight: Weight of the discrepancy.
    """

    figures = ("mse", "mmd")
    tiny = {"image_shape": (8, 8, 1), "latent_dim": 3, "widths": (8,)}

    def __init__(
        self,
        image_shape: ImageShape = (28, 28, 1),
        latent_dim: Count = 8,
        widths: tuple[Count, ...] = (512, 256),
        weight: Weight = 0.1,
        **options,  # Arguments of `GenerativeModel`: `name`
    ):
        super().__init__(**options)
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.weight = weight
        self.prior = priors.Normal(latent_dim, name="prior")
        self.encoder = autoencoder.stacked_encoder(image_shape, widths, latent_dim)
        self.decoder = autoencoder.stacked_decoder(image_shape, widths, latent_dim)

    def players(self):
        """One player trains both networks."""
        return {"wae": game.Player([self.encoder, self.decoder], self.wae_loss)}

    def default_optimizers(self):
        """Adam at 1e-3."""
        return {"wae": keras.optimizers.Adam(1e-3)}

    def wae_loss(self, batch, shared, training):
        """The reconstruction error, and the discrepancy of codes and prior."""
        images = batch["image"]
        codes = self.encoder(images, training=training)
        restored = self.decoder(codes, training=training)
        mse = mean_squared_error(restored, images)
        mmd = discrepancy(codes, self.noise("draws", ops.shape(codes)))
        return mse + self.weight * mmd, {"mse": mse, "mmd": mmd}

    @abilities.transforms("latents")
    def encode(self, images):
        """Codes, float32 (batch, latent_dim), of images in [-1, 1]."""
        return self.encoder(images, training=False)

    @abilities.transforms("images")
    def decode(self, latents):
        """Decodes codes (batch, latent_dim) to images in [-1, 1]."""
        return self.decoder(latents, training=False)

    @abilities.draws("images")
    def sample(self, seed):
        """Draws images, float32 (n, height, width, channels), in [-1, 1]."""
        codes = priors.sample_rows(self.prior.distribution(), seed)
        return self.decoder(codes, training=False)


# %% [markdown]
# A few rules are behind this:
#
# - A *player* has networks, a loss and an optimizer. A GAN has two; the training step
#   is the library's.
# - Random numbers in a loss come from `self.noise`, so that a run that is killed
#   continues with the numbers that it would have had.
# - An ability works on rows: row i of the result depends on row i of the inputs and on
#   nothing else. `draws` gives it `sample(n, seed=0)` from the seeds of rows,
#   `transforms` checks its inputs. Both become signatures of the exported graph.
# - Annotations such as `Count` are checked before anything is built.

# %%
try:
    WAE(latent_dim=0)
except ValueError as error:
    print(error)

# %% [markdown]
# ## Train, look, save
#
# Registered under a name, the model is loaded like any other.

# %%
model = keras_gen.zoo.load("wae", widths=widths)
train = keras_gen.data.load("mnist", batch_size=100, seed=0)
history = model.fit(train, epochs=epochs, steps_per_epoch=steps_per_epoch, verbose=2)
samples = model.sample(32, seed=0)
keras_gen.images.show(samples, "Samples", columns=16)

# %% [markdown]
# Do the codes look like the prior? Their means should be near 0 and their deviations
# near 1, and so they should be in every direction.

# %%
test = keras_gen.data.load("mnist", f"test[:{num_images}]", batch_size=num_images)
images = next(iter(test))["image"].numpy()
codes = model.encode(images)
values = np.linalg.eigvalsh(np.cov(codes.T))
print("means", np.round(codes.mean(axis=0), 2))
print("variances along the principal axes", np.round(values, 2))
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
axes[0].plot(history.history["mse"])
axes[0].set(xlabel="epoch", ylabel="reconstruction error")
axes[1].hist(codes[:, 0], bins=40, density=True)
axes[1].set(xlabel="first coordinate of the codes", ylabel="density")
plt.show()

# %% [markdown]
# Nearly: some means are off by a third, and variances lie between 0.7 and 1.3. Most
# samples are digits, and a few are lumps, whose codes lie where no image's do. A larger
# `weight` matches the prior better and restores images worse; this trade-off is the
# model's only knob.
#
# What the library adds works at once, here walks through the latent space, and saving:

# %%
paths = keras_gen.latent.interpolate(model, images[:4], images[4:8], steps=12)
keras_gen.images.show(paths.reshape(-1, 28, 28, 1), "Between test images", columns=12)
model.save("wae.keras")
again = keras.saving.load_model("wae.keras")
np.testing.assert_array_equal(again.sample(4, seed=0), model.sample(4, seed=0))

# %% [markdown]
# ## Conformance
#
# `tests/test_conformance.py` checks every registered model, built with its `tiny`
# arguments. Some of what it checks, in short:

# %%
tiny = keras_gen.zoo.load("wae", **WAE.tiny)
# The image of a seed does not depend on the batch it is drawn in.
np.testing.assert_allclose(
    tiny.sample(6, seed=7)[:2], tiny.sample(2, seed=7), atol=1e-4
)
# Training moves every weight.
before = [np.array(variable.numpy()) for variable in tiny.trainable_variables]
tiny.fit(np.random.default_rng(0).uniform(-1, 1, (64, 8, 8, 1)), verbose=0)
for old, variable in zip(before, tiny.trainable_variables, strict=True):
    if np.array_equal(old, variable.numpy()):
        raise AssertionError(variable.path)
print("The model keeps these rules.")

# %% [markdown]
# In a package of your own, name the module that registers your models as an entry
# point:
#
# ```toml
# [project.entry-points."keras_gen.presets"]
# my_models = "my_models.presets"
# ```
#
# Once it is installed, `keras-gen train wae` works, and so do all other commands. In a
# clone of keras_gen, `pytest tests/test_conformance.py -k wae` then tests your model as
# it tests those that ship.
#
# ## Export

# %%
folder = keras_gen.export.save(model, "exported/wae")
served = tf.saved_model.load(str(folder)).signatures["sample"]
answer = served(seed=tf.range(8, dtype=tf.int64))["images"].numpy()
expected = model.sample(8, seed=np.arange(8))
print("Largest difference:", np.abs(answer - expected).max())

# %% [markdown]
# ## What to try next
#
# - [CONTRIBUTING.md](../../CONTRIBUTING.md) has a GAN with a new loss, and an ability
#   with an input of its own.
# - [A VAE and its latent space](vae.py), whose samples you can compare with these.
