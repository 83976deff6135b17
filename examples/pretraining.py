"""What unsupervised pre-training is worth where labels are few.

An encoder that was trained on MNIST's 60,000 images without labels, with a softmax
head, against the same network from random weights: both see 500 labelled images. A
minute or two on two cores.

    python examples/pretraining.py
"""

import keras
import numpy as np
import rich
import rich.table

import keras_gen
from keras_gen.data import mnist

MODEL = "vae"  # Of those that ship, the one whose layers are worth most.
LABELLED = 500
SEEDS = (0, 1, 2)
EPOCHS = 60


def accuracy(classifier, test):
    return 100 * classifier.evaluate(test, verbose=0, return_dict=True)["accuracy"]


def pretrained(images, labels, seed):
    """The head first, on the frozen encoder; then all of it."""
    model = keras_gen.zoo.load(MODEL, weights="mnist")
    classifier = keras_gen.models.classifier_from(model, 10, freeze=True)
    classifier.compile({"classifier": keras.optimizers.Adam(5e-3)}, seed=seed)
    fit = {"batch_size": 50, "epochs": EPOCHS // 2, "verbose": 0}
    classifier.fit(images, labels, **fit)
    classifier.unfreeze(1e-3)  # As from scratch.
    classifier.fit(images, labels, **fit)
    return classifier


def from_scratch(images, labels, seed):
    """The same network, all of it from the start."""
    config = keras_gen.zoo.card(MODEL, "mnist")["configuration"]
    model = keras_gen.zoo.load(MODEL, **config)
    classifier = keras_gen.models.classifier_from(model, 10, freeze=False)
    classifier.compile(seed=seed)
    classifier.fit(images, labels, batch_size=50, epochs=EPOCHS, verbose=0)
    return classifier


def main():
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
