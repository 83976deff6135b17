"""Exports, clients and servers, from `keras-gen export` to the answer of a server.

The server is a test double (serving_double.py), which runs the real graphs, and also
`tensorflow_model_server` itself if it is on the PATH.
"""

import base64
import concurrent.futures
import contextlib
import io
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import PIL.Image
import pytest
import requests
import serving_protos
import yaml
from conftest import make_batch, train
from google.protobuf import text_format
from serving_double import Double
from serving_gateway import Gateway, needs_envoy
from typer.testing import CliRunner

import keras_gen
from keras_gen import images as image_files
from keras_gen.cli import app
from keras_gen.core.inputs import Input
from keras_gen.export import BATCH_SIZES, Client, ServingError, deploy
from keras_gen.export.client import _fill_in
from keras_gen.models import VAE, ConditionalGAN, StyleGAN

ROOT = pathlib.Path(__file__).parents[1]
REAL = shutil.which("tensorflow_model_server")
SIZES = (1, 2, 8)  # Batch sizes of warm-up requests; few, so that tests start soon.


def ports():
    """Two free ports."""
    with socket.socket() as a, socket.socket() as b:
        a.bind(("127.0.0.1", 0))
        b.bind(("127.0.0.1", 0))
        return a.getsockname()[1], b.getsockname()[1]


class Real:
    """TF Serving itself, with the flags of the compose file."""

    def __init__(self, folder):
        flags = yaml.safe_load((folder / "compose.yaml").read_text())
        flags = [
            f.replace(deploy.ROOT, str(folder)) for f in flags["x-serving"]["command"]
        ]
        grpc_port, rest_port = ports()
        flags += [f"--port={grpc_port}", f"--rest_api_port={rest_port}"]
        self.grpc_address = f"127.0.0.1:{grpc_port}"
        self.rest_address = f"http://127.0.0.1:{rest_port}"
        self._process = subprocess.Popen([REAL, *flags])

    def __enter__(self):
        for _ in range(240):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"{self.rest_address}/v1/models/vae", timeout=5)
                return self
            time.sleep(0.5)
        raise TimeoutError("tensorflow_model_server does not answer")

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def models():
    """An unconditional model, a conditional one, and one with a constant default."""
    found = {}
    for name, cls in (("vae", VAE), ("cgan", ConditionalGAN), ("stylegan", StyleGAN)):
        found[name] = keras_gen.zoo.load(name, **cls.tiny)
        train(found[name], make_batch(found[name], 4), count=2)
    return found


@pytest.fixture(scope="module")
def folder(models, tmp_path_factory):
    """A folder as `keras-gen export` writes it, for a server on this machine."""
    folder = tmp_path_factory.mktemp("serving")
    for name, model in models.items():
        deploy.add(model, folder, name, root=str(folder), batch_sizes=SIZES)
    return folder


@pytest.fixture(scope="module")
def double(folder):
    with Double(folder) as double:
        yield double


@pytest.fixture(scope="module", params=["double", *(["real"] if REAL else [])])
def server(request, folder):
    if request.param == "double":
        yield request.getfixturevalue("double")
        return
    with Real(folder) as real:
        yield real


@pytest.fixture(params=["grpc", "rest"])
def address(request, server):
    return getattr(server, f"{request.param}_address")


# Answers.


def test_a_client_answers_as_the_model_does(address, models):
    vae = models["vae"]
    images = vae.sample(20, seed=1)
    with Client(address, "vae") as client:
        assert client.status() == {1: "AVAILABLE"}
        assert {*vae.abilities(), "interpolate"} <= set(dir(client))
        served = client.sample(20, seed=1)  # In three batches.
        assert served.dtype == np.float32
        np.testing.assert_allclose(served, images, atol=1e-5)
        for name in ("encode", "reconstruct", "log_prob"):
            wanted = getattr(vae, name)(images)
            np.testing.assert_allclose(
                getattr(client, name)(images), wanted, rtol=1e-4, atol=1e-5
            )
        codes = vae.encode(images)
        np.testing.assert_allclose(client.decode(codes), vae.decode(codes), atol=1e-5)
        with pytest.raises(AttributeError, match="translate"):
            client.translate(images)


def test_a_choice_of_an_option_selects_its_signature(double):
    with Client(double.grpc_address, "vae") as client:
        signatures = client.card["signatures"]
        signatures["sample_sampler_dpm"] = signatures["sample"]
        chosen, arguments = client._bound("sample", (2,), {"sampler": "dpm++"})
        assert chosen == "sample_sampler_dpm" and set(arguments) == {"seed"}
        with pytest.raises(ValueError, match="Expected sample with"):
            client._bound("sample", (2,), {"sampler": "ddim"})


def test_conditions_not_given_are_drawn_as_the_model_draws_them(address, models):
    with Client(address, "cgan") as client:
        for given in ({}, {"labels": [0, 2, 1]}):
            wanted = models["cgan"].sample(3, seed=5, **given)
            served = client.sample(3, seed=5, **given)
            np.testing.assert_allclose(served, wanted, atol=1e-5)
        counted = client.sample(seed=5, labels=[0, 2, 1])  # As many rows as labels.
        np.testing.assert_allclose(counted, wanted, atol=1e-5)


def test_numbers_that_are_not_given_take_their_defaults():
    guidance = Input("guidance", default=1.5, description="Factor.")
    inputs = {"latents": Input("latents", (2,)), "guidance": guidance}
    arguments = {"latents": np.zeros((3, 2))}
    _fill_in(inputs, arguments, draws=False)
    assert arguments["guidance"].tolist() == [1.5, 1.5, 1.5]


def test_defaults_and_single_values_are_those_of_the_model(address, models):
    model = models["stylegan"]
    with Client(address, "stylegan") as client:
        for given in ({}, {"truncation": 0.5}, {"truncation": [0.0, 1.0, 0.5]}):
            wanted = model.sample(3, seed=5, **given)
            served = client.sample(3, seed=5, **given)
            np.testing.assert_allclose(served, wanted, atol=1e-5)
        styles = model.map(np.ones((3, model.latent_dim)))
        wanted = model.synthesize(styles, noise_seed=1)
        served = client.synthesize(styles, noise_seed=1)
        np.testing.assert_allclose(served, wanted, atol=1e-5)


@pytest.fixture
def cards():
    """Parts of the cards that version 0.1 wrote for the same models."""
    return json.loads((ROOT / "tests" / "data" / "cards_0_1.json").read_text())


def test_cards_of_version_0_1_give_the_same_answers(double, models, cards):
    with Client(double.grpc_address, "cgan") as client:
        client.card = cards["cgan"]
        served = client.sample(3, seed=5)
        np.testing.assert_allclose(served, models["cgan"].sample(3, seed=5), atol=1e-5)
        with pytest.raises(ValueError, match="labels from 0 to 2"):
            client.sample(3, seed=5, labels=[0, 1, 3])
    with Client(double.grpc_address, "stylegan") as client:
        client.card, model = cards["stylegan"], models["stylegan"]
        for given in ({}, {"truncation": 0.5}):
            wanted = model.sample(3, seed=5, **given)
            served = client.sample(3, seed=5, **given)
            np.testing.assert_allclose(served, wanted, atol=1e-5)
        styles = model.map(np.ones((3, model.latent_dim)))
        wanted = model.synthesize(styles, noise_seed=1)
        served = client.synthesize(styles, noise_seed=1)
        np.testing.assert_allclose(served, wanted, atol=1e-5)
    with Client(double.grpc_address, "vae") as client:
        client.card, model = cards["vae"], models["vae"]
        images = model.sample(2, seed=5)
        np.testing.assert_allclose(client.sample(2, seed=5), images, atol=1e-5)
        wanted = model.reconstruct(images)
        np.testing.assert_allclose(client.reconstruct(images), wanted, atol=1e-5)
        files = list(image_files.to_png_bytes(images).numpy())
        np.testing.assert_allclose(client.reconstruct(files), wanted, atol=0.01)
        with pytest.raises(ValueError, match="from_uint8"):
            client.reconstruct(255 * images)


def test_interpolation_starts_and_ends_at_the_decoded_ends(address, models):
    vae = models["vae"]
    images = vae.sample(2, seed=0)
    start, end = vae.encode(images)
    position = np.float32([0.0, 0.25, 1.0])
    between = np.stack([start + p * (end - start) for p in position])
    with Client(address, "vae") as client:
        walk = client.interpolate([start] * 3, [end] * 3, position)
        np.testing.assert_allclose(walk, vae.decode(between), atol=1e-5)
        ends = images[:1].repeat(3, axis=0), images[1:].repeat(3, axis=0)
        walk = client.interpolate_images(*ends, position)
        np.testing.assert_allclose(walk, vae.decode(between), atol=1e-4)


def test_the_server_decodes_and_resizes_files_and_makes_transparency_white(
    address, models, tmp_path
):
    vae = models["vae"]
    height, width, _ = vae.image_shape
    random = np.random.default_rng(0)
    grey = random.integers(0, 256, (height, width), np.uint8)
    files, wanted = [], []
    for mode, form, scale in (
        ("L", "png", 1),
        ("LA", "png", 1),
        ("RGB", "png", 3),
        ("RGBA", "png", 2),
        ("RGB", "bmp", 1),
    ):
        picture = PIL.Image.fromarray(grey).convert(mode)
        if "A" in mode:
            picture.putalpha(PIL.Image.fromarray(np.rot90(grey).copy()))
        picture = picture.resize((scale * width, scale * height))
        path = tmp_path / f"{mode}.{form}"
        picture.save(path)
        files.append(path)
        white = PIL.Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture.convert("RGBA"))
        levels = np.asarray(white.convert("L"))[None, ..., None]
        (prepared,) = next(
            iter(keras_gen.data.load(levels, image_shape=vae.image_shape, batch_size=1))
        )["image"].numpy()
        wanted.append(prepared)
    with Client(address, "vae") as client:
        served = client.reconstruct(files)
        again = client.reconstruct([path.read_bytes() for path in files])
    np.testing.assert_array_equal(served, again)
    np.testing.assert_allclose(served, vae.reconstruct(np.stack(wanted)), atol=0.01)


# Refusals.


def rows(count=2, side=8, value=0.0):
    return np.full((count, side, side, 1), value, np.float32)


def png(side=8):
    return image_files.to_png_bytes(rows(1, side)).numpy()[0]


def to_base64(data):
    return base64.b64encode(data).decode()


BAD = {
    "side": ("vae", "encode", {"images": rows(side=7)}, "images.*rows, 8, 8, 1"),
    "rank": ("vae", "encode", {"images": rows()[0]}, "images.*rows, 8, 8, 1"),
    "range": ("vae", "encode", {"images": rows(value=3)}, "images.*-1.*1.*3"),
    "nan": ("vae", "encode", {"images": rows(value=np.nan)}, "finite images"),
    "seed": ("vae", "sample", {"seed": np.int64([1, -5])}, "seed.*-5"),
    "label": (
        "cgan",
        "sample",
        {"seed": np.int64([1, 2]), "labels": np.int64([0, 99])},
        "labels in .0, 2.*99",
    ),
    "no image": (
        "vae",
        "encode_bytes",
        {"image_bytes": np.array([b"text"], object)},
        "image_bytes.*PNG",
    ),
    "half an image": (
        "vae",
        "encode_bytes",
        {"image_bytes": np.array([png(), png()[:40]], object)},
        "image_bytes",
    ),
    "position": (
        "vae",
        "interpolate",
        {
            "start": np.zeros((1, VAE.tiny["latent_dim"]), np.float32),
            "end": np.zeros((1, VAE.tiny["latent_dim"]), np.float32),
            "position": np.float32([2]),
        },
        "position.*2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_gets_an_error_that_names_the_input(address, case):
    name, signature, arrays, message = BAD[case]
    with Client(address, name) as client:
        with pytest.raises(ServingError, match=message) as caught:
            client.predict(signature, arrays)
        assert caught.value.code == "INVALID_ARGUMENT"
        assert client.sample(1, seed=0).shape[0] == 1


def test_a_client_refuses_bad_rows_before_it_sends_a_request(double):
    with Client(double.grpc_address, "vae") as client:
        client.card  # noqa: B018 The card is fetched; no other request is sent.
        double.failures[:] = ["UNAVAILABLE"]
        for wrong, message in (
            (rows(side=7), "8, 8, 1"),
            (rows(value=3), "from 3"),
            (rows(value=np.nan), "finite"),
        ):
            with pytest.raises(ValueError, match=message):
                client.encode(wrong)
        with pytest.raises(ValueError, match="equal numbers of rows"):
            client.interpolate(np.zeros((2, 3)), np.zeros((3, 3)), [0, 1])
        with pytest.raises(ValueError, match="seeds"):
            client.sample(3, seed=[1, 2])
        with pytest.raises(ValueError, match="captions"):
            client.sample(3, captions=["a", "b", "c"])
        with pytest.raises(ValueError, match="Expected sample"):
            client.sample(3, 0, 1)
        with pytest.raises(ValueError, match="at least one row"):
            client.encode(rows(0))
    assert double.failures.pop() == "UNAVAILABLE"


# Batches.


def test_answers_do_not_depend_on_other_requests_in_the_batch(double, models):
    version = double.versions["vae"][1]
    version.batches.clear()
    with Client(double.grpc_address, "vae") as client:
        client.card  # noqa: B018
        with (
            slow_batches(double),
            concurrent.futures.ThreadPoolExecutor(6) as pool,
        ):
            answers = list(pool.map(lambda s: client.sample(2, seed=s), range(6)))
    assert max(version.batches) > 2  # Some requests did share a batch.
    for seed, answer in enumerate(answers):
        wanted = models["vae"].sample(2, seed=seed)
        np.testing.assert_allclose(answer, wanted, atol=1e-5)


def test_valid_rows_are_answered_beside_invalid_rows_in_one_batch(double, models):
    version = double.versions["vae"][1]
    version.batches.clear()
    images = models["vae"].sample(2, seed=0)
    with Client(double.grpc_address, "vae", pause=0.3) as client:
        client.card  # noqa: B018

        def bad(_):
            with pytest.raises(ServingError, match="images"):
                client.predict("encode", {"images": rows(value=3)}, ["latents"])

        with (
            slow_batches(double),
            concurrent.futures.ThreadPoolExecutor(4) as pool,
        ):
            wrong = pool.submit(bad, None)
            good = [pool.submit(client.encode, images) for _ in range(3)]
            answers = [future.result() for future in good]
            wrong.result()
    assert max(version.batches) > 2  # Some requests did share a batch.
    for answer in answers:
        np.testing.assert_allclose(answer, models["vae"].encode(images), atol=1e-5)


@contextlib.contextmanager
def slow_batches(double, seconds=0.2):
    """Makes the double wait the given number of seconds for requests to merge."""
    before = double.batching.batch_timeout_micros.value
    double.batching.batch_timeout_micros.value = int(1e6 * seconds)
    yield
    double.batching.batch_timeout_micros.value = before


# Retries.


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_a_client_repeats_requests_that_a_repetition_can_help(double, transport):
    address = getattr(double, f"{transport}_address")
    with Client(address, "vae", pause=0.001, retries=2) as client:
        double.failures[:] = ["UNAVAILABLE"] * 2
        assert client.sample(1, seed=0).shape[0] == 1
        double.failures[:] = ["UNAVAILABLE"] * 3
        with pytest.raises(ServingError, match="as the test asked") as caught:
            client.sample(1, seed=0)
        assert caught.value.code == "UNAVAILABLE"
        double.failures[:] = ["FAILED_PRECONDITION", "UNAVAILABLE"]
        with pytest.raises(ServingError, match="FAILED_PRECONDITION"):
            client.sample(1, seed=0)
        assert double.failures.pop() == "UNAVAILABLE"  # The request was not repeated.


def test_errors_of_a_server_that_does_not_answer_name_its_address(double):
    port, _ = ports()
    for address in (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"):
        with Client(address, "vae", retries=1, pause=0.001) as client:
            with pytest.raises(ServingError, match=str(port)) as caught:
                client.status()
            assert caught.value.code == "UNAVAILABLE"
    with slow_batches(double, 1.0):
        for address in (double.grpc_address, double.rest_address):
            with Client(address, "vae", timeout=0.2) as client:
                with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
                    client.sample(1)
    with pytest.raises(ValueError, match="timeout"):
        Client("localhost:8500", "vae", timeout=0)


def test_messages_may_be_larger_than_the_default_limit_of_grpc(double):
    with Client(double.grpc_address, "vae") as client:
        contents = np.array([b"\x89PNG" + bytes(5 * 2**20)], object)
        with pytest.raises(ServingError, match="DecodeImage|PNG") as caught:
            client.predict("encode_bytes", {"image_bytes": contents})
        # The graph, not gRPC, refuses the contents.
        assert caught.value.code == "INVALID_ARGUMENT"


@needs_envoy
def test_a_client_uses_a_gateway_with_tls_and_a_password(
    double, models, tmp_path, monkeypatch
):
    rest = int(double.rest_address.rpartition(":")[2])
    grpc_port = int(double.grpc_address.rpartition(":")[2])
    ports = {"stable_grpc": grpc_port, "stable_rest": rest}
    ports |= {"canary_grpc": grpc_port, "canary_rest": rest}
    wanted = models["vae"].sample(2, seed=1)
    with Gateway(tmp_path, ports) as gateway:
        certificate = str(gateway.certificate)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
        monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", certificate)
        for scheme in ("https", "grpcs"):
            login = f"{scheme}://{gateway.user}:{gateway.password}"
            with Client(f"{login}@{gateway.address}", "vae") as client:
                assert client.status() == {1: "AVAILABLE"}
                np.testing.assert_allclose(client.sample(2, seed=1), wanted, atol=1e-5)
                with pytest.raises(ServingError) as caught:
                    client.predict("encode", {"images": rows(value=3)})
                assert caught.value.code == "INVALID_ARGUMENT"
            wrong = f"{scheme}://{gateway.user}:secret@{gateway.address}"
            for address in (wrong, f"{scheme}://{gateway.address}"):
                with Client(address, "vae", retries=0) as client:
                    with pytest.raises(ServingError) as caught:
                        client.status()
                assert caught.value.code == "UNAUTHENTICATED"
                assert gateway.address in str(caught.value)
                assert "secret" not in str(caught.value)


# REST without the client.


def post(server, body, model="vae"):
    url = f"{server.rest_address}/v1/models/{model}:predict"
    answer = requests.post(url, json=body, timeout=60)
    return answer.status_code, answer.json()


def test_rest_takes_rows_and_columns(server, models):
    images = models["vae"].sample(2, seed=0).tolist()
    wanted = models["vae"].encode(np.float32(images))
    ask = {"signature_name": "encode"}
    _, by_rows = post(server, {**ask, "instances": [{"images": i} for i in images]})
    _, bare = post(server, {**ask, "instances": images})
    _, by_columns = post(server, {**ask, "inputs": {"images": images}})
    assert by_rows == bare
    np.testing.assert_allclose(by_rows["predictions"], wanted, atol=1e-5)
    np.testing.assert_allclose(by_columns["outputs"], wanted, atol=1e-5)
    # Without a name, the default signature is meant.
    code, drawn = post(server, {"instances": [{"seed": 0}, {"seed": 1}]})
    assert code == 200
    assert set(drawn["predictions"][0]) == {"images", "image_bytes"}


def test_rest_answers_and_takes_files_in_base64(server, models):
    body = {"signature_name": "sample", "inputs": {"seed": [0, 1]}}
    _, answer = post(server, body)
    files = answer["outputs"]["image_bytes"]
    picture = base64.b64decode(files[0]["b64"])
    assert PIL.Image.open(io.BytesIO(picture)).size == (8, 8)
    body = {"signature_name": "reconstruct_bytes", "inputs": {"image_bytes": files}}
    _, again = post(server, body)
    wanted = models["vae"].reconstruct(models["vae"].sample(2, seed=0))
    np.testing.assert_allclose(again["outputs"]["images"], wanted, atol=0.01)


def test_rest_refuses_inputs_that_are_not_a_batch(server):
    ask = {"signature_name": "sample"}
    seeds, labels = [1, 2], [0, 1, 2]
    for body in (
        {**ask, "inputs": {"seed": seeds, "labels": labels}},
        {**ask, "instances": [{"seed": 1, "labels": 0}, {"seed": 2}]},
        {**ask, "inputs": {"seed": 1, "labels": 0}},  # Scalars have no rows.
        {**ask, "inputs": {"seed": seeds}},
        {**ask, "inputs": {"seed": ["a", "b"], "labels": seeds}},
        {**ask, "inputs": {"seed": [0.5], "labels": [0]}},
        {**ask, "inputs": {"seed": [1] * 65, "labels": [0] * 65}},
        ask,
    ):
        code, answer = post(server, body, "cgan")
        assert code == 400 and answer["error"], body
    assert post(server, ask, "gone")[0] == 404


# The folder.


def test_warm_up_runs_every_signature_at_every_batch_size(double, models, folder):
    for name in models:
        version = double.versions[name][1]
        card = keras_gen.export.read_card(folder / "models" / name / "1")
        assert version.warmed == len(SIZES) * (len(card["signatures"]) + 1)
        size = (folder / "models" / name / "1" / "assets.extra").glob("tf_serving*")
        assert sum(path.stat().st_size for path in size) < 100_000


def test_configuration_has_the_format_that_the_server_reads(models, folder):
    config = deploy.read_config(folder)
    entries = {entry.name: entry for entry in config.model_config_list.config}
    assert set(entries) == set(models)
    assert entries["vae"].base_path == str(folder / "models" / "vae")
    assert entries["vae"].model_version_policy.HasField("all")
    assert dict(entries["vae"].version_labels) == {"stable": 1}
    text = (folder / "batching.config").read_text()
    batching = serving_protos.parse("BatchingParameters", text)
    assert tuple(batching.allowed_batch_sizes) == BATCH_SIZES
    assert batching.max_batch_size.value == BATCH_SIZES[-1]
    text = (folder / "monitoring.config").read_text()
    assert serving_protos.parse("MonitoringConfig", text).prometheus_config.enable
    for wrong in ("max_batchsize { value: 1 }", "max_batch_size: 64"):
        with pytest.raises(text_format.ParseError):
            serving_protos.parse("BatchingParameters", wrong)


def test_a_label_is_set_to_release_a_version_and_to_roll_back(models, tmp_path):
    folder = tmp_path / "serving"
    options = {"root": str(folder), "abilities": ["sample"], "batch_sizes": (1, 2)}
    deploy.add(models["vae"], folder, "digits", **options)
    newer = keras_gen.zoo.load("vae", **VAE.tiny)
    (folder / "compose.yaml").write_text("mine")
    deploy.add(newer, folder, "digits", **options)
    assert (folder / "compose.yaml").read_text() == "mine"
    assert deploy.labels(folder, "digits") == {"stable": 1, "canary": 2}
    old, new = (m.sample(2, seed=0) for m in (models["vae"], newer))
    with Double(folder) as double:

        def ask(**version):
            with Client(double.grpc_address, "digits", **version) as client:
                return client.sample(2, seed=0)

        np.testing.assert_allclose(ask(), old, atol=1e-5)
        np.testing.assert_allclose(ask(label="canary"), new, atol=1e-5)
        np.testing.assert_allclose(ask(label=None), new, atol=1e-5)
        np.testing.assert_allclose(ask(version=1), old, atol=1e-5)
        for version, wanted in ((2, new), (1, old)):
            done = CliRunner().invoke(
                app, ["label", "digits", "stable", str(version), "--to", str(folder)]
            )
            assert done.exit_code == 0 and f"stable is version {version}" in done.output
            double.reload()
            np.testing.assert_allclose(ask(), wanted, atol=1e-5)
        deploy.remove_label(folder, "digits", "canary")
        double.reload()
        with pytest.raises(ServingError, match="canary"):
            ask(label="canary")


def test_errors_name_what_is_wrong_with_a_folder(models, tmp_path):
    folder = tmp_path / "serving"
    for wrong in ("a/b", "", "..", "a:b"):
        with pytest.raises(ValueError, match="letters, digits"):
            deploy.add(models["vae"], folder, wrong)
    assert not folder.exists()
    options = {"abilities": ["encode"], "batch_sizes": (1,)}
    deploy.add(models["vae"], folder, "vae", **options)
    with pytest.raises(ValueError, match=r"\[1\], got 7"):
        deploy.set_label(folder, "vae", "stable", 7)
    with pytest.raises(ValueError, match="'vea'"):
        deploy.set_label(folder, "vea", "stable", 1)
    with pytest.raises(ValueError, match="got 'canary'"):
        deploy.remove_label(folder, "vae", "canary")
    assert deploy.labels(folder, "vae") == {"stable": 1}
    for wrong, message in (
        ({"label": "a/b"}, "letters, digits"),
        ({"label": 3}, "letters, digits.*got 3"),
        ({"label": ""}, "letters, digits"),
        ({"version": 1}, "new version"),
        ({"version": 2**63}, str(2**63 - 1)),
        ({"version": 0}, ">= 1"),
    ):
        with pytest.raises(ValueError, match=message):
            deploy.add(models["vae"], folder, "vae", **options, **wrong)
    with pytest.raises(ValueError, match="at most 64, the max_batch_size of "):
        deploy.add(models["vae"], folder, "vae", **{**options, "batch_sizes": (1, 128)})
    for wrong in (2**63, -1, "x", "\xb2", 1.0, True, None):
        with pytest.raises(ValueError, match=r"a version of 'vae', \[1\], got"):
            deploy.set_label(folder, "vae", "stable", wrong)
    (folder / "models.config").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="models.config"):
        deploy.labels(folder, "vae")
    (folder / "models.config").write_text("model_config_list { confg {} }")
    with pytest.raises(ValueError, match="confg"):
        deploy.add(models["vae"], folder, "vae", **options)
    # The errors come before any work is done.
    assert [path.name for path in (folder / "models" / "vae").iterdir()] == ["1"]


def test_a_model_without_the_label_stable_gets_it(models, tmp_path):
    options = {"abilities": ["encode"], "batch_sizes": (1,)}
    # A version without a label, as an export that was interrupted leaves it.
    keras_gen.export.save(models["vae"], tmp_path / "models" / "vae", **options)
    for wanted in ({"stable": 2}, {"stable": 2, "canary": 3}):
        deploy.add(models["vae"], tmp_path, "vae", **options)
        assert deploy.labels(tmp_path, "vae") == wanted
    deploy.add(models["vae"], tmp_path, "vae", label="old", version=1000, **options)
    wanted = {"stable": 2, "canary": 3, "old": 1000}
    assert deploy.labels(tmp_path, "vae") == wanted


def test_a_label_waits_for_the_writer_of_another_one(models, tmp_path, monkeypatch):
    options = {"abilities": ["encode"], "batch_sizes": (1,)}
    deploy.add(models["vae"], tmp_path, "vae", **options)
    write, names = deploy.write_config, [f"label{i}" for i in range(8)]

    def write_slowly(*args):
        time.sleep(0.01)  # Without a lock, others would read the old file meanwhile.
        write(*args)

    monkeypatch.setattr(deploy, "write_config", write_slowly)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: deploy.set_label(tmp_path, "vae", n, 1), names))
    wanted = {"stable": 1, **dict.fromkeys(names, 1)}
    assert deploy.labels(tmp_path, "vae") == wanted


def test_cards_of_exports_that_are_damaged_are_refused(models, tmp_path):
    options = {"abilities": ["encode"], "batch_sizes": (1,)}
    path = keras_gen.export.save(models["vae"], tmp_path, **options)
    card = path / "assets.extra" / "card.json"
    for text in (card.read_text()[:-9], "[]", "{}", '{"signatures": 3}', "\0"):
        card.write_text(text)
        with pytest.raises(ValueError, match="card.json"):
            keras_gen.export.read_card(path)


def test_labels_that_change_during_an_export_are_kept(models, tmp_path, monkeypatch):
    options = {"abilities": ["encode"], "batch_sizes": (1,)}
    deploy.add(models["vae"], tmp_path, "vae", **options)
    save = deploy.save

    def save_slowly(*args, **kwargs):
        deploy.set_label(tmp_path, "vae", "trial", 1)
        return save(*args, **kwargs)

    monkeypatch.setattr(deploy, "save", save_slowly)
    deploy.add(models["vae"], tmp_path, "other", **options)
    assert deploy.labels(tmp_path, "vae") == {"stable": 1, "trial": 1}
    assert deploy.labels(tmp_path, "other") == {"stable": 1}


def test_versions_that_a_server_cannot_read_are_ignored(models, tmp_path):
    for name in ("1", "²", "-2", "3.0", str(2**63), "aside"):
        (tmp_path / name).mkdir()
    options = {"abilities": ["encode"], "batch_sizes": (1,)}
    path = keras_gen.export.save(models["vae"], tmp_path, **options)
    assert path.name == "2"
    (tmp_path / str(2**63 - 1)).mkdir()
    with pytest.raises(ValueError, match=f"up to {2**63 - 1}"):
        keras_gen.export.save(models["vae"], tmp_path, **options)


def test_no_kit_is_put_among_other_files(models, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(b"picture")
    with pytest.raises(ValueError, match="cat.jpg"):
        deploy.add(models["vae"], tmp_path, "vae")
    with pytest.raises(ValueError, match="the file"):
        deploy.add(models["vae"], tmp_path / "cat.jpg", "vae")
    assert [path.name for path in tmp_path.iterdir()] == ["cat.jpg"]
    other = tmp_path / "volume"  # Files that a new volume or a desktop may have.
    (other / "lost+found").mkdir(parents=True)
    (other / ".DS_Store").write_bytes(b"")
    deploy.add(
        models["vae"], other, "vae", abilities=["encode"], batch_sizes=(1,), root="/s"
    )
    kit = {str(p.relative_to(other)) for p in other.rglob("*") if p.is_file()}
    kit = {p for p in kit if not p.startswith(("models/", "."))}
    assert kit == {"models.config", *deploy.TEMPLATES}
    shipped = {
        str(p.relative_to(ROOT / "export")) for p in (ROOT / "export").rglob("*")
    }
    shipped = {p for p in shipped if (ROOT / "export" / p).is_file()}
    shipped = {p for p in shipped if not p.endswith((".py", ".pyc", ".md"))}
    assert shipped == set(deploy.TEMPLATES)


# The command line.


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_line_exports_and_queries(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(
        *("export", "linear_ae:mnist", "digits=linear_ae:mnist-2", "--to", "serving"),
        *(
            "--ability",
            "reconstruct",
            "--ability",
            "encode",
            "--root",
            tmp_path / "serving",
        ),
    )
    assert done.exit_code == 0, done.output
    assert "stable is version 1" in done.output and "docker compose" in done.output
    card = keras_gen.export.read_card("serving/models/digits/1")
    assert card["preset"] == "linear_ae" and card["trained"]["data"] == "mnist"
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 28, 28, 1))
    image_files.save_grid(picture, "one.png")
    with Double("serving") as double:
        address = double.grpc_address
        done = run("query", address, "linear_ae", "reconstruct", "--images", "one.png")
        assert done.exit_code == 0, done.output
        with PIL.Image.open("answer.png") as answer:
            assert answer.size == (56, 56)
        asked = ("query", address, "digits", "encode", "--images", "one.png")
        codes = json.loads(run(*asked).stdout)
        assert np.shape(codes) == (1, 2)
        done = run(*asked, "-o", "codes.png")
        assert done.exit_code == 2 and "ability that gives images" in done.stderr
        done = run(*asked[:-2], "--set", "images=3")
        assert done.exit_code == 2 and "Traceback" not in done.output
        for mistake, message in (
            (("digits", "sample"), "reconstruct"),
            (("gone",), "NOT_FOUND"),
            (("digits", "reconstruct", "--set", "images=[0]"), "28, 28, 1"),
        ):
            done = run("query", address, *mistake)
            assert done.exit_code == 2 and "Traceback" not in done.output
            assert message in done.output.replace("\n", " ")
    for wrong in (
        ["vae"],
        ["vae:nowhere"],
        ["=vae:mnist"],
        ["vae:mnist", "vae:mnist", "--version", "1"],
        ["vae:mnist", "--label", "a/b"],
        ["vae:mnist", "--version", str(2**63)],
    ):
        done = run("export", *wrong, "--to", "other")
        assert done.exit_code == 2, wrong
    assert not (tmp_path / "other").exists()
    done = run("export", "vae:mnist", "--to", ".")
    assert done.exit_code == 2 and "answer.png" in done.output


def test_the_requests_in_the_readme_are_answered(server):
    text = (ROOT / "export" / "README.md").read_text()
    bodies = re.findall(r"-d '(\{.*\})'", text)
    assert len(bodies) == 3
    for body in bodies:
        body = body.replace("'$(base64 < digit.png | tr -d '\\n')'", to_base64(png()))
        code, answer = post(server, json.loads(body))
        assert code == 200 and answer["outputs"], body


def test_the_example_queries_a_server_without_keras_gen(server, tmp_path):
    example = ROOT / "examples" / "query_server.py"
    command = [
        sys.executable,
        "-S",
        example,
        server.rest_address,
        "vae",
        tmp_path / "a",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with PIL.Image.open(tmp_path / "a" / "7.png") as picture:
        assert picture.size == (8, 8)
