"""What `domainxfer translate` says, where it says it, and its exit code; the model is one that inverts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from domainxfer import cli_translate
from domainxfer.cli_translate import translate_command
from domainxfer.errors import PictureError, UsageError


class Inverting:
    """Has what translation uses of a model."""

    domains = ("horse", "zebra")
    multiple = 8
    reach = 32

    def __init__(self) -> None:
        generator = SimpleNamespace(code_size=1, content="picture", norm="layer")
        self.config = SimpleNamespace(size=64, generator=generator, finished=True, steps=7)
        self.liked: list[Tensor] = []

    def label_of(self, domain: str) -> int:
        if domain not in self.domains:
            raise UsageError(f"no domain {domain!r}")
        return self.domains.index(domain)

    def apply_with_gain(
        self, content: Tensor, label: Tensor | None, code: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        return -content, None

    def estimate_code(self, image: Tensor) -> Tensor:
        self.liked.append(image)
        return torch.zeros(1, 1)


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Inverting:
    monkeypatch.chdir(tmp_path)
    made = Inverting()
    monkeypatch.setattr(cli_translate, "find_model", lambda model, to, runs: (runs / "demo-1", made))
    return made


def translate(*paths: str, model: str | None = "demo-1", output: str | None = None, **options: Any) -> int:
    given: dict[str, Any] = {"mask": None, "like": None, "sweep_code": False, "steps": None, **options}
    return translate_command([*paths], "zebra", model, Path("runs"), Path(output) if output else None, **given)


def save(*names: str, value: int = 50) -> None:
    for name in names:
        Image.new("RGB", (40, 30), (value,) * 3).save(name)


def test_one_picture_is_one_line_beside_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    save("a.png")
    assert translate("a.png") == 0
    assert capsys.readouterr() == ("", "a.png -> a_zebra.png\n")


def test_a_model_that_was_not_named_is(capsys: pytest.CaptureFixture[str]) -> None:
    save("a.png")
    translate("a.png", model=None)
    assert capsys.readouterr().err.splitlines()[0] == f"model: {Path('runs') / 'demo-1'} (horse, zebra)"


def test_a_model_whose_training_had_not_ended_is_told_of(model: Inverting, capsys: pytest.CaptureFixture[str]) -> None:
    model.config.finished = False
    save("a.png")
    assert translate("a.png") == 0
    first = capsys.readouterr().err.splitlines()[0]
    assert first.endswith("had not ended when this model was saved (step 7)")


def test_several_are_numbered_and_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    save("a.png", "b [old].png")
    assert translate("a.png", "b [old].png") == 0
    lines = ["[1/2] a.png -> a_zebra.png", "[2/2] b [old].png -> b [old]_zebra.png", "2 translated"]
    assert capsys.readouterr().err.splitlines() == lines


def test_what_failed_or_was_there_already_makes_the_exit_code_one(capsys: pytest.CaptureFixture[str]) -> None:
    save("a.png", "b.png", "b_zebra.png")
    Path("torn.png").write_bytes(b"no picture")
    assert translate("a.png", "b.png", "torn.png") == 1
    *_, there, torn, summary = capsys.readouterr().err.splitlines()
    assert "b_zebra.png exists already" in there
    assert "torn.png" in torn
    assert summary == "1 translated, 1 failed, 1 left as they were"
    assert Path("a_zebra.png").exists()
    assert translate("b.png") == 1
    assert translate("b.png", overwrite=True) == 0


def test_translations_of_before_are_passed_over_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    save("in/a.png")
    assert translate("in") == 0
    capsys.readouterr()
    assert translate("in", overwrite=True) == 0
    assert "1 earlier translations among them passed over" in capsys.readouterr().err
    assert {path.name for path in Path("in").iterdir()} == {"a.png", "a_zebra.png"}


def test_mask_and_like_are_files_that_are_opened(model: Inverting, capsys: pytest.CaptureFixture[str]) -> None:
    save("a.png", "like.png")
    mask = Image.new("L", (40, 30), 0)
    mask.paste(255, (0, 0, 20, 30))
    mask.save("mask.png")
    assert translate("a.png", mask=Path("mask.png"), like=Path("like.png")) == 0
    with Image.open("a_zebra.png") as made:
        red = np.asarray(made)[..., 0]
    assert (red[:, :20] == 205).all()
    assert (red[:, 20:] == 50).all()
    assert len(model.liked) == 1
    with pytest.raises(PictureError, match=r"no-mask\.png"):
        translate("a.png", mask=Path("no-mask.png"))


def test_a_note_is_said_with_the_picture(capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGBA", (20, 20), (10, 20, 30, 0)).save("clear.png")
    assert translate("clear.png", output="solid.jpg") == 0
    assert "clear.png -> solid.jpg  (transparent parts are white now" in capsys.readouterr().err


@pytest.mark.parametrize(("steps", "rows"), [(None, 9), (3, 3)])
def test_a_sweep_is_a_sheet(capsys: pytest.CaptureFixture[str], steps: int | None, rows: int) -> None:
    save("a.png")
    assert translate("a.png", sweep_code=True, steps=steps) == 0
    assert capsys.readouterr().err == "a.png -> a_zebra-codes.png\n"
    with Image.open("a_zebra-codes.png") as sheet:
        cell = 4 * 30 + 2 * 12 + 8  # the picture enlarged, its title, the gap
        assert sheet.height == rows * cell + 8


def test_steps_belong_to_a_sweep() -> None:
    save("a.png")
    with pytest.raises(UsageError, match="--steps belongs to --sweep-code"):
        translate("a.png", steps=5)
