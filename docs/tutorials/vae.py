# %% [markdown]
# # A variational autoencoder and its latent space
#
# An autoencoder squeezes an image into a few numbers and restores it. Between the codes
# of two images, however, its decoder may produce anything: nothing in its loss asks for
# more. The variational autoencoder (Kingma and Welling, "Auto-Encoding Variational
# Bayes", 2014) gives the codes a known distribution. Then a random draw from that
# distribution is a code too, and the decoder becomes a model from which images can be
# drawn.
#
# You will train one on MNIST, look at its latent space, compare your likelihood with
# that of a model that was trained for longer, and export yours.

# %%
import matplotlib.pyplot as plt
import numpy as np
import scipy.stats
import tensorflow as tf

import keras_gen

# %% tags=["parameters"]
epochs = 20  # small: 1
steps_per_epoch = None  # small: 2
widths = (300, 300)  # small: (16,)
num_images = 2000  # small: 64
num_samples = 500  # small: 5

# %% [markdown]
# ## Data
#
# A batch is a dict. Images are float32 in [-1, 1], everywhere in the library.

# %%
print(keras_gen.data.describe("mnist"))
train = keras_gen.data.load("mnist", batch_size=100, seed=0)
test = keras_gen.data.load(
    "mnist", f"test[:{num_images}]", batch_size=num_images, shuffle=False
)
batch = next(iter(test))
images, labels = batch["image"].numpy(), batch["label"].numpy()
keras_gen.images.show(images[:32], "Test images", columns=16)

# %% [markdown]
# ## The model and its loss
#
# The encoder turns an image x into a Gaussian q(z | x), from which a code z is drawn.
# The decoder turns z into the probability that each pixel is white. The loss is minus a
# lower bound on log p(x), the *evidence lower bound* (Kingma and Welling, equation 3):
#
#     log p(x) >= E log p(x | z) - KL(q(z | x) || p(z))
#
# The first term asks for good reconstructions. The second is the price of a code: how
# far q(z | x) is from p(z), the standard normal distribution. Both are logged, in nats
# per image, as `reconstruction` and `kl`.
#
# `active_units` counts the coordinates of z that the encoder uses at all. The rest
# returns to the prior, where it costs nothing: of 40 coordinates, 28 are left here.

# %%
model = keras_gen.zoo.load("vae", latent_dim=40, widths=widths)
history = model.fit(train, epochs=epochs, steps_per_epoch=steps_per_epoch, verbose=2)

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
axes[0].plot(history.history["reconstruction"], label="reconstruction")
axes[0].plot(history.history["kl"], label="KL divergence")
axes[0].set(xlabel="epoch", ylabel="nats per image")
axes[0].legend()
axes[1].plot(history.history["active_units"])
axes[1].set(xlabel="epoch", ylabel="active units of 40")
plt.show()

# %% [markdown]
# ## Reconstructions and samples
#
# A sample is a draw from p(z), decoded. The images show the expected pixels, which is
# why they are smooth: where the model is unsure, it shows grey. Reconstructions are
# good. Of the samples, many are digits and some are between two digits: not every draw
# from the prior lies where the codes of images are.

# %%
pairs = np.concatenate([images[:16], model.reconstruct(images[:16])])
keras_gen.images.show(pairs, "Test images, and their reconstructions", columns=16)
samples = model.sample(64, seed=0)
keras_gen.images.show(samples, "Samples", columns=16)

# %% [markdown]
# ## Walking between two images
#
# The code of an image is the mean of q(z | x). On the line between two codes, one digit
# turns into another. A line between the *pixels* would show two faint digits on top of
# each other.

# %%
paths = keras_gen.latent.interpolate(model, images[:4], images[4:8], steps=12)
keras_gen.images.show(
    paths.reshape(-1, 28, 28, 1), "From one test image to another", columns=12
)

# %% [markdown]
# ## A latent space that can be seen
#
# With two coordinates, the whole space fits on a page. The codes of test images on the
# left have the colours of their labels, which the model never saw. On the right is the
# decoder's answer to a regular grid, spaced so that each cell has the same share of the
# prior (as in figure 4 of the paper). Some digits have a region of their own; 4 and 9,
# and 3, 5 and 8, have to share. Two numbers are not enough for handwriting.

# %%
plane = keras_gen.zoo.load("vae", latent_dim=2, widths=widths)
plane.fit(train, epochs=epochs, steps_per_epoch=steps_per_epoch, verbose=0)
codes = plane.encode(images)

quantiles = scipy.stats.norm.ppf(np.linspace(0.02, 0.98, 15))
across, down = np.meshgrid(quantiles, quantiles[::-1])
points = np.stack([across.ravel(), down.ravel()], axis=1).astype("float32")
decoded = keras_gen.images.grid(plane.decode(points), columns=15, gap=0)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
dots = left.scatter(*codes.T, c=labels, cmap="tab10", s=5)
left.legend(*dots.legend_elements(num=None), title="label", loc="upper right")
left.set(title="Codes of test images", aspect="equal")
right.imshow(decoded, cmap="gray")
right.set_axis_off()
right.set_title("Decoded points of a grid")
plt.show()

# %% [markdown]
# ## How good is it?
#
# Pictures do not tell models apart reliably; the likelihood of test images does. The
# bound above is too low by KL(q(z | x) || p(z | x)). An average over several draws of z
# (Burda, Grosse and Salakhutdinov, "Importance Weighted Autoencoders", 2016) comes
# closer, and `log_prob` takes 500 of them.
#
# MNIST's likelihood is stated for binary images. Each pixel is drawn black or white, by
# its grey value, with a fixed seed; without the same draw, numbers cannot be compared.
#
# The weights `mnist` ship with the library. They are the same model after 100 epochs.

# %%
binary = keras_gen.images.binarize(images, seed=0)
long = keras_gen.zoo.load("vae", weights="mnist")
nats = {}
for name, one in {
    "40 coordinates": model,
    "2 coordinates": plane,
    "100 epochs": long,
}.items():
    nats[name] = -one.log_prob(binary, num_samples=num_samples).mean()
    print(f"{name:15} {nats[name]:6.1f} nats per image")

# %% [markdown]
# On the first 2,000 test images we measured 92.0 nats for the model with 40
# coordinates, 140.3 for the one with two, and 87.3 for the weights that ship. The bound
# in training ended at 97.4. A hundred epochs instead of 20 gain five nats, two
# coordinates lose almost fifty.
#
# ## Export
#
# `export.save` writes a SavedModel with a signature for each ability. It needs nothing
# but TensorFlow to run, and the same seed gives the same image as in Python.

# %%
folder = keras_gen.export.save(model, "exported/vae", abilities=["sample", "encode"])
served = tf.saved_model.load(str(folder)).signatures["sample"]
answer = served(seed=tf.range(8, dtype=tf.int64))["images"].numpy()
expected = model.sample(8, seed=np.arange(8))
print("Largest difference:", np.abs(answer - expected).max())

# %% [markdown]
# ## What to try next
#
# - A better prior. `zoo.load("vae", weights="mnist_vamp")` and `"mnist_flow"` learn
#   theirs; [the results](../results.md#likelihoods) compare the three.
# - Your own images: `keras_gen.data.load("photos", image_shape=(64, 64, 3))` and
#   `keras_gen.zoo.load("vae", image_shape=(64, 64, 3), network="conv")`.
# - [Likelihood and completion with PixelCNN](pixelcnn.py), whose likelihood is exact.
