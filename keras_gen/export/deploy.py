"""The folder of a server: models, configuration, compose file, manifest.

    serving/
      models/<name>/<version>/    SavedModels; the server loads all of them
      models.config               the models, and labels of their versions
      batching.config, monitoring.config, probe.sh, compose.yaml, kubernetes/

`models.config` is the protocol buffer `ModelServerConfig` in text format, read and
written by its own classes. The other files are copies of those in `export/`, for users
to edit: a file that exists already is kept.
"""

import contextlib
import importlib.resources
import os
import pathlib
import re

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_gen import files
from keras_gen.core.model import GenerativeModel
from keras_gen.export.saved_model import (
    BATCH_SIZES,
    check_version,
    save,
    versions_in,
)

CONFIG, BATCHING = "models.config", "batching.config"
TEMPLATES = (
    BATCHING,
    "monitoring.config",
    "probe.sh",
    "compose.yaml",
    "kubernetes/kustomization.yaml",
    "kubernetes/base/kustomization.yaml",
    "kubernetes/base/serving.yaml",
    "kubernetes/base/policies.yaml",
    "kubernetes/canary/kustomization.yaml",
    "kubernetes/gateway/kustomization.yaml",
    "kubernetes/gateway/gateway.yaml",
    "kubernetes/gateway/envoy.yaml",
    "kubernetes/gpu/kustomization.yaml",
    "kubernetes/monitoring/kustomization.yaml",
    "kubernetes/monitoring/monitoring.yaml",
)
ROOT = "/serving"  # Path at which the compose file and the manifest mount the folder.


def add(
    model: GenerativeModel,
    folder: str | os.PathLike,
    name: str,
    version: int | None = None,
    *,
    label: str | None = None,
    root: str = ROOT,
    **options,
) -> pathlib.Path:
    """Exports a model into a folder for TF Serving, and configures the server for it.

    All arguments are checked before the export. The model and the label are added to
    `models.config` at once, after the version has been written.

    Args:
        model: A `GenerativeModel`.
        folder: Folder of the server, with all its models; it is created if needed.
        name: Name of the model on the server.
        version: Number of the version, at least 1; None uses the next one.
        label: Label of the version. None gives "stable" if no version of the model has
            that label, and "canary" otherwise.
        root: Path of the folder on the server.
        **options: Further arguments of `keras_gen.export.save`.

    Returns:
        The version's folder.

    Raises:
        ValueError: For what `check` refuses, arguments that `keras_gen.export.save`
            refuses, or `batch_sizes` above the `max_batch_size` of the folder.
    """
    folder = pathlib.Path(folder)
    check(folder, name, version, label)
    _check_batches(folder, options.get("batch_sizes", BATCH_SIZES))
    path = save(model, folder / "models" / name, version, **options)
    _write_templates(folder)
    with _changed(folder) as config:  # It may have changed during the export.
        entries = {entry.name: entry for entry in config.model_config_list.config}
        entry = entries.get(name)
        if entry is None:
            entry = config.model_config_list.config.add(name=name)
            entry.base_path = f"{root}/models/{name}"
            entry.model_platform = "tensorflow"
            entry.model_version_policy.all.SetInParent()
        label = label or ("canary" if "stable" in entry.version_labels else "stable")
        entry.version_labels[label] = int(path.name)
    return path


@contextlib.contextmanager
def _changed(folder):
    """Gives the `ModelServerConfig` of a folder, and writes it at the end."""
    with files.locked(folder):
        config = read_config(folder)
        yield config
        write_config(folder, config)


def check(
    folder: str | os.PathLike,
    name: str,
    version: int | None = None,
    label: str | None = None,
) -> None:
    """Checks that a version can be added to a folder, and changes nothing.

    Args:
        folder: Folder of the server, which need not exist.
        name: Name of the model on the server.
        version: Number of the version; None uses the next one.
        label: Label of the version, or None.

    Raises:
        ValueError: For a folder of other files, a name or a label that paths cannot
            contain, a version that exists or is out of range, or a `models.config` that
            cannot be read.
    """
    folder = pathlib.Path(folder)
    _check_name("a model's name", name)
    if label is not None:
        _check_name("a label", label)
    _check_folder(folder)
    read_config(folder)
    check_version(folder / "models" / name, version)


def labels(folder: str | os.PathLike, name: str) -> dict[str, int]:
    """The version of each label of a model.

    Args:
        folder: Folder of the server.
        name: Name of the model.

    Raises:
        ValueError: If the folder has no such model.
    """
    return dict(_entry(read_config(folder), name).version_labels)


def set_label(
    folder: str | os.PathLike, name: str, label: str, version: int | str
) -> None:
    """Gives a label to a version, which releases it or rolls back to it.

    A server reads `models.config` again every few seconds. Until then, requests by this
    label get the old version.

    Args:
        folder: Folder of the server.
        name: Name of the model.
        label: Label to set; another version that has it loses it.
        version: Number of the version.

    Raises:
        ValueError: If the folder has no such model, or the model no such version.
    """
    _check_name("a label", label)
    _entry(read_config(folder), name)
    known = versions_in(pathlib.Path(folder) / "models" / name)
    if str(version) not in map(str, known):
        raise ValueError(f"Expected a version of {name!r}, {known}, got {version}.")
    with _changed(folder) as config:
        _entry(config, name).version_labels[label] = int(version)


def remove_label(folder: str | os.PathLike, name: str, label: str) -> None:
    """Removes a label of a model.

    Args:
        folder: Folder of the server.
        name: Name of the model.
        label: Label to remove.

    Raises:
        ValueError: If the folder has no such model, or the model no such label.
    """
    _entry(read_config(folder), name)
    with _changed(folder) as config:
        known = _entry(config, name).version_labels
        if label not in known:
            raise ValueError(
                f"Expected a label of {name!r}, {sorted(known)}, got {label!r}."
            )
        del known[label]


def read_config(folder: str | os.PathLike):
    """The `ModelServerConfig` in a folder; an empty one if there is no file.

    Raises:
        ValueError: If the file is not a `ModelServerConfig`.
    """
    path = pathlib.Path(folder) / CONFIG
    config = model_server_config_pb2.ModelServerConfig()
    if path.is_file():
        try:
            text_format.Parse(files.read_text(path), config)
        except text_format.ParseError as error:
            raise ValueError(f"Expected a ModelServerConfig: {path}:{error}") from error
    return config


def write_config(folder: str | os.PathLike, config) -> None:
    """Replaces a folder's `models.config`; a server never reads an incomplete file."""
    files.write_text(pathlib.Path(folder) / CONFIG, text_format.MessageToString(config))


def _entry(config, name):
    entries = {entry.name: entry for entry in config.model_config_list.config}
    if name not in entries:
        raise ValueError(f"Expected a model of {sorted(entries)}, got {name!r}.")
    return entries[name]


def _check_name(what, name):
    is_name = isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]*", name)
    if not is_name:  # URLs and paths contain it.
        raise ValueError(
            f"Expected {what} of letters, digits, '_', '.' and '-', got {name!r}."
        )


def _check_folder(folder):
    """Refuses a folder that has other files and is not that of a server."""
    if not folder.exists() or (folder / CONFIG).is_file():
        return
    if not folder.is_dir():
        raise ValueError(f"Expected a folder, got the file {folder}.")
    known = {"models", "lost+found", *(file.split("/")[0] for file in TEMPLATES)}
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if names - known:
        raise ValueError(
            f"Expected an empty folder or one with a {CONFIG}, got {folder} with "
            f"{len(names)} other entries, such as {min(names - known)!r}."
        )


def _write_templates(folder):
    for file in TEMPLATES:
        if not (folder / file).exists():
            files.write_text(folder / file, _template(file))


def _template(file):
    return (importlib.resources.files("keras_gen.kit") / file).read_text("utf-8")


def _check_batches(folder, sizes):
    """Refuses batches that are larger than those that the folder's server accepts.

    Sizes of another kind are left to `save`, which refuses them.
    """
    path = folder / BATCHING
    text = path.read_text("utf-8") if path.is_file() else _template(BATCHING)
    found = re.search(r"max_batch_size\s*:?\s*\{\s*value:\s*(\d+)", text)
    if not found or not isinstance(sizes, (list, tuple)):
        return
    largest = int(found[1])
    if any(isinstance(size, int) and size > largest for size in sizes):
        raise ValueError(
            f"Expected batch_sizes of at most {largest}, the max_batch_size of the "
            f"server ({path}), got {list(sizes)}."
        )
