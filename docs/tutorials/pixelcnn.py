# %% [markdown]
# # Likelihood and completion with PixelCNN
#
# Any distribution of images is a product: the first pixel, the second given the first,
# and so on. PixelCNN (van den Oord et al., "Pixel Recurrent Neural Networks", 2016, and
# "Conditional Image Generation with PixelCNN Decoders", 2016) is a convolutional
# network that computes all these factors at once. Its kernels are masked, so that the
# prediction for a pixel sees only the pixels above it and to its left.
#
# Two things follow that GANs and VAEs do not have. The likelihood of an image is exact,
# so that models can be compared by one number. And an image whose upper half is known
# can be completed by draws from the exact conditional distribution. The price is
# sampling: one pixel after the other.
#
# You will train a small PixelCNN, compare it with the weights that ship, look at where
# an image costs bits, complete digits, and export.

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import keras_gen

# %% tags=["parameters"]
num_blocks = 3  # small: 1
filters = 16  # small: 4
epochs = 1  # small: 1
steps_per_epoch = 600  # small: 2
num_images = 500  # small: 16
weights = "mnist"  # small: None

# %% [markdown]
# ## Data
#
# Pixels are binary. In each training step they are drawn anew, with the grey value as
# the probability of white. Test images are drawn once, with a fixed seed.

# %%
train = keras_gen.data.load("mnist", batch_size=32, seed=0)
test = keras_gen.data.load(
    "mnist", f"test[:{num_images}]", batch_size=num_images, shuffle=False
)
grey = next(iter(test))["image"].numpy()
binary = keras_gen.images.binarize(grey, seed=0)
keras_gen.images.show(
    np.concatenate([grey[:12], binary[:12]]), "Grey, and binary", columns=12
)

# %% [markdown]
# ## A small model
#
# The loss is the negative log-likelihood in nats per image, and nothing else. A number
# to compare with: a model that knows each pixel's mean but no neighbours.

# %%
model = keras_gen.zoo.load("pixelcnn", num_blocks=num_blocks, filters=filters)
history = model.fit(train, epochs=epochs, steps_per_epoch=steps_per_epoch, verbose=2)

# %%
first = next(iter(keras_gen.data.load("mnist", "train[:10000]", batch_size=10_000)))
chance = np.clip((first["image"].numpy().mean(axis=0) + 1) / 2, 1e-4, 1 - 1e-4)
independent = np.where(binary > 0, np.log(chance), np.log(1 - chance))
nats = {"independent pixels": -independent.sum(axis=(1, 2, 3)).mean()}
nats["this model"] = -model.log_prob(binary).mean()

# %% [markdown]
# ## The weights that ship
#
# Seven blocks and 32 maps, nine epochs, two hours on one core. From here on we use
# them.

# %%
trained = keras_gen.zoo.load("pixelcnn", weights=weights) if weights else model
nats["the weights that ship"] = -trained.log_prob(binary).mean()
for name, value in nats.items():
    bits = keras_gen.metrics.densities.bits_per_dim(value, 28 * 28)
    print(f"{name:22} {value:6.1f} nats per image, {bits:.3f} bits per pixel")

# %% [markdown]
# ## Where does an image cost bits?
#
# The network gives the probability of each pixel given those before it. Its surprise is
# high at the start and at the ends of strokes, and near zero in the black border: the
# model pays for decisions, not for area.

# %%
logits = trained.averaged(trained.network)(binary[:10], training=False)
surprise = -np.asarray(trained.head.log_prob(logits, binary[:10])) / np.log(2)
np.testing.assert_allclose(
    -np.log(2) * surprise.sum(axis=(1, 2, 3)), trained.log_prob(binary[:10]), rtol=1e-3
)
figure, axes = plt.subplots(2, 10, figsize=(10, 2.2), layout="constrained")
for column in range(10):
    axes[0, column].imshow(binary[column], cmap="gray")
    shown = axes[1, column].imshow(surprise[column], cmap="magma", vmin=0, vmax=5)
for axis in axes.flat:
    axis.set_axis_off()
figure.colorbar(shown, ax=axes, label="bits")
figure.suptitle("Test images, and the surprise at each pixel")
plt.show()

# %% [markdown]
# ## Samples
#
# Layers keep what they computed for earlier pixels, so that a sample takes the work of
# one pass of the network, in 784 small steps.

# %%
samples = trained.sample(32, seed=0)
keras_gen.images.show(samples, "Samples", columns=16)

# %% [markdown]
# ## Completion
#
# The upper half is kept and the lower half drawn, six times for each digit. Because the
# known pixels come before the unknown ones in the order of the factors, these are exact
# draws from the model's conditional distribution. A mask with known pixels *below*
# would be answered too, but only approximately: a pixel does not see what comes after
# it.

# %%
mask = np.zeros((8, 28, 28, 1), np.float32)
mask[:, :14] = 1
rows = [binary[:8], binary[:8] * mask]
rows += [trained.complete(binary[:8], mask, seed=seed) for seed in range(6)]
keras_gen.images.show(
    np.concatenate(rows), "A digit, its upper half, and six completions", columns=8
)

# %% [markdown]
# ## Export
#
# The loop over pixels is part of the graph. The exported model answers `log_prob`,
# `sample` and `complete`.

# %%
folder = keras_gen.export.save(trained, "exported/pixelcnn", batch_sizes=(1, 8))
served = tf.saved_model.load(str(folder)).signatures["complete"]
answer = served(
    images=tf.constant(binary[:8]),
    mask=tf.constant(mask),
    seed=tf.range(8, dtype=tf.int64),
)["images"].numpy()
expected = trained.complete(binary[:8], mask, seed=np.arange(8))
print("Largest difference:", np.abs(answer - expected).max())

# %% [markdown]
# ## What to try next
#
# - `num_classes=10` draws digits of a given class.
# - Colours: `output="logistic_mixture"` for 256 levels.
# - [Finding anomalies](anomalies.py): what a likelihood says about foreign images, and
#   what it does not.
