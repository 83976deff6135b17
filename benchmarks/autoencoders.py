"""Compares the shipped autoencoders with PCA and each other on MNIST's test images.

    make bench

Errors are mean squared errors per pixel, in units of [-1, 1], before outputs are
clipped. PCA is scikit-learn's, fitted to the 60,000 training images.
"""

import keras
import numpy as np
import rich
import rich.table
import scipy.linalg
import sklearn.decomposition

import keras_gen
from keras_gen.data import mnist


def principal(latent_dim: int) -> tuple[np.ndarray, float]:
    """PCA's components (latent_dim, 784), and its error on the test images."""
    train, test = (
        keras_gen.images.from_uint8(mnist.load(split)["image"]).reshape(-1, 784)
        for split in ("train", "test")
    )
    pca = sklearn.decomposition.PCA(latent_dim, svd_solver="covariance_eigh").fit(train)
    restored = pca.inverse_transform(pca.transform(test))
    return pca.components_, float(np.mean((restored - test) ** 2))


def measured(name: str, weights: str = "mnist") -> tuple[keras.Model, dict]:
    """A shipped model, and the results of `evaluate` on the test images."""
    model = keras_gen.zoo.load(name, weights)
    model.compile(seed=0)
    test = keras_gen.data.load("mnist", "test", batch_size=500, shuffle=False)
    return model, model.evaluate(test, verbose=0, return_dict=True)


def figures() -> dict[str, tuple[float, float, float]]:
    """A dict from the name of each figure to its value and its two limits."""
    found = {}
    for latent_dim, weights in ((2, "mnist-2"), (30, "mnist")):
        components, least = principal(latent_dim)
        model, losses = measured("linear_ae", weights)
        spanned = model.decoder.get_layer("pixels").kernel.numpy().T
        angles = np.degrees(scipy.linalg.subspace_angles(spanned, components.T))
        if latent_dim == 2:
            found["linear_ae, 2 codes: largest angle to PCA"] = (angles.max(), 0, 2)
        ratio = losses["autoencoder_loss"] / least
        found[f"linear_ae, {latent_dim} codes: error over PCA's"] = (ratio, 0.999, 1.01)
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
    found["stacked_ae, tied: error over untied"] = (tied / stacked, 0.9, 1.1)
    found["conv_ae, 30 codes: error over stacked_ae's"] = (conv / stacked, 0, 1)
    _, losses = measured("denoising_ae")
    found["denoising_ae: gain in PSNR, dB"] = (losses["psnr_gain"], 8, np.inf)
    model, losses = measured("sparse_ae")
    distance = abs(losses["mean_activation"] - model.target)
    found["sparse_ae: distance of mean activation from its target"] = (
        distance,
        0,
        0.02,
    )
    return found


def main() -> None:
    """Prints all figures and their limits as a table."""
    table = rich.table.Table("figure", "measured", "limits")
    for name, (value, low, high) in figures().items():
        table.add_row(name, f"{value:.4f}", f"{low:g} to {high:g}")
    rich.print(table)


if __name__ == "__main__":
    main()
