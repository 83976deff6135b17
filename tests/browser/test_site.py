"""The site in a browser: pages, search and keyboard; on desktop and phone, and dark."""

import contextlib
import functools
import http.server
import pathlib
import subprocess
import sys
import threading

import pytest

from .conftest import DESKTOP, PHONE, picture_of

ROOT = pathlib.Path(__file__).parents[2]
PAGES = {
    "home": "index.html",
    "start": "start.html",
    "guide": "guides/photos.html",
    "theory": "theory/density.html",
    "gallery": "gallery/index.html",
    "comparison": "gallery/compare.html",
    "model": "gallery/dcgan.html",
    "api": "api/zoo.html",
    "results": "results.html",
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that prints nothing, also if a page is left while it loads."""

    def log_message(self, *arguments):
        pass

    def copyfile(self, source, outputfile):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            super().copyfile(source, outputfile)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of the site, which is built and served on this machine."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, ROOT / "tools" / "pages" / "build.py", "--to", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    handler = functools.partial(Quiet, directory=folder / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("look", "size", "dark"),
    [("desktop", DESKTOP, False), ("phone", PHONE, False), ("dark", DESKTOP, True)],
)
def test_pages_are_not_blank_and_fit_the_screen(address, open_page, look, size, dark):
    page = open_page(size, dark)
    for name, path in PAGES.items():
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        pixels = picture_of(page, f"site-{name}-{look}")
        corner = pixels[-40:, :8].mean()  # The ground at the left edge.
        assert corner < 80 if dark else corner > 200, name
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], name
        assert page.locator("h1").count() == 1, name


def test_pictures_are_loaded_and_have_a_text(address, page):
    for path in ("index.html", "gallery/dcgan.html", "theory/density.html"):
        page.goto(address + path)
        pictures = page.locator("article img")
        assert pictures.count() >= 1
        for picture in pictures.all():
            picture.scroll_into_view_if_needed()
            page.wait_for_function(
                "image => image.complete && image.naturalWidth > 0",
                arg=picture.element_handle(),
            )
            assert len(picture.get_attribute("alt")) > 8
    picture_of(page.locator("article img").first, "site-figure")


def test_the_gallery_leads_to_a_model_and_its_code(address, page):
    page.goto(address)
    page.get_by_role("link", name="Gallery", exact=True).first.click()
    page.locator("a.kg-tile", has_text="stylegan").click()
    page.wait_for_url("**/gallery/stylegan.html")
    assert page.locator("h1", has_text="stylegan").is_visible()
    assert page.locator("figure.kg-picture img").first.is_visible()
    source = page.locator("details", has_text="Source code").first
    source.scroll_into_view_if_needed()
    source.locator("summary").first.click()
    assert source.locator("pre").first.is_visible()


def test_search_finds_a_model(address, page):
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Control+k")
    page.keyboard.type("stylegan")
    found = page.locator("a", has_text="stylegan").filter(visible=True)
    found.first.wait_for()
    picture_of(page, "site-search")
    page.keyboard.press("Enter")
    page.wait_for_url("**stylegan**")


def test_the_keyboard_reaches_the_contents_and_shows_where_it_is(address, page):
    page.goto(address + "guides/photos.html")
    page.keyboard.press("Tab")
    focused = "document.activeElement"
    text = page.evaluate(f"{focused}.textContent.trim()")
    assert text == "Skip to content"
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash.length > 1")
    page.keyboard.press("Tab")
    inside = f"{focused}.closest('article') !== null"
    assert page.evaluate(inside), page.evaluate(f"{focused}.outerHTML")
    outline = page.evaluate(f"getComputedStyle({focused}).outlineStyle")
    assert outline != "none"


def test_dark_and_light_can_be_chosen_and_are_kept(address, page):
    page.goto(address)
    colour = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(colour)
    for _ in range(3):  # The system's choice, light, dark.
        page.locator("label[for^=__palette]").filter(visible=True).click()
        if page.evaluate(colour) != before:
            break
    dark = page.evaluate(colour)
    assert dark != before
    page.goto(address + "start.html")
    assert page.evaluate(colour) == dark
