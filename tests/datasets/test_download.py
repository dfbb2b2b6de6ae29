"""One file from a server: whole and right, or not at all."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from domainxfer.datasets.download import DigestError, DownloadError, download


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_partial_file_that_is_complete_or_too_long(server: Any, tmp_path: Path) -> None:
    url = server.url("/a.bin")
    server.serve("/a.bin", b"0123456789")
    for left in (b"0123456789", b"0123456789 and more"):
        target = tmp_path / f"{len(left)}" / "a.bin"
        target.parent.mkdir()
        (target.parent / f"a.bin.{digest(url.encode())[:8]}.part").write_bytes(left)
        download(url, target, sha256=digest(b"0123456789"), patience=0.3, tries=3, pause=0.01)
        assert target.read_bytes() == b"0123456789"


def test_download_by_itself(server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server.serve("/a.bin", b"content")
    url, target = server.url("/a.bin"), tmp_path / "a.bin"
    for _ in range(2):
        assert download(url, target, sha256=digest(b"content")) == target
    assert len(server.asked) == 1, "a file with the right digest is not downloaded again"
    with pytest.raises(DigestError):
        download(url, tmp_path / "b.bin", sha256=digest(b"other"))
    with pytest.raises(DownloadError, match="HTTP 404"):
        download(server.url("/none"), tmp_path / "c.bin", sha256=None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert capsys.readouterr() == ("", ""), "the library prints nothing"
