"""Files that are never half-written: written beside their place, then renamed into it."""

import errno
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainxfer.errors import DomainxferError, UsageError

_READING_THE_MASK = threading.Lock()


def explain_os_error(error: OSError, doing: str, path: Path) -> DomainxferError:
    """The one line for a full disk, a missing permission and the like, while ``doing`` something to ``path``."""
    mend = "make it readable" if doing.startswith("read") else "choose a folder that you may write to"
    denied = f"permission denied; {mend}"
    hints = {
        errno.ENOSPC: "the disk is full; free some space or choose another place with -o, --runs or --data-root",
        errno.EFBIG: "the file would be larger than this system allows (ulimit -f)",
        errno.EDQUOT: "your disk quota is used up; free some space or choose another place",
        errno.EACCES: denied,
        errno.EPERM: denied,
        errno.EROFS: "that file system is read-only; choose another folder",
        errno.ENOENT: "there is no such file or folder",
        errno.ENOTDIR: "a part of that path is a file, not a folder",
        errno.EEXIST: "a part of that path is a file, not a folder",  # what mkdir says
        errno.EISDIR: "that is a folder, not a file",
    }
    reason = hints.get(error.errno or 0, error.strerror or str(error))
    return DomainxferError(f"cannot {doing} {path}: {reason}")


def at_home(path: str | Path) -> Path:
    """A path with ``~`` and ``~user`` as the shell has them; as it is where there is no such user (pathlib raises).

    Raises:
        UsageError: it is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise UsageError(f"a file or folder is named by its path; {path!r} is none")
    return Path(os.path.expanduser(path))


def lasting(data: str) -> str:
    """A file or folder of the user's, wherever he stands; what is none stays a name, an empty one too."""
    place = at_home(data)
    return str(place.resolve()) if data.strip() and place.exists() else data


def legible(name: str) -> str:
    """A file's name as text that can be written anywhere; bytes that are no UTF-8 become ``\\xe9`` and the like."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def refuse_lost(data: str, mend: str) -> None:
    """Check that pictures are still where a recipe says they lie; a data set's name says no place.

    Raises:
        DomainxferError: they are not; says how to ``mend`` it.
    """
    if os.path.isabs(data) and not os.path.exists(data):
        raise DomainxferError(f"the pictures were in {data}, which is gone; if you have moved them, {mend}")


class ExistsError(DomainxferError):
    """There is a file already, and it may not be replaced."""


@contextmanager
def written_whole(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    The parent folder is made when missing. Readers see either the old file or the new one, never a part.
    The data reaches the disk before the rename, so that a power cut leaves one of the two as well.

    Args:
        path: the file to write.
        overwrite: replace a file that is there.

    Raises:
        ExistsError: without ``overwrite`` there is a file in the end, even if there was none at the start.
        DomainxferError: the disk is full, permission is missing, the path is a pipe or a device, ...
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("r+b") as written:  # Windows flushes only what may be written
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files; these are ordinary ones
        _publish(temporary, path, overwrite)
    except OSError as error:
        raise explain_os_error(error, "write", path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, whole or not at all; file names of other bytes come out as they are."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8", errors="surrogateescape", newline="\n")


def require_writable(path: Path) -> None:
    """Stop before work whose result could not be written to ``path``, whose folder may still be missing.

    Raises:
        DomainxferError: no permission, a read-only disk, ...
    """
    try:
        with tempfile.TemporaryFile(dir=nearest_folder(path.absolute().parent)):
            pass
    except OSError as error:
        raise explain_os_error(error, "write", path) from error


def nearest_folder(folder: Path) -> Path:
    """The folder itself, or the first above it that exists.

    Raises:
        FileNotFoundError: none does: a drive that is not there.
    """
    folder = folder.absolute()
    for place in (folder, *folder.parents):
        if place.exists():
            return place
    raise FileNotFoundError(f"there is no {folder.anchor}")


def _publish(temporary: Path, path: Path, overwrite: bool) -> None:
    """Give a file that is complete its name."""
    if not overwrite:
        try:
            os.link(temporary, path)  # unlike a rename it refuses what exists, in one step
            return
        except FileExistsError:
            raise ExistsError(f"{path} exists already") from None
        except OSError:  # a file system without links
            if os.path.lexists(path):
                raise ExistsError(f"{path} exists already") from None
    elif path.exists() and not (path.is_file() or path.is_dir()):
        raise DomainxferError(f"{path} is a pipe or a device, not a file; to write into it, use -o - and redirect")
    os.replace(temporary, path)


def _umask() -> int:
    """What new files may not allow; it can be read only by setting it, which holds for all threads."""
    with _READING_THE_MASK:
        mask = os.umask(0)
        os.umask(mask)
    return mask
