"""Priors, posteriors and likelihoods: distributions of TFP over Keras layers."""
