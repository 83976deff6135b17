"""From a model to TF Serving, and back through a client.

    keras_gen.export.save(model, "serving/models/dcgan")    # serving/models/dcgan/1/
    client = keras_gen.export.Client("localhost:8500", "dcgan")
    images = client.sample(64, seed=0)  # What model.sample(64, seed=0) gives.

Every ability is a signature with rows in dimension 0 for all inputs and outputs. `seed`
is int64 (rows,), the row seeds of `keras_gen.abilities.row_seeds`, so that a server
draws what the model draws. Images come out as `images` (float32, in [-1, 1]) and
`image_bytes` (PNG), and go in as either.

`saved_model.py` writes versions, `signatures.py` says what is in them, `deploy.py`
makes the folder that a server takes, `client.py` and `transports.py` ask it.
"""

from keras_gen.export import deploy
from keras_gen.export.client import Client
from keras_gen.export.saved_model import BATCH_SIZES, read_card, save
from keras_gen.export.transports import ServingError

__all__ = ["BATCH_SIZES", "Client", "ServingError", "deploy", "read_card", "save"]
