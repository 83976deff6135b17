"""The site: it builds strictly, and its gallery and its API are complete."""

import base64
import html.parser
import io
import json
import pathlib
import re
import shlex
import subprocess
import sys
import urllib.parse

import numpy as np
import PIL.Image
import pytest
import typer.main
from typer.testing import CliRunner

from keras_gen import index, zoo
from keras_gen.cli import app
from keras_gen.hub import readme
from keras_gen.metrics import report

ROOT = pathlib.Path(__file__).parents[1]
TOOLS = ROOT / "tools" / "pages"
MODELS = sorted(entry.preset for entry in index.own_entries() if entry.preset)
pytestmark = pytest.mark.xdist_group("docs")  # The site is built once.


class Page(html.parser.HTMLParser):
    """What a page has: pictures, links, ids, scripts and style sheets."""

    def __init__(self, path):
        super().__init__()
        self.path, self.pictures, self.links, self.ids = path, [], [], set()
        self.loaded = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "img":
            self.pictures.append(attrs)
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag in ("script", "img", "iframe") and attrs.get("src"):
            self.loaded.append(attrs["src"])
        if tag == "link" and attrs.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(attrs["href"])
        if "id" in attrs:
            self.ids.add(attrs["id"])


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a site that was built strictly."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, TOOLS / "build.py", "--to", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return folder


@pytest.fixture(scope="module")
def site(built):
    """Every page of the site by its path."""
    root = built / "site"
    return {
        path.relative_to(root).as_posix(): Page(path) for path in root.rglob("*.html")
    }


@pytest.fixture
def tools(monkeypatch):
    """The folder of the site's tools can be imported from."""
    monkeypatch.syspath_prepend(str(TOOLS))


def test_workers_share_tests_by_their_groups(request):
    """Or else each worker would build the site, and train the models of others."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@docs")


def test_every_link_within_the_site_leads_somewhere(site, built):
    root = (built / "site").resolve()
    wrong = []
    for name, page in site.items():
        for target in [*page.links, *page.loaded]:
            address = urllib.parse.urlsplit(target)
            if address.scheme or address.netloc or name == "404.html":
                continue
            path = urllib.parse.unquote(address.path)
            found = (page.path.parent / path).resolve() if path else page.path
            found = found / "index.html" if found.is_dir() else found
            anchor = urllib.parse.unquote(address.fragment)
            other = site.get(found.relative_to(root).as_posix())
            is_there = found.exists() and (
                not anchor or other is None or anchor in other.ids
            )
            if not is_there:
                wrong.append((name, target))
    assert not wrong


def test_nothing_is_loaded_from_another_host(site):
    for name, page in site.items():
        for target in page.loaded:
            assert not urllib.parse.urlsplit(target).netloc, (name, target)


def test_every_picture_has_a_text_in_its_place(site):
    for name, page in site.items():
        for picture in page.pictures:
            assert len(picture.get("alt") or "") > 8, (name, picture)


def test_the_gallery_has_a_page_for_every_model(site):
    for model in MODELS:
        page = site[f"gallery/{model}.html"]
        text = page.path.read_text("utf-8")
        card = zoo.card(model)
        assert f"keras_gen.models.{card['model']}" in page.ids, model
        for weights in card["weights"]:
            assert f"weights-{weights}" in page.ids, (model, weights)
            assert f"keras-gen export {model}:{weights}" in _words(text)
        shown = [p["src"] for p in page.pictures]
        for path in (ROOT / "zoo" / model).glob("*/*.png"):
            assert any(src.endswith("/".join(path.parts[-3:])) for src in shown), path
        assert f'href="{model}.html"' in site["gallery/index.html"].path.read_text()


def test_commands_of_the_gallery_exist_and_are_quoted(built):
    found = {}  # A command for each set of options.
    for path in (built / "pages" / "gallery").glob("*.md"):
        for line in re.findall(r"^keras-gen (.*)$", path.read_text("utf-8"), re.M):
            command, *words = shlex.split(line)
            options = frozenset(w for w in words if re.match(r"--?[a-z]", w))
            found[command, options] = line
            assert not re.search("[?*&[]", re.sub(r"'[^']*'", "", line)), line
    assert len(found) > 10
    for (command, options), line in found.items():
        environment = {"COLUMNS": "200"}
        result = CliRunner().invoke(app, [command, "--help"], env=environment)
        assert result.exit_code == 0, line
        for option in options:
            assert re.search(rf"{option}\b", result.output), (line, option)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_examples_of_the_gallery_run(tools, model, tmp_path, monkeypatch):
    import gallery

    monkeypatch.chdir(tmp_path)
    described = zoo.card(model)
    for weights in described["weights"]:
        card = gallery.cards()[model, weights]
        code, _ = gallery.examples(described, card, weights)
        names = {}
        exec(compile(code, f"{model} {weights}", "exec"), names)  # noqa: S102
        assert len(names["results"]) > 0


def test_all_pictures_can_be_compared_on_one_page(site):
    shown = {
        "/".join(picture["src"].split("/")[-3:])
        for picture in site["gallery/compare.html"].pictures
    }
    drawn = [p for kind in ("png", "gif") for p in (ROOT / "zoo").glob(f"*/*/*.{kind}")]
    assert shown == {"/".join(path.parts[-3:]) for path in drawn}


def test_figures_of_the_gallery_are_those_of_the_cards(site):
    text = _words(site["gallery/pixelrnn.html"].path.read_text("utf-8"))
    figure = zoo.card("pixelrnn", "mnist")["figures"]["nll_nats"]
    row = f"{report.number(figure)} {readme.PUBLISHED['pixelrnn', 'mnist']['nll_nats']}"
    assert row in text


def test_the_api_has_every_public_name(site, tools):
    import api

    ids = set().union(*(page.ids for page in site.values()))
    names = api.public_names()
    assert len(names) > 150
    assert not names - ids


def test_public_names_are_those_that_users_can_import(tools):
    import api

    import keras_gen

    names = api.public_names()
    assert {"keras_gen.zoo.load", "keras_gen.models.VAE", "keras_gen.Player"} <= names
    assert {"keras_gen.latent.slerp", "keras_gen.priors.Normal"} <= names
    for name in names:
        target = keras_gen
        for part in name.split(".")[1:]:
            target = getattr(target, part)
        assert target.__doc__ or not callable(target), name


def test_every_command_has_its_help_on_the_page_of_the_command_line(site):
    page = site["api/command-line.html"]
    commands = set(typer.main.get_command(app).commands)
    assert len(commands) > 10 and commands <= page.ids
    assert "Trains a model into the folder" in _words(page.path.read_text("utf-8"))


def test_examples_of_the_api_are_code(site):
    text = site["api/zoo.html"].path.read_text("utf-8")
    assert "&lt;blockquote&gt;" not in text and "<blockquote>" not in text
    assert "language-pycon" in text


def test_figures_of_the_theory_are_not_blank(built):
    drawn = sorted((built / "site" / "theory" / "figures").glob("*.png"))
    assert len(drawn) >= 10
    for path in drawn:
        pixels = np.asarray(PIL.Image.open(path).convert("L"))
        assert pixels.std() > 5, path.name


def test_the_navigation_names_every_page_once(built, site):
    text = (built / "mkdocs.yml").read_text("utf-8")
    places = re.findall(r"[\w/-]+\.md", text)
    assert len(places) == len(set(places)) > 60
    assert {p.removesuffix(".md") + ".html" for p in places} == set(site) - {"404.html"}


def test_a_broken_link_is_refused(tmp_path):
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.md").write_text("# Home\n\n[Nowhere](nowhere.md)\n")
    settings = "site_name: test\ndocs_dir: pages\nsite_dir: site\n"
    (tmp_path / "mkdocs.yml").write_text(settings)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "-f"]
    command.append(str(tmp_path / "mkdocs.yml"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0


# Parts.


def test_links_lead_to_pages_and_else_to_the_repository(tools, tmp_path):
    import links

    text = (
        "[a](../choose.md#x) [b](../../zoo/dcgan) "
        "![c](../../zoo/gan/mnist/samples.png) "
        "[d](../../examples/gan_theory.py) `[e](f)` [g](#h) [i](https://j)"
    )
    found = links.rewritten(text, "docs/guides/data.md", "guides/data.md", tmp_path)
    assert found == (
        "[a](../choose.md#x) [b](../gallery/dcgan.md) "
        "![c](../pictures/zoo/gan/mnist/samples.png) "
        f"[d]({links.repository()}/blob/main/examples/gan_theory.py) `[e](f)` "
        "[g](#h) [i](https://j)"
    )
    assert (tmp_path / "pictures/zoo/gan/mnist/samples.png").is_file()


def test_examples_of_docstrings_are_fenced(tools):
    import docstrings

    text = "Adds.\n\n>>> 1 + 1\n2\n>>> [\n...     3]\n[3]\n\nMore."
    fenced = "Adds.\n\n```pycon\n>>> 1 + 1\n2\n>>> [\n...     3]\n[3]\n```\n\nMore."
    assert docstrings.fenced(text) == fenced
    assert docstrings.fenced("a\n2\n") == "a\n2"


def test_a_tutorial_shows_its_outputs_only_if_they_are_its_own(tools, tmp_path):
    import tutorials

    source = "# %% [markdown]\n# # Title\n\n# %%\nprint(1)\nsize = 3  # small: 1\n"
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "first.py").write_text(source)
    png = PIL.Image.new("RGB", (2, 2))
    stream = io.BytesIO()
    png.save(stream, "png")
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "\x1b[1mone\x1b[0m\n"},
        {"data": {"image/png": base64.b64encode(stream.getvalue()).decode()}},
    ]
    cell = {"cell_type": "code", "source": "print(1)\nsize = 3", "outputs": outputs}
    notebook = tmp_path / "first.ipynb"
    notebook.write_text(json.dumps({"cells": [cell]}))
    tutorials.FOLDER, before = tmp_path / "source", tutorials.FOLDER
    try:
        assert tutorials.write(tmp_path, tmp_path) == {"": ["tutorials/first.md"]}
        text = (tmp_path / "tutorials" / "first.md").read_text()
        assert "```text\none\n```" in text and 'alt="Drawn by size = 3"' in text
        assert (tmp_path / "tutorials" / "first-0-1.png").is_file()
        notebook.write_text(json.dumps({"cells": [{**cell, "source": "print(2)"}]}))
        tutorials.write(tmp_path, tmp_path)
        text = (tmp_path / "tutorials" / "first.md").read_text()
        assert "one" not in text and "print(1)" in text
    finally:
        tutorials.FOLDER = before


def _words(text):
    """The text of a page without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())
