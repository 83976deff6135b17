# %% [markdown]
# # Faces with DCGAN and StyleGAN
#
# In a generative adversarial network (Goodfellow et al., "Generative Adversarial Nets",
# 2014), a generator draws images from random numbers, and a discriminator learns to
# tell them from real ones. Each is trained against the other. No likelihood is needed,
# and nothing asks for the mean of several plausible images: this is why GANs draw sharp
# pictures.
#
# You will train two of them on cartoon faces: DCGAN (Radford, Metz and Chintala, 2016),
# which made convolutional GANs train steadily, and StyleGAN (Karras, Laine and Aila, "A
# Style-Based Generator Architecture for Generative Adversarial Networks", 2019), which
# separates coarse features from fine ones. Then you will check that the faces are not
# copies, and export a generator.

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import keras_gen

# %% tags=["parameters"]
size = 32  # small: 16
dcgan_epochs = 5  # small: 1
stylegan_epochs = 2  # small: 1
steps_per_epoch = None  # small: 2
width = 32  # small: 4
maps = 64  # small: 4
num_images = 1000  # small: 48

# %% [markdown]
# ## Data
#
# `"faces"` ships with the library: 60,000 cartoon faces in four artists' hands, of
# which we take one. At 32x32 pixels, a CPU needs minutes to get somewhere.

# %%
shape = (size, size, 3)
print(keras_gen.data.describe("faces/personas", image_shape=shape))
train = keras_gen.data.load("faces/personas", image_shape=shape, batch_size=64, seed=0)
real = next(iter(train))["image"].numpy()
keras_gen.images.show(real[:48], "Training images", columns=12)

# %% [markdown]
# ## DCGAN
#
# The generator enlarges a small map to an image by transposed convolutions, and the
# discriminator is its mirror image. The preset adds two things that the paper did not
# have: the R1 penalty on the discriminator's gradient (Mescheder, Geiger and Nowozin,
# 2018), without which the discriminator soon wins, and a moving average of the
# generator's weights, which samples use.

# %%
dcgan = keras_gen.zoo.load("dcgan", image_shape=shape, width=width)
history = dcgan.fit(
    train, epochs=dcgan_epochs, steps_per_epoch=steps_per_epoch, verbose=2
)

# %% [markdown]
# The losses of a GAN do not fall: each player's loss depends on the other. Look at
# `d_real` and `d_fake` instead, the probability that the discriminator gives to real
# and to generated images. At one half it cannot tell them apart. As long as both move
# and neither reaches 0 or 1, the training is alive.

# %%
plt.figure(figsize=(6, 3), layout="constrained")
plt.plot(history.history["d_real"], label="d_real")
plt.plot(history.history["d_fake"], label="d_fake")
plt.gca().set(xlabel="epoch", ylabel="probability of being real", ylim=(0, 1))
plt.legend()
plt.show()

# %%
samples = dcgan.sample(48, seed=0)
keras_gen.images.show(samples, "DCGAN: samples", columns=12)

# %% [markdown]
# On a line between two latents, one face turns into another. Jumps would be a sign that
# the generator has memorised single images.

# %%
latents = keras_gen.latent.draw(dcgan, 8, seed=1)
paths = keras_gen.latent.interpolate(dcgan, latents[:4], latents[4:], steps=12)
keras_gen.images.show(
    paths.reshape(-1, *shape), "DCGAN: from one latent to another", columns=12
)

# %% [markdown]
# ## Are they copies?
#
# For each sample we search the nearest of some training images, by the mean squared
# difference of pixels. Held-out faces get the same treatment: a model that copies is
# nearer to training images than new faces are, and `copies` is then far above 0.01.

# %%
held_out = keras_gen.data.load("faces/personas", "test", image_shape=shape)


def flat(dataset, count):
    batches = list(dataset.unbatch().batch(count).take(1))
    return batches[0]["image"].numpy().reshape(count, -1)


among, new = flat(train, num_images), flat(held_out, num_images // 4)
ours = dcgan.sample(num_images // 4, seed=0).reshape(len(new), -1)
distances, places = keras_gen.metrics.nearest(ours, among, k=3)
theirs, _ = keras_gen.metrics.nearest(new, among)
print(keras_gen.metrics.memorisation_figures(distances[:, 0], theirs[:, 0]))
neighbours = among[places[:12]].reshape(12, 3, *shape)
columns = np.concatenate([samples[:12, None], neighbours], axis=1).swapaxes(0, 1)
keras_gen.images.show(
    columns.reshape(-1, *shape), "Samples, and three nearest below", columns=12
)

# %% [markdown]
# We measured a ratio of 1.16 and no copies among 250 samples. The samples are faces
# with smeared hair; skin, glasses and caps are clear. Five epochs are few; a longer
# training is shown below.
#
# ## StyleGAN
#
# A mapping network turns the latent into a *style*, which scales and shifts the maps of
# every layer; noise is added for details that carry no meaning. Because a style enters
# at every layer, coarse features (the shape of a face) and fine ones (its colours) can
# come from two different latents.
#
# The paper grows the networks from 8x8 pixels to the full size. At 32x32 and for a few
# minutes, growing costs more than it gains, so that we start at the full size. A step
# takes about three times as long as DCGAN's.

# %%
faces = keras_gen.data.load("faces/personas", image_shape=shape, batch_size=32, seed=0)
stylegan = keras_gen.zoo.load(
    "stylegan", image_shape=shape, start=size, base_maps=256, max_maps=maps
)
stylegan.fit(faces, epochs=stylegan_epochs, steps_per_epoch=steps_per_epoch, verbose=2)
keras_gen.images.show(stylegan.sample(48, seed=0), "StyleGAN: samples", columns=12)

# %% [markdown]
# Two epochs, 842 steps, are far too few for StyleGAN: we saw heads and shoulders in the
# right place, and no faces yet. (The moving average of the weights, 0.999, still holds
# much of the random start, too.) Raise `stylegan_epochs` to 20 or more, on a GPU or
# over lunch. The tables below show how styles are used, and better ones after that.
#
# *Truncation* moves styles towards their mean: fewer odd faces, and less variety.

# %%
truncated = [stylegan.sample(12, seed=0, truncation=t) for t in (1.0, 0.7, 0.4, 0.0)]
keras_gen.images.show(
    np.concatenate(truncated), "Truncation 1, 0.7, 0.4 and 0", columns=12
)

# %% [markdown]
# In the next table, every face has the coarse styles (up to 8x8 pixels) of the face
# above it and all other styles of the face on its left.

# %%
above = keras_gen.latent.draw(stylegan, 8, seed=2)
left = keras_gen.latent.draw(stylegan, 4, seed=3)
table = keras_gen.latent.mix_styles(stylegan, above, left, layers=range(4))
keras_gen.images.show(
    table.reshape(-1, *shape), "Coarse styles of the top row", columns=9
)

# %% [markdown]
# ## What a longer training gives
#
# The weights `dcgan/faces` ship: all four hands at 64x64 pixels, 14 epochs, 79 minutes
# on one core. Their card says what they are worth: by the features of the classifier of
# faces that ships, a Fréchet distance of 8.9, where new real faces have 0.19.

# %%
long = keras_gen.zoo.load("dcgan", weights="faces")
keras_gen.images.show(long.sample(48, seed=0), "dcgan/faces, which ships", columns=12)

# %% [markdown]
# ## Export
#
# A SavedModel with the signature `sample` alone: the discriminator stays behind. The
# seeds are an input, one for each image.

# %%
folder = keras_gen.export.save(dcgan, "exported/faces", abilities=["sample"])
served = tf.saved_model.load(str(folder)).signatures["sample"]
answer = served(seed=tf.range(8, dtype=tf.int64))["images"].numpy()
expected = dcgan.sample(8, seed=np.arange(8))
print("Largest difference:", np.abs(answer - expected).max())

# %% [markdown]
# ## What to try next
#
# - Your own photos: `keras_gen.data.load("photos", image_shape=(64, 64, 3))`.
# - `keras-gen evaluate` measures both models; see
#   [measuring honestly](measuring.py).
# - [Text to faces by diffusion](text_to_faces.py), which trains without an opponent.
