"""The folder that a server takes: models, configuration, compose file, manifest.

    serving/
      models/<name>/<version>/    SavedModels; the server loads all that lie here
      models.config               which models there are, and labels of versions
      batching.config, monitoring.config, compose.yaml, kubernetes.yaml

`models.config` is the protocol buffer `ModelServerConfig` as text, read and written by
its own classes. The other files start from the templates in `export/` and are yours to
edit: what is there already stays.
"""

import importlib.resources
import pathlib
import re
import string

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_gen.export.saved_model import save, versions_in
from keras_gen.files import write_text

CONFIG = "models.config"
TEMPLATES = ("batching.config", "monitoring.config", "compose.yaml", "kubernetes.yaml")
ROOT = "/serving"  # Where compose file and manifest mount the folder.


def add(model, folder, name, version=None, *, label=None, root=ROOT, **options):
    """Exports a model into a folder for TF Serving, and configures the server for it.

    Args:
        model: A `GenerativeModel`.
        folder: The folder for all models; made if it is not there.
        name: What the model is called on the server.
        version: At least 1; None takes the next one.
        label: That the version gets. None labels a model's first version "stable", and
            all others "canary".
        root: The folder as the server sees it.
        **options: Of `keras_gen.export.save`.

    Returns:
        The version's folder.
    """
    folder = pathlib.Path(folder)
    _check_name("a model's name", name)
    config = read_config(folder)
    is_first = not versions_in(folder / "models" / name)
    path = save(model, folder / "models" / name, version, **options)
    if name not in {entry.name for entry in config.model_config_list.config}:
        entry = config.model_config_list.config.add(name=name)
        entry.base_path = f"{root}/models/{name}"
        entry.model_platform = "tensorflow"
        entry.model_version_policy.all.SetInParent()
        write_config(folder, config)
    set_label(folder, name, label or ("stable" if is_first else "canary"), path.name)
    _write_templates(folder, name)
    return path


def labels(folder, name) -> dict[str, int]:
    """Version by label."""
    return dict(_entry(read_config(folder), name).version_labels)


def set_label(folder, name, label, version):
    """Sets a label, or moves it: a roll-out and a roll-back are the same.

    A server that polls `models.config` follows; requests by label go to the old version
    until then.

    Raises:
        ValueError: If there is no such model, or no such version in its folder.
    """
    _check_name("a label", label)
    config = read_config(folder)
    entry = _entry(config, name)
    there = versions_in(pathlib.Path(folder) / "models" / name)
    if int(version) not in there:
        raise ValueError(f"Expected a version of {name!r}, {there}, got {version}.")
    entry.version_labels[label] = int(version)
    write_config(folder, config)


def remove_label(folder, name, label):
    """Takes a label away.

    Raises:
        ValueError: If it is not there.
    """
    config = read_config(folder)
    entry = _entry(config, name)
    if label not in entry.version_labels:
        known = sorted(entry.version_labels)
        raise ValueError(f"Expected a label of {name!r}, {known}, got {label!r}.")
    del entry.version_labels[label]
    write_config(folder, config)


def read_config(folder):
    """The folder's `ModelServerConfig`; an empty one where there is none.

    Raises:
        ValueError: For a file that is none.
    """
    path = pathlib.Path(folder) / CONFIG
    config = model_server_config_pb2.ModelServerConfig()
    if path.is_file():
        try:
            text_format.Parse(path.read_text(), config)
        except text_format.ParseError as error:
            raise ValueError(f"Expected a ModelServerConfig: {path}:{error}") from error
    return config


def write_config(folder, config):
    """Writes it aside and renames: a server that polls never sees half of it."""
    write_text(pathlib.Path(folder) / CONFIG, text_format.MessageToString(config))


def _entry(config, name):
    entries = {entry.name: entry for entry in config.model_config_list.config}
    if name not in entries:
        raise ValueError(f"Expected a model of {sorted(entries)}, got {name!r}.")
    return entries[name]


def _check_name(what, name):
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):  # It stands in URLs and paths.
        raise ValueError(
            f"Expected {what} of letters, digits, '_', '.' and '-', got {name!r}."
        )


def _write_templates(folder, name):
    templates = importlib.resources.files("keras_gen.kit")
    for file in TEMPLATES:
        if not (folder / file).exists():
            text = string.Template((templates / file).read_text()).safe_substitute(
                {"model": name}
            )
            write_text(folder / file, text)
