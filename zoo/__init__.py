"""Data: a folder a preset, a folder in it for weights, with card and samples."""
