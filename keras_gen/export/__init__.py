"""Exports for TF Serving, and a client for the server.

    keras_gen.export.save(model, "serving/models/dcgan")    # serving/models/dcgan/1/
    client = keras_gen.export.Client("localhost:8500", "dcgan")
    images = client.sample(64, seed=0)  # The images of model.sample(64, seed=0).

Every ability is a signature, with rows in dimension 0 of all inputs and outputs. Seeds
are int64 (rows,), from `keras_gen.core.noise.row_seeds`, so that a server draws the
same rows as the model. A server returns images both as `images` (float32, in [-1, 1])
and as `image_bytes` (PNG files), and takes either (files may be JPEG, PNG, GIF or BMP).

Abilities without Python are also written for other runtimes, by `onnx` and `litert`:

    keras_gen.export.onnx(model, "dcgan-onnx", abilities=["decode"])  # decode.onnx

`formats.py` writes them, `saved_model.py` writes versions, `signatures.py` defines
their signatures, `deploy.py` writes the folder for a server, and `client.py` and
`transports.py` send requests.
"""

from keras_gen.export import deploy
from keras_gen.export.client import Client
from keras_gen.export.formats import litert, onnx, row_noise
from keras_gen.export.saved_model import BATCH_SIZES, read_card, save
from keras_gen.export.transports import ServingError

__all__ = [
    "BATCH_SIZES",
    "Client",
    "ServingError",
    "deploy",
    "litert",
    "onnx",
    "read_card",
    "row_noise",
    "save",
]
