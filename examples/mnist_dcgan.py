"""The main workflow, from data to samples of a SavedModel: `make demo`.

The script trains a DCGAN on MNIST, which ships with the package, for four epochs (about
five minutes on two cores, eight at most), draws samples, saves and exports the model,
and draws images with the exported model.
"""

import pathlib
import subprocess
import sys

import keras

import keras_gen

RUN = pathlib.Path("runs/demo")
SERVING = pathlib.Path("serving/dcgan")


def main():
    keras.utils.set_random_seed(0)
    # Half the width trains four times as fast, and suffices for digits.
    model = keras_gen.zoo.load("dcgan", width=32)
    train = keras_gen.data.load(
        "mnist", image_shape=model.image_shape, batch_size=64, seed=0
    )
    print("\nTraining. d_real and d_fake are the discriminator's probabilities that")
    print("real and generated images are real: both are 0.5 if it cannot tell which.\n")
    model.fit(
        train,
        epochs=4,
        callbacks=[
            keras_gen.callbacks.SampleGrid(RUN / "samples"),
            keras_gen.callbacks.TimeLimit(minutes=8),
        ],
    )
    keras_gen.images.save_grid(model.sample(64, seed=0), RUN / "samples.png", scale=3)
    keras_gen.callbacks.save_model(model, RUN / "dcgan.keras")
    exported = keras_gen.export.save(model, SERVING)
    query = pathlib.Path(__file__).with_name("query_saved_model.py")
    served = RUN / "served.png"
    subprocess.run([sys.executable, query, exported, served], check=True)
    print(f"""
Samples of the averaged generator: {RUN}/samples.png (each epoch's: {RUN}/samples/)
Model with its optimizers:         {RUN}/dcgan.keras
SavedModel:                        {exported}
Samples of the SavedModel:         {served}

What to type next:
  .venv/bin/keras-gen sample dcgan --weights {RUN}/dcgan.keras -n 100 -o digits.png
  .venv/bin/keras-gen sample dcgan --weights mnist -n 100 --seed 1   # trained longer
  .venv/bin/keras-gen train dcgan --data path/to/your/images --set image_shape=[64,64,3]
  .venv/bin/saved_model_cli show --dir {exported} --all
""")


if __name__ == "__main__":
    main()
