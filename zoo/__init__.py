"""Weights and their cards: `<preset>/<weights>/`. This package holds no code."""

__version__ = "0.2.0.dev0"
