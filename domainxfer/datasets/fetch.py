"""Fetch a card's data set: from its sources in order, verified, unpacked beside its place and renamed into it.

Whatever happens, a folder under the set's own name is complete: everything unfinished has another name.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from domainxfer.datasets.archives import ArchiveError, unpack
from domainxfer.datasets.card import Card, Source
from domainxfer.datasets.download import DigestError, DownloadError, OnProgress, check_room, download
from domainxfer.datasets.folders import is_filled
from domainxfer.datasets.hub import require_parquet, unpack_hub
from domainxfer.datasets.mnist import check_idx
from domainxfer.errors import DomainxferError, MissingExtra
from domainxfer.files import explain_os_error
from domainxfer.pictures import find_pictures

OnEvent = Callable[[str], None]
_UNKNOWN_SIZE = 512 * 2**20


@dataclass(frozen=True)
class Network:
    """How patient a download is: seconds without progress, tries a source, seconds before the second try."""

    patience: float = 30.0
    tries: int = 4
    pause: float = 1.0


def fetch_card(
    card: Card,
    roots: Sequence[Path],
    *,
    into: Path | None = None,
    offline: bool = False,
    on_event: OnEvent = lambda event: None,
    on_progress: OnProgress | None = None,
    network: Network | None = None,
) -> Path:
    """Bring the card's data set into a folder of its name, and return that folder.

    An archive that lies in one of the roots already (``ROOT/NAME.zip``, brought by hand) is used without the network.

    Args:
        card: what to fetch.
        roots: where data sets are looked for.
        into: the folder in which the set's own folder is made; None for the first of ``roots``.
        offline: use only what is here.
        on_event: gets lines to show: size, licence and destination before the start, each source that fails.
        on_progress: gets (bytes so far, bytes in all or None).
        network: how patient to be.

    Raises:
        DomainxferError: it is not here and cannot be had: where was looked, what to download, where to put it.
    """
    place = (into or roots[0]) / card.name
    looked = ", ".join(str(root) for root in roots)
    if not card.sources:
        raise DomainxferError(f"{card.name} is not in {looked}, and there is no download: {card.bring}")
    by_hand = _brought_by_hand(card, roots)
    if offline and by_hand is None:
        raise DomainxferError(
            f"{card.name} is not in {looked}, and --offline forbids the network; {_how_to_bring(card, place)}"
        )
    with _only_one(place):
        if is_filled(place):  # another process has just fetched it
            return place
        _sweep(place)
        if by_hand is not None:
            on_event(f"{card.name}: unpacking {by_hand} into {place}; licence: {card.licence}")
            return _settle(card, place, lambda into: _unpack_by_hand(card, by_hand, into))
        failures: list[str] = []
        for source in card.sources:
            try:
                return _fetch_source(card, source, place, on_event, on_progress, network or Network())
            except (DownloadError, ArchiveError, MissingExtra) as error:
                failures.append(str(error))
                on_event(f"{card.name}: {error}")
    raise DomainxferError(
        f"{card.name} is not in {looked} and could not be downloaded ({'; '.join(failures)}); "
        f"{_how_to_bring(card, place)}"
    )


def _fetch_source(
    card: Card,
    source: Source,
    place: Path,
    on_event: OnEvent,
    on_progress: OnProgress | None,
    network: Network,
) -> Path:
    if source.format == "hub-parquet":
        require_parquet()
    size = f"{source.bytes / 2**20:,.0f} MiB" if source.bytes else "(size not known beforehand)"
    host = urlsplit(source.url).netloc
    on_event(f"{card.name}: downloading {size} from {host} into {place}; licence: {card.licence}")
    if not source.sha256 and not source.files:
        on_event(f"{card.name}: this source has no published sha256; the pictures are counted instead")
    check_room(place.parent, 2 * (source.bytes or _UNKNOWN_SIZE))
    downloads = place.parent / ".downloads" / card.name

    def bring(url: str, name: str, sha256: str | None, resume: bool) -> Path:
        return download(
            url,
            downloads / name,
            sha256=sha256,
            resume=resume,
            on_progress=on_progress,
            tries=network.tries,
            patience=network.patience,
            pause=network.pause,
        )

    def fill(into: Path) -> None:
        if source.format == "idx":
            into.mkdir()
            for name, digest in source.files.items():
                packed = bring(urljoin(source.url, name), name, None, resume=True)
                try:
                    check_idx(packed, digest)
                except DomainxferError as error:
                    packed.unlink()
                    raise DigestError(f"{host}: {error}") from error
                shutil.move(packed, into / name)
        elif source.format == "hub-parquet":
            unpack_hub(source.url, into, card.counts, lambda url, name: bring(url, name, None, resume=False))
            _check_counts(card, into)
        else:
            packed = bring(source.url, _archive_name(card, source), source.sha256, resume=True)
            try:
                unpack(packed, into)
            except DomainxferError:
                packed.unlink()  # the same bytes would fail again
                raise

    try:
        done = _settle(card, place, fill)
        shutil.rmtree(downloads, ignore_errors=True)
        return done
    finally:
        for folder in (downloads, downloads.parent):
            with suppress(OSError):  # a folder that holds a partial download, of this set or another, stays
                folder.rmdir()


def _settle(card: Card, place: Path, fill: Callable[[Path], None]) -> Path:
    """Let ``fill`` make the data in a folder beside ``place``, then rename that: ``place`` is complete or not there."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{card.name}.unfinished."))
        try:
            filled = beside / card.name
            fill(filled)
            inside = [child for child in filled.iterdir() if not child.name.startswith(".")]
            if len(inside) == 1 and inside[0].is_dir():  # archives mostly hold one folder with everything in it
                filled = inside[0]
            if place.is_dir():  # an empty folder of that name; what a file browser hides in it moves along
                for hidden in place.iterdir():
                    hidden.rename(filled / hidden.name)
                place.rmdir()
            filled.rename(place)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise explain_os_error(error, "put the data set into", place) from error
    return place


def _unpack_by_hand(card: Card, archive: Path, into: Path) -> None:
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    known = {source.sha256 for source in card.sources}
    if digest not in known:
        raise DomainxferError(
            f"{archive} has the sha256 {digest}, not the recorded one; its host may have packed it anew, or it is "
            f"damaged: if you trust it, unpack it yourself as {archive.with_name(card.name)}"
        )
    unpack(archive, into)


def _brought_by_hand(card: Card, roots: Sequence[Path]) -> Path | None:
    names = [_archive_name(card, source) for source in card.sources if source.format in ("zip", "tar.gz")]
    return next((root / name for root in roots for name in names if (root / name).is_file()), None)


def _archive_name(card: Card, source: Source) -> str:
    return f"{card.name}.{source.format}"


def _how_to_bring(card: Card, place: Path) -> str:
    first = card.sources[0]
    if first.format == "idx":
        return f"download {', '.join(first.files)} from {first.url} into {place}"
    instead = f", or {card.bring} in {place.parent}" if card.bring else ""
    return f"download {first.url} and put it there as {place.parent / _archive_name(card, first)}{instead}"


def _check_counts(card: Card, folder: Path) -> None:
    for name, expected in card.counts.items():
        found = len(find_pictures(folder / name)) if (folder / name).is_dir() else 0
        if found != expected:
            raise ArchiveError(f"the download is not the whole set: {found} pictures in {name} instead of {expected}")


def _sweep(place: Path) -> None:
    """Remove what a killed fetch of the same set left half unpacked; partial downloads stay, to be continued."""
    for left in place.parent.glob(f".{place.name}.unfinished.*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _only_one(place: Path) -> Iterator[None]:
    """Hold a lock while fetching, so that several processes of one run do not fetch the same set at once."""
    try:
        import fcntl
    except ImportError:  # Windows: training there is a single process
        yield
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = (place.parent / f".{place.name}.lock").open("w")
    except OSError:  # a read-only place: if there is anything to write, that error says so
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
