# %% [markdown]
# # Finding anomalies
#
# A factory has many photos of good parts and hardly any of bad ones. A model of the
# good parts alone should be able to tell: what it cannot restore, or finds improbable,
# is odd. Two scores are common:
#
# - the reconstruction error of an autoencoder, which has learnt to restore normal
#   images only;
# - minus the log-likelihood under a generative model (Bishop, "Novelty Detection and
#   Neural Network Validation", 1994).
#
# Both are measured here by the area under the ROC curve (AUC): the chance that an
# anomaly gets a higher score than a normal image. At 0.5 the score is useless; below,
# it is worse than a coin. This tutorial also shows cases in which these scores fail;
# they are not rare, and often left out.

# %%
import matplotlib.pyplot as plt
import numpy as np
import sklearn.metrics
import tensorflow as tf

import keras_gen

# %% tags=["parameters"]
anomalous = (4, 1)  # small: (4,)
epochs = 6  # small: 1
steps_per_epoch = None  # small: 2
widths = (300, 300)  # small: (16,)
maps = (16, 32)  # small: (4, 8)
num_images = 2000  # small: 200
num_samples = 100  # small: 5

# %% [markdown]
# ## Data: one digit is the anomaly
#
# The models are trained on nine digits and tested on all ten. The tenth is the anomaly.
# It looks much like the others, which makes this harder than it sounds, and nearer to a
# scratch on a part than a photo of a cat would be.

# %%
whole = keras_gen.data.load("mnist", batch_size=60_000, shuffle=False)
whole = {name: value.numpy() for name, value in next(iter(whole)).items()}
test = keras_gen.data.load(
    "mnist", f"test[:{num_images}]", batch_size=num_images, shuffle=False
)
test = {name: value.numpy() for name, value in next(iter(test)).items()}
binary = keras_gen.images.binarize(test["image"], seed=0)


def normal_images(digit):
    """Training images of all digits but one."""
    kept = whole["image"][whole["label"] != digit]
    return keras_gen.data.load(kept, batch_size=128, seed=0)


# %% [markdown]
# ## Two models, two scores
#
# The autoencoder has 8 codes: with many more, it would restore anything. The VAE's
# log-likelihood is estimated with importance samples, on binary images. (PixelCNN's is
# exact and takes longer to train; see [its tutorial](pixelcnn.py).)

# %%
fit = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "verbose": 0}
scores, models = {}, {}
for digit in anomalous:
    train = normal_images(digit)
    autoencoder = keras_gen.zoo.load("conv_ae", widths=maps, latent_dim=8)
    autoencoder.fit(train, **fit)
    vae = keras_gen.zoo.load("vae", widths=widths)
    vae.fit(train, **fit)
    restored = autoencoder.reconstruct(test["image"])
    errors = np.square(restored - test["image"]).mean(axis=(1, 2, 3))
    surprises = -vae.log_prob(binary, num_samples=num_samples)
    scores[digit] = {"reconstruction error": errors, "surprise of the VAE": surprises}
    models[digit] = autoencoder

# %%
figure, axes = plt.subplots(1, len(anomalous), figsize=(9, 4), layout="constrained")
areas = {}
for axis, digit in zip(np.atleast_1d(axes), anomalous, strict=True):
    is_anomaly = test["label"] == digit
    for name, score in scores[digit].items():
        rates = sklearn.metrics.roc_curve(is_anomaly, score)
        area = areas[digit, name] = sklearn.metrics.roc_auc_score(is_anomaly, score)
        axis.plot(*rates[:2], label=f"{name}: {area:.2f}")
        print(f"{digit} as the anomaly, {name}: AUC {area:.3f}")
    axis.plot([0, 1], [0, 1], ":", color="grey")
    axis.set(
        title=f"{digit} is the anomaly",
        xlabel="share of normal images with an alarm",
        ylabel="share of anomalies found",
        aspect="equal",
    )
    axis.legend(loc="best")
plt.show()

# %% [markdown]
# We measured 0.83 for the autoencoder and 0.68 for the VAE if 4 is the anomaly: better
# than chance, and far from what one would trust a production line with. If 1 is the
# anomaly, the figures are 0.21 and 0.07. That is no weak detector but one that works
# backwards: nearly every normal digit seems stranger to the models than a 1, which they
# have never seen.
#
# ## What the autoencoder does with an anomaly
#
# It turns a 4 into what it knows, mostly into a 9, and the difference is the score. But
# it also fails with some normal digits (the sixth and the seventh in the first row):
# false alarms.

# %%
digit = anomalous[0]
odd = test["image"][test["label"] == digit][:12]
usual = test["image"][test["label"] != digit][:12]
rows = [usual, models[digit].reconstruct(usual), odd, models[digit].reconstruct(odd)]
keras_gen.images.show(
    np.concatenate(rows),
    f"Normal images, restored; images of {digit}, restored",
    columns=12,
)

# %% [markdown]
# ## Why simple images look normal
#
# A 1 has few pixels of ink. Whatever a model knows, there is little in it to restore
# wrongly, and few pixels that could be surprising. The scores measure this *complexity*
# as much as they measure strangeness. Over the test digits, both scores of the models
# without a 4 correlate with the amount of ink:

# %%
ink = (test["image"] > 0).mean(axis=(1, 2, 3))
for name, score in scores[digit].items():
    correlation = np.corrcoef(ink, score)[0, 1]
    print(f"Correlation of ink and {name}: {correlation:.2f}")

# %% [markdown]
# The same effect makes deep generative models give a *higher* likelihood to images of
# other data sets, if these are simpler, than to their own (Nalisnick et al., "Do Deep
# Generative Models Know What They Don't Know?", 2019). An extreme case: an image that
# is all black, which no training set contained.

# %%
black = np.full((1, 28, 28, 1), -1, np.float32)
shipped = keras_gen.zoo.load("vae", weights="mnist")
digits = shipped.log_prob(binary, num_samples=num_samples)
of_black = shipped.log_prob(black, num_samples=num_samples)[0]
print(f"Log-likelihood of a black image: {of_black:.1f} nats")
print(f"of test digits: mean {digits.mean():.1f}, largest {digits.max():.1f}")

# %% [markdown]
# The black image has -25.5 nats, and the 2,000 digits -87.6 on average and -30.6 at
# best: no digit is as probable as an image without any.
#
# A score that corrects for complexity compares the likelihood with the length of the
# image as a compressed file (Serrà et al., "Input Complexity and Out-of-distribution
# Detection with Likelihood-based Generative Models", 2020): an image is odd if the
# model needs more bits than a general-purpose format does.

# %%
files = tf.map_fn(
    lambda image: tf.strings.length(image),
    keras_gen.images.to_png_bytes(binary),
    fn_output_signature=tf.int32,
)
nats_of_files = np.asarray(files) * 8 * np.log(2)
for digit in anomalous:
    corrected = scores[digit]["surprise of the VAE"] - nats_of_files
    area = sklearn.metrics.roc_auc_score(test["label"] == digit, corrected)
    areas[digit, "corrected"] = area
    print(f"{digit} as the anomaly, corrected by the length of a PNG: AUC {area:.3f}")

# %% [markdown]
# With this correction, the 1 is found (0.96 instead of 0.07), and the 4 hardly better
# than before (0.71 instead of 0.68). The complexity was the reason in one case and not
# in the other. Whether a correction helps depends on the anomaly, which is usually not
# known in advance.
#
# ## Before you use this
#
# - Measure with real anomalies, even a few dozen. Without them, nobody knows on which
#   side of 0.5 the score is.
# - The AUC hides the threshold. At a false alarm in a hundred parts, look at the left
#   edge of the ROC curve, not at its area.
# - If you have some labelled anomalies, a plain classifier is often better.
#
# ## Export
#
# The autoencoder's `reconstruct` is what a station on the line would call; the error is
# one line of NumPy.

# %%
autoencoder = models[anomalous[0]]
folder = keras_gen.export.save(
    autoencoder, "exported/anomalies", abilities=["reconstruct"]
)
served = tf.saved_model.load(str(folder)).signatures["reconstruct"]
answer = served(images=tf.constant(test["image"][:8]))["images"].numpy()
expected = autoencoder.reconstruct(test["image"][:8])
print("Largest difference:", np.abs(answer - expected).max())
