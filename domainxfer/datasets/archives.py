"""Unpack archives of strangers: everything is looked at before the first byte is written.

An archive may not name a place outside its folder (``../``, absolute paths, drives), hold links or devices, be
encrypted, or claim to be many times larger unpacked than packed (a "zip bomb").
"""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from domainxfer.errors import DomainxferError
from domainxfer.files import explain_os_error

MOST_FILES = 500_000
_BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError),
    *(RuntimeError, ValueError),  # a method of compression that zipfile does not know, ...
)
_ROOM_FOR_SMALL = 64 * 2**20
_ROOM_FACTOR = 8  # pictures hardly compress; honest archives unpack to about their own size


class ArchiveError(DomainxferError):
    """An archive that is broken, or that must not be unpacked."""


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    is_folder: bool
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, into: Path, *, most_bytes: int | None = None) -> int:
    """Check a zip or tar (plain, gzip, bzip2, xz) archive as a whole, then unpack it into the new folder ``into``.

    What archives made on a Mac bring along (``__MACOSX``, ``.DS_Store``) is left out.

    Args:
        archive: the file.
        into: is made; on failure what has been unpacked so far is left to the caller to remove.
        most_bytes: how large it may be unpacked; None for 8 times its packed size, at least 64 MiB.

    Returns:
        How many bytes were unpacked.

    Raises:
        ArchiveError: broken, or not safe to unpack.
        DomainxferError: the disk is full, permission is missing, ...
    """
    limit = most_bytes if most_bytes is not None else max(_ROOM_FOR_SMALL, _ROOM_FACTOR * archive.stat().st_size)
    with _opened(archive) as members:
        checked = list(_checked(members, archive, limit))
        _make_room(into, sum(member.size for member in checked))
        for member in checked:
            _write(member, into / member.name)
    return sum(member.size for member in checked)


@contextmanager
def _opened(archive: Path) -> Iterator[Iterator[_Member]]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                yield _zip_members(packed, archive)
        else:
            with tarfile.open(archive) as packed_tar:
                yield _tar_members(packed_tar, archive)
    except _BROKEN as error:
        raise ArchiveError(f"{archive.name} is broken or no archive that can be unpacked ({error})") from error
    except OSError as error:  # gzip and zlib report broken data as OSError without a number
        if error.errno is None:
            raise ArchiveError(f"{archive.name} is broken ({error})") from error
        raise explain_os_error(error, "unpack", archive) from error


def _zip_members(packed: zipfile.ZipFile, archive: Path) -> Iterator[_Member]:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ArchiveError(f"{archive.name} holds a link or device ({info.filename}); it is not unpacked")
        if info.flag_bits & 1:
            raise ArchiveError(f"{archive.name} is encrypted; unpack it yourself")
        yield _Member(info.filename, info.file_size, info.is_dir(), partial(packed.open, info))


def _tar_members(packed: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    for info in packed:
        if not (info.isreg() or info.isdir()):
            raise ArchiveError(f"{archive.name} holds a link or device ({info.name}); it is not unpacked")

        def content(info: tarfile.TarInfo = info) -> IO[bytes]:
            stream = packed.extractfile(info)
            assert stream is not None  # a regular file always has one
            return stream

        yield _Member(info.name, info.size, info.isdir(), content)


def _checked(members: Iterator[_Member], archive: Path, limit: int) -> Iterator[_Member]:
    """The members that are worth unpacking, each after the checks; the total is checked as it grows."""
    total = 0
    for count, member in enumerate(members, start=1):
        if not _stays_inside(member.name):
            raise ArchiveError(f"{archive.name} names a place outside its folder ({member.name}); it is not unpacked")
        total += member.size
        if total > limit or count > MOST_FILES:
            raise ArchiveError(
                f"{archive.name} would unpack to more than {limit / 2**20:,.0f} MiB or {MOST_FILES:,} files; "
                "that looks like a zip bomb, so it is not unpacked"
            )
        parts = PurePosixPath(member.name).parts
        if not any(part == "__MACOSX" or part.startswith(".") for part in parts):
            yield member


def _stays_inside(name: str) -> bool:
    """Whether a member's name is a plain relative path, on this system and on others."""
    if not name or "\0" in name or "\\" in name:
        return False
    path = PurePosixPath(name)
    return not (path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive)


def _make_room(into: Path, needed: int) -> None:
    try:
        into.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(into).free
    except OSError as error:
        raise explain_os_error(error, "make the folder", into) from error
    if free < needed:
        raise DomainxferError(
            f"{into.parent} has {free / 2**20:,.0f} MiB free, but {needed / 2**20:,.0f} MiB are needed to unpack; "
            "free some space or choose another place with --data-root"
        )


def _write(member: _Member, target: Path) -> None:
    if member.is_folder:
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, target.open("wb") as written:
        shutil.copyfileobj(source, written, 2**20)
