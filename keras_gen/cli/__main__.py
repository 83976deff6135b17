"""`python -m keras_gen.cli`."""

from keras_gen.cli import app

if __name__ == "__main__":
    app()
