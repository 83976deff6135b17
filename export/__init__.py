"""Data: templates for a folder that TF Serving takes; README.md walks through it."""
