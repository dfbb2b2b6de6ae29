"""The whole way from an address to a data set, against a real HTTP server on the loopback address."""

import gzip
import hashlib
import io
import shutil
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from domainxfer.datasets.card import Card
from domainxfer.datasets.fetch import Network, fetch_card
from domainxfer.datasets.folders import load_folder
from domainxfer.errors import DomainxferError

QUICK = Network(patience=0.3, tries=3, pause=0.01)


def picture(number: int, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4), (number, 0, 0)).save(stream, kind)
    return stream.getvalue()


def archive(top: str = "tiny/") -> bytes:
    """A zip of trainA, trainB, testA, testB with 4 pictures each, and some noise so that it has a length."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        for folder in ("trainA", "trainB", "testA", "testB"):
            for number in range(4):
                packed.writestr(f"{top}{folder}/{number}.png", picture(number))
        packed.writestr(f"{top}noise.bin", np.random.default_rng(0).bytes(200_000))
    return stream.getvalue()


ARCHIVE = archive()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def card(*sources: dict[str, Any], **changes: Any) -> Card:
    described = {
        "name": "tiny",
        "title": "a tiny set",
        "mode": "translate",
        "kind": "folders",
        "domains": ["horse", "zebra"],
        "names": {"A": "horse", "B": "zebra"},
        "counts": {"trainA": 4, "trainB": 4, "testA": 4, "testB": 4},
        "licence": "free for tests",
        "citation": "none",
        "sources": sources,
    }
    return Card.model_validate({**described, **changes})


def zip_source(url: str, content: bytes = ARCHIVE) -> dict[str, Any]:
    return {"url": url, "format": "zip", "sha256": digest(content), "bytes": len(content)}


def assert_complete(folder: Path) -> None:
    assert load_folder(folder, names={"A": "horse", "B": "zebra"}).counts()["test"] == {"horse": 4, "zebra": 4}


def assert_nothing_left(root: Path, but: str = "") -> None:
    """Nothing in the root looks like a data set, finished or not; only hidden names may be there."""
    assert [path.name for path in root.glob("*") if not path.name.startswith(".")] == ([but] if but else [])
    assert not list(root.glob(".*.unfinished.*"))


def test_the_straight_way(server: Any, tmp_path: Path) -> None:
    server.serve("/tiny.zip", ARCHIVE)
    events: list[str] = []
    progress: list[tuple[int, int | None]] = []
    root = tmp_path / "new" / "root"
    found = fetch_card(
        card(zip_source(server.url("/tiny.zip"))),
        [root],
        on_event=events.append,
        on_progress=lambda done, total: progress.append((done, total)),
        network=QUICK,
    )
    assert found == root / "tiny"
    assert_complete(found)
    assert_nothing_left(root, but="tiny")
    assert not (root / ".downloads").exists(), "the archive is not kept"
    assert "127.0.0.1" in events[0]
    assert str(root / "tiny") in events[0]
    assert "free for tests" in events[0]
    assert "MiB" in events[0]
    assert progress[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)


def test_an_archive_without_a_top_folder(server: Any, tmp_path: Path) -> None:
    content = archive(top="")
    server.serve("/tiny.zip", content)
    assert_complete(fetch_card(card(zip_source(server.url("/tiny.zip"), content)), [tmp_path], network=QUICK))


def test_next_source_after_404(server: Any, tmp_path: Path) -> None:
    server.serve("/second.zip", ARCHIVE)
    events: list[str] = []
    described = card(zip_source(server.url("/gone.zip")), zip_source(server.url("/second.zip")))
    assert_complete(fetch_card(described, [tmp_path], on_event=events.append, network=QUICK))
    assert [path for path, _ in server.asked] == ["/gone.zip", "/second.zip"], "a 404 is not tried again"
    assert any("HTTP 404" in event for event in events)
    assert_nothing_left(tmp_path, but="tiny")


def test_cut_connection_is_resumed_where_it_broke(server: Any, tmp_path: Path) -> None:
    server.serve("/tiny.zip", ARCHIVE, cut=[70_000, 50_000])
    assert_complete(fetch_card(card(zip_source(server.url("/tiny.zip"))), [tmp_path], network=QUICK))
    assert [wanted for _, wanted in server.asked] == [None, "bytes=70000-", "bytes=120000-"]


def test_a_later_attempt_goes_on_with_the_partial_file(server: Any, tmp_path: Path) -> None:
    server.serve("/tiny.zip", ARCHIVE, cut=[70_000, 0, 0])
    described = card(zip_source(server.url("/tiny.zip")))
    with pytest.raises(DomainxferError, match="the connection was cut, after 3 tries"):
        fetch_card(described, [tmp_path], network=QUICK)
    assert_nothing_left(tmp_path)
    assert_complete(fetch_card(described, [tmp_path], network=QUICK))
    assert server.asked[-1] == ("/tiny.zip", "bytes=70000-")


def test_a_host_that_cannot_resume(server: Any, tmp_path: Path) -> None:
    server.serve("/tiny.zip", ARCHIVE, cut=[70_000], ranges=False)
    assert_complete(fetch_card(card(zip_source(server.url("/tiny.zip"))), [tmp_path], network=QUICK))
    assert len(server.asked) == 2


def test_a_partial_file_of_another_version_is_thrown_away(server: Any, tmp_path: Path) -> None:
    server.serve("/tiny.zip", bytes(len(ARCHIVE)), cut=[70_000, 0, 0])
    described = card(zip_source(server.url("/tiny.zip")))
    with pytest.raises(DomainxferError):
        fetch_card(described, [tmp_path], network=QUICK)
    server.serve("/tiny.zip", ARCHIVE)
    assert_complete(fetch_card(described, [tmp_path], network=QUICK))
    assert [wanted for _, wanted in server.asked[-2:]] == ["bytes=70000-", None]


def test_wrong_digest_is_explained_and_nothing_is_unpacked(server: Any, tmp_path: Path) -> None:
    server.serve("/tiny.zip", archive(top="repacked/"))
    with pytest.raises(DomainxferError) as caught:
        fetch_card(card(zip_source(server.url("/tiny.zip"))), [tmp_path], network=QUICK)
    message = str(caught.value)
    assert "\n" not in message
    assert f"not the recorded {digest(ARCHIVE)}" in message
    assert "packed it anew" in message
    assert f"put it there as {tmp_path / 'tiny.zip'}" in message
    assert_nothing_left(tmp_path)


def test_next_source_after_a_wrong_digest(server: Any, tmp_path: Path) -> None:
    server.serve("/first.zip", archive(top="repacked/"))
    server.serve("/second.zip", ARCHIVE)
    described = card(zip_source(server.url("/first.zip")), zip_source(server.url("/second.zip")))
    assert_complete(fetch_card(described, [tmp_path], network=QUICK))


def test_server_errors_are_tried_again(server: Any, tmp_path: Path) -> None:
    server.serve("/busy.zip", b"", status=503)
    with pytest.raises(DomainxferError, match="HTTP 503 Service Unavailable, after 3 tries"):
        fetch_card(card(zip_source(server.url("/busy.zip"))), [tmp_path], network=QUICK)
    assert len(server.asked) == 3


def test_a_silent_server_is_given_up(server: Any, tmp_path: Path) -> None:
    server.serve("/silent.zip", ARCHIVE, stall=5)
    server.serve("/second.zip", ARCHIVE)
    described = card(zip_source(server.url("/silent.zip")), zip_source(server.url("/second.zip")))
    start = time.monotonic()
    assert_complete(fetch_card(described, [tmp_path], network=Network(patience=0.2, tries=2, pause=0.01)))
    assert time.monotonic() - start < 3


def test_a_dripping_server_is_given_up(server: Any, tmp_path: Path) -> None:
    server.serve("/slow.zip", ARCHIVE, drip=0.05)
    start = time.monotonic()
    with pytest.raises(DomainxferError, match=r"too slow \(\d+ bytes a second\)"):
        fetch_card(card(zip_source(server.url("/slow.zip"))), [tmp_path], network=QUICK)
    assert time.monotonic() - start < 5


def test_no_server_at_all(tmp_path: Path) -> None:
    with pytest.raises(DomainxferError) as caught:
        fetch_card(card(zip_source("http://127.0.0.1:9/tiny.zip")), [tmp_path, Path("/elsewhere")], network=QUICK)
    message = str(caught.value)
    for part in (str(tmp_path), "/elsewhere", "cannot be reached", "http://127.0.0.1:9/tiny.zip", "put it there as"):
        assert part in message
    assert "\n" not in message
    assert_nothing_left(tmp_path)


def test_offline_asks_nobody(server: Any, tmp_path: Path) -> None:
    server.serve("/tiny.zip", ARCHIVE)
    with pytest.raises(DomainxferError, match=r"--offline forbids the network; download http.*tiny\.zip and put it"):
        fetch_card(card(zip_source(server.url("/tiny.zip"))), [tmp_path], offline=True)
    assert server.asked == []


def test_an_archive_brought_by_hand(server: Any, tmp_path: Path) -> None:
    described = card(zip_source(server.url("/tiny.zip")))
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "tiny.zip").write_bytes(ARCHIVE)
    found = fetch_card(described, [tmp_path / "data", tmp_path / "shelf"], offline=True)
    assert found == tmp_path / "data" / "tiny"
    assert_complete(found)
    assert (tmp_path / "shelf" / "tiny.zip").exists()
    assert server.asked == []

    (tmp_path / "shelf" / "tiny.zip").write_bytes(archive(top="repacked/"))
    with pytest.raises(DomainxferError, match=r"packed it anew.*unpack it yourself"):
        fetch_card(described, [tmp_path / "other", tmp_path / "shelf"], offline=True)
    assert_nothing_left(tmp_path / "other")


@pytest.mark.parametrize("members", [{"../evil.png": b"x"}, {f"{n}.bin": bytes(2**20) for n in range(80)}])
def test_bad_archives_leave_nothing(server: Any, tmp_path: Path, members: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("trainA/good.png", picture(1))
        for name, content in members.items():
            packed.writestr(name, content)
    server.serve("/tiny.zip", stream.getvalue())
    with pytest.raises(DomainxferError, match=r"outside its folder|zip bomb"):
        fetch_card(card(zip_source(server.url("/tiny.zip"), stream.getvalue())), [tmp_path / "root"], network=QUICK)
    assert_nothing_left(tmp_path / "root")
    assert not list(tmp_path.rglob("*.png"))


def test_interrupted_fetch_leaves_nothing_that_looks_finished(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.serve("/tiny.zip", ARCHIVE)
    described = card(zip_source(server.url("/tiny.zip")))

    def interrupt(done: int, total: int | None) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_card(described, [tmp_path], on_progress=interrupt, network=QUICK)
    assert_nothing_left(tmp_path)

    def stop_halfway(source: Any, target: Any, length: int = 0) -> None:
        target.write(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", stop_halfway)
        with pytest.raises(KeyboardInterrupt):
            fetch_card(described, [tmp_path], network=QUICK)
    assert_nothing_left(tmp_path)
    (tmp_path / ".tiny.unfinished.killed").mkdir()  # as kill -9 would leave it
    assert_complete(fetch_card(described, [tmp_path], network=QUICK))
    assert_nothing_left(tmp_path, but="tiny")


def test_hidden_files_in_the_empty_folder_move_along(server: Any, tmp_path: Path) -> None:
    server.serve("/tiny.zip", ARCHIVE)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / ".DS_Store").write_text("of a file browser")
    assert_complete(fetch_card(card(zip_source(server.url("/tiny.zip"))), [tmp_path], network=QUICK))
    assert (tmp_path / "tiny" / ".DS_Store").read_text() == "of a file browser"
    assert_nothing_left(tmp_path, but="tiny")


def test_an_archive_that_was_unpacked_is_kept_until_the_data_is_in_its_place(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.serve("/tiny.zip", ARCHIVE)
    described = card(zip_source(server.url("/tiny.zip")))

    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refuse)
        with pytest.raises(DomainxferError, match="put the data set into"):
            fetch_card(described, [tmp_path], network=QUICK)
    assert_complete(fetch_card(described, [tmp_path], network=QUICK))
    assert len(server.asked) == 1
    assert_nothing_left(tmp_path, but="tiny")


def test_no_room(server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(DomainxferError, match=r"MiB are needed.*--data-root"):
        fetch_card(card(zip_source(server.url("/tiny.zip"))), [tmp_path / "root"], network=QUICK)
    assert server.asked == []


def test_a_place_that_cannot_be_written(server: Any, tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file where the folder should be")
    server.serve("/tiny.zip", ARCHIVE)
    with pytest.raises(DomainxferError, match=r"cannot .*root"):
        fetch_card(card(zip_source(server.url("/tiny.zip"))), [tmp_path / "root"], network=QUICK)


def test_several_processes_fetch_once(server: Any, tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    server.serve("/tiny.zip", ARCHIVE, stall=0.1)
    described = card(zip_source(server.url("/tiny.zip")))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: fetch_card(described, [tmp_path], network=QUICK), range(3)))
    assert found == [tmp_path / "tiny"] * 3
    assert len(server.asked) == 1


def idx_card(server: Any, contents: dict[str, bytes], *paths: str) -> Card:
    files = {name: digest(content) for name, content in contents.items()}
    sources = [{"url": server.url(path), "format": "idx", "files": files} for path in paths]
    return card(*sources, name="digits", kind="mnist", names={}, counts={})


def test_idx_files_by_their_contents(server: Any, tmp_path: Path) -> None:
    contents = {"a.gz": b"first" * 100, "b.gz": b"second" * 100}
    for name, content in contents.items():
        server.serve(f"/mirror/{name}", gzip.compress(content, 1))
    found = fetch_card(idx_card(server, contents, "/mirror/"), [tmp_path], network=QUICK)
    assert {path.name: gzip.decompress(path.read_bytes()) for path in found.iterdir()} == contents
    assert_nothing_left(tmp_path, but="digits")


def test_idx_files_with_other_contents(server: Any, tmp_path: Path) -> None:
    contents = {"a.gz": b"first" * 100, "b.gz": b"second" * 100}
    server.serve("/bad/a.gz", gzip.compress(contents["a.gz"]))
    server.serve("/bad/b.gz", gzip.compress(b"something else"))
    with pytest.raises(DomainxferError, match=r"b\.gz has contents with sha256"):
        fetch_card(idx_card(server, contents, "/bad/"), [tmp_path], network=QUICK)
    assert_nothing_left(tmp_path)
    for name, content in contents.items():
        server.serve(f"/good/{name}", gzip.compress(content))
    found = fetch_card(idx_card(server, contents, "/bad/", "/good/"), [tmp_path], network=QUICK)
    assert sorted(path.name for path in found.iterdir()) == ["a.gz", "b.gz"]
