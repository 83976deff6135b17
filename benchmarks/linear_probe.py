"""Accuracy of a linear classifier on a discriminator's features ([1], section 5).

    .venv/bin/python benchmarks/linear_probe.py dcgan

A logistic regression is fitted to the features of MNIST's training images except the
last 10,000, which are used to choose the regularisation, and scored on the test images.

1. Radford, Metz and Chintala, "Unsupervised Representation Learning with Deep
   Convolutional Generative Adversarial Networks", 2016.
"""

from typing import Annotated

import numpy as np
import rich
import sklearn.linear_model
import sklearn.preprocessing
import typer

import keras_gen

HELD_OUT = 10_000
STRENGTHS = (1e-3, 1e-2, 1e-1)


def features(model, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Features of MNIST's images, (count, num_features), and their labels, (count,)."""
    batches = keras_gen.data.load(
        "mnist", split, image_shape=model.image_shape, batch_size=500, shuffle=False
    )
    pairs = [(model.features(b["image"].numpy()), b["label"].numpy()) for b in batches]
    rows, labels = zip(*pairs, strict=True)
    return np.concatenate(rows), np.concatenate(labels)


def main(
    name: Annotated[
        str, typer.Argument(help="Name of a model with features.")
    ] = "dcgan",
    weights: Annotated[
        str, typer.Option(help="Name of weights that ship, or path of a file.")
    ] = "mnist",
):
    """Prints the accuracy."""
    model = keras_gen.zoo.load(name, weights)
    (rows, labels), (test, test_labels) = (
        features(model, split) for split in ("train", "test")
    )
    scale = sklearn.preprocessing.StandardScaler().fit(rows[:-HELD_OUT])
    rows, test = scale.transform(rows), scale.transform(test)

    def probe(strength):
        regression = sklearn.linear_model.LogisticRegression(C=strength, tol=1e-3)
        return regression.fit(rows[:-HELD_OUT], labels[:-HELD_OUT])

    probes = {strength: probe(strength) for strength in STRENGTHS}
    scores = {
        c: p.score(rows[-HELD_OUT:], labels[-HELD_OUT:]) for c, p in probes.items()
    }
    best = max(scores, key=scores.get)
    rich.print(
        f"{name} {weights}: {rows.shape[1]} features, C = {best}, held out "
        f"{scores[best]:.4f}, test {probes[best].score(test, test_labels):.4f}"
    )


if __name__ == "__main__":
    typer.run(main)
