"""A browser whose pages fail their test if anything goes wrong in them.

`page` is a page of a desktop's size, and `open_page` makes others. A test fails if one
of its pages logs an error, asks another host than this machine, or gets no answer.
"""

import contextlib
import io
import pathlib
import shutil
import urllib.parse

import numpy as np
import PIL.Image
import pytest

FOLDER = pathlib.Path(__file__).parent
SCREENSHOTS = FOLDER.parents[1] / "build" / "screenshots"
NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",  # Containers run as root.
    "--disable-dev-shm-usage",  # Containers have little of it.
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOSTS = ("127.0.0.1", "localhost", "")  # "" is that of files.
DESKTOP, PHONE = (1280, 900), (390, 844)
MIN_COLOURS = 16  # Pictures with fewer colours count as blank.


def pytest_collection_modifyitems(items):
    """Marks all tests of this folder."""
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser():
    """Chromium, that of the system."""
    from playwright import sync_api

    path = next(filter(None, map(shutil.which, NAMES)), None)
    assert path, f"Expected {' or '.join(NAMES)}, got none: run `make test-browser`."
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser):
    """A function that opens an empty page, `open_page(size=DESKTOP, dark=False)`.

    The attribute `problems` of the page lists what went wrong in it.
    """
    with contextlib.ExitStack() as stack:
        pages = []

        def open_page(size=DESKTOP, dark=False, **options):
            context = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if dark else "light",
                accept_downloads=True,
                **options,
            )
            stack.callback(context.close)
            page = context.new_page()
            page.problems = _watch(page)
            pages.append(page)
            return page

        yield open_page
        problems = [problem for page in pages for problem in page.problems]
        assert not problems, "\n".join(problems)


@pytest.fixture
def page(open_page):
    """An empty page of a desktop's size."""
    return open_page()


def _watch(page):
    """A list to which what goes wrong in a page is added."""
    problems = []

    def on_request(request):
        address = urllib.parse.urlsplit(request.url)
        if (address.hostname or "") not in HOSTS:
            problems.append(f"The page asked another host: {request.url}")

    def on_console(message):
        if message.type == "error":
            problems.append(f"The page logged an error: {message.text}")

    def on_failure(request):
        if request.failure != "net::ERR_ABORTED":  # The page itself gave it up.
            problems.append(f"No answer ({request.failure}): {request.url}")

    def on_response(response):
        if response.status >= 400:
            problems.append(f"Answer {response.status}: {response.url}")

    page.on("request", on_request)
    page.on("console", on_console)
    page.on("pageerror", lambda error: problems.append(f"Error in a script: {error}"))
    page.on("requestfailed", on_failure)
    page.on("response", on_response)
    return problems


def picture_of(target, name=None) -> np.ndarray:
    """A screenshot as an array, uint8 (height, width, 3); it must not be blank.

    Args:
        target: A page or a locator of Playwright.
        name: Name of the file in build/screenshots, without ".png"; None keeps none.
    """
    content = target.screenshot()
    if name is not None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        (SCREENSHOTS / f"{name}.png").write_bytes(content)
    pixels = np.asarray(PIL.Image.open(io.BytesIO(content)).convert("RGB"))
    colours = len(np.unique(pixels.reshape(-1, 3), axis=0))
    assert colours >= MIN_COLOURS, f"{name or target} has {colours} colours"
    return pixels
