"""The pieces of HTML: escaped, left out where there is nothing, and whole without a network."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from PIL import Image

from domainxfer import __version__
from domainxfer.report_html import LONGEST_SIDE, page, picture, preformatted, side_by_side, table, warning

EVIL = "<b onclick=\"x('1')\">&</b>"


class Texts(HTMLParser):
    """What a reader sees, and which tags there are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.seen.append(data)


def embedded(html: str) -> bytes:
    match = re.search(r'src="data:image/png;base64,([A-Za-z0-9+/=]+)"', html)
    assert match
    return base64.b64decode(match[1], validate=True)


def test_text_goes_in_as_it_is_and_comes_out_as_text(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    for html in (
        page(EVIL, EVIL, {EVIL: "x"}),
        table([(EVIL, EVIL)], (EVIL,), EVIL),
        warning(EVIL),
        preformatted(EVIL),
        picture(tmp_path / "a.png", EVIL),
    ):
        found = Texts(html)
        assert "b" not in found.tags
        assert "onclick" not in found.attributes
        assert EVIL in found.seen
    assert Texts(picture(tmp_path / "a.png", EVIL)).attributes["alt"] == EVIL


def test_a_page_has_its_sections_in_order_without_the_empty_ones() -> None:
    found = Texts(page("run", "of today", {"Second": warning("b"), "Nothing": "", "First": preformatted("a")}))
    headings = [text for text in found.seen if text in ("First", "Second", "Nothing", "a", "b", "of today")]
    assert headings == ["of today", "Second", "b", "First", "a"]
    assert found.tags.count("section") == 2
    assert f"domainxfer {__version__}" in found.seen


def test_a_page_asks_nothing_of_a_network() -> None:
    html = page("run", "", {"a": "b"})
    found = Texts(html)
    assert html.startswith("<!DOCTYPE html>")
    assert not {"script", "link", "iframe"} & set(found.tags)
    assert not re.search(r"https?:|//|@import|url\(", html)
    assert found.attributes["charset"] == "utf-8"


def test_a_table_has_a_title_for_every_row_and_column() -> None:
    html = table([("cat", 1, 2.5), ("dog", None, "x")], ("name", "a", "b"), "pictures", numbers=True)
    assert re.findall(r'<th scope="col">(.*?)</th>', html) == ["name", "a", "b"]
    assert re.findall(r'<th scope="row">(.*?)</th>', html) == ["cat", "dog"]
    assert re.findall(r"<td>(.*?)</td>", html) == ["1", "2.5", "None", "x"]
    assert "<caption>pictures</caption>" in html
    assert 'class="numbers"' in html
    assert 'class="facts"' in table([("a", "b")])


def test_nothing_to_show_is_no_html() -> None:
    assert table([], ("name",), "a caption alone") == ""
    assert table(iter(())) == ""
    assert side_by_side(["", ""]) == ""
    assert preformatted("") == ""
    assert side_by_side(part for part in ("", "<p>x</p>")) == '<div class="side"><p>x</p></div>'


def test_a_picture_is_embedded_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    Image.effect_noise((LONGEST_SIDE, 20), 50).save(path)
    assert embedded(picture(path, "grid")) == path.read_bytes()


def test_a_large_picture_is_shrunk_whole_and_in_shape(tmp_path: Path) -> None:
    pixels = np.zeros((300, 2 * LONGEST_SIDE, 3), np.uint8)
    pixels[:, LONGEST_SIDE:, 0] = 200  # its right half is red
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    with Image.open(io.BytesIO(embedded(picture(tmp_path / "wide.png", "wide")))) as shown:
        assert shown.size == (LONGEST_SIDE, 150)
        assert shown.convert("RGB").getpixel((10, 75)) == (0, 0, 0)
        assert shown.convert("RGB").getpixel((LONGEST_SIDE - 10, 75)) == (200, 0, 0)


def test_a_picture_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"no picture")
    assert picture(tmp_path / "torn.png", "torn") == picture(tmp_path / "none.png", "none") == ""
