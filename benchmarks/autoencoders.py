"""The autoencoders that ship against PCA and each other, on MNIST's test images.

    make bench

Errors are squared, per pixel, in units of [-1, 1], before outputs are clipped. PCA is
scikit-learn's, fitted to the 60,000 training images.
"""

import numpy as np
import rich
import rich.table
import scipy.linalg
import sklearn.decomposition

import keras_gen
from keras_gen.data import mnist


def principal(codes):
    """PCA's components (codes, 784), and its error on the test images."""
    train, test = (
        keras_gen.images.from_uint8(mnist.load(split)["image"]).reshape(-1, 784)
        for split in ("train", "test")
    )
    pca = sklearn.decomposition.PCA(codes, svd_solver="covariance_eigh").fit(train)
    back = pca.inverse_transform(pca.transform(test))
    return pca.components_, float(np.mean((back - test) ** 2))


def measured(name, weights="mnist"):
    """A model that ships, and what `evaluate` finds on the test images."""
    model = keras_gen.zoo.load(name, weights)
    model.compile(seed=0)
    test = keras_gen.data.load("mnist", "test", batch_size=500, shuffle=False)
    return model, model.evaluate(test, verbose=0, return_dict=True)


def figures():
    """What was measured and what was wanted of it: {name: (figure, low, high)}."""
    found = {}
    for codes, weights in ((2, "mnist-2"), (30, "mnist")):
        components, least = principal(codes)
        model, losses = measured("linear_ae", weights)
        spanned = model.decoder.get_layer("pixels").kernel.numpy().T
        angles = np.degrees(scipy.linalg.subspace_angles(spanned, components.T))
        if codes == 2:
            found["linear_ae, 2 codes: largest angle to PCA"] = (angles.max(), 0, 2)
        ratio = losses["autoencoder_loss"] / least
        found[f"linear_ae, {codes} codes: error over PCA's"] = (ratio, 0.999, 1.01)
    errors = {
        key: measured(*key)[1]["autoencoder_loss"]
        for key in (
            ("stacked_ae", "mnist"),
            ("stacked_ae", "tied"),
            ("conv_ae", "mnist"),
        )
    }
    stacked, tied, conv = errors.values()
    found["stacked_ae, 30 codes: error over PCA's"] = (stacked / least, 0, 0.6)
    found["stacked_ae, tied over untied"] = (tied / stacked, 0.9, 1.1)
    found["conv_ae over stacked_ae, 30 codes"] = (conv / stacked, 0, 1)
    _, losses = measured("denoising_ae")
    found["denoising_ae: gain in PSNR, dB"] = (losses["psnr_gain"], 8, np.inf)
    model, losses = measured("sparse_ae")
    distance = abs(losses["mean_activation"] - model.target)
    found["sparse_ae: mean activation from its target"] = (distance, 0, 0.02)
    return found


def main():
    table = rich.table.Table("figure", "measured", "wanted")
    for name, (value, low, high) in figures().items():
        table.add_row(name, f"{value:.4f}", f"{low:g} to {high:g}")
    rich.print(table)


if __name__ == "__main__":
    main()
