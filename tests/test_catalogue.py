"""Places where weights are looked up by name: folders, indexes, conflicts, faults.

A server on the loopback stands for the web server of a team.
"""

import contextlib
import hashlib
import http.server
import inspect
import json
import pathlib
import shutil
import threading
import time

import numpy as np
import pytest
from typer.testing import CliRunner

import keras_gen
from keras_gen import catalogue, downloads, weight_index, zoo
from keras_gen.cli import app
from keras_gen.metrics.figures import FIGURES
from keras_gen.models import GAN, StarGAN


class Server:
    """A web server on the loopback with the files of a folder, and faults.

    Attributes:
        address: Address of the folder, without a slash at the end.
        faults: Function by path that answers a request in place of the file.
        requests: Paths that were asked for.
    """

    def __init__(self, folder):
        self.faults, self.requests = {}, []
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=folder)

            def do_GET(self):
                outer.requests.append(self.path)
                fault = outer.faults.get(self.path)
                with contextlib.suppress(OSError):  # The client may have left.
                    fault(self) if fault else super().do_GET()

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A folder with the weights gan/team-photos, and the model that they are of."""
    model = zoo.load("gan", **GAN.tiny)
    folder = tmp_path_factory.mktemp("team")
    zoo.write_card(
        *(model, folder / "gan" / "team-photos"),
        name="gan",
        dtype="float32",
        data="mnist",
    )
    zoo.write_index(folder)
    return folder, model


@pytest.fixture
def copy(team, tmp_path):
    """A copy of the folder, for tests that change it."""
    return shutil.copytree(team[0], tmp_path / "copy")


@pytest.fixture
def server(copy, tmp_path, monkeypatch):
    """A server of the copy, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    weight_index.index_at.cache_clear()
    started = Server(copy)
    yield started
    started.close()


def use(monkeypatch, *entries):
    """Sets KERAS_GEN_ZOO, as a new process would find it."""
    weight_index.index_at.cache_clear()
    monkeypatch.setenv(catalogue.VARIABLE, ":".join(map(str, entries)))


def command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_weights_of_a_folder_load_by_name_and_are_listed(team, monkeypatch, tmp_path):
    folder, model = team
    assert zoo.weights_of("gan") == ["mnist"]
    use(monkeypatch, folder)
    assert zoo.weights_of("gan") == ["mnist", "team-photos"]
    loaded = zoo.load("gan", weights="team-photos")
    np.testing.assert_array_equal(loaded.sample(2, 0), model.sample(2, 0))
    assert zoo.card("gan", "team-photos")["data"] == "mnist"
    assert "mnist, team-photos" in command("list").output
    listed = json.loads(command("list", "--json").output)
    assert listed["gan"]["weights"] == ["mnist", "team-photos"]
    assert "data: mnist" in command("show", "gan", "--weights", "team-photos").output
    picture = tmp_path / "grid.png"
    done = command("sample", "gan", "--weights", "team-photos", "-o", picture)
    assert done.exit_code == 0 and picture.is_file()


def test_folders_are_added_in_python_too(team):
    with pytest.raises(ValueError, match="got 'team-photos'"):
        zoo.load("gan", weights="team-photos")
    zoo.add(team[0])
    zoo.add(team[0])  # Counts once.
    assert zoo.weights_of("gan") == ["mnist", "team-photos"]
    assert len(catalogue.places()) == 2


def test_without_weights_a_command_names_all_and_where_the_only_ones_are(
    team, monkeypatch
):
    use(monkeypatch, team[0])
    done = command("sample", "gan")
    assert "--weights mnist or --weights team-photos" in done.stderr
    done = command("sample", "cgan", "-o", "/nonexistent/x.png")
    assert "Weights: cgan mnist, of the zoo that ships" in done.stderr


def test_weights_of_an_index_are_downloaded_once_and_load_by_name(
    team, server, monkeypatch, capsys
):
    index = f"{server.address}/index.json"
    use(monkeypatch, index)
    assert zoo.weights_of("gan") == ["mnist", "team-photos"]
    assert zoo.card("gan", "team-photos")["data"] == "mnist"
    card, weights = (f"/gan/team-photos/{n}" for n in ("card.json", zoo.WEIGHTS))
    assert server.requests == ["/index.json", card]  # And no weights.
    model = zoo.load("gan", weights="team-photos")
    np.testing.assert_array_equal(model.sample(2, 0), team[1].sample(2, 0))
    assert server.requests == ["/index.json", card, weights]
    note = capsys.readouterr().err
    assert note.startswith("Downloading the weights gan/team-photos (0.0 MB): http")
    zoo.load("gan", weights="team-photos")
    assert len(server.requests) == 3
    zoo.add(index)  # Is asked for again; files are in the cache.
    zoo.load("gan", weights="team-photos")
    assert server.requests[3:] == ["/index.json"]


def test_damage_to_the_cache_is_mended(team, server, monkeypatch):
    use(monkeypatch, f"{server.address}/index.json")
    zoo.load("gan", weights="team-photos")
    (stored,) = downloads.cache_folder().glob(f"weights/*/{zoo.WEIGHTS}")
    stored.write_bytes(stored.read_bytes()[:-1])
    model = zoo.load("gan", weights="team-photos")
    np.testing.assert_array_equal(model.sample(2, 0), team[1].sample(2, 0))


def test_without_a_connection_the_last_index_is_used_with_a_note(
    server, monkeypatch, capsys
):
    index = f"{server.address}/index.json"
    use(monkeypatch, index)
    zoo.load("gan", weights="team-photos")
    server.close()
    use(monkeypatch, index)
    zoo.load("gan", weights="team-photos")
    assert "Using the index as it was downloaded on 20" in capsys.readouterr().err
    use(monkeypatch, f"{server.address}/other.json")
    with pytest.raises(OSError, match="Expected an answer from http.*got none"):
        zoo.load("gan", weights="team-photos")


def truncated(handler):
    """Promises more bytes than it sends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"{" * 1000)


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 2**16)


def dripping(handler):
    """Sends a byte at a time, each in time."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def silent(handler):
    time.sleep(10)


def slow_head(handler):
    """Sends the head a byte at a time."""
    for _ in range(100):
        handler.wfile.write(b"H")
        handler.wfile.flush()
        time.sleep(0.1)


def packed(handler):
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(b"packed")


def redirected(target=None):
    """Sends elsewhere, or to the same address again."""

    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", target or handler.path)
        handler.end_headers()

    return answer


def status(code):
    return lambda handler: handler.send_error(code)


FAULTS = {
    "not found": (status(404), "HTTP status 404"),
    "refused": (status(401), "HTTP status 401"),
    "broken": (status(500), "HTTP status 500"),
    "truncated": (truncated, "got (only )?[0-9,]+ bytes"),
    "endless": (endless, "at most [0-9,]+ bytes .* got more"),
    "dripping": (dripping, "faster, got only [0-9,]+ bytes|got none in time"),
    "silent": (silent, "got none in time"),
    "slow head": (slow_head, "got none in time"),
    "packed": (packed, "content encoding"),
    "circle": (redirected(), "at most 5 redirects"),
    "file": (redirected("file:///etc/passwd"), "Expected an https:// address"),
    "plain": (redirected("http://example.org/x"), "can be changed on the way"),
}
SLOW = (dripping, silent, slow_head)


@pytest.mark.parametrize("case", FAULTS)
@pytest.mark.parametrize("file", ["index.json", "gan/team-photos/weights.safetensors"])
def test_faults_of_a_server_are_one_sentence(case, file, server, monkeypatch):
    use(monkeypatch, f"{server.address}/index.json")
    fault, message = FAULTS[case]
    if file != "index.json":
        zoo.card("gan", "team-photos")  # Index and card are there.
    server.faults[f"/{file}"] = fault
    if fault in SLOW:  # None of them ends in time.
        limits = {"CONNECT": 0.3, "PAUSE": 0.7, "TOTAL": 0.5}
        for name, seconds in limits.items():
            monkeypatch.setattr(downloads, f"{name}_SECONDS", seconds)
        monkeypatch.setattr(downloads, "LEAST_RATE", 1e9)
    with pytest.raises((OSError, ValueError), match=message) as caught:
        zoo.load("gan", weights="team-photos")
    assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)
    assert not list(downloads.cache_folder().rglob(zoo.WEIGHTS))
    done = command("show", "gan", "--weights", "team-photos")
    if file == "index.json":
        assert done.exit_code in (1, 2) and done.stderr.startswith("Error: Expected")
    else:  # The card is there.
        assert done.exit_code == 0


def test_files_with_another_hash_are_refused_and_not_kept(server, copy, monkeypatch):
    path = copy / "gan" / "team-photos" / zoo.WEIGHTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    use(monkeypatch, f"{server.address}/index.json")
    with pytest.raises(OSError, match="Expected a file with sha256 .* got "):
        zoo.load("gan", weights="team-photos")
    path.write_bytes(content[:-1])
    with pytest.raises(OSError, match="bytes at .*, got only"):
        zoo.load("gan", weights="team-photos")
    path.write_bytes(content + b"more")
    with pytest.raises(OSError, match="at most .* got more"):
        zoo.load("gan", weights="team-photos")
    assert not list(downloads.cache_folder().rglob(zoo.WEIGHTS))


def test_a_card_of_other_weights_is_refused(server, copy, monkeypatch):
    card = copy / "gan" / "team-photos" / "card.json"
    contents = json.loads(card.read_text())
    card.write_text(json.dumps({**contents, "sha256": "0" * 64}))
    index = json.loads((copy / "index.json").read_text())
    index["weights"][0]["card"].update(
        sha256=hashlib.sha256(card.read_bytes()).hexdigest(), bytes=card.stat().st_size
    )
    (copy / "index.json").write_text(json.dumps(index))
    use(monkeypatch, f"{server.address}/index.json")
    with pytest.raises(ValueError, match="Expected a card of weights with sha256"):
        zoo.load("gan", weights="team-photos")


def entry(**changes):
    file = {"url": "a", "sha256": "0" * 64, "bytes": 1}
    return {"preset": "gan", "name": "a", "card": file, "weights": file, **changes}


INDEXES = {
    "no JSON": (b"<html>", "Expected JSON"),
    "list": (b"[]", "Expected a JSON object"),
    "no format": ({"weights": []}, "'format'"),
    "newer": ({"format": 2, "weights": []}, "newer version"),
    "no list": ({"format": 1, "weights": {}}, "'weights' that is a list"),
    "number": ({"format": 1, "weights": [3]}, "as entry 0"),
    "no card": ({"format": 1, "weights": [entry(card=1)]}, "'card'.*entry 0"),
    "outside": ({"format": 1, "weights": [entry(name="../a")]}, "Expected names"),
    "hidden": ({"format": 1, "weights": [entry(preset=".a")]}, "Expected names"),
    "twice": ({"format": 1, "weights": [entry(), entry()]}, "once, got gan/a"),
}
FILES = {
    "no sha": ({"sha256": "abc"}, "64 hexadecimal"),
    "path as sha": ({"sha256": "../" * 21 + "a"}, "64 hexadecimal"),
    "empty": ({"bytes": 0}, "bytes in"),
    "huge": ({"bytes": 10**15}, "bytes in"),
    "no number": ({"bytes": "1"}, "'bytes' that is a int"),
    "file": ({"url": "file:///etc/passwd"}, "https:// address.*entry 0"),
    "plain": ({"url": "http://example.org/a"}, "on the way.*entry 0"),
    "port": ({"url": "https://a:b/c"}, "https:// address.*entry 0"),
    "local": ({"url": "http://127.0.0.1/a"}, "no address of this machine"),
}
for case, (changes, message) in FILES.items():
    file = {**entry()["card"], **changes}
    INDEXES[case] = ({"format": 1, "weights": [entry(card=file)]}, message)


@pytest.mark.parametrize("case", INDEXES)
def test_indexes_that_are_damaged_or_hostile_are_refused(case):
    contents, message = INDEXES[case]
    if not isinstance(contents, bytes):
        contents = json.dumps(contents).encode()
    with pytest.raises(ValueError, match=message):
        weight_index.parse_index(contents, "https://example.org/index.json")


def test_addresses_in_an_index_are_relative_to_it_or_absolute():
    files = [
        {"url": url, "sha256": "0" * 64, "bytes": 1} for url in ("b/c", "https://d/e")
    ]
    contents = {"format": 1, "weights": [entry(card=files[0], weights=files[1])]}
    index = weight_index.parse_index(
        json.dumps(contents).encode(), "https://h/a/i.json"
    )
    card, weights = index.entries["gan", "a"]
    assert (card.url, weights.url) == ("https://h/a/b/c", "https://d/e")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("a", ["a"]),
        ("a:~/b: /c d :", ["a", "~/b", "/c d"]),
        ("https://h/i.json:a", ["https://h/i.json", "a"]),
        (
            "a:https://h:8443/i.json:https://k",
            ["a", "https://h:8443/i.json", "https://k"],
        ),
        ("http://[::1]:80/i.json:b", ["http://[::1]:80/i.json", "b"]),
        ("https://u:p@h/i.json?k=v:b", ["https://u:p@h/i.json?k=v", "b"]),
    ],
)
def test_entries_of_the_variable_are_separated_by_colons(text, parts):
    assert catalogue._split(text) == parts


def test_bad_entries_of_the_variable_are_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "gan" / "a").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    for entry, message in [
        (tmp_path / "missing", "KERAS_GEN_ZOO, got .*, which is no folder"),
        (tmp_path / "file", "which is no folder"),
        (tmp_path, "<preset>/<weights>/card.json in KERAS_GEN_ZOO, got .* none"),
        ("http://example.org/index.json", "Expected https://"),
        ("ftp://example.org/index.json", "Expected an https:// address"),
    ]:
        use(monkeypatch, entry)
        for run in (lambda: zoo.weights_of("gan"), lambda: zoo.load("gan", "mnist")):
            with pytest.raises(ValueError, match=message):
                run()
        done = command("list")
        assert done.exit_code == 2 and done.stderr.count("\n") == 1


def test_weights_of_no_model_are_named(copy, monkeypatch):
    shutil.copytree(copy / "gan", copy / "dcgann")
    use(monkeypatch, copy)
    assert f"Not listed: weights in {copy} for dcgann" in command("list").stderr


def test_a_broken_card_is_one_sentence(copy, monkeypatch):
    (copy / "gan" / "team-photos" / "card.json").write_text("{")
    use(monkeypatch, copy)
    assert "team-photos" in zoo.weights_of("gan")
    with pytest.raises(ValueError, match="Expected JSON in .*card.json"):
        zoo.load("gan", weights="team-photos")
    zoo.load("gan", weights="mnist")  # Others are not concerned.


def test_passwords_in_addresses_are_not_printed(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(downloads, "CONNECT_SECONDS", 0.3)
    use(monkeypatch, "http://me:secret@127.0.0.1:9/index.json?token=secret")
    with pytest.raises(OSError, match="http://127.0.0.1:9/index.json") as caught:
        zoo.weights_of("gan")
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="https:// address") as caught:
        downloads.check_address("https://me:secret@example.org:port/")
    assert "secret" not in str(caught.value)


def test_a_name_in_two_places_is_refused_unless_they_agree(
    team, copy, server, monkeypatch, tmp_path
):
    """The same weights in a folder and in an index are no conflict."""
    use(monkeypatch, team[0], copy, f"{server.address}/index.json")
    assert catalogue.find("gan", "team-photos").title == str(team[0])
    zoo.load("gan", weights="team-photos")
    other = tmp_path / "other"
    zoo.write_card(
        team[1], other / "gan" / "team-photos", name="gan", data="other photos"
    )
    use(monkeypatch, team[0], other)
    with pytest.raises(ValueError, match=f"one place .*{team[0]} and in {other}"):
        zoo.load("gan", weights="team-photos")
    zoo.load("gan", weights=other / "gan" / "team-photos")
    shutil.move(other / "gan" / "team-photos", other / "gan" / "mnist")
    use(monkeypatch, other)
    with pytest.raises(ValueError, match="the zoo that ships and in"):
        zoo.card("gan", "mnist")


def test_an_index_is_written_of_right_weights_only(copy, tmp_path):
    done = command("index", copy)
    assert done.exit_code == 0 and "KERAS_GEN_ZOO=https://" in done.output
    (listed,) = json.loads((copy / "index.json").read_text())["weights"]
    assert listed["weights"]["url"] == f"gan/team-photos/{zoo.WEIGHTS}"
    (copy / "gan" / "team-photos" / zoo.WEIGHTS).write_bytes(b"other")
    with pytest.raises(ValueError, match="with the sha256 of its card"):
        zoo.write_index(copy)
    with pytest.raises(ValueError, match="Expected a folder with <preset>"):
        zoo.write_index(tmp_path / "empty")


# The zoo that ships.


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A function that makes an installation of given versions, without a clone."""
    package = tmp_path / "site" / "keras_gen"
    monkeypatch.setattr(catalogue, "PACKAGE", package)
    monkeypatch.syspath_prepend(tmp_path / "site")

    def make(ours, theirs=None):
        for name, version in (("keras_gen", ours), ("keras_gen_zoo", theirs)):
            if version is not None:
                path = tmp_path / "site" / name / "__init__.py"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f'"""A package."""\n\n__version__ = "{version}"\n')
        if theirs is not None:
            source = pathlib.Path(__file__).parents[1] / "zoo" / "gan"
            shutil.copytree(source, tmp_path / "site" / "keras_gen_zoo" / "gan")
        return package

    # An editable installation of the zoo would be found too.
    find = catalogue.importlib.util.find_spec

    def find_here(name):
        spec = find(name)
        is_here = spec and str(spec.origin).startswith(str(tmp_path))
        return spec if is_here else None

    monkeypatch.setattr(catalogue.importlib.util, "find_spec", find_here)
    return make


def test_without_the_zoo_what_needs_weights_says_what_to_install(installed):
    installed("0.2.1")
    wanted = "keras-gen-zoo, .* is not installed: pip install 'keras-gen-zoo==0.2.*'"
    assert zoo.weights_of("dcgan") == []
    assert zoo.card("dcgan")["weights"] == []
    for run in (
        lambda: zoo.load("dcgan", weights="mnist"),
        lambda: zoo.card("dcgan", "mnist"),
        lambda: keras_gen.metrics.extractor("mnist"),
        lambda: keras_gen.metrics.extractor("stacked_mnist"),
        lambda: keras_gen.metrics.Scale("photos", (64, 64, 3)),
    ):
        with pytest.raises(ValueError, match=wanted):
            run()
    for arguments in (["list"], ["list", "--json"], ["show", "gan"]):
        done = command(*arguments)
        assert done.exit_code == 0 and done.stderr.count("\n") == 1
        assert "pip install 'keras-gen-zoo==0.2.*'" in done.stderr
    for arguments in (
        ["sample", "dcgan"],
        ["sample", "dcgan", "--weights", "mnist"],
        ["run", "classifier", "classify", "--data", "mnist"],
        ["export", "dcgan:mnist"],
        ["evaluate", "dcgan", "--weights", "mnist"],
    ):
        done = command(*arguments)
        assert done.exit_code == 2 and "pip install" in done.stderr, arguments


def test_without_the_zoo_figures_are_refused_before_any_work(installed):
    installed("0.2.1")
    needed = "pip install 'keras-gen-zoo"
    model = zoo.load("gan", image_shape=(28, 28, 1), latent_dim=2, widths=[3])
    with pytest.raises(ValueError, match=needed):
        keras_gen.metrics.Evaluation(model, "mnist", num_images=100)
    figures = keras_gen.callbacks.Evaluate("mnist", num_images=100)
    figures.set_model(model)
    with pytest.raises(ValueError, match=needed):
        figures.on_train_begin()
    translator = zoo.load("stargan", **StarGAN.tiny)
    with pytest.raises(ValueError, match=f"'emoji_style' of 'classifier': .*{needed}"):
        keras_gen.metrics.Evaluation(translator, "emoji", num_images=100)
    # Figures that need no judge, and features of one's own, work.
    plain = zoo.load("linear_ae", image_shape=(28, 28, 1), latent_dim=2)
    assert keras_gen.metrics.Evaluation(plain, "mnist", num_images=100).stages()


def test_every_figure_with_a_judge_checks_that_it_is_there():
    sources = [
        [inspect.getsource(base) for base in type(figure).__mro__[:-1]]
        for figure in FIGURES
    ]
    judged = [b for b in sources if any("load_judge" in base for base in b)]
    assert len(judged) >= 3
    assert all(any("check_judge" in base for base in bases) for bases in judged)


def test_a_zoo_of_the_same_version_is_found_and_another_is_not_used(installed):
    installed("0.2.1", "0.2.7")
    assert catalogue.problem() is None and catalogue.weights_of("gan") == ["mnist"]
    zoo.load("gan", weights="mnist")
    installed("0.3.0.dev0")
    message = "keras-gen 0.3.0.dev0 needs keras-gen-zoo 0.3, and keras-gen-zoo 0.2.7 is"
    with pytest.raises(ValueError, match=f"{message} installed: pip install"):
        zoo.load("gan", weights="mnist")
    assert zoo.weights_of("gan") == []


def test_weights_that_an_old_version_left_are_not_used_silently(installed):
    package = installed("0.2.1", "0.2.1")
    assert catalogue.problem() is None
    (package / "cards").mkdir()
    with pytest.raises(
        ValueError, match="0.1 has left weights in .*remove that folder"
    ):
        zoo.load("gan", weights="mnist")


def test_a_folder_that_is_named_like_the_zoo_is_not_the_zoo(installed, tmp_path):
    installed("0.2.1")
    (tmp_path / "site" / "keras_gen_zoo").mkdir()
    (tmp_path / "site" / "zoo").mkdir()
    assert catalogue.zoo_folder() is None
