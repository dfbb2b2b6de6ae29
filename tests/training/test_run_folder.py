"""Run folders: never overwritten, found by name, and the latest one."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from domainxfer.errors import DomainxferError, UsageError
from domainxfer.training import run_folder
from domainxfer.training.run_folder import RunFolder, all_runs, find_run, followed, named_model, new_run


def begun(runs: Path, name: str, age: int = 0) -> RunFolder:
    """A run that has written its recipe, ``age`` seconds ago."""
    folder = new_run(runs, name)
    folder.recipe.write_text("{}")
    then = 1_700_000_000 - age
    os.utime(folder.recipe, (then, then))
    return folder


def test_two_processes_cannot_train_one_run(tmp_path: Path) -> None:
    folder = begun(tmp_path / "runs", "demo")
    with folder.alone():
        with pytest.raises(DomainxferError, match=r"demo-1 is being trained by another process"), folder.alone():
            pass
        with begun(tmp_path / "runs", "demo").alone():
            pass  # another run
    with folder.alone():
        pass  # the first has ended


def test_what_a_killed_process_was_writing_goes_when_the_next_one_begins(tmp_path: Path) -> None:
    folder = begun(tmp_path / "runs", "demo")
    folder.checkpoints.mkdir()
    torn, whole = folder.checkpoints / ".step_0000001.pt.x1y2.part", folder.checkpoints / "step_0000001.pt"
    for file in (torn, whole):
        file.write_text("x")
    with folder.alone():
        assert not torn.exists()
        assert whole.exists()


@pytest.mark.parametrize("error", [ConnectionResetError("peer is gone"), FileNotFoundError(2, "none", "tracker.db")])
def test_what_goes_wrong_in_a_training_is_not_put_down_to_its_folder(tmp_path: Path, error: OSError) -> None:
    folder = begun(tmp_path / "runs", "demo")
    with pytest.raises(type(error)) as caught, folder.alone():
        raise error
    assert caught.value is error
    with folder.alone():
        pass  # and it is free again


def test_each_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    folders = [new_run(tmp_path / "runs", "demo").path.name for _ in range(3)]
    assert folders == ["demo-1", "demo-2", "demo-3"]
    (tmp_path / "runs" / "demo-2" / "precious").write_text("x")
    (tmp_path / "runs" / "demo-4").write_text("a file in the way")
    assert new_run(tmp_path / "runs", "demo").path.name == "demo-5"
    assert (tmp_path / "runs" / "demo-2" / "precious").exists()


@pytest.mark.parametrize("name", ["a/b", "../x", "..", "", "a\\b", "/tmp/x"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="without slashes"):
        new_run(tmp_path / "runs", name)
    assert not (tmp_path / "runs").exists()


def test_what_lies_where(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    names = ["recipe", "environment", "metrics", "figures", "samples", "checkpoints", "model", "best"]
    assert [getattr(folder, name).name for name in names] == [
        "recipe.yaml",
        "environment.json",
        "metrics.csv",
        "figures.csv",
        "samples",
        "checkpoints",
        "model",
        "best",
    ]


def test_the_latest(tmp_path: Path) -> None:
    first, second = begun(tmp_path, "demo"), begun(tmp_path, "emoji")
    assert (tmp_path / "latest").resolve() == second.path.resolve()
    assert find_run(tmp_path).path == second.path.resolve()
    assert find_run(tmp_path, "latest").path == second.path.resolve()
    assert find_run(tmp_path, "demo-1").path == first.path.resolve()


def test_the_latest_moves_with_its_folder(tmp_path: Path) -> None:
    begun(tmp_path / "runs", "demo")
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    assert find_run(tmp_path / "elsewhere").path.name == "demo-1"


def test_a_text_file_where_links_are_not_to_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    begun(tmp_path, "demo")
    second = begun(tmp_path, "emoji")
    assert (tmp_path / "latest").read_text() == "emoji-1\n"
    assert find_run(tmp_path).path == second.path.resolve()
    latest = tmp_path / "latest"
    assert find_run(Path("elsewhere"), str(latest)).path == second.path.resolve()
    assert named_model(str(latest), Path("elsewhere")) == second.path
    assert followed(latest / "model" / "config.json") == second.path / "model" / "config.json"
    assert followed(tmp_path / "demo-1") == tmp_path / "demo-1"
    monkeypatch.undo()
    third = begun(tmp_path, "maps")
    assert (tmp_path / "latest").is_symlink(), "and back to a link"
    assert find_run(tmp_path).path == third.path.resolve()
    assert sorted(os.listdir(tmp_path)) == ["demo-1", "emoji-1", "latest", "maps-1"]


def test_a_run_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = begun(tmp_path / "runs", "demo")
    assert find_run(tmp_path / "other", str(folder.path)).path == folder.path.resolve()
    monkeypatch.chdir(tmp_path)
    assert find_run(Path("other"), "runs/demo-1").path == folder.path.resolve()


def test_no_such_run(tmp_path: Path) -> None:
    begun(tmp_path, "demo", age=9)
    begun(tmp_path, "emoji")
    with pytest.raises(DomainxferError, match=r"Did you mean 'emoji-1'\?.*demo-1, emoji-1"):
        find_run(tmp_path, "emojy-1")
    with pytest.raises(DomainxferError, match="There are no runs there"):
        find_run(tmp_path / "nowhere", "demo-1")
    with pytest.raises(DomainxferError, match="domainxfer train DATA"):
        find_run(tmp_path / "nowhere")


@pytest.mark.parametrize("latest", ["link", "text", "folder"])
def test_a_latest_that_points_nowhere(tmp_path: Path, latest: str) -> None:
    if latest == "link":
        (tmp_path / "latest").symlink_to("gone")
    elif latest == "text":
        (tmp_path / "latest").write_text("gone\n")
    else:
        (tmp_path / "latest").mkdir()
    with pytest.raises(DomainxferError, match="no run"):
        find_run(tmp_path)


def test_a_latest_that_is_gone_names_the_runs_there_are(tmp_path: Path) -> None:
    begun(tmp_path, "demo")
    begun(tmp_path, "emoji").path.rename(tmp_path / "elsewhere")
    with pytest.raises(DomainxferError, match=r"latest points to no run; name one of these: .*demo-1"):
        find_run(tmp_path)


def test_a_run_that_may_not_be_written_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "lock")

    monkeypatch.setattr(run_folder.FileLock, "acquire", refuse)
    with (
        pytest.raises(DomainxferError, match=r"cannot go on with .*: permission denied; "),
        RunFolder(tmp_path).alone(),
    ):
        pass


def test_all_runs_oldest_first(tmp_path: Path) -> None:
    begun(tmp_path, "b", age=10)
    begun(tmp_path, "a", age=5)
    begun(tmp_path, "c", age=20)
    new_run(tmp_path, "never begun")
    (tmp_path / "a file").write_text("x")
    assert [run.path.name for run in all_runs(tmp_path)] == ["c-1", "b-1", "a-1"]
    assert all_runs(tmp_path / "nowhere") == []


def test_a_file_where_the_runs_should_be(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    with pytest.raises(DomainxferError, match="file"):
        new_run(tmp_path / "runs", "demo")


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(run_folder.Path, "mkdir", refuse)
    with pytest.raises(DomainxferError, match=r"cannot make the run folder .*demo-1: permission denied"):
        new_run(tmp_path / "runs", "demo")


def test_a_latest_that_a_copy_of_the_runs_made_a_folder_is_left_alone(tmp_path: Path) -> None:
    """scp -r and cloud drives copy what a link points to."""
    begun(tmp_path, "demo", age=60)
    (tmp_path / "latest").unlink()
    shutil.copytree(tmp_path / "demo-1", tmp_path / "latest")
    newest = begun(tmp_path, "maps")
    assert find_run(tmp_path).path == newest.path
    assert (tmp_path / "latest" / "recipe.yaml").exists(), "nothing of the user's is touched"
    assert [run.path.name for run in all_runs(tmp_path)] == ["demo-1", "maps-1"]
