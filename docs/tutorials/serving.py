# %% [markdown]
# # Serving a model, and a client
#
# A model that is to be used by others runs on a server. TensorFlow Serving loads a
# SavedModel from a folder, answers over gRPC and REST, merges requests into batches,
# and switches versions without a break (Olston et al., "TensorFlow-Serving: Flexible,
# High-Performance ML Serving", 2017).
#
# You will export two models, look at what an export contains, call it, and ask a
# server. Where no server runs, the last part is left out, and says so.

# %%
import io
import json
import pathlib

import numpy as np
import PIL.Image
import tensorflow as tf

import keras_gen

# %% [markdown]
# To ask a server, set `address` to that of one which serves the folder `serving`, such
# as "localhost:8500" for gRPC or "http://localhost:8501" for REST.

# %% tags=["parameters"]
batch_sizes = (1, 8, 64)  # small: (1, 4)
address = None

# %% [markdown]
# ## Export
#
# `deploy.add` writes a version of the model, and the server's configuration. A second
# call writes version 2, which the server loads while version 1 still answers.

# %%
model = keras_gen.zoo.load("vae", weights="mnist")
keras_gen.export.deploy.add(
    model,
    "serving",
    "vae",
    abilities=["sample", "encode", "decode", "reconstruct"],
    batch_sizes=batch_sizes,
)
gan = keras_gen.zoo.load("gan", weights="mnist")
keras_gen.export.deploy.add(
    gan, "serving", "gan", abilities=["sample"], batch_sizes=batch_sizes
)
for path in sorted(pathlib.Path("serving").rglob("*")):
    if path.is_file() and "kubernetes" not in path.parts:
        print(f"{path.stat().st_size / 2**10:8.0f} KiB  {path}")

# %% [markdown]
# ## What is in it
#
# Every ability is a signature, with rows in dimension 0. The card describes them, so
# that a client needs to know nothing in advance. Signatures that end in `_bytes` take
# PNG or JPEG files instead of floats.

# %%
folder = pathlib.Path("serving/models/vae/1")
card = keras_gen.export.read_card(folder)
for name, entry in card["signatures"].items():
    print(f"{name}: {', '.join(entry['inputs'])} -> {', '.join(entry['outputs'])}")

# %% [markdown]
# ## Call it without a server
#
# A SavedModel is a graph. TensorFlow alone runs it; the library is not needed. `seed`
# is an input, one number for each row: the same seed gives the same image, in whatever
# batch it is, on every replica, and after every restart. Without this, a request that
# is repeated after a failure would get another answer.

# %%
signatures = tf.saved_model.load(str(folder)).signatures
seeds = np.arange(8)
answer = signatures["sample"](seed=tf.constant(seeds))
served = answer["images"].numpy()
expected = model.sample(8, seed=seeds)
print("Largest difference from the model:", np.abs(served - expected).max())
keras_gen.images.show(served, "Drawn by the export", columns=8)

# %% [markdown]
# Images also come back as PNG files, which a browser shows as they are.

# %%
png = answer["image_bytes"].numpy()[0]
print(PIL.Image.open(io.BytesIO(png)).size)
again = signatures["reconstruct_bytes"](image_bytes=tf.constant([png]))
print("Reconstructed from a file:", again["images"].shape)

# %% [markdown]
# Inputs are checked inside the graph, so that a client in any language gets a sentence
# instead of nonsense.

# %%
try:
    signatures["decode"](latents=tf.fill([1, 40], np.float32("nan")))
except tf.errors.InvalidArgumentError as error:
    print(next(line for line in error.message.splitlines() if "xpected" in line))

# %% [markdown]
# ## Start a server
#
# The folder has a file for Docker Compose (and manifests for Kubernetes):
#
# ```bash
# cd serving
# docker compose --profile cpu up
# ```
#
# The server runs the warm-up requests of each version before it answers, so that the
# first user does not wait for the graph to be optimised. It listens on this machine
# only; [the serving guide](../../export/README.md) leads on to a gateway with TLS and
# passwords, and to a cluster.
#
# ## Ask it
#
# From any language, over REST. The answer holds the image as numbers and as a PNG file
# in base64 (the serving guide has the command that saves it):
#
# ```bash
# curl -s http://localhost:8501/v1/models/vae/labels/stable:predict \
#   -d '{"signature_name": "sample", "inputs": {"seed": [7]}}'
# ```
#
# From the shell:
#
# ```bash
# keras-gen query localhost:8500 vae sample -n 64 --seed 0 -o grid.png
# ```
#
# In Python, a client has the methods of the model. It reads the card from the server,
# checks arguments before it sends them, splits rows into batches that the server takes,
# and repeats requests that fail because the server is busy.

# %%
if address is None:
    print("No address was given, so that no server was asked.")
else:
    with keras_gen.export.Client(address, "vae") as client:
        print(client.status())
        images = client.sample(100, seed=0)
        latents = client.encode(images[:4])
        asked = client.sample(8, seed=seeds)
    print("Largest difference from the model:", np.abs(asked - expected).max())
    keras_gen.images.show(images[:32], "Drawn by the server", columns=16)

# %% [markdown]
# The request itself, for those who write a client of their own:

# %%
body = {"signature_name": "sample", "inputs": {"seed": seeds.tolist()}}
print("POST /v1/models/vae/labels/stable:predict")
print(json.dumps(body))

# %% [markdown]
# ## Release, and roll back
#
# Clients ask for the version with the label `stable`. A new version is loaded beside
# the old one, and gets the label when you say so:
#
# ```bash
# keras-gen export vae:mnist_vamp --to serving    # version 2, with the label canary
# keras-gen label vae stable 2 --to serving       # release
# keras-gen label vae stable 1 --to serving       # roll back
# ```
#
# ## What to try next
#
# - `float16=True` halves the size of the weights; the card states how much answers
#   change.
# - `keras_gen.export.onnx` and `litert` write files for other runtimes.
# - [examples/query_server.py](../../examples/query_server.py) is a client without
#   TensorFlow.
