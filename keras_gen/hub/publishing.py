"""Pushing a model to the hub: what is written, and what of the hub's is kept."""

import contextlib
import functools
import json
import os
import pathlib
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from keras_gen import files, metrics, pictures, runs, zoo
from keras_gen.core import checks, hub_client, weight_files
from keras_gen.core.hub_client import Address, in_words
from keras_gen.core.model import GenerativeModel
from keras_gen.core.registry import PRESETS, load_plugins, preset
from keras_gen.data import catalog, licences
from keras_gen.data import load as load_data
from keras_gen.hub import readme

README, CONFIG = "README.md", "config.json"
PICTURES = (".png", ".gif", ".jpg")
SECONDS = 60  # Until the hub must answer a request that writes.
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")


def push(
    source: GenerativeModel | runs.Run | str | os.PathLike,
    repository: str,
    *,
    name: str | None = None,
    private: bool | None = None,
    create_pr: bool = False,
    message: str | None = None,
    licence: str | None = None,
    data: str | os.PathLike | None = None,
    data_licence: str | None = None,
    commands: Sequence[str] | None = None,
    figures: Mapping[str, Any] | None = None,
    published: Mapping[str, float] | None = None,
    notes: str | None = None,
    evaluate: bool = False,
    dtype: Literal["float32", "float16"] | None = None,
    data_pictures: bool = False,
    split_seed: int | None = None,
) -> str:
    """Pushes a model to the Hugging Face Hub, and prints what was done.

    The repository is made if it does not exist. One commit holds `card.json`,
    `weights.safetensors`, `README.md`, `config.json` and pictures. The README is
    written from the card. Its last line holds the SHA-256 of the rest: if they do not
    fit, or the line is missing, somebody has edited it, and it is kept as it is. Other
    files of the repository stay. The commit is refused if others push at the same time.

    Of data of your own, neither paths nor images leave this machine: the card names the
    last part of a path alone, and pictures that would show images of the data are left
    out unless `data_pictures` is true.

        keras_gen.hub.push(model, "someone/dcgan-birds", data="birds")

    Args:
        source: Model; or a run, or the path of a run's folder, of a folder with a card,
            or of a `.keras` file. A folder with a card is pushed with its pictures, and
            its entries cannot be replaced; paths in them are shortened too.
        repository: Name of the repository, as "user/name".
        name: Name of the model's preset; None finds it by the class.
        private: Boolean, whether a new repository is private; None leaves it to the
            account. If True, a repository that is public is refused.
        create_pr: Boolean, whether a pull request is opened instead of a commit.
        message: Message of the commit; None names the model.
        licence: Licence of the weights, by the hub's identifier ("apache-2.0", "mit",
            "cc-by-4.0"); None states none.
        data: Data set that the model was trained on; None is that of the run.
        data_licence: Licence of the data; None is that of data which ship.
        commands: Commands that trained the model, in their order; None takes those of
            the run.
        figures: Figures of `keras_gen.metrics.evaluate`, or others, by name; None
            writes a card without figures.
        published: Published values of figures, by name, for the README.
        notes: Notes: what was left out, what to expect.
        evaluate: Boolean, whether figures are measured first, which takes minutes.
        dtype: Type of the stored weights; None is "float32".
        data_pictures: Boolean, whether pictures may show images of data of your own;
            those of data sets that others get by name are always shown. Of a folder
            with a card, all pictures are pushed.
        split_seed: Seed with which a folder was split in training, so that figures are
            of images that were held out; None is that of the run, or 0.

    Returns:
        Address of the commit, or of the pull request.

    Raises:
        ValueError: In one sentence, before any work, for names that the hub does not
            allow, arguments that do not fit, a missing token or client; and for what
            the hub refuses.
    """
    address = check(repository, licence=licence, dtype=dtype)
    entries = {
        "data": None if data is None else os.fspath(data),
        "data_licence": data_licence,
        "commands": None if commands is None else list(commands),
        "figures": None if figures is None else dict(figures),
        "published": None if published is None else dict(published),
        "notes": notes,
    }
    entries = {key: value for key, value in entries.items() if value is not None}
    if evaluate and "figures" in entries:
        raise ValueError("Expected figures or evaluate=True, got both.")
    if message is not None and not message.strip():
        raise ValueError("Expected a message of the commit, got an empty one.")
    with in_words(address), _answers_in_time():
        found = _found(address, private)
    with tempfile.TemporaryDirectory() as folder:
        prepared = pathlib.Path(folder) / "repository"
        options = {"evaluate": evaluate, "dtype": dtype, "split_seed": split_seed}
        options["data_pictures"] = data_pictures
        card, model = _prepare(source, prepared, name, entries, **options)
        shown = _pictures_in(prepared)
        text = readme.written(card, model, repository, shown, licence)
        (prepared / README).write_text(text, "utf-8")
        config = {"library_name": "keras_gen", "model_type": card["preset"]}
        (prepared / CONFIG).write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        message = message or f"{card['preset']}, pushed by keras_gen"
        with in_words(address), _answers_in_time():
            return _commit(address, found, prepared, private, create_pr, message)


def check(
    repository: str, *, licence: str | None = None, dtype: str | None = None, **others
) -> Address:
    """Refuses what can be known to be wrong before a model is pushed.

    Args:
        repository: Name of the repository.
        licence: Licence of the weights.
        dtype: Type of the stored weights.
        **others: Further arguments of `push`, whose names are checked.

    Returns:
        The repository.

    Raises:
        ValueError: For a wrong name or argument, and without the hub's client, a token
            or a network.
    """
    hub_client.check_repository(repository)
    known = set(push.__kwdefaults__)
    if set(others) - known:
        raise ValueError(
            f"Expected arguments of push ({', '.join(sorted(known))}), got "
            f"{sorted(set(others) - known)}."
        )
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise ValueError(
            "Expected the hub's identifier of a licence, such as 'apache-2.0', got "
            f"{licence!r}."
        )
    if dtype is not None:
        checks.one_of(("float32", "float16"), dtype=dtype)
    address = Address(repository)
    hub = hub_client.client()
    with in_words(address):
        if hub.constants.is_offline_mode():
            raise hub.errors.OfflineModeIsEnabled
        if hub.get_token() is None:
            raise hub.errors.LocalTokenNotFoundError
    return address


def measured(model: GenerativeModel, data: str, **options) -> dict[str, Any]:
    """All figures of a model, rounded to the digits that cards show.

    Args:
        model: The model, which is compiled anew.
        data: Data set with a test split.
        **options: Other arguments of `keras_gen.metrics.evaluate`.
    """
    model.compile(seed=0)
    figures = metrics.evaluate(model, data, **options)
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in figures.items()}


# The files.


def _prepare(source, folder, name, entries, evaluate, dtype, split_seed, data_pictures):
    """Writes card, weights and pictures into a new folder.

    Returns:
        The card, and the model as it was stored.
    """
    path = source.folder if isinstance(source, runs.Run) else source
    is_path = not isinstance(source, GenerativeModel)
    if is_path and (pathlib.Path(path) / zoo.CARD).is_file():
        if entries or dtype or evaluate:
            raise ValueError(
                f"Expected no further entries for {path}, whose card is complete, got "
                f"{sorted(entries) or 'evaluate or dtype'}."
            )
        return _copy_card(pathlib.Path(path), folder, name)
    run = runs.Run.of(path) if is_path else None
    is_run = run is not None and pathlib.Path(path).is_dir()
    if is_run:
        entries = {"data": run.settings.data, "commands": run.commands, **entries}
        source, name = runs.Run.open(path, name).load_model(), run.settings.name
    elif is_path:
        source, name = _load_archive(path, name)
    name = name or name_of(source)
    data = entries.get("data")
    if split_seed is None:
        split_seed = 0 if run is None or data is None else run.split_seed(data)
    licence = None if data is None else licences.of(data)
    if licence is not None:
        entries = {"data_licence": licence, **entries}
    entries = _without_paths(entries)
    done = {"epochs": int(source.epoch.numpy()), "steps": int(source.step.numpy())}
    done = {key: value for key, value in done.items() if value}
    write = functools.partial(
        zoo.write_card, folder=folder, name=name, dtype=dtype or "float32"
    )
    if evaluate and data is None:
        raise ValueError("Expected the data to evaluate on, got none: pass data=.")
    shown = data
    if not data_pictures and data is not None and not catalog.is_public(data):
        shown = None
        if pictures.show_data(source):
            print(
                f"Left out: pictures that show images of {_last_parts(data)!r}; "
                "data_pictures=True (--data-pictures) publishes them."
            )
    samples = functools.partial(_draw, source, shown, split_seed)
    card = write(source, samples=samples, **done, **entries)
    model = zoo.load(name, folder)  # What is pushed can be loaded.
    if evaluate:
        if run is not None:
            _say_if_changed(run, data, model)
        figures = measured(model, data, split_seed=split_seed)
        card = write(model, **done, **entries, figures=figures)
    if is_run and (shown is not None or not pictures.show_data(source)):
        pictures.draw_growth(run.folder / "samples", folder / "growth.gif")
    return card, model


def _say_if_changed(run, data, model):
    """Says if the data of a run are no longer split as they were in its training."""
    shapes = model.batch_shapes()
    batches = load_data(
        data,
        "test",
        features=tuple(shapes),
        image_shape=shapes.get("image"),
        shuffle=False,
        broken="skip",
    )
    if line := run.change_of(data, batches):
        print(line)


def name_of(model: GenerativeModel) -> str:
    """The name of the preset of a model's class.

    Raises:
        ValueError: If there is none, or more than one.
    """
    load_plugins()
    found = sorted(key for key, value in PRESETS.items() if value.model is type(model))
    if len(found) != 1:
        raise ValueError(
            f"Expected a model with one preset, got {type(model).__name__} with "
            f"{', '.join(found) or 'none'}: pass name=, or register it."
        )
    return found[0]


def _load_archive(path, name):
    """The model in a `.keras` file, and the name of its preset."""
    path = pathlib.Path(path)
    if not path.is_file() or path.suffix != ".keras":
        raise ValueError(
            "Expected a model, the folder of a run or of a card, or a .keras file, got "
            f"{str(path)!r}."
        )
    if name is None:
        load_plugins()
        wanted = weight_files.read_config(path)["class_name"]
        found = [k for k, v in PRESETS.items() if v.model.__name__ == wanted]
        if len(found) != 1:
            raise ValueError(f"Expected name= for {path}, a {wanted}, got none.")
        name = found[0]
    return zoo.load(name, path), name


def _copy_card(source, folder, name):
    """Copies a folder with a card, which must load."""
    card = zoo.card(name or "", source) if name else files.read_json(source / zoo.CARD)
    files.check_entries(card, {"preset": str}, source / zoo.CARD)
    chosen = preset(card["preset"]).name
    if name is not None and name != chosen:
        raise ValueError(f"Expected a card of {name!r}, got one of {chosen!r}.")
    model = zoo.load(chosen, source)
    folder.mkdir(parents=True)
    card = _without_paths(card)
    (folder / zoo.CARD).write_text(json.dumps(card, indent=2) + "\n", "utf-8")
    shutil.copyfile(zoo.weights_path(source), folder / zoo.WEIGHTS)
    for picture in _pictures_in(source):
        shutil.copyfile(source / picture, folder / picture)
    return card, model


def _pictures_in(folder):
    """Names of the pictures in a folder, samples first."""
    names = [p.name for p in folder.iterdir() if p.suffix in PICTURES]
    return sorted(names, key=lambda name: (name != "samples.png", name))


def _draw(model, data, split_seed, path):
    try:
        pictures.draw(model, data, path, split_seed)
    except (ValueError, OSError) as error:  # The data may lie elsewhere.
        print(f"No pictures: {error}")


def _without_paths(entries):
    """The entries, in which files and folders are named without their paths."""
    entries = dict(entries)
    if entries.get("data") is not None:
        data, entries["data"] = entries["data"], _last_parts(entries["data"])
        if data != entries["data"]:
            named = entries["data"]
            print(f"The card names the data {named!r}, without the path {data!r}.")
    if "commands" in entries:
        entries["commands"] = [_without_paths_of(text) for text in entries["commands"]]
    if entries.get("figures_again"):
        entries["figures_again"] = _without_paths_of(entries["figures_again"])
    return entries


def _without_paths_of(command):
    """A command in which paths are replaced by their last parts.

    >>> _without_paths_of("keras-gen train dcgan --data=my/birds --set a=b/c")
    'keras-gen train dcgan --data=birds --set a=b/c'
    """
    words, before = [], None
    for word in shlex.split(command):
        option, equals, value = word.partition("=")
        if not equals or not option.startswith("--"):
            option, equals, value = before, "", word
        if option == "--data":
            value = _last_parts(value)
        elif option == "--weights":
            value = _last_part_of_weights(value)
        elif option != "--set":
            value = _last_part(value)
        words.append(f"{option}={value}" if equals else value)
        before = word
    return shlex.join(words)


def _last_parts(data):
    """A data set, in which each path between commas is replaced by its last part.

    >>> _last_parts("faces/personas?glasses,!glasses"), _last_parts("a:b/c,d/photos/")
    ('faces/personas?glasses,!glasses', 'c,photos')
    """
    if catalog.is_public(data):
        return data
    return ",".join(map(_last_part, data.split(",")))


def _last_part_of_weights(weights):
    """The last part of a path, also of "NAME:PATH"; addresses as they are."""
    name, colon, path = weights.partition(":")
    if colon and name in PRESETS:
        return f"{name}:{_last_part_of_weights(path)}"
    return weights if hub_client.is_address(weights) else _last_part(weights)


def _last_part(path):
    """The last part of a path; texts without separators as they are."""
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1] or path


# The hub.


@contextlib.contextmanager
def _answers_in_time() -> Iterator[None]:
    """Limits the time for answers in its scope; the client itself waits forever."""
    hub = hub_client.client()
    session = hub.get_session()
    before, limit = session.timeout, hub.constants.HF_HUB_DOWNLOAD_TIMEOUT
    is_set = limit != hub.constants.DEFAULT_DOWNLOAD_TIMEOUT
    session.timeout = limit if is_set else SECONDS
    try:
        yield
    finally:
        session.timeout = before


def _found(address, private):
    """What the hub says of a repository; None if it does not exist yet.

    Raises:
        ValueError: If it is public and should be private.
    """
    hub = hub_client.client()
    try:
        limit = hub.get_session().timeout.read
        found = hub.HfApi().model_info(address.repository, timeout=limit)
    except hub.errors.GatedRepoError:
        raise
    except hub.errors.RepositoryNotFoundError:
        return None
    if private and not found.private:
        raise hub_client.Refusal(
            f"Expected a private repository, got {address}, which is public."
        )
    if private is False and found.private:
        print(f"{address} exists, and stays private.")
    return found


def _commit(address, found, folder, private, create_pr, message):
    """Makes the repository if needed, and one commit of a folder's files."""
    hub = hub_client.client()
    api = hub.HfApi(library_name="keras_gen")
    if found is None:
        api.create_repo(address.repository, private=private, exist_ok=True)
        found = _found(address, None)
    names = sorted(path.name for path in folder.iterdir())
    kept = _kept_readme(address, found)
    if kept:
        names.remove(README)
    before = found.sha
    done = api.create_commit(
        address.repository,
        [hub.CommitOperationAdd(name, str(folder / name)) for name in names],
        commit_message=message,
        create_pr=create_pr,
        parent_commit=before,
    )
    if kept:
        print(f"{README} of {address} was edited on the hub, and is kept as it is.")
    if done.oid == before and not create_pr:
        print(f"{address} holds these files already: nothing was changed.")
    else:
        print(f"{address}: {', '.join(names)} are in {done.pr_url or done.commit_url}")
    return done.pr_url or done.commit_url


def _kept_readme(address, found):
    """Whether the repository has a README that somebody wrote or edited."""
    if README not in {file.rfilename for file in found.siblings or ()}:
        return False
    path = hub_client.client().hf_hub_download(
        address.repository, README, revision=found.sha
    )
    try:
        return not readme.is_unedited(files.read_text(path))
    except ValueError:  # Somebody else wrote what is not UTF-8.
        return True
