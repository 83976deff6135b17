"""Writes the rows of the text encoder's table for the captions of all faces.

python tools/jax_training/tokens.py tokens.npz
"""

import sys

import numpy as np
import tensorflow as tf

from keras_gen.data import faces
from keras_gen.layers import TextEncoder

if __name__ == "__main__":
    captions = tf.constant(faces._captions())
    tokens = TextEncoder(units=1).tokens(captions).to_tensor(-1)
    np.savez_compressed(sys.argv[1], tokens=tokens.numpy().astype(np.int16))
