"""Archives of strangers: good ones are unpacked, bad ones are refused before anything is written."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from domainxfer.datasets import archives
from domainxfer.datasets.archives import ArchiveError, unpack
from domainxfer.errors import DomainxferError


def make_zip(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as packed:
        for name, content in members.items():
            packed.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return path


def make_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar"])
def test_good_archives(tmp_path: Path, kind: str) -> None:
    members = {"set/a/1.jpg": b"one", "set/b/2.jpg": b"two", "set/c d/ü.jpg": b"", "__MACOSX/set/._1.jpg": b"x"}
    members["set/.DS_Store"] = b"x"
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        make_zip(path, {"set/": b"", **members})
    else:
        make_tar(path, members, "w:gz" if kind == "tar.gz" else "w")
    assert unpack(path, tmp_path / "out") == 6
    assert files(tmp_path / "out") == {"set/a/1.jpg": b"one", "set/b/2.jpg": b"two", "set/c d/ü.jpg": b""}


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/evil", "C:/evil", "C:evil", "..\\evil", "a\\..\\..\\evil"]
)
def test_names_that_lead_outside(tmp_path: Path, make: object, name: str) -> None:
    path = make(tmp_path / "archive", {"good.jpg": b"x", name: b"evil"})  # type: ignore[operator]
    with pytest.raises(ArchiveError, match="outside its folder"):
        unpack(path, tmp_path / "deep" / "out")
    assert not (tmp_path / "deep").exists(), "not even the good member is written"
    assert not list(tmp_path.rglob("evil"))


def test_links_and_devices(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(ArchiveError, match=r"link or device \(link\)"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        info = tarfile.TarInfo("special")
        info.type, info.linkname = kind, "/etc/passwd"
        with tarfile.open(tmp_path / "a.tar", "w") as packed_tar:
            packed_tar.addfile(info)
        with pytest.raises(ArchiveError, match="link or device"):
            unpack(tmp_path / "a.tar", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_bombs(tmp_path: Path, kind: str) -> None:
    members = {f"{number}.jpg": bytes(2**20) for number in range(80)}
    path = tmp_path / "bomb"
    if kind == "zip":
        make_zip(path, members, zipfile.ZIP_DEFLATED)
    else:
        make_tar(path, members)
    assert path.stat().st_size < 2**20
    with pytest.raises(ArchiveError, match="zip bomb"):
        unpack(path, tmp_path / "out")
    with pytest.raises(ArchiveError, match="zip bomb"):
        unpack(path, tmp_path / "out", most_bytes=80 * 2**20 - 1)
    assert not (tmp_path / "out").exists()


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.jpg": bytes(100_000)}, zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    truth = (100_000).to_bytes(4, "little")
    assert content.count(truth) == 2  # in the member's own header, and in the list of members
    path.write_bytes(content.replace(truth, (100).to_bytes(4, "little")))
    with pytest.raises(ArchiveError):
        unpack(path, tmp_path / "out")
    assert sum(len(written) for written in files(tmp_path / "out").values()) <= 100


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_FILES", 3)
    with pytest.raises(ArchiveError, match="or 3 files"):
        unpack(make_zip(tmp_path / "a.zip", {f"{n}.jpg": b"" for n in range(4)}), tmp_path / "out")


def test_broken_and_no_archives(tmp_path: Path) -> None:
    whole = make_zip(tmp_path / "a.zip", {"a.jpg": bytes(range(256)) * 40}, zipfile.ZIP_DEFLATED).read_bytes()
    packed = make_tar(tmp_path / "a.tar.gz", {"a.jpg": bytes(range(256)) * 400}).read_bytes()
    for content in (b"", b"<html>not found</html>", whole[: len(whole) // 2], packed[: len(packed) // 2]):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(ArchiveError, match="bad is broken"):
            unpack(tmp_path / "bad", tmp_path / "out")
    damaged = bytearray(whole)
    damaged[60] ^= 0xFF
    (tmp_path / "bad").write_bytes(damaged)
    with pytest.raises(ArchiveError):
        unpack(tmp_path / "bad", tmp_path / "out")


def test_encrypted(tmp_path: Path) -> None:
    content = bytearray(make_zip(tmp_path / "a.zip", {"a.jpg": b"secret"}).read_bytes())
    content[6] |= 1  # the member's own header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the list of members
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ArchiveError, match="encrypted"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=5))
    with pytest.raises(DomainxferError, match=r"0 MiB free.*--data-root"):
        unpack(make_zip(tmp_path / "a.zip", {"a.jpg": b"123456"}), tmp_path / "out")
    assert files(tmp_path / "out") == {}
