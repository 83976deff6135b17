"""Lower halves of test digits, completed several ways by a model in raster order.

python examples/complete.py pixelcnn mnist completions.png

A row a digit: the binary image, the half that is kept, and six completions, each with a
seed of its own.
"""

import sys

import numpy as np

import keras_gen


def main(name, weights, picture, rows=8, ways=6):
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
    columns = [images, images * mask, *completed]  # 0 is grey: not observed.
    tiles = np.stack(columns, axis=1).reshape(-1, *shape)
    keras_gen.images.save_grid(tiles, picture, columns=len(columns), scale=2)
    print(f"{rows} digits, completed {ways} ways each, lie in {picture}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
