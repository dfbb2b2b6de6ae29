"""Files are whole or not there, and what goes wrong is said in one line."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from domainxfer.errors import DomainxferError
from domainxfer.files import (
    ExistsError,
    at_home,
    explain_os_error,
    lasting,
    refuse_lost,
    write_text,
    written_whole,
)


def left_in(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_file_and_its_folder_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "grün\n")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "grün\n".encode()
    assert left_in(tmp_path / "a" / "b") == ["c.txt"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    write_text(path, "old")
    with written_whole(path) as part:
        part.write_text("ne")
        assert path.read_text() == "old"
        assert part.parent == path.parent, "a rename must not cross file systems"
        part.write_text("new")
    assert path.read_text() == "new"
    assert left_in(tmp_path) == ["f"]


@pytest.mark.parametrize("problem", [RuntimeError("stop"), KeyboardInterrupt(), DomainxferError("no")])
def test_any_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, problem: BaseException) -> None:
    path = tmp_path / "f"
    write_text(path, "old")

    def half() -> None:
        with written_whole(path) as part:
            part.write_text("half of the n")
            raise problem

    with pytest.raises(type(problem)) as caught:
        half()
    assert caught.value is problem
    assert path.read_text() == "old"
    assert left_in(tmp_path) == ["f"]


@pytest.mark.parametrize("call", ["fsync", "replace", "fdopen"])
@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "quota"), (errno.EACCES, "permission"), (errno.EROFS, "read-only")],
)
def test_trouble_with_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, says: str
) -> None:
    path = tmp_path / "f"
    write_text(path, "old")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number))

    if call == "fdopen":
        monkeypatch.setattr(Path, "write_text", fail)
    else:
        monkeypatch.setattr(os, call, fail)
    with pytest.raises(DomainxferError, match=says) as caught:
        write_text(path, "new")
    monkeypatch.undo()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert left_in(tmp_path) == ["f"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DomainxferError, match="a file, not a folder"):
        write_text(tmp_path / "file" / "inside", "y")
    with pytest.raises(DomainxferError, match="a file, not a folder"):
        write_text(tmp_path / "file" / "deeper" / "inside", "y")


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with pytest.raises(DomainxferError, match="a folder, not a file"):
        write_text(tmp_path / "place", "y")
    assert left_in(tmp_path) == ["place"]


def test_without_leave_to_overwrite_the_file_that_came_in_between_stays(tmp_path: Path) -> None:
    with written_whole(tmp_path / "new", overwrite=False) as part:
        part.write_text("new")
    assert (tmp_path / "new").read_text() == "new"

    def write_late(path: Path) -> None:
        with written_whole(path, overwrite=False) as part:
            part.write_text("ours")
            path.write_text("somebody's")

    with pytest.raises(ExistsError, match="exists already"):
        write_late(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "somebody's"
    assert left_in(tmp_path) == ["a", "new"]


def test_the_same_where_the_file_system_has_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    test_without_leave_to_overwrite_the_file_that_came_in_between_stays(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DomainxferError, match="pipe or a device"):
        write_text(tmp_path / "pipe", "x")
    assert (tmp_path / "pipe").is_fifo()


def test_a_user_that_is_not_there_has_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert at_home("~/pictures") == Path("/somewhere/pictures")
    assert at_home("~nobody-of-this-name/pictures") == Path("~nobody-of-this-name/pictures")


def test_what_may_not_be_read_is_to_be_made_readable() -> None:
    denied = PermissionError(errno.EACCES, "Permission denied")
    assert str(explain_os_error(denied, "read the picture", Path("a.jpg"))).endswith("denied; make it readable")
    assert str(explain_os_error(denied, "write", Path("a.jpg"))).endswith("a folder that you may write to")


def test_an_empty_name_stays_empty_and_is_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (lasting(""), lasting(" "), lasting(".")) == ("", " ", str(tmp_path.resolve()))


def test_pictures_that_were_moved_are_named_with_the_mend(tmp_path: Path) -> None:
    refuse_lost("horse2zebra", "say where")
    refuse_lost(str(tmp_path), "say where")
    with pytest.raises(DomainxferError, match=r"were in .*gone, which is gone; if you have moved them, say where"):
        refuse_lost(str(tmp_path / "gone"), "say where")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DomainxferError, match="permission denied"):
            write_text(tmp_path / "f", "x")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_files_are_as_public_as_the_user_wants(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "f", "x")
    finally:
        os.umask(old)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o640


def test_a_very_long_name(tmp_path: Path) -> None:
    name = "x" * 240
    write_text(tmp_path / name, "x")
    assert left_in(tmp_path) == [name]


def test_unknown_trouble_keeps_its_own_words(tmp_path: Path) -> None:
    line = str(explain_os_error(OSError(errno.ELOOP, "Too many levels"), "read", tmp_path))
    assert line == f"cannot read {tmp_path}: Too many levels"
    assert "something" in str(explain_os_error(OSError("something"), "read", tmp_path))


FILL_A_TINY_DISK = """
import sys
from pathlib import Path
from types import SimpleNamespace
import torch
from domainxfer.errors import DomainxferError
from domainxfer.files import write_text
from domainxfer.models.model import save_network
from domainxfer.training.logbook import LogBook
from domainxfer.training.state import MovingAverage, save_checkpoint

disk, network = Path(sys.argv[1]), torch.nn.Linear(300, 300)
write_text(disk / "old", "old")
stepper = SimpleNamespace(generator=network, critic=network, optimizers={})

def fill_log():
    book = LogBook(disk / "metrics.csv", ["a"], 0)
    for step in range(100_000):
        book.add(step, a="x" * 100)

writers = {
    "text": lambda: write_text(disk / "old", "x" * 10**6),
    "network": lambda: save_network(network, disk / "model.safetensors"),
    "checkpoint": lambda: save_checkpoint(disk, stepper, MovingAverage(network, 0.9), 1, {}, 1),
    "log": fill_log,
}
for name, write in writers.items():
    try:
        write()
    except DomainxferError as error:
        assert "the disk is full" in str(error) and "\\n" not in str(error), error
    else:
        sys.exit(f"{name}: the disk should be full")
    left = sorted(p.name for p in disk.iterdir())
    assert left == (["metrics.csv", "old"] if name == "log" else ["old"]), left
    assert (disk / "old").read_text() == "old"
print("done")
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """A file system of 64 KiB, mounted where only the child process sees it."""
    unshare, shell = shutil.which("unshare"), shutil.which("sh")
    mount = f"mount -t tmpfs -o size=64k none '{tmp_path}'"
    if unshare is None or shell is None:
        pytest.skip("there is no unshare to mount a tiny disk with")
    private = [unshare, "--user", "--map-root-user", "--mount", shell, "-c"]
    if subprocess.run([*private, mount], capture_output=True, check=False).returncode:
        pytest.skip("this system lets us mount no tiny disk")
    inside = f"{mount} && exec '{sys.executable}' -c \"$PROGRAM\" '{tmp_path}'"
    environment = {**os.environ, "PROGRAM": FILL_A_TINY_DISK, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*private, inside], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
