"""SavedModels that TF Serving takes as they are: a signature for every ability.

    keras_gen.export.save(model, "serving/dcgan")        # serving/dcgan/1/

Every input and output has rows in dimension 0. `sample` takes `seed`, int64 (rows,):
the row seeds of `keras_gen.abilities.row_seeds`, so that a server draws what the model
draws. Images come out as `images` (float32, in [-1, 1]) and `image_bytes` (PNG).
"""

import os
import pathlib
import shutil
import tempfile

import tensorflow as tf

from keras_gen import images as image_files

MAIN = ("sample", "reconstruct", "encode")  # The first that is there is the default.


def save(model, path, version: int | None = None) -> pathlib.Path:
    """Exports a model as `path/<version>/`.

    The folder is written aside and renamed, so that a server that watches `path` never
    sees half of it. It holds the weights that the signatures need, moving averages in
    place of what they average, and no optimizers.

    Args:
        model: A `GenerativeModel` with at least one ability.
        path: The folder of the model's versions.
        version: At least 1; None takes the next one.

    Returns:
        The version's folder.

    Raises:
        ValueError: If the version is there already, or the model can do nothing.
    """
    path = pathlib.Path(path)
    abilities = model.abilities()
    if not abilities:
        raise ValueError(f"Expected a model that can do something, got {model.name!r}.")
    there = [int(p.name) for p in path.glob("*") if p.name.isdigit()]
    version = max(there, default=0) + 1 if version is None else version
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ValueError(f"Expected a version that is an int >= 1, got {version!r}.")
    if version in there:
        raise ValueError(f"Expected a new version, got {version}, which {path} has.")
    module = tf.Module()
    signatures = {name: _signature(model, a) for name, a in abilities.items()}
    main = next((name for name in MAIN if name in signatures), next(iter(signatures)))
    signatures["serving_default"] = signatures[main]
    captured = {
        id(variable): variable
        for signature in signatures.values()
        for variable in signature.graph.variables
    }
    module.weights = list(captured.values())
    path.mkdir(parents=True, exist_ok=True)
    aside = pathlib.Path(tempfile.mkdtemp(prefix=".aside-", dir=path))
    try:
        tf.saved_model.save(module, str(aside), signatures=signatures)
        aside.chmod(0o755)
        os.rename(aside, path / str(version))
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return path / str(version)


def _signature(model, ability):
    """A concrete function of named rows that returns a dict of named rows."""

    def call(**rows):
        output = ability.function(model, **rows)
        outputs = {ability.output: output}
        if ability.output == "images":
            outputs["image_bytes"] = image_files.to_png_bytes(output)
        return outputs

    graph = tf.function(call, autograph=False)
    return graph.get_concrete_function(**ability.specs(model))
