# %% [markdown]
# # Measuring honestly
#
# Which of two models draws better images? A grid of 64 samples cannot tell, and a
# single number without its conditions tells less than it seems. The Fréchet distance
# (Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017) is the usual
# figure: images become features of a classifier, and two Gaussians, one for the
# features of real and one for those of generated images, are compared.
#
# You will measure two models that ship, see how much the figure depends on the number
# of images, tell quality from variety, and look for copies.

# %%
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import keras_gen
from keras_gen.metrics.features import resized

# %% tags=["parameters"]
counts = (200, 500, 1000, 2000, 5000)  # small: (80, 100)
num_shown = 8  # small: 2

# %% [markdown]
# ## Two models and a reference
#
# DCGAN and a VAE, both trained on MNIST. The classifier that ships and extracts the
# features takes 28x28 pixels. The VAE draws such images; DCGAN was trained on digits
# that had been enlarged to 32x32 pixels, so that its images must be reduced.
#
# Resizing blurs, and the features notice. So *all* images, the real ones too, are
# enlarged and reduced in the same way. (Parmar, Zhang and Zhu, "On Aliased Resizing and
# Surprising Subtleties in GAN Evaluation", 2022.)
#
# The third set is real: test images, which no model has seen. What they get is the
# *floor*, the figure of a perfect model.

# %%
size = max(counts)
features = keras_gen.metrics.extractor("mnist")
train = keras_gen.data.load("mnist", f"train[:{size}]", batch_size=size, shuffle=False)
test = keras_gen.data.load("mnist", f"test[:{size}]", batch_size=size, shuffle=False)
untouched, held_out = (next(iter(part))["image"].numpy() for part in (train, test))
dcgan = keras_gen.zoo.load("dcgan", weights="mnist")
vae = keras_gen.zoo.load("vae", weights="mnist")


def reduced(images):
    return resized(resized(images, (32, 32, 1)), (28, 28, 1))


real, held_out = reduced(untouched), reduced(held_out)
sets = {
    "dcgan": reduced(dcgan.sample(size, seed=0)),
    "vae": reduced(vae.sample(size, seed=0)),
    "real test images": held_out,
}
for name, images in sets.items():
    keras_gen.images.show(images[:24], name, columns=24)

# %% [markdown]
# ## The figure depends on the number of images
#
# The distance is biased: with few images, the estimated Gaussians differ by chance, and
# the distance is too large. Two figures can only be compared if their numbers of images
# are equal (and the features, and the size of the images, too).

# %%
distances = {name: [] for name in sets}
reference = keras_gen.metrics.summarize(real, features)
for count in counts:
    some = keras_gen.metrics.summarize(real[:count], features)
    for name, images in sets.items():
        ours = keras_gen.metrics.summarize(images[:count], features)
        distance = keras_gen.metrics.frechet_distance(some.statistics, ours.statistics)
        distances[name].append(distance)
figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, values in distances.items():
    axis.plot(counts, values, marker="o", label=name)
    print(f"{name:17}", *(f"{value:7.2f}" for value in values))
axis.set(xlabel="number of images of either set", ylabel="Fréchet distance")
axis.set(xticks=counts, ylim=(0, None))
axis.legend()
plt.show()

statistics = keras_gen.metrics.summarize(sets["dcgan"], features).statistics
untouched = keras_gen.metrics.summarize(untouched, features).statistics
careless = keras_gen.metrics.frechet_distance(untouched, statistics)
print(f"dcgan, if real images are not resized as its own are: {careless:.2f}")

# %% [markdown]
# The floor falls with the number of images and is still falling at the end. With a few
# hundred images, a good part of a model's distance is this bias. The last line is what
# a careless comparison would have given: real images in their original size, and
# DCGAN's reduced.
#
# ## Quality and variety
#
# One number cannot say what is wrong. *Precision* and *recall* (Kynkäänniemi et al.,
# 2019) can: precision is the share of samples near real images, which falls if samples
# look wrong, and recall is the share of real images near samples, which falls if the
# model leaves some kinds out. To see the difference, we damage the real test images in
# two ways: noise, and a collapse to a tenth of them, repeated.

# %%
few = np.tile(held_out[: size // 10], (10, 1, 1, 1))
noise = np.random.default_rng(0).normal(0, 0.35, held_out.shape)
damaged = {
    "with noise": np.clip(held_out + noise, -1, 1).astype(np.float32),
    "collapsed": few,
}
print(f"{'':17} Fréchet precision recall")
for name, images in {**sets, **damaged}.items():
    ours = keras_gen.metrics.summarize(images, features)
    both = keras_gen.metrics.precision_recall(reference.features, ours.features)
    distance = keras_gen.metrics.frechet_distance(reference.statistics, ours.statistics)
    print(f"{name:17} {distance:7.2f} {both['precision']:9.2f} {both['recall']:6.2f}")

# %% [markdown]
# The collapsed set has the Fréchet distance of DCGAN, and a recall of 0: that it
# consists of a tenth of the images, ten times over, shows nowhere else. Noise, which
# hardly bothers a human reader, has by far the largest distance. Precision says what
# the VAE's distance means: its digits vary nearly as much as DCGAN's, but more of them
# look like no digit.
#
# ## Copies
#
# A model that stores its training images gets perfect figures. The nearest training
# image of each sample, compared with the nearest one of new real images, shows it:
# `copies` is about 0.01 by chance. (Here we search some of the training images alone;
# `keras-gen evaluate` searches all.)

# %%
among = real.reshape(len(real), -1)
new = held_out[:500].reshape(min(500, size), -1)
theirs, _ = keras_gen.metrics.nearest(new, among)
candidates = {
    "dcgan": sets["dcgan"][:500],
    "a model that copies": real[:500] + np.float32(0.01),
}
for name, images in candidates.items():
    ours, places = keras_gen.metrics.nearest(images.reshape(len(images), -1), among, 3)
    print(name, keras_gen.metrics.memorisation_figures(ours[:, 0], theirs[:, 0]))
    nearest = real[places[:num_shown]]
    columns = np.concatenate([images[:num_shown, None], nearest], axis=1)
    keras_gen.images.show(
        columns.swapaxes(0, 1).reshape(-1, 28, 28, 1),
        f"{name}, and the three nearest training images below",
        columns=num_shown,
        inches=6,
    )

# %% [markdown]
# ## In one command
#
# `keras-gen evaluate` does all of this: figures with their floors, as many images as
# there are, and a report with pictures.
#
# ```bash
# keras-gen evaluate dcgan --weights mnist
# ```
#
# ## A checklist
#
# - State the features, the number of images, the size, and the floor.
# - Never choose a checkpoint by the figures of test images that you then report.
# - Compare with a figure that you measured yourself in the same way, not with one from
#   a paper that used other features.
# - Report the spread of several seeds of *training*, which is often larger than the
#   difference between two methods (Lucic et al., "Are GANs Created Equal?", 2018).
# - Look at samples that you did not choose.
#
# ## Export
#
# An export carries its card, and the card takes what you measured along to the server.

# %%
last = {name: round(float(values[-1]), 3) for name, values in distances.items()}
folder = keras_gen.export.save(
    dcgan,
    "exported/measured",
    abilities=["sample"],
    card={
        "figures": {
            "frechet_distance": last["dcgan"],
            "frechet_distance_floor": last["real test images"],
            "num_generated": size,
            "features": features.name,
        }
    },
)
print(keras_gen.export.read_card(folder)["figures"])
served = tf.saved_model.load(str(folder)).signatures["sample"]
answer = served(seed=tf.range(8, dtype=tf.int64))["images"].numpy()
expected = dcgan.sample(8, seed=np.arange(8))
