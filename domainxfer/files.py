"""Files that are never half-written: written beside their place, then renamed into it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domainxfer.errors import DomainxferError


def explain_os_error(error: OSError, doing: str, path: Path) -> DomainxferError:
    """The one line for a full disk, a missing permission and the like, while ``doing`` something to ``path``."""
    hints = {
        errno.ENOSPC: "the disk is full; free some space or choose another place with -o, --runs or --data-root",
        errno.EFBIG: "the file would be larger than this system allows (ulimit -f)",
        errno.EDQUOT: "your disk quota is used up; free some space or choose another place",
        errno.EACCES: "permission denied; choose a folder that you may write to",
        errno.EPERM: "permission denied; choose a folder that you may write to",
        errno.EROFS: "that file system is read-only; choose another folder",
        errno.ENOENT: "there is no such file or folder",
        errno.ENOTDIR: "a part of that path is a file, not a folder",
        errno.EEXIST: "a part of that path is a file, not a folder",  # what mkdir says
        errno.EISDIR: "that is a folder, not a file",
    }
    reason = hints.get(error.errno or 0, error.strerror or str(error))
    return DomainxferError(f"cannot {doing} {path}: {reason}")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any failure.

    The parent folder is made when missing. Readers see either the old file or the new one, never a part.
    The data reaches the disk before the rename, so that a power cut leaves one of the two as well.

    Raises:
        DomainxferError: the disk is full, permission is missing, ...
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files; these are ordinary ones
        os.replace(temporary, path)
    except OSError as error:
        raise explain_os_error(error, "write", path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, whole or not at all."""
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
