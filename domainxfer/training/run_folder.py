"""The folder of a run: what lies where, never overwritten, and which one is the latest.

runs/NAME/     recipe.yaml  environment.json  metrics.csv  figures.csv  warnings.txt  report.html
               samples/  checkpoints/  model/  best/
runs/latest    points to the newest run
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import at_home, explain_os_error, write_text
from domainxfer.weights import shipped_models


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run's folder."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.yaml"

    @property
    def environment(self) -> Path:
        """Machine, versions, and what ``auto`` chose."""
        return self.path / "environment.json"

    @property
    def metrics(self) -> Path:
        """Losses and speed, a row every so many steps."""
        return self.path / "metrics.csv"

    @property
    def figures(self) -> Path:
        """Held-out figures, a row a direction each time."""
        return self.path / "figures.csv"

    @property
    def warnings(self) -> Path:
        """What training warned of, a line each; not there while there is nothing."""
        return self.path / "warnings.txt"

    @property
    def samples(self) -> Path:
        """Grids of the same held-out pictures."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """Everything needed to go on."""
        return self.path / "checkpoints"

    @property
    def step(self) -> int:
        """That of the newest checkpoint; 0 before the first."""
        files = checkpoint_files(self.checkpoints)
        return int(files[-1].stem.removeprefix("step_")) if files else 0

    @property
    def model(self) -> Path:
        """The model as of the last checkpoint."""
        return self.path / "model"

    @property
    def best(self) -> Path:
        """The model with the best validation figure so far."""
        return self.path / "best"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within it no other process can train this run: two of them would write over each other.

        Raises:
            DomainxferError: another one does.
        """
        lock = FileLock(self.path / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise DomainxferError(
                f"{self.path} is being trained by another process; wait until it ends, or stop it (Ctrl-C saves)"
            ) from error
        except OSError as error:
            raise explain_os_error(error, "go on with", self.path) from error
        try:
            for part in self.path.rglob(".*.part"):  # of a process that was killed while it wrote
                part.unlink(missing_ok=True)
            yield
        finally:
            lock.release()


def refuse_name(name: str) -> None:
    """Check the name of a run to be.

    Raises:
        UsageError: it would lead out of the folder of the runs, or into one of them.
    """
    if not isinstance(name, str) or not name.strip(".") or Path(name).name != name or "\\" in name:
        raise UsageError(f"--name {name!r}: a run's name is that of a folder among the runs, without slashes")


def new_run(runs: Path, name: str) -> RunFolder:
    """Make ``runs/NAME-1`` (or -2, -3, ...: the first that is free) and point ``runs/latest`` to it.

    Raises:
        UsageError: the name is none of a folder in ``runs``.
        DomainxferError: the folder cannot be made.
    """
    refuse_name(name)
    number = 1
    while True:
        folder = runs / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            if runs.exists() and not runs.is_dir():
                raise DomainxferError(f"{runs} is a file; choose another folder with --runs") from None
            number += 1
        except OSError as error:
            raise explain_os_error(error, "make the run folder", folder) from error
    _point_latest(runs, folder.name)
    return RunFolder(folder)


def find_run(runs: Path, name: Path | str | None = None) -> RunFolder:
    """A run by path or by name in ``runs``; the latest one without a name.

    Raises:
        DomainxferError: there is none; the message lists those there are.
    """
    name = None if name is None else str(name)
    if name is None or name == "latest":
        if _is_folder(runs / "latest") and (there := all_runs(runs)):
            return there[-1]
        latest = followed(runs / "latest")
        if (latest / "recipe.yaml").exists():
            return RunFolder(latest.resolve())
        if known := [run.path.name for run in all_runs(runs)]:
            raise DomainxferError(f"{runs / 'latest'} points to no run; name one of these: {', '.join(known)}")
        raise DomainxferError(f"there is no run in {runs} yet; start one: domainxfer train DATA")
    for folder in (followed(at_home(name)), runs / name):
        if (folder / "recipe.yaml").exists():
            return RunFolder(folder.resolve())
    known = [run.path.name for run in all_runs(runs)]
    listed = f" Runs there: {', '.join(known)}" if known else " There are no runs there."
    raise DomainxferError(f"no run {name!r} in {runs}.{did_you_mean(name, known)}{listed}")


def named_model(name: str, runs: Path) -> Path:
    """Where a model lies that was named: a path that exists, a run's name, or one that ships, in this order.

    Raises:
        DomainxferError: there is none; the message lists the runs there are.
    """
    path = followed(at_home(name))
    if path.exists():
        return path
    try:
        return find_run(runs, name).path
    except DomainxferError:
        if name not in shipped_models():
            raise
        return shipped_models()[name]


def name_of_model(path: Path) -> str:
    """What files made by a model are called: after its run, or its own folder."""
    folder = path.resolve()
    if folder.name in ("model", "best") and (folder.parent / "recipe.yaml").exists():
        return folder.parent.name + ("" if folder.name == "model" else "-best")
    return folder.name


def followed(path: Path) -> Path:
    """The path that is meant where ``latest`` in it is a text file, as it is where links are not to be had."""
    for pointer in (path, *path.parents):
        if pointer.name == "latest" and pointer.is_file():
            return pointer.parent / pointer.read_text(errors="replace").strip() / path.relative_to(pointer)
    return path


def checkpoint_files(folder: Path) -> list[Path]:
    """All checkpoints of a folder, oldest first. Files still being written do not count."""
    return sorted(p for p in folder.glob("step_*.pt") if re.fullmatch(r"step_\d{7,}\.pt", p.name))


def all_runs(runs: Path) -> list[RunFolder]:
    """The runs of a folder, oldest first."""
    folders = [p for p in runs.glob("*/") if p.name != "latest" and (p / "recipe.yaml").exists()]
    return [RunFolder(p) for p in sorted(folders, key=lambda p: (p / "recipe.yaml").stat().st_mtime)]


def _point_latest(runs: Path, name: str) -> None:
    """A link, made beside and renamed; a text file holding the name where links are not to be had."""
    latest, beside = runs / "latest", runs / f".latest-{os.getpid()}"
    if _is_folder(latest):
        return
    try:
        beside.unlink(missing_ok=True)
        beside.symlink_to(name, target_is_directory=True)
        os.replace(beside, latest)
    except OSError:
        beside.unlink(missing_ok=True)
        write_text(latest, name + "\n")


def _is_folder(latest: Path) -> bool:
    """Whether a copy of the runs has made a folder of the link; it stays, and the newest run is the latest one."""
    return latest.is_dir() and not latest.is_symlink()
