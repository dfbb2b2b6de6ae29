"""The command line, mostly in this process; tests/test_cli_process.py starts real ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from domainxfer.errors import DomainxferError


def one_line(text: str) -> str:
    """The error that was printed, checked to be one line without a traceback."""
    lines = [line for line in text.strip().splitlines() if line.startswith("domainxfer: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


def pictures(folder: Path, count: int, size: int = 40, seed: int = 0) -> None:
    """Fill a folder with noisy pictures."""
    folder.mkdir(parents=True)
    numbers = np.random.default_rng(seed)
    for i in range(count):
        Image.fromarray(numbers.integers(0, 255, (size, size, 3), np.uint8)).save(folder / f"{i}.png")


def test_version(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("domainxfer ")


def test_a_misspelt_command_is_a_usage_error_with_a_suggestion(run):
    code, _, err = run("trian", "demo")
    assert code == 2
    assert "train" in err


def test_an_interrupted_command_says_so(run, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("domainxfer.cli_show.show_doctor", interrupted)
    code, out, err = run("doctor")
    assert (code, out, err) == (130, "", "domainxfer: interrupted\n")


def test_train_without_data(run):
    code, _, err = run("train")
    assert code == 2
    assert "domainxfer train demo" in one_line(err)


def test_unknown_data_set_suggests_the_nearest(run):
    code, _, err = run("train", "horse2zebras")
    assert code == 2
    assert "horse2zebra" in one_line(err)


def test_no_data_offline_says_where_it_looked_and_what_to_bring(run, tmp_path):
    code, _, err = run("train", "horse2zebra", "--offline", "--data-root", str(tmp_path / "pictures"))
    assert code == 1
    line = one_line(err)
    assert str(tmp_path / "pictures") in line
    assert "horse2zebra.zip" in line
    assert not (tmp_path / "runs").exists()


def test_empty_folder(run, tmp_path):
    (tmp_path / "mine").mkdir()
    code, _, err = run("train", "./mine")
    assert code == 1
    assert "mine" in one_line(err)


def test_one_domain_only(run, tmp_path):
    pictures(tmp_path / "mine" / "cats", 5)
    code, _, err = run("train", "./mine")
    assert code == 1
    assert "cats" in one_line(err)


def test_missing_folder(run):
    code, _, err = run("train", "./nothing-here")
    assert code in (1, 2)
    assert "nothing-here" in one_line(err)


@pytest.mark.parametrize(
    ("setting", "hint"),
    [
        ("data.sise=64", "'size'"),
        ("objective.generator.cicle=3", "'cycle'"),
        ("objective.critic.r1.gama=3", "'gamma'"),
        ("training.steps=many", "training.steps"),
        ("nonsense", "name.of.setting=value"),
        ("data.augment=[{name: HorizontalFlop}]", "HorizontalFlip"),
        ("training.extractor=gabour", "gabor"),
    ],
)
def test_misspelt_settings_are_usage_errors(run, tmp_path, setting, hint):
    for domain in ("a", "b"):
        pictures(tmp_path / "mine" / domain, 4)
    code, _, err = run("train", "./mine", "--set", setting)
    assert code == 2
    assert hint in one_line(err)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("text", ["soon", "", "-5m", "5x", "60"])
def test_max_time_is_checked(run, text):
    code, _, err = run("train", "demo", f"--max-time={text}")
    assert code == 2
    assert "20m" in one_line(err)


def test_max_time_is_understood():
    from domainxfer.cli_train import seconds

    assert [seconds(t) for t in ("90s", "20m", "2h", "1h30m", "5m", "1.5h")] == [90, 1200, 7200, 5400, 300, 5400]


def test_resume_without_runs(run):
    code, _, err = run("train", "--resume")
    assert code == 1
    assert "domainxfer train DATA" in one_line(err)


def test_resume_hears_where_the_pictures_lie_now(run, monkeypatch, tmp_path):
    from domainxfer.cli_train import TrainCommand

    seen = []
    monkeypatch.setattr(TrainCommand, "resume", lambda self, name: seen.append((name, self.changes)) or 0)
    assert run("train", "demo", "--resume", "--data-root", "moved", "--steps", "9")[0] == 0
    assert seen == [("demo", {"source": {"data_root": str(tmp_path / "moved")}, "training": {"steps": 9}})]


def test_resume_refuses_a_run_of_other_data(run, monkeypatch, tmp_path):
    from domainxfer.cli_train import TrainCommand

    monkeypatch.setattr(TrainCommand, "resume", lambda self, name: 0)
    (tmp_path / "runs" / "mine-1").mkdir(parents=True)
    (tmp_path / "runs" / "mine-1" / "recipe.yaml").write_text("card: mine\n")
    code, _, err = run("train", "demo", "--resume", "mine-1")
    assert code == 2
    assert "the run mine-1 did not learn from demo" in one_line(err)
    assert run("train", "mine", "--resume", "mine-1")[0] == 0


@pytest.mark.parametrize("error", [MemoryError(), type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory")])
def test_memory_that_is_full_is_one_line(run, monkeypatch, error):
    def fill(self, data, **arguments):
        raise error

    from domainxfer.cli_train import TrainCommand

    monkeypatch.setattr(TrainCommand, "train", fill)
    code, _, err = run("train", "demo")
    assert code == 1
    assert "data.batch" in one_line(err)


def test_resume_refuses_what_would_be_another_run(run):
    code, _, err = run("train", "--resume", "--mode", "generate")
    assert code == 2
    assert "--resume" in one_line(err)


def test_bad_names(run):
    code, _, err = run("train", "demo", "--names", "horse")
    assert code == 2
    assert "A=horse" in one_line(err)


def test_translate_to_what_no_model_knows(run, tmp_path):
    pictures(tmp_path / "in", 1)
    code, _, err = run("translate", "in/0.png", "--to", "unicorn")
    assert code == 1
    assert "domainxfer train" in one_line(err)


def test_translate_with_nothing_trained(run, tmp_path):
    pictures(tmp_path / "in", 1)
    code, _, err = run("translate", "in/0.png", "--to", "zebra")
    assert code == 0, err
    assert "weights/horse2zebra" in err.replace("\n", "").replace("\\", "/")
    assert (tmp_path / "in" / "0_zebra.png").exists()


def test_translate_with_a_folder_that_is_no_model(run, tmp_path):
    pictures(tmp_path / "in", 1)
    code, _, err = run("translate", "in/0.png", "--to", "zebra", "--model", "in")
    assert code == 1
    assert "config.json" in one_line(err)


def test_translate_checks_the_code(run, tmp_path):
    code, _, err = run("translate", "x.png", "--to", "zebra", "--code", "a,b")
    assert code == 2
    assert "0.5,-1" in one_line(err)


def test_the_list_of_data_sets(run):
    code, out, _ = run("data", "list")
    assert code == 0
    assert "horse2zebra" in out
    assert "demo" in out


def test_data_check_names_the_broken_picture_and_fails(run, tmp_path):
    for number, domain in enumerate(("a", "b")):
        pictures(tmp_path / "mine" / domain, 6, seed=number)
    (tmp_path / "mine" / "a" / "broken.png").write_bytes(b"no picture")
    code, out, _ = run("data", "check", "./mine", "--size", "32")
    assert code == 1
    assert "broken.png" in out


def test_no_runs_yet(run):
    code, out, _ = run("runs")
    assert code == 0
    assert "domainxfer train demo" in out


def test_doctor_says_what_is_used(run):
    code, out, _ = run("doctor")
    assert code == 0
    assert "bf16" in out
    assert "extra [metrics]" in out, "square brackets are not markup"


def test_an_empty_name_is_not_the_folder_one_is_in(run, tmp_path):
    for domain in ("a", "b"):
        pictures(tmp_path / domain, 4)
    for command in (("train", ""), ("data", "check", ""), ("discover", "", "--labels", "2")):
        code, _, err = run(*command)
        assert code == 2
        assert "an empty name is no data set" in one_line(err)
    assert not (tmp_path / "runs").exists()


def test_a_recipe_that_is_not_there(run):
    code, _, err = run("train", "demo", "--recipe", "nosuch.yaml")
    assert code == 2
    assert one_line(err) == "domainxfer: cannot read the recipe nosuch.yaml: there is no such file or folder"


@pytest.mark.parametrize("place", [0, 3])
def test_debug_may_stand_anywhere(run, place):
    command = ["translate", "a.jpg", "--to=nothing"]
    command.insert(place, "--debug")
    with pytest.raises(DomainxferError, match="no model that makes 'nothing'"):
        run(*command)


def test_home_is_known_behind_an_equals_sign_and_in_quotes(run, monkeypatch, tmp_path):
    home = tmp_path / "home"
    pictures(home / "mine", 2)
    monkeypatch.setenv("HOME", str(home))
    code, _, err = run("translate", "~/mine/0.png", "--to", "zebra", "-o", "~/out/z.png", "--runs=~/runs")
    assert code == 0, err
    assert (home / "out" / "z.png").exists()
    assert not (tmp_path / "~").exists()


def test_a_report_is_written_anew(run, tmp_path):
    (tmp_path / "runs" / "mine-1").mkdir(parents=True)
    (tmp_path / "runs" / "mine-1" / "recipe.yaml").write_text("card: mine\n")
    code, out, _ = run("report", "mine-1")
    assert code == 0
    assert "mine" in Path(out.strip()).read_text()
    code, _, err = run("report")
    assert code == 1
    assert "name one of these: mine-1" in one_line(err)
