"""Latent variable models that maximise a lower bound on the likelihood."""

from keras_gen.models.variational.vae import VAE

__all__ = ["VAE"]
