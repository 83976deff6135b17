"""Trains a run of `keras-gen train` with JAX, for GPUs on which TensorFlow is missing.

    python tools/jax_training/prepare.py RUN
    python tools/jax_training/train.py RUN --steps 16000
    python tools/jax_training/finish.py RUN

RUN is a folder with the settings `run.json`, as `keras-gen train` writes them. The
first and the last command run where TensorFlow is: they write the data into the folder,
and the weights into the run's `model.keras`. The second trains from new weights with
the model's own networks, losses, players and optimizers; only the step that applies
them is written here. It needs keras and JAX, and writes `weights.npz` and
`training.json`.

What differs from `keras-gen train`: other random numbers are drawn; with `--seconds`,
training ends after that time, and a constant rate falls along a cosine, from
`--constant`, a share of the time, on; and growing models train at full size only. With
`--state`, training goes on from where it ended before, if the file exists. Several
trainings share a GPU if XLA_PYTHON_CLIENT_MEM_FRACTION leaves memory for each.
"""

import argparse
import functools
import json
import math
import os
import pathlib
import sys
import time

import stand_ins  # First: it stands in for TensorFlow.

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_gen.core.game import Lazy
from keras_gen.core.registry import preset
from keras_gen.data import faces

stand_ins.apply()
CHUNK = 50  # Steps in one call of the compiled function.
# Others have state or draw numbers in ways that are not written here.
MODELS = (
    "consistency",
    "ddpm",
    "edm",
    "flow_matching",
    "progan",
    "stargan",
    "stylegan",
)
MODELS += ("text_to_image_diffusion",)


def load_data(folder, name, model):
    """The features of the training split that a model needs, as arrays."""
    found = dict(np.load(folder / "data.npz"))
    shapes = model.batch_shapes()
    if "image" not in found:
        found["image"] = faces.load("train", name, size=shapes["image"][0])["image"]
    arrays = {key: found[key] for key in shapes}
    return {
        # JAX has no 64-bit numbers by default.
        key: jax.device_put(x.astype(np.int32) if x.dtype.kind == "i" else x)
        for key, x in arrays.items()
    }


class Training:
    """A model's step in JAX, and the values of its variables.

    Args:
        model: Model of keras_gen.
        data: Features of the data, by name.
        batch_size: Number of rows of a mini-batch.
        seed: Seed of all noise.
    """

    def __init__(self, model, data, batch_size, seed):
        self.model, self.data = model, data
        self.variables = list(model.variables)
        self.players = model.players()
        self.moves = max(player.moves for player in self.players.values())
        self.rows = batch_size * self.moves
        self.optimizers = model.default_optimizers()
        for name, player in self.players.items():
            self.optimizers[name].build(player.variables)
        self.places = {id(v): i for i, v in enumerate(self.variables)}
        self.carry = (
            [jnp.array(v.value) for v in self.variables],
            {
                n: [jnp.array(v.value) for v in o.variables]
                for n, o in self.optimizers.items()
            },
            # A generator that takes little time on GPUs.
            jax.random.key(seed, impl="rbg"),
        )

    def save(self, path, done):
        """Saves all values, and the number of steps done."""
        *carry, key = self.carry
        leaves = {str(i): np.asarray(x) for i, x in enumerate(jax.tree.leaves(carry))}
        _save(path, done=done, key=np.asarray(jax.random.key_data(key)), **leaves)

    def restore(self, path):
        """Restores what `save` saved; returns the number of steps done."""
        saved = np.load(path)
        *carry, _ = self.carry
        places = jax.tree.structure(carry)
        leaves = [jnp.asarray(saved[str(i)]) for i in range(places.num_leaves)]
        key = jax.random.wrap_key_data(jnp.asarray(saved["key"]), impl="rbg")
        self.carry = (*jax.tree.unflatten(places, leaves), key)
        return int(saved["done"])

    def places_of(self, variables):
        """The indices of variables in the list of values."""
        return [self.places[id(variable)] for variable in variables]

    def scope(self, values):
        """Context in which the model's variables have given values."""
        return keras.StatelessScope(list(zip(self.variables, values, strict=True)))

    @functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
    def run(self, carry, rows):
        """Makes a step for each row of indices; returns means of losses and figures."""
        carry, logs = jax.lax.scan(self._step, carry, rows)
        return carry, {name: jnp.mean(value) for name, value in logs.items()}

    def _step(self, carry, rows):
        values, states, key = carry
        key, own = jax.random.split(key)
        batch = {name: _batch(name, of, rows) for name, of in self.data.items()}
        parts = [
            {n: x.reshape(self.moves, -1, *x.shape[1:])[i] for n, x in batch.items()}
            for i in range(self.moves)
        ]
        logs = {}
        for number, (name, player) in enumerate(self.players.items()):
            for index in range(self.moves - player.moves, self.moves):
                keys = (
                    jax.random.fold_in(own, index),
                    jax.random.fold_in(own, 100 + number),
                )
                values, states[name], shared, found = self._move(
                    name, player, parts[index], values, states[name], keys
                )
                logs.update(found)
        values = self._updated(values, parts[-1], shared)
        return (values, states, key), logs

    def _move(self, name, player, part, values, state, keys):
        """One move of a player: new values, the optimizer's state, and the logs."""
        mine = self.places_of(player.variables)

        def loss_of(trained):
            now = list(values)
            for place, value in zip(mine, trained, strict=True):
                now[place] = value
            with self.scope(now):
                stand_ins.Draws.key = keys[0]
                shared = self.model.forward(part, True)
                stand_ins.Draws.key = keys[1]
                loss = player.loss(part, shared, training=True)
                loss, figures = loss if isinstance(loss, tuple) else (loss, {})
                for penalty in player.regularizers:
                    step = (
                        ()
                        if not isinstance(penalty, Lazy)
                        else (self.model.step.value,)
                    )
                    loss += penalty(part, shared, True, *step)
            return loss, (shared, {f"{name}_loss": loss, **figures})

        trained = [values[place] for place in mine]
        gradients, (shared, logs) = jax.grad(loss_of, has_aux=True)(trained)
        new, state = self.optimizers[name].stateless_apply(state, gradients, trained)
        values = list(values)
        for place, value in zip(mine, new, strict=True):
            values[place] = value
        logs = {key: v[0] if isinstance(v, tuple) else v for key, v in logs.items()}
        return values, state, shared, logs

    def _updated(self, values, part, shared):
        """The values after a step's updates of state without gradients."""
        with self.scope(values):
            updates = self.model.updates(part, shared)
        step = self.places[id(self.model.step)]
        values[step] = values[step] + 1
        for variable, value in updates:
            place = self.places[id(variable)]
            values[place] = jnp.asarray(value, values[place].dtype)
        networks, count = self.model.networks(), values[step].astype("float32")
        for name, copy, decay in self.model._averages:
            share = jnp.minimum(decay, (1.0 + count) / (10.0 + count))
            sources = self.places_of(networks[name].weights)
            for place, source in zip(
                self.places_of(networks[copy].weights), sources, strict=True
            ):
                values[place] = share * values[place] + (1.0 - share) * values[source]
        return values

    def set_rates(self, factor):
        """Sets constant learning rates to a factor of what they were."""
        for name, optimizer in self.optimizers.items():
            rate = optimizer._learning_rate
            place = [id(v) for v in optimizer.variables].index(id(rate))
            value = factor * float(np.asarray(rate.value))
            self.carry[1][name][place] = jnp.asarray(value, "float32")

    def arrays(self):
        """The weights of all networks, by name and index."""
        return {
            f"{name}/{i}": np.asarray(self.carry[0][self.places[id(weight)]])
            for name, network in self.model.networks().items()
            for i, weight in enumerate(network.weights)
        }


def _batch(name, values, rows):
    """Rows of a feature; bytes of images become numbers in [-1, 1]."""
    values = jnp.take(values, rows, axis=0)
    if not name.startswith("image"):
        return values
    return values.astype("float32") / 127.5 - 1.0


def _save(path, **arrays):
    """Writes arrays aside, and then renames the file."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays)
    os.replace(partial, path)


def main():
    """Trains the run that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path, help="Folder of the run.")
    parser.add_argument("--steps", type=int, default=10**9, help="Number of steps.")
    parser.add_argument("--seconds", type=float, help="Time that ends training.")
    share = "Share of the time after which constant rates fall."
    parser.add_argument("--constant", type=float, default=0.0, help=share)
    state = "File (.npz) of the whole state, to go on from and to write."
    parser.add_argument("--state", type=pathlib.Path, help=state)
    parser.add_argument("--begin", help="File of weights from which the model starts.")
    options = parser.parse_args()
    if not 0.0 <= options.constant < 1.0:
        parser.error(f"Expected --constant from 0 to below 1, got {options.constant}.")
    settings = json.loads((options.run / "run.json").read_text())
    if settings["name"] not in MODELS:
        raise ValueError(f"Expected a model of {MODELS}, got {settings['name']!r}.")
    keras.utils.set_random_seed(settings["seed"])
    if settings["dtype"]:
        keras.config.set_dtype_policy(settings["dtype"])
    entry = preset(settings["name"])
    model = entry.model(**{**entry.config, **settings["overrides"]})
    if options.begin:
        weights = np.load(options.begin)
        for network in (model.network, model.averaged(model.network)):
            network.set_weights(
                [weights[f"averaged_network/{i}"] for i in range(len(network.weights))]
            )
    data = load_data(options.run, settings["data"], model)
    size = settings["batch_size"] or entry.batch_size
    training = Training(model, data, size, settings["seed"])
    is_resumed = options.state and options.state.exists()
    done = training.restore(options.state) if is_resumed else 0
    order, random = (
        np.array([], np.int32),
        np.random.default_rng([settings["seed"], done]),
    )
    started, log = None, []
    while done < options.steps:
        if options.seconds and started:
            position = (time.monotonic() - started) / options.seconds
            if position >= 1.0:
                break
            fall = max(position - options.constant, 0.0) / (1.0 - options.constant)
            training.set_rates(0.5 * (1.0 + math.cos(math.pi * fall)))
        needed = CHUNK * training.rows
        while len(order) < needed:
            count = len(next(iter(data.values())))
            order = np.concatenate([order, random.permutation(count).astype(np.int32)])
        rows, order = order[:needed].reshape(CHUNK, -1), order[needed:]
        training.carry, logs = training.run(training.carry, rows)
        logs = {name: round(float(value), 5) for name, value in logs.items()}
        done += CHUNK
        started = started or time.monotonic()  # Without the time of compilation.
        log.append({"step": done, **logs})
        print(f"step {done}, {time.monotonic() - started:.0f} s: {logs}", flush=True)
    facts = {"steps": done, "images": done * training.rows, "log": log}
    (options.run / "training.json").write_text(json.dumps(facts))
    _save(options.run / "weights.npz", **training.arrays())
    if options.state:
        training.save(options.state, done)


if __name__ == "__main__":
    main()
