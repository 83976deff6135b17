"""Completes the lower halves of test digits in several ways.

python examples/complete.py pixelcnn mnist completions.png

Each row of the picture shows one digit: the binary image, the upper half that is kept,
and six completions, each with its own seed.
"""

import sys

import numpy as np

import keras_gen


def main(name: str, weights: str, picture: str, rows: int = 8, ways: int = 6):
    """Writes the picture.

    Args:
        name: Preset of an autoregressive model.
        weights: Name or path of its weights.
        picture: Path of the picture, a PNG file.
        rows: Number of digits.
        ways: Number of completions of each digit.
    """
    model = keras_gen.zoo.load(name, weights=weights)
    shape = tuple(model.image_shape)
    test = keras_gen.data.load(
        "mnist", "test", image_shape=shape, batch_size=rows, shuffle=False
    )
    images = next(iter(test))["image"].numpy()
    images = keras_gen.images.binarize(images, seed=0)
    mask = np.zeros((rows, *shape[:2], 1), np.float32)
    mask[:, : shape[0] // 2] = 1
    completed = [model.complete(images, mask, seed=way) for way in range(ways)]
    columns = [
        images,
        images * mask,
        *completed,
    ]  # 0 is grey: not observed.
    tiles = np.stack(columns, axis=1).reshape(-1, *shape)
    keras_gen.images.save_grid(tiles, picture, columns=len(columns), scale=2)
    print(f"Wrote {rows} digits with {ways} completions each to {picture}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
