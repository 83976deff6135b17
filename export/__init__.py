"""Templates for the folder of a TF Serving server; README.md explains its use."""
