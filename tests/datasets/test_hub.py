"""Data sets from the Hugging Face hub's parquet files, from a server that stands in for the hub."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from domainxfer.datasets.card import Card
from domainxfer.datasets.fetch import Network, fetch_card
from domainxfer.errors import DomainxferError, MissingExtra

QUICK = Network(patience=0.3, tries=3, pause=0.01)


def picture(number: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (number, 0, 0)).save(stream, kind)
    return stream.getvalue()


def hub_card(url: str, counts: dict[str, int]) -> Card:
    described = {"title": "tiny", "mode": "translate", "kind": "folders", "licence": "free", "citation": "none"}
    return Card.model_validate(
        {**described, "name": "tiny", "counts": counts, "sources": [{"url": url, "format": "hub-parquet"}]}
    )


def test_hub_without_pyarrow(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("domainxfer.datasets.hub.import_module", missing)
    described = hub_card(server.url("/list"), {})
    with pytest.raises(DomainxferError, match=r"pip install 'domainxfer\[hub\]'") as caught:
        fetch_card(described, [tmp_path], network=QUICK)
    assert not isinstance(caught.value, MissingExtra), "the message says all that failed, not only this"
    assert server.asked == []


def parquet_pages(server: Any, counts: dict[str, tuple[int, int]], filling: str) -> None:
    """Serve a hub data set as found there: both columns as long as the longer one, in two files for train."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    listing: dict[str, list[str]] = {}
    for split, (count_a, count_b) in counts.items():
        rows = max(count_a, count_b)
        columns = {}
        for letter, count in (("A", count_a), ("B", count_b)):
            kind = "JPEG" if letter == "A" else "PNG"
            cells: list[dict[str, Any] | None] = [
                {"bytes": picture(i % count, kind), "path": "x.jpg"} if i < count or filling == "again" else None
                for i in range(rows)
            ]
            columns[f"image{letter}"] = pa.array(cells, cell)
        table = pa.table(columns)
        halves = [table.slice(0, rows // 2), table.slice(rows // 2)] if split == "train" else [table]
        for number, half in enumerate(halves):
            stream = io.BytesIO()
            parquet.write_table(half, stream)
            path = f"/{split}/{number}.parquet"
            server.serve(path, stream.getvalue())
            listing.setdefault(split, []).append(server.url(path))
    server.serve("/list", json.dumps({"default": listing}).encode())


@pytest.mark.parametrize("filling", ["again", "empty"])
def test_hub_data_set(server: Any, tmp_path: Path, filling: str) -> None:
    parquet_pages(server, {"train": (4, 7), "test": (3, 2)}, filling)
    counts = {"trainA": 4, "trainB": 7, "testA": 3, "testB": 2}
    described = hub_card(server.url("/list"), counts)
    events: list[str] = []
    found = fetch_card(described, [tmp_path], on_event=events.append, network=QUICK)
    assert {folder.name: len(list(folder.iterdir())) for folder in found.iterdir()} == counts
    assert (found / "trainA" / "00003.jpg").read_bytes() == picture(3, "JPEG")
    assert (found / "trainB" / "00006.png").read_bytes() == picture(6, "PNG")
    assert any("no published sha256" in event for event in events)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["tiny"]


@pytest.mark.parametrize("counts", [{"trainA": 3, "trainB": 7}, {"trainA": 5, "trainB": 7}, {"trainB": 7}])
def test_hub_data_set_that_is_not_the_cards(server: Any, tmp_path: Path, counts: dict[str, int]) -> None:
    parquet_pages(server, {"train": (4, 7)}, "empty")
    described = hub_card(server.url("/list"), counts)
    with pytest.raises(DomainxferError, match=r"more than the 3|4 pictures in trainA instead|unknown part trainA"):
        fetch_card(described, [tmp_path], network=QUICK)
    assert all(path.name.startswith(".") for path in tmp_path.iterdir()), "nothing that looks like a data set"


@pytest.mark.parametrize(
    "listing", [b"<html>", b"[]", b'{"a": {}, "b": {}}', b'{"a": {"../x": ["http://x"]}}', b'{"a": 1}']
)
def test_hub_listing_that_is_not_understood(server: Any, tmp_path: Path, listing: bytes) -> None:
    pytest.importorskip("pyarrow")
    server.serve("/list", listing)
    with pytest.raises(DomainxferError, match=r"list of files is not understood|unknown splits"):
        fetch_card(hub_card(server.url("/list"), {}), [tmp_path], network=QUICK)
