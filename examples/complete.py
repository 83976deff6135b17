"""Completes the lower halves of test images in several ways.

python examples/complete.py pixelcnn mnist completions.png
python examples/complete.py flow_matching faces completions.png faces

Each row of the picture shows one image, the upper half that is kept, on grey, and four
completions, each with its own seed.
"""

import sys

import keras_gen
from keras_gen import pictures


def main(name: str, weights: str, picture: str, data: str = "mnist"):
    """Writes the picture.

    Args:
        name: Preset of a model that completes images.
        weights: Name or path of its weights.
        picture: Path of the picture, a PNG file.
        data: Data set with the test images.
    """
    model = keras_gen.zoo.load(name, weights=weights)
    pictures.draw_completions(model, data, picture)
    print(f"Wrote completions of 8 images to {picture}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
