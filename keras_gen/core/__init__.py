"""What every model stands on: the game, noise, inputs, abilities, saving and resuming."""
