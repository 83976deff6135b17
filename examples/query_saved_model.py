"""Draws images with a SavedModel and TensorFlow only, without keras_gen.

python examples/query_saved_model.py serving/dcgan/1 answer.png
"""

import io
import sys

import PIL.Image
import tensorflow as tf


def main(folder, picture, rows=8):
    loaded = tf.saved_model.load(folder)
    sample = loaded.signatures["serving_default"]
    answer = sample(seed=tf.range(rows, dtype=tf.int64))
    print(f"{folder} answered:")
    for name, tensor in sorted(answer.items()):
        print(f"  {name}: {tensor.dtype.name} {tensor.shape}")
    tiles = [PIL.Image.open(io.BytesIO(png)) for png in answer["image_bytes"].numpy()]
    width, height = tiles[0].size
    strip = PIL.Image.new(tiles[0].mode, (width * rows, height))
    for i, tile in enumerate(tiles):
        strip.paste(tile, (i * width, 0))
    strip.save(picture)
    if "keras_gen" in sys.modules:
        raise SystemExit("keras_gen was imported, so that this example shows nothing.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
