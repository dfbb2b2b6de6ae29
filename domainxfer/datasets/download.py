"""One file from the network, through pooch: continued where it broke off, and held to its sha256.

pooch fetches into a temporary file, compares the digest and moves the file into place; the downloader below keeps what
has arrived in a file of its own beside it, so that neither a cut connection nor Ctrl-C loses it.
"""

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
import urllib3

from domainxfer.errors import DomainxferError
from domainxfer.files import explain_os_error, nearest_folder

OnProgress = Callable[[int, int | None], None]

_CHUNK = 1 << 16
_SLOWEST = 1024  # bytes a second, over `patience` seconds
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class DownloadError(DomainxferError):
    """A download failed for good; another source may do."""


class DigestError(DownloadError):
    """The file arrived, but it is not the file that the card describes."""


class _TransferError(Exception):
    """The transfer broke off in a way that is worth another try."""


class ResumingDownloader:
    """A pooch downloader that continues a partial file with an HTTP range request, and gives up on a stalled host.

    Args:
        part: where the bytes gather; kept when the transfer breaks off.
        on_progress: gets (bytes so far, bytes in all or None).
        tries: how often a host that has answered once is asked in all (2 for one that never did).
        patience: seconds without an answer, or with less than 1 KiB a second, after which the host counts as stalled.
        pause: seconds before the second try, doubled for each further one.
        resume: False where no digest would show that two versions of a file were mixed.
    """

    def __init__(
        self,
        part: Path,
        *,
        on_progress: OnProgress | None = None,
        tries: int = 4,
        patience: float = 30.0,
        pause: float = 1.0,
        resume: bool = True,
    ) -> None:
        self.part, self.on_progress = part, on_progress
        self.tries, self.patience, self.pause, self.resume = tries, patience, pause, resume
        self.resumed = self.answered = False

    def __call__(self, url: str, output_file: str, _pooch: object = None) -> None:
        host = urlsplit(url).netloc
        for attempt in range(1, self.tries + 1):
            try:
                self._transfer(url)
                break
            except (requests.RequestException, urllib3.exceptions.HTTPError, _TransferError) as error:
                if attempt >= (self.tries if self.answered else 2):  # no network at all: say so soon
                    raise DownloadError(f"{host}: {_in_short(error)}, after {attempt} tries") from error
                time.sleep(self.pause * 2 ** (attempt - 1))
        os.replace(self.part, output_file)

    def _transfer(self, url: str) -> None:
        start = self.part.stat().st_size if self.resume and self.part.exists() else 0
        # Without "identity" a host may compress, and byte positions would no longer be those of the file.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        with requests.get(url, headers=headers, stream=True, timeout=self.patience) as answer:
            self.answered = True
            if answer.status_code == 416:  # nothing beyond what we have: either complete, or not the same file
                if answer.headers.get("Content-Range", "").endswith(f"*/{start}"):
                    return
                self.part.unlink()
                raise _TransferError("the file has changed on the host")
            if answer.status_code in _TRY_AGAIN:
                raise _TransferError(f"HTTP {answer.status_code} {answer.reason}")
            if not answer.ok:
                raise DownloadError(f"{urlsplit(url).netloc}: HTTP {answer.status_code} {answer.reason}")
            if answer.status_code != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                start = 0  # the host does not continue files: from the beginning
            self.resumed |= start > 0
            length = answer.headers.get("Content-Length", "")
            total = start + int(length) if length.isdigit() else None
            with self.part.open("ab" if start else "wb") as gathered:
                self._receive(answer, gathered.write, start, total)

    def _receive(self, answer: requests.Response, write: Callable[[bytes], int], start: int, total: int | None) -> None:
        """Pass the body on as it arrives, watching its speed; it must be as long as announced."""
        read = getattr(answer.raw, "read1", answer.raw.read)  # read1 returns what is there instead of waiting for more
        done, window_start, window_bytes = start, time.monotonic(), 0
        while chunk := read(_CHUNK):
            write(chunk)
            done += len(chunk)
            window_bytes += len(chunk)
            if self.on_progress is not None:
                self.on_progress(done, total)
            if (spent := time.monotonic() - window_start) > self.patience:
                if window_bytes < _SLOWEST * spent:
                    raise _TransferError(f"too slow ({window_bytes / spent:.0f} bytes a second)")
                window_start, window_bytes = time.monotonic(), 0
        if total is not None and done != total:
            raise _TransferError(f"the connection was cut after {done:,} of {total:,} bytes")


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None,
    resume: bool = True,
    on_progress: OnProgress | None = None,
    tries: int = 4,
    patience: float = 30.0,
    pause: float = 1.0,
) -> Path:
    """Bring ``url`` to ``target``, whole and with the right digest, or not at all.

    A target that is there already with the right digest is not downloaded again.

    Raises:
        DigestError: it arrived, but with another digest.
        DownloadError: the host cannot be reached, refuses, stalls, or cuts the connection each time.
        DomainxferError: the disk is full, permission is missing, ...
    """
    pooch.get_logger().setLevel(logging.WARNING)  # the library itself prints nothing
    known = hashlib.sha256(url.encode()).hexdigest()[:8]  # another address: another partial file
    part = target.parent / f"{target.name}.{known}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for fresh in (False, True):
            downloader = ResumingDownloader(
                part, on_progress=on_progress, tries=tries, patience=patience, pause=pause, resume=resume
            )
            try:
                pooch.retrieve(
                    url,
                    known_hash=f"sha256:{sha256}" if sha256 else None,
                    fname=target.name,
                    path=target.parent,
                    downloader=downloader,
                )
                return target
            except ValueError as error:  # pooch's word for a wrong digest
                if downloader.resumed and not fresh:
                    continue  # two halves of different versions, perhaps: once more from the beginning
                raise DigestError(
                    f"{urlsplit(url).netloc}: the file's sha256 is not the recorded {sha256}; its host may have "
                    "packed it anew, or it was tampered with, so it is not used"
                ) from error
    except OSError as error:
        raise explain_os_error(error, "download to", target) from error
    raise AssertionError("unreachable: the second pass returns or raises")


def check_room(folder: Path, needed: int) -> None:
    """Refuse a download that the disk cannot hold, before it starts.

    Raises:
        DomainxferError: less than ``needed`` bytes are free, or there is no such drive.
    """
    try:
        free = shutil.disk_usage(nearest_folder(folder)).free
    except OSError as error:
        raise explain_os_error(error, "download into", folder) from error
    if free < needed:
        raise DomainxferError(
            f"{folder} has {free / 2**20:,.0f} MiB free, but {needed / 2**20:,.0f} MiB are needed; "
            "free some space or choose another place with --data-root"
        )


def _in_short(error: BaseException) -> str:
    """A network error without the stack of library names around it."""
    if isinstance(error, _TransferError):
        return str(error)
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, requests.ConnectionError):
        return "cannot be reached"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | urllib3.exceptions.ProtocolError):
        return "the connection was cut"
    return f"the transfer failed ({type(error).__name__})"
