"""What every model stands on: game, noise, inputs, abilities, saving and resuming."""
