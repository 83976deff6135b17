"""What the browser's fixtures must notice."""

import pytest

from browser.conftest import picture_of

PICTURE = (
    "<canvas id=c width=64 height=64></canvas><script>"
    "const c = document.getElementById('c').getContext('2d');"
    "for (let i = 0; i < 64; i++) {c.fillStyle = `rgb(${4 * i}, 0, 0)`;"
    "c.fillRect(i, 0, 1, 64);}</script>"
)


def test_a_picture_is_returned_and_a_blank_one_refused(page):
    page.set_content(PICTURE)
    pixels = picture_of(page.locator("canvas"))
    assert pixels.shape == (64, 64, 3) and pixels[0, -1, 0] == 252
    page.set_content("<div style='width: 50px; height: 50px'></div>")
    with pytest.raises(AssertionError, match="colours"):
        picture_of(page.locator("div"))


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("console.error('one')", "logged an error: one"),
        ("null.length", "Error in a script"),
        ("fetch('http://127.0.0.1:9/x').catch(() => 0)", "No answer"),
        ("fetch('http://keras-gen.invalid/x').catch(() => 0)", "another host"),
    ],
)
def test_what_goes_wrong_in_a_page_is_noticed(page, script, problem):
    page.set_content(f"<script>setTimeout(() => {{{script}}}, 0)</script>")
    page.wait_for_timeout(200)
    assert any(problem in text for text in page.problems), page.problems
    page.problems.clear()
