"""Layers that models share: one public layer a file."""
