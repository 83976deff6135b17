"""Loading from and pushing to the hub, against its double on the loopback."""

import json
import re
import shlex
import shutil
import socket
import threading
import warnings

import hub_double
import huggingface_hub
import huggingface_hub.constants
import numpy as np
import pytest
import yaml
from hub_double import HUB, TOKEN, File, sha256
from huggingface_hub.utils import _http

import keras_gen
from keras_gen import pictures, zoo
from keras_gen.cli import app
from keras_gen.core import hub_client
from keras_gen.hub import publishing, readme

assert huggingface_hub.constants.ENDPOINT == HUB.url, "It was imported before."

# The client passes bytes to its HTTP client in a way that it warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

TINY = {"image_shape": (8, 8, 1), "latent_dim": 2, "widths": [4]}


@pytest.fixture(autouse=True)
def hub(monkeypatch, tmp_path):
    """An empty hub, an empty cache, and a token."""
    HUB.repositories.clear()
    HUB.objects.clear()
    HUB.requests.clear()
    HUB.faults.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(_http.time, "sleep", lambda seconds: None)  # Before retries.
    monkeypatch.chdir(tmp_path)
    return HUB


@pytest.fixture
def plain(monkeypatch):
    """Pushes without pictures, which take time."""
    monkeypatch.setattr(pictures, "draw", lambda *arguments: None)


@pytest.fixture(scope="module")
def model():
    return zoo.load("gan", **TINY)


@pytest.fixture(scope="module")
def card_folder(model, tmp_path_factory):
    """A folder with a card, as those that ship."""
    folder = tmp_path_factory.mktemp("card")
    figures = {"frechet_distance": 0.25, "frechet_distance_floor": 0.125}
    options = {"data": "mnist", "commands": ["keras-gen train gan"], "figures": figures}
    zoo.write_card(model, folder, name="gan", dtype="float32", **options)
    return folder


@pytest.fixture
def shared(hub, card_folder):
    """A repository of another user with card and weights, and with code."""
    files = {p.name: p.read_bytes() for p in card_folder.iterdir()}
    code = {"model.py": b"raise SystemExit", "README.md": b"# Digits"}
    return hub.add("others/digits", {**files, **code})


def same_samples(model, other):
    np.testing.assert_array_equal(model.sample(2, seed=0), other.sample(2, seed=0))


def run(*arguments):
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as end:
        app([str(argument) for argument in arguments])
    return end.value.code or 0


# Loading.


def test_a_model_is_loaded_by_an_address_alone(shared, hub, model, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    loaded = zoo.load("hf://others/digits")
    assert type(loaded) is keras_gen.models.GAN
    same_samples(loaded, model)
    assert hub.fetched() == {"card.json", "weights.safetensors"}
    assert {host for _, _, host in hub.requests} == {"hub", "storage"}


def test_an_address_stands_for_weights_everywhere(shared, hub, model, capsys):
    address = "hf://others/digits@main"
    same_samples(zoo.load("gan", weights=address), model)
    assert zoo.card("gan", address)["data"] == "mnist"
    assert zoo.card("hf://others/digits") == zoo.card("gan", address)
    assert run("sample", "gan", "--weights", address, "-n", 4, "-o", "a.png") == 0
    assert run("show", "gan", "--weights", address) == run("show", address) == 0
    assert run("sample", address) == 2
    assert run("export", f"gan:{address}", "--to", "served", "--ability", "sample") == 0
    printed = capsys.readouterr()
    assert printed.out.count('"frechet_distance"') == 2
    assert "which stands for weights: pass it as weights" in printed.err
    assert zoo.load("hf://others/digits", latent_dim=2).latent_dim == 2
    with pytest.raises(ValueError, match="Expected weights of DCGAN, got hf://others"):
        zoo.load("dcgan", weights=address)
    with pytest.raises(ValueError, match="argument"):
        zoo.load("hf://others/digits", no_argument=1)


def test_a_revision_is_a_branch_a_tag_or_a_commit(shared, hub, model):
    first = shared.head
    shared.refs["v1"] = shared.refs["feature/x"] = first
    changed = {n: f for n, f in shared.commits[first].items() if n != "card.json"}
    shared.commit({**changed, "card.json": File(b"{}")}, message="spoils the card")
    for revision in ("v1", "feature/x", first):
        same_samples(zoo.load("hf://others/digits", revision=revision), model)
        same_samples(zoo.load("gan", f"hf://others/digits@{revision}"), model)
    with pytest.raises(ValueError, match="entry 'model'.*hf://others/digits/card.json"):
        zoo.load("hf://others/digits")
    with pytest.raises(ValueError, match="no revision 'v2'"):
        zoo.load("hf://others/digits@v2")


def test_files_of_one_commit_are_loaded_though_the_branch_moves(shared, hub, model):
    """The second file is that of the card's commit, whatever was pushed since."""
    address = hub_client.parse("hf://others/digits")
    folder = hub_client.fetch(address, ["card.json"])
    assert folder.name == shared.head
    same_samples(zoo.load("hf://others/digits"), model)
    before = len(hub.requests)
    zoo.load(f"hf://others/digits@{shared.head}")
    assert len(hub.requests) == before  # A commit in the cache needs no request.


NAMES = [
    "hf://",
    "hf://user",
    "hf://a/b/c",
    "hf:///name",
    "hf://user/",
    "hf://user/name@",
    "hf://user/name@a..b",
    "hf://user/name@ main",
    "hf://user/na me",
    "hf://user/../name",
    "hf://user/-name",
    "hf://user/a--b",
    "hf://user/name.git",
    "hf://usér/name",
    "hf://user/name?x=1",
    "hf://user/" + "n" * 97,
]


@pytest.mark.parametrize("name", NAMES)
def test_other_names_are_refused_before_the_hub_is_asked(name, hub):
    for load in (lambda: zoo.load(name), lambda: zoo.load("gan", weights=name)):
        with pytest.raises(ValueError, match="Expected a (repository|branch)"):
            load()
    with pytest.raises(ValueError, match="Expected a repository"):
        keras_gen.hub.push("nothing", name.removeprefix("hf://").replace("@", "?"))
    assert not hub.requests


def test_arguments_that_contradict_are_refused(hub, tmp_path):
    with pytest.raises(ValueError, match="one revision"):
        zoo.load("hf://a/b@v1", revision="v2")
    with pytest.raises(ValueError, match="revision only with hf://"):
        zoo.load("gan", revision="v2")
    with pytest.raises(ValueError, match="without other weights, got 'mnist'"):
        zoo.load("hf://a/b", "mnist")
    with pytest.raises(ValueError, match="as a str"):
        zoo.load("gan", weights=tmp_path.__class__("hf://a/b"))
    assert not hub.requests


# Faults.


def sentence_of(address="hf://others/digits", **options):
    """The message with which an address is refused: one sentence in one line."""
    with pytest.raises(ValueError) as error:
        zoo.load(address, **options)
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and address.split("@")[0] in text
    return text


def test_missing_and_private_repositories(shared, hub, monkeypatch):
    shared.private = True
    for address in ("hf://others/digits", "hf://others/nothing"):
        assert "does not exist, or is private" in sentence_of(address)
    monkeypatch.delenv("HF_TOKEN")
    assert "set HF_TOKEN" in sentence_of()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ValueError, match="The hub refused the token"):
        zoo.load("hf://others/digits")


def test_gated_repositories(shared, monkeypatch):
    shared.gated = True
    assert f"is gated: ask for access on {HUB.url}/others/digits" in sentence_of()
    monkeypatch.delenv("HF_TOKEN")
    assert "is gated" in sentence_of()


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_missing_files(shared, name):
    shared.commit({n: f for n, f in shared.commits[shared.head].items() if n != name})
    assert f"holds no {name}" in sentence_of()


def test_cards_that_do_not_fit(shared, card_folder):
    def replace(**entries):
        contents = json.loads((card_folder / "card.json").read_text()) | entries
        files = dict(shared.commits[shared.head])
        content = json.dumps(contents).encode()
        shared.commit({**files, "card.json": File(content)}, message=str(entries))

    replace(preset="birds")
    assert "'birds'" in sentence_of() and "needs it" in sentence_of()
    replace(preset=["gan"])
    assert "'preset' that is a str" in sentence_of()
    replace(model="os.system")
    with pytest.raises(ValueError, match="Expected weights of GAN"):
        zoo.load("hf://others/digits")
    replace(configuration={"latent_dim": 10**9})
    assert "over " in sentence_of()
    replace(configuration={"widths": {"class_name": "x"}})
    assert "plain values" in sentence_of()
    replace(sha256="0" * 64)
    assert "with sha256 000" in sentence_of()


def test_truncated_and_changed_files(shared, hub):
    hub.faults["truncate"] = ["weights.safetensors"]
    assert "Consistency check failed" in sentence_of()
    del hub.faults["truncate"]
    hub.faults["spoil"] = ["weights.safetensors"]
    text = sentence_of()
    assert "not the one that the card describes" in text
    folder = re.search(r"delete (.*)\.$", text)[1]  # What the message says to do.
    shutil.rmtree(folder)
    del hub.faults["spoil"]
    zoo.load("hf://others/digits")


@pytest.mark.parametrize("status", [403, 429, 500, 503])
def test_other_answers(shared, hub, status):
    hub.faults["status"] = {"/resolve/": status}
    text = sentence_of()
    assert "may not do this" in text if status == 403 else f"answered {status}" in text


def test_a_hub_that_does_not_answer(shared, hub, model, monkeypatch):
    hub.faults["slow"] = threading.Event()
    for name in ("HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        monkeypatch.setattr(huggingface_hub.constants, name, 0.1)
    try:
        for use in (
            lambda: zoo.load("hf://others/digits"),
            lambda: keras_gen.hub.push(model, "someone/digits"),
        ):
            with pytest.raises(ValueError, match="did not answer in time.*TIMEOUT"):
                use()
    finally:
        hub.faults["slow"].set()


def no_network(monkeypatch):
    """Lets the hub's client ask a port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", url)
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template
    )


def test_no_network(shared, model, monkeypatch):
    with monkeypatch.context() as patch:
        no_network(patch)
        assert "cannot be reached" in sentence_of()
    zoo.load("hf://others/digits")
    no_network(monkeypatch)
    with pytest.warns(UserWarning, match=f"{shared.head[:8]} come from the cache"):
        same_samples(zoo.load("hf://others/digits"), model)


def test_offline(shared, model, monkeypatch):
    offline = (huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with monkeypatch.context() as patch:
        patch.setattr(*offline)
        text = sentence_of()
        assert "HF_HUB_OFFLINE is set, and the cache holds no card.json" in text
    zoo.load("hf://others/digits")
    monkeypatch.setattr(*offline)
    HUB.requests.clear()
    same_samples(zoo.load("hf://others/digits"), model)
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set"):
        keras_gen.hub.push(model, "someone/digits")
    assert not HUB.requests


def test_without_the_client_it_is_said_what_to_install(model, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    for use in (
        lambda: zoo.load("hf://others/digits"),
        lambda: keras_gen.hub.push(model, "someone/digits"),
        lambda: keras_gen.hub.Push("someone/digits"),
    ):
        with pytest.raises(ValueError, match=re.escape("'keras-gen[hub]'")):
            use()


# Pushing.


def head_of(text):
    """The YAML of a README."""
    return yaml.safe_load(text.split("---")[1])


def test_a_model_in_memory_is_pushed_and_loaded(hub, model, capsys):
    options = {"licence": "mit", "data": "mnist", "notes": "Of a test."}
    url = keras_gen.hub.push(model, "someone/digits", **options)
    repository = hub.repositories["someone/digits"]
    assert url == f"{HUB.url}/someone/digits/commit/{repository.head}"
    assert url in capsys.readouterr().out
    assert not repository.private
    names = {"card.json", "weights.safetensors", "README.md", "config.json"}
    assert set(repository.files) == names | {"samples.png", ".gitattributes"}
    card = json.loads(repository.files["card.json"])
    assert "figures" not in card and card["stored_as"] == "float32"
    assert sha256(repository.files["weights.safetensors"]) == card["sha256"]
    config = json.loads(repository.files["config.json"])
    assert config == {"library_name": "keras_gen", "model_type": "gan"}
    same_samples(zoo.load("hf://someone/digits"), model)
    text = repository.files["README.md"].decode()
    assert "Nothing was measured" in text and "Of a test." in text
    head = head_of(text)
    assert head["library_name"] == "keras_gen" and head["license"] == "mit"
    assert head["pipeline_tag"] == "unconditional-image-generation"
    assert head["datasets"] == ["ylecun/mnist"] and "gan" in head["tags"]
    assert "metrics" not in head


def test_a_push_of_the_same_files_is_no_commit(hub, model, capsys):
    first = keras_gen.hub.push(model, "someone/digits")
    count = len(hub.repositories["someone/digits"].commits)
    assert keras_gen.hub.push(model, "someone/digits") == first
    assert len(hub.repositories["someone/digits"].commits) == count
    assert "nothing was changed" in capsys.readouterr().out


def test_a_folder_with_a_card_is_pushed_as_it_is(hub, card_folder, model):
    keras_gen.hub.push(card_folder, "someone/digits")
    files = hub.repositories["someone/digits"].files
    for path in card_folder.iterdir():
        assert files[path.name] == path.read_bytes()
    text = files["README.md"].decode()
    assert re.search(r"Fréchet distance \| 0.25 \| 0.125 \| lower", text)
    assert head_of(text)["metrics"] == ["frechet_distance"]
    assert "```bash\nkeras-gen train gan\n```" in text
    same_samples(zoo.load("hf://someone/digits"), model)
    with pytest.raises(ValueError, match="no further entries"):
        keras_gen.hub.push(card_folder, "someone/digits", notes="More")
    (card_folder / "weights.safetensors").rename(card_folder / "kept")
    try:
        shutil.copy(card_folder / "card.json", card_folder / "weights.safetensors")
        with pytest.raises(ValueError, match="sha256"):
            keras_gen.hub.push(card_folder, "someone/digits")
    finally:
        (card_folder / "kept").rename(card_folder / "weights.safetensors")


def test_a_run_is_pushed_by_the_command_line(hub, tmp_path, capsys):
    photos = tmp_path / "secret" / "photos"
    photos.mkdir(parents=True)
    images = np.random.default_rng(0).uniform(-1, 1, (20, 8, 8, 1))
    for number, image in enumerate(images):
        keras_gen.images.save_grid(image[None], photos / f"{number}.png")
    settings = {"epochs": 1, "batch_size": 8, "overrides": TINY}
    trained = keras_gen.runs.Run.create("gan", photos, folder="run", **settings)
    model = trained.train(verbose=0)
    arguments = ["--private", "--licence", "cc-by-4.0", "--dtype", "float16"]
    assert run("push", "run", "someone/photos", *arguments) == 0
    out = capsys.readouterr().out
    assert "names the data 'photos', without the path" in out
    repository = hub.repositories["someone/photos"]
    assert repository.private and "samples.png" in repository.files
    for content in repository.files.values():
        assert b"secret" not in content
    card = json.loads(repository.files["card.json"])
    assert card["data"] == "photos" and card["stored_as"] == "float16"
    (command,) = card["commands"]
    assert command.startswith("keras-gen train gan --data photos ")
    assert card["steps"] == int(model.step.numpy()) > 0 and card["epochs"] == 1
    loaded = zoo.load("hf://someone/photos")
    np.testing.assert_allclose(
        loaded.sample(2, seed=0), model.sample(2, seed=0), atol=0.01
    )  # Weights are rounded to half precision.
    assert run("push", "run", "someone/photos", "--public", "--dtype", "float16") == 0
    assert "stays private" in capsys.readouterr().out
    shutil.rmtree(trained.folder / "samples")  # Models that draw nothing have none.
    assert run("push", "run", "someone/plain") == 0
    saved = trained.model_path
    assert run("push", saved, "someone/more") == 0
    same_samples(zoo.load("hf://someone/more"), model)
    assert run("push", "nowhere", "someone/more") == 2
    assert "Expected a model, the folder of a run" in capsys.readouterr().err


def test_paths_stay_on_this_machine_wherever_the_push_starts():
    """Relative paths are replaced too, though nothing lies there from here."""
    train = "keras-gen train ddpm --data clients/acme/photos"
    entries = {
        "data": "clients/acme/photos,clients/acme/others/",
        "commands": [
            f"{train} --weights flow_matching:/home/me/secret/model.keras",
            "keras-gen train gan --data 'acme/**/*.png' --weights hf://a/b@main",
            "keras-gen train cyclegan --data 'faces/personas?glasses,!glasses'",
            "keras-gen train dcgan --data emoji/noto --split 'train[10%:50%]'",
            "keras-gen train ddpm --data=acme:2026/photos --weights faces/acme/m.keras",
            "keras-gen train ddpm --data faces/acme/run --weights=ddpm:emoji/m.keras",
            "keras-gen train --config acme/run.yaml --data celeb_a/acme/photos",
            "keras-gen train gan --resume 'acme runs/one' --runs /home/me --epochs 3",
        ],
    }
    found = publishing._without_paths(entries)
    assert found["data"] == "photos,others"
    assert [shlex.split(command)[4:] for command in found["commands"]] == [
        ["photos", "--weights", "flow_matching:model.keras"],
        ["*.png", "--weights", "hf://a/b@main"],
        ["faces/personas?glasses,!glasses"],
        ["emoji/noto", "--split", "train[10%:50%]"],
        ["--weights", "m.keras"],
        ["run", "--weights=ddpm:m.keras"],
        ["--data", "photos"],
        ["one", "--runs", "me", "--epochs", "3"],
    ]
    assert "--data=photos" in found["commands"][4]


def test_images_of_own_data_are_pushed_only_if_that_is_asked_for(
    hub, tmp_path, monkeypatch, capsys
):
    photos, shade = tmp_path / "photos", np.random.default_rng(0)
    photos.mkdir()
    for number in range(20):
        image = shade.uniform(-1, 1, (1, 8, 8, 1))
        keras_gen.images.save_grid(image, photos / f"{number}.png")
    options = {"image_shape": (8, 8, 1), "widths": [8, 4]}
    settings = {"epochs": 1, "batch_size": 8, "overrides": options, "seed": 3}
    trained = keras_gen.runs.Run.create(
        "stacked_ae", photos, folder=tmp_path / "run", **settings
    )
    trained.train(verbose=0)
    seeds = []
    monkeypatch.setattr(
        publishing, "measured", lambda *args, split_seed: seeds.append(split_seed) or {}
    )
    keras_gen.hub.push(trained, "someone/photos", evaluate=True)
    assert seeds == [3]  # Figures are of the images that the run held out.
    files = hub.repositories["someone/photos"].files
    assert not [name for name in files if name.endswith((".png", ".gif"))]
    assert "Left out: pictures that show images of 'photos'" in capsys.readouterr().out
    keras_gen.hub.push(trained, "someone/shown", data_pictures=True)
    assert "samples.png" in hub.repositories["someone/shown"].files
    assert "has changed" not in (out := capsys.readouterr().out)
    assert "Left out" not in out
    # A model alone does not know its run.
    model = trained.load_model()
    options = {"data": photos, "evaluate": True}
    keras_gen.hub.push(model, "someone/photos", split_seed=4, **options)
    keras_gen.hub.push(trained.model_path, "someone/photos", **options)
    keras_gen.hub.push(trained, "someone/photos", split_seed=5, evaluate=True)
    assert seeds == [3, 4, 3, 5]
    shutil.copy(photos / "0.png", photos / "new.png")
    keras_gen.hub.push(trained, "someone/photos", evaluate=True)
    assert "photos has changed since the run began" in capsys.readouterr().out


def test_paths_in_a_folder_with_a_card_stay_on_this_machine(hub, model, tmp_path):
    commands = ["keras-gen train gan --data /home/me/secret/photos --epochs 1"]
    entries = {"data": "/home/me/secret/photos", "commands": commands}
    again = "keras-gen evaluate gan --weights mine --json --data /home/me/secret/photos"
    entries["figures_again"] = again
    keras_gen.zoo.write_card(model, tmp_path / "card", name="gan", **entries)
    keras_gen.hub.push(tmp_path / "card", "someone/photos")
    for name, file in hub.repositories["someone/photos"].files.items():
        if name.endswith((".json", ".md")):
            assert b"secret" not in file, name
    keras_gen.zoo.load("hf://someone/photos")


def edits(text):
    """Edits of a README that somebody may make on the hub."""
    yield text.replace("library_name: keras_gen", "library_name: keras_gen\nx: 1")
    yield text + "\nBirds."
    yield text[: text.index("<!--")]
    yield ""


def test_a_readme_that_was_edited_is_never_overwritten(hub, model, plain, capsys):
    keras_gen.hub.push(model, "someone/digits")
    repository = hub.repositories["someone/digits"]
    written = repository.files["README.md"].decode()
    for number, text in enumerate(edits(written)):
        files = dict(repository.commits[repository.head])
        files["README.md"] = File(text.encode())
        repository.commit(files, message=f"edit {number}")
        keras_gen.hub.push(model, "someone/digits", notes=f"Version {number}")
        assert repository.files["README.md"].decode() == text
        card = json.loads(repository.files["card.json"])
        assert card["notes"] == f"Version {number}"
        assert "README.md of hf://someone/digits was edited" in capsys.readouterr().out
    files = dict(repository.commits[repository.head])
    files["README.md"] = File(written.replace("\n", "\r\n").encode())  # Of an editor.
    repository.commit(files, message="line ends")
    keras_gen.hub.push(model, "someone/digits", notes="Last version")
    assert "Last version" in repository.files["README.md"].decode()
    assert "edited" not in capsys.readouterr().out


def test_a_readme_that_is_edited_during_the_push_is_kept(
    hub, model, plain, monkeypatch
):
    keras_gen.hub.push(model, "someone/digits")
    repository = hub.repositories["someone/digits"]
    check = readme.is_unedited

    def edited_now(text):
        files = dict(repository.commits[repository.head])
        repository.commit({**files, "README.md": File(b"# Mine")}, message="now")
        return check(text)

    monkeypatch.setattr(readme, "is_unedited", edited_now)
    with pytest.raises(ValueError, match="changed by others in the meantime"):
        keras_gen.hub.push(model, "someone/digits", notes="More")
    assert repository.files["README.md"] == b"# Mine"


def test_a_pull_request_leaves_the_branch_as_it_is(hub, shared, model, plain):
    before = shared.head
    url = keras_gen.hub.push(model, "others/digits", create_pr=True, notes="Better")
    assert url == f"{HUB.url}/others/digits/discussions/1" and shared.head == before
    request = zoo.card("hf://others/digits", revision="refs/pr/1")
    assert request["notes"] == "Better"


def test_what_the_hub_refuses_is_said_in_a_sentence(
    hub, shared, model, plain, monkeypatch
):
    def refused(match, repository="someone/digits", **options):
        with pytest.raises(ValueError, match=match) as error:
            keras_gen.hub.push(model, repository, **options)
        assert "\n" not in str(error.value)

    refused("may not do this", "others/digits")
    refused("may not do this", "others/new")
    refused("license.*must be one of", licence="do-what-you-like")
    assert "someone/digits" not in hub.repositories or (
        "card.json" not in hub.repositories["someone/digits"].files
    )
    hub.add("someone/public")
    refused("Expected a private repository", "someone/public", private=True)
    hub.faults["status"] = {"/commit/": 500}
    refused("answered 500")
    hub.faults.clear()
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    refused("refused the token")
    monkeypatch.delenv("HF_TOKEN")
    hub.requests.clear()
    refused("Expected a token for hf://someone/digits")
    assert not hub.requests


def test_arguments_of_push_are_checked_before_any_work(hub, model):
    for options, match in (
        ({"licence": "Apache License"}, "identifier of a licence"),
        ({"dtype": "int8"}, "dtype"),
        ({"message": " "}, "message"),
        ({"figures": {}, "evaluate": True}, "got both"),
    ):
        with pytest.raises(ValueError, match=match):
            keras_gen.hub.push(model, "someone/digits", **options)
    assert not hub.requests


def test_the_double_refuses_what_the_hub_refuses(hub, model):
    """A commit of files that break its rules fails, and unknown routes are 404."""
    api = huggingface_hub.HfApi()
    api.create_repo("someone/raw")
    add = huggingface_hub.CommitOperationAdd
    for text in ("---\nlicense: [\n---\n", "---\npipeline_tag: drawing\n---\n"):
        with pytest.raises(ValueError, match="Invalid metadata"):
            api.create_commit(
                "someone/raw", [add("README.md", text.encode())], commit_message="x"
            )
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError, match="404"):
        api.list_repo_commits("someone/raw")
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError, match="401"):
        huggingface_hub.HfApi(token=False).create_repo("someone/other")
    session = huggingface_hub.get_session()
    for name in ("a--b", "a..b", ".a", "a-", "a.git", "a b", "é", "", "n" * 97):
        wanted = {"name": name, "type": "model"}
        head = {"Authorization": f"Bearer {TOKEN}"}
        made = session.post(f"{HUB.url}/api/repos/create", json=wanted, headers=head)
        assert made.status_code == 400, name
    digest = sha256(b"abc")
    wrong = session.put(f"{HUB.storage}/{digest}?size=3", content=b"abd")
    short = session.put(f"{HUB.storage}/{digest}?size=3", content=b"ab")
    assert wrong.status_code == short.status_code == 400 and digest not in HUB.objects


# During training.


def train(model, epochs, *callbacks):
    images = np.zeros((8, 8, 8, 1), np.uint8)
    options = {"epochs": epochs, "batch_size": 4, "verbose": 0}
    model.fit(images, callbacks=list(callbacks), **options)


def test_the_callback_pushes_every_k_epochs_and_at_the_end(hub, plain):
    model = zoo.load("gan", **TINY)
    train(model, 3, keras_gen.hub.Push("someone/digits", every=2, licence="mit"))
    repository = hub.repositories["someone/digits"]
    messages = [repository.messages[oid] for oid in repository.commits]
    assert messages == ["initial commit", "Epoch 2", "Epoch 3"]
    same_samples(zoo.load("hf://someone/digits"), model)
    train(model, 2, keras_gen.hub.Push("someone/digits", every=2))
    messages = [repository.messages[oid] for oid in repository.commits]
    assert messages[3:] == ["Epoch 2"]  # The last epoch is pushed once.


def test_a_push_that_fails_stops_no_training(hub, plain, capsys):
    model = zoo.load("gan", **TINY)
    hub.faults["status"] = {"/api/": 403}
    train(model, 2, keras_gen.hub.Push("someone/digits", every=1))
    out = capsys.readouterr().out
    assert out.count("The push to someone/digits failed, training goes on: ") == 3
    assert int(model.step.numpy()) == 4


def test_a_push_without_memory_stops_no_training(hub, plain, monkeypatch, capsys):
    def draw(*args, **options):
        raise MemoryError("OOM")

    monkeypatch.setattr(publishing, "_draw", draw)
    model = zoo.load("gan", **TINY)
    train(model, 1, keras_gen.hub.Push("someone/digits"))
    assert "failed, training goes on: OOM" in capsys.readouterr().out


def test_what_is_wrong_from_the_start_is_refused_at_the_start(hub, monkeypatch):
    for name, options, match in (
        ("someone", {}, "Expected a repository"),
        ("a/b", {"every": 0}, "every"),
        ("a/b", {"every": 1, "create_pr": True}, "pull request"),
        ("a/b", {"license": "mit"}, "arguments of push"),
        ("a/b", {"licence": "MIT License"}, "identifier"),
    ):
        with pytest.raises(ValueError, match=match):
            keras_gen.hub.Push(name, **options)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ValueError, match="Expected a token"):
        keras_gen.hub.Push("a/b")
    assert not hub.requests


# READMEs.

EXAMPLES = {
    "gan": TINY,
    "cgan": None,
    "conv_ae": None,
    "classifier": None,
    "text_to_image": None,
    "matcher": None,
    "cyclegan": None,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_kind_of_model_has_a_readme_that_the_hub_takes(name):
    config = EXAMPLES[name] or zoo.preset(name).model.tiny
    model = zoo.load(name, **config)
    card = {"preset": name, "model": type(model).__name__, "configuration": config}
    text = readme.written(card, model, "someone/name")
    assert hub_double.metadata_errors(text) == []
    assert readme.is_unedited(text)
    compile(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], name, "exec")


def test_the_examples_of_a_readme_run(hub, model, monkeypatch, tmp_path):
    keras_gen.hub.push(model, "someone/digits", data="mnist")
    text = hub.repositories["someone/digits"].files["README.md"].decode()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})
    assert (tmp_path / "results.png").is_file()
    commands = re.findall(r"^keras-gen (.*hf://.*)$", text, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert run(*command.split()) == 0


@pytest.mark.parametrize("more", ["", " -n 200 --without likelihood --without 'a b'"])
def test_figures_are_measured_again_as_those_of_the_card(hub, model, more, tmp_path):
    """The settings are the card's own; the weights are those of the hub."""
    data = "faces?split=combinations"
    again = f"keras-gen evaluate gan --weights mnist --json --data {data!r}{more}"
    figures = {"frechet_distance": 0.25}
    options = {"data": data, "figures": figures, "figures_again": again}
    zoo.write_card(model, tmp_path / "card", name="gan", dtype="float32", **options)
    keras_gen.hub.push(tmp_path / "card", "someone/digits")
    text = hub.repositories["someone/digits"].files["README.md"].decode()
    wanted = again.replace("mnist", "hf://someone/digits")
    assert re.findall("^keras-gen evaluate.*$", text, re.MULTILINE) == [wanted]


@pytest.mark.parametrize("again", [None, "rm -rf /", "keras-gen evaluate --weights"])
def test_without_a_command_of_the_card_figures_are_measured_with_defaults(model, again):
    config = {"configuration": TINY, "figures": {"nll_nats": 79.9}}
    card = {"preset": "gan", "model": "GAN", "data": "a b", **config}
    text = readme.written({**card, "figures_again": again}, model, "someone/name")
    wanted = "keras-gen evaluate gan --weights hf://someone/name --data 'a b'"
    assert re.findall("^keras-gen evaluate.*$", text, re.MULTILINE) == [wanted]
    assert "rm -rf" not in text


def test_published_figures_stand_beside_the_measured_ones(model):
    card = {
        "preset": "pixelrnn",
        "model": "PixelRNN",
        "configuration": {},
        "data": "mnist",
        "figures": {"nll_nats": 79.9, "test_loss": 1.0},
        "published": {"test_loss": 0.5},
    }
    text = readme.written(card, model, "someone/name")
    assert "| 79.9 | 79.2 |" in text and "| 1 | 0.5 |" in text


def test_metrics_of_the_head_are_neither_settings_nor_errors(model):
    figures = {"kernel_distance": 0.5, "kernel_distance_error": 0.1, "recall": 0.5}
    figures |= {"recall_floor": 0.7, "seed": 0, "num_real": 9, "features": "mnist"}
    card = {"preset": "gan", "model": "GAN", "configuration": {}, "figures": figures}
    head = head_of(readme.written(card, model, "someone/name"))
    assert head["metrics"] == ["kernel_distance", "recall"]
