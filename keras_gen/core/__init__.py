"""The base of every model: game, noise, inputs, abilities, saving and resuming."""
