"""Data sets that the Hugging Face hub keeps as parquet files, with one picture column per domain (imageA, imageB).

Both columns have as many rows as the larger domain; the smaller one is filled up with empty cells or with its own
pictures over again. The card knows how many pictures each domain has, so the filling can be told apart and dropped.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from domainxfer.datasets.archives import ArchiveError
from domainxfer.errors import MissingExtra

Bring = Callable[[str, str], Path]


def require_parquet() -> Any:
    """The module ``pyarrow.parquet``.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtra("reading a data set from the Hugging Face hub", "hub") from error


def unpack_hub(listing: str, into: Path, counts: dict[str, int], bring: Bring) -> None:
    """Download the parquet files of a listing and write their pictures to ``into/trainA``, ``into/trainB``, ...

    Args:
        listing: the hub's address that answers {configuration: {split: [address of a parquet file, ...]}}.
        into: is made.
        counts: folder (split + letter) -> number of pictures in the whole set.
        bring: downloads (address, file name) and returns the file.

    Raises:
        MissingExtra: pyarrow is not installed.
        ArchiveError: the hub's files are not what the card describes.
    """
    parquet = require_parquet()
    files = _read_listing(bring(listing, "listing.json"))
    into.mkdir()
    for split, addresses in files.items():
        writers: dict[str, _Folder] = {}
        for number, address in enumerate(addresses):
            shard = bring(address, f"{split}-{number:05d}.parquet")
            for letter, content in _pictures(parquet.ParquetFile(shard)):
                folder = f"{split}{letter}"
                if folder not in counts:
                    raise ArchiveError(f"the hub's files have an unknown part {folder}")
                if folder not in writers:
                    writers[folder] = _Folder(into / folder, counts[folder])
                writers[folder].add(content)
            shard.unlink()


class _Folder:
    """Writes the first ``count`` pictures; further ones must be repetitions of those."""

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count, self.written = path, count, 0
        self.seen: set[bytes] = set()
        path.mkdir()

    def add(self, content: bytes) -> None:
        digest = hashlib.sha256(content).digest()
        if self.written < self.count:
            (self.path / f"{self.written:05d}{_suffix(content)}").write_bytes(content)
            self.written += 1
            self.seen.add(digest)
        elif digest not in self.seen:
            raise ArchiveError(f"the hub's files have more than the {self.count} pictures of {self.path.name}")


def _read_listing(path: Path) -> dict[str, list[str]]:
    """split -> addresses, of the only configuration."""
    try:
        listing = json.loads(path.read_text(encoding="utf-8"))
        (configuration,) = listing.values()
        files = {str(split): [str(address) for address in addresses] for split, addresses in configuration.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ArchiveError(f"the hub's list of files is not understood ({error})") from error
    finally:
        path.unlink()
    if not set(files) <= {"train", "test", "validation"}:
        raise ArchiveError(f"the hub's list has unknown splits: {', '.join(files)}")
    return files


def _pictures(shard: Any) -> Iterator[tuple[str, bytes]]:
    """(letter, encoded picture) of every cell that is not empty, a row after the other."""
    columns = [name for name in shard.schema_arrow.names if name.startswith("image") and len(name) == 6]
    if not columns:
        raise ArchiveError(f"the hub's files have no columns imageA, imageB but {', '.join(shard.schema_arrow.names)}")
    for batch in shard.iter_batches(batch_size=64, columns=columns):
        for row in batch.to_pylist():
            for column in columns:
                if row[column] and row[column].get("bytes"):
                    yield column[-1], row[column]["bytes"]


def _suffix(content: bytes) -> str:
    """The suffix for a picture by its first bytes, whatever it was called."""
    if content.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return ".webp"
    raise ArchiveError("the hub's files hold something that is no JPEG, PNG or WebP picture")
