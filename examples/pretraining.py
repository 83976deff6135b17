"""The gain in accuracy from unsupervised pre-training if there are few labels.

Two classifiers are trained on the same 500 labelled images: one on an encoder that was
trained on MNIST's 60,000 images without labels, and one of the same architecture from
random weights. It takes a minute or two on two cores.

    python examples/pretraining.py
"""

import keras
import numpy as np
import rich
import rich.table

import keras_gen
from keras_gen.data import mnist

MODEL = "vae"  # The shipped model whose encoder gains most.
LABELLED = 500
SEEDS = (0, 1, 2)
EPOCHS = 60


def accuracy(classifier, test):
    """Accuracy on the test set, in percent."""
    return 100 * classifier.evaluate(test, verbose=0, return_dict=True)["accuracy"]


def pretrained(images, labels, seed):
    """Trains the softmax layer on the frozen encoder first, then all layers."""
    model = keras_gen.zoo.load(MODEL, weights="mnist")
    classifier = keras_gen.models.classifier_from(model, 10, freeze=True)
    classifier.compile({"classifier": keras.optimizers.Adam(5e-3)}, seed=seed)
    fit = {"batch_size": 50, "epochs": EPOCHS // 2, "verbose": 0}
    classifier.fit(images, labels, **fit)
    classifier.unfreeze(1e-3)  # The learning rate of training from scratch.
    classifier.fit(images, labels, **fit)
    return classifier


def from_scratch(images, labels, seed):
    """Trains all layers of the same architecture from random weights."""
    config = keras_gen.zoo.card(MODEL, "mnist")["configuration"]
    model = keras_gen.zoo.load(MODEL, **config)
    classifier = keras_gen.models.classifier_from(model, 10, freeze=False)
    classifier.compile(seed=seed)
    classifier.fit(images, labels, batch_size=50, epochs=EPOCHS, verbose=0)
    return classifier


def main():
    """Trains both classifiers with several seeds and prints a table."""
    train = mnist.load("train")
    test = keras_gen.data.load("mnist", "test", batch_size=500, shuffle=False)
    table = rich.table.Table(
        "seed", "pre-trained, %", "from scratch, %", "gain, points"
    )
    results = []
    for seed in SEEDS:
        keras.utils.set_random_seed(seed)
        rows = np.random.default_rng(seed).permutation(60_000)[:LABELLED]
        images, labels = train["image"][rows], train["label"][rows]
        results.append(
            [
                accuracy(make(images, labels, seed), test)
                for make in (pretrained, from_scratch)
            ]
        )
    results.append(np.mean(results, axis=0))
    for name, (ours, theirs) in zip((*SEEDS, "mean"), results, strict=True):
        table.add_row(
            str(name), f"{ours:.2f}", f"{theirs:.2f}", f"{ours - theirs:+.2f}"
        )
    rich.print(table)
    return results[-1]


if __name__ == "__main__":
    main()
