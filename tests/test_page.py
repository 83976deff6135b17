"""Pages for a browser: one file each, which a phone and a screen reader can show."""

import html.parser
import re

import numpy as np
import pytest

from keras_gen import images, page
from keras_gen.metrics import write_report

LOG = "epoch,loss,val_loss\n0,4.0,5.0\n1,2.0,\n2,nan,3.0\n"


class Reader(html.parser.HTMLParser):
    """Collects the elements of a page and the text of its headings."""

    def __init__(self):
        super().__init__()
        self.elements, self.headings, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append((int(self.open[-1][1]), data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def read(path):
    reader = Reader()
    reader.feed(path.read_text("utf-8"))
    assert not reader.open  # All elements are closed.
    return reader


def check_page(path):
    """Checks what holds for every page, and returns what is on it."""
    reader, text = read(path), path.read_text("utf-8")
    assert text.startswith("<!doctype html>") and page.style() in text
    assert reader.all("html") == [{"lang": "en"}]
    (viewport,) = (m for m in reader.all("meta") if m.get("name") == "viewport")
    assert "width=device-width" in viewport["content"]
    assert all(image["alt"] for image in reader.all("img"))
    assert all(svg["aria-label"] and svg["role"] == "img" for svg in reader.all("svg"))
    levels = [level for level, _ in reader.headings]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False))
    sources = [
        a for _, a in reader.elements for a in (a.get("src"), a.get("href")) if a
    ]
    assert all(source.startswith("data:") for source in sources)
    assert not reader.all("script") and not reader.all("link")
    assert "http:" not in text and "https:" not in text and "@import" not in text
    return reader


def test_the_report_is_a_page(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    write_report(
        tmp_path / "report.html",
        "vae <mine>",
        {"recall": 0.5, "recall_floor": 0.75},
        {"data": "a & b"},
        {"Samples, not picked": np.zeros((8, 16, 3), np.uint8)},
        log,
    )
    found = check_page(tmp_path / "report.html")
    titles = [text for _, text in found.headings]
    assert titles[0] == "vae <mine>"
    assert {"Figures", "Training", "Pictures", "Settings"} <= set(titles)
    assert [image["alt"] for image in found.all("img")] == ["Samples, not picked"]
    assert "a &amp; b" in (tmp_path / "report.html").read_text()


def test_curves_show_training_and_validation_and_leave_out_what_is_no_number(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    drawn = page.curves(log)
    (label,) = re.findall('aria-label="([^"]*)"', drawn)
    assert label == "loss over epochs 1 to 3: training 4 to 2; validation 5 to 3"
    lines = re.findall('points="([^"]*)"', drawn)
    assert [len(line.split()) for line in lines] == [2, 2]
    # The highest value, 5 of the validation in epoch 1, is at the top on the left.
    top = f"{page.LEFT:.1f},12.0"
    assert lines[1].split()[0] == top and top not in lines[0]


def test_a_single_epoch_is_a_point_and_no_epoch_is_refused(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("epoch,loss\n0,4.0\n")
    assert "<circle" in page.curves(log) and "<polyline" not in page.curves(log)
    log.write_text("epoch,loss\n")
    with pytest.raises(ValueError, match="Expected epochs in .*log.csv, got none"):
        page.curves(log)


def test_the_style_is_light_and_dark_and_leaves_other_pages_alone():
    text = re.sub(r"/\*.*?\*/", "", page.style(), flags=re.DOTALL)
    colours = re.findall(r"(--kg-\w+): light-dark\((#\w{6}), (#\w{6})\)", text)
    assert {name for name, *_ in colours} >= {"--kg-background", "--kg-text"}
    shades = {name: pair for name, *pair in colours}
    for theme in (0, 1):  # What WCAG asks for text: a contrast of 4.5.
        for name in ("text", "muted", "accent"):
            for ground in ("background", "surface"):
                pair = shades[f"--kg-{name}"][theme], shades[f"--kg-{ground}"][theme]
                assert contrast(*pair) >= 4.5, (name, ground, theme)
    used = set(re.findall(r"var\((--kg-\w+)\)", text))
    assert used <= set(re.findall(r"(--kg-\w+):", text))
    assert "url(" not in text
    for selectors in re.findall(r"(?:^|\})\s*([^{}@]+)\{", text):
        for selector in selectors.split(","):
            assert ".kg-page" in selector or selector.strip() == ":root", selector


def contrast(one, other):
    """The ratio of the luminances of two colours, as WCAG 2 defines it."""

    def luminance(colour):
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(
            parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_page_that_refreshes_says_so(tmp_path):
    parts = [page.heading("A part"), page.code("ls <here>")]
    page.write_page(tmp_path / "page.html", "Run", parts, refresh=30)
    found = check_page(tmp_path / "page.html")
    assert {"http-equiv": "refresh", "content": "30"} in found.all("meta")
    assert "ls &lt;here&gt;" in (tmp_path / "page.html").read_text()
    page.write_page(tmp_path / "page.html", "Run", parts)
    assert not [
        m for m in read(tmp_path / "page.html").all("meta") if "http-equiv" in m
    ]


def test_pictures_are_in_the_page():
    png = images.png(np.zeros((2, 2, 3), np.uint8), 1)
    assert "data:image/png;base64," in page.picture("A grid", png)
