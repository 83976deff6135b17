"""Weights and their cards: `<preset>/<weights>/`. This package holds no code."""
