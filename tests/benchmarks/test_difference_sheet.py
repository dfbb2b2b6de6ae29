"""The sheet of differences: which pictures, and what white means."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from domainxfer.loaded import Model
from domainxfer.models.config import GeneratorConfig, ModelConfig
from domainxfer.models.generator import Generator


@pytest.fixture
def difference_sheet(benchmark_module: Callable[[str], ModuleType]) -> ModuleType:
    return benchmark_module("difference_sheet")


def test_pictures_are_taken_at_even_steps(difference_sheet: ModuleType) -> None:
    paths = [Path(f"{i}.png") for i in range(10)]
    assert [p.stem for p in difference_sheet.spread_out(paths, 4)] == ["0", "2", "5", "7"]
    assert difference_sheet.spread_out(paths[:3], 20) == paths[:3]


def test_white_is_half_the_range(difference_sheet: ModuleType) -> None:
    source = Image.new("RGB", (3, 1), (100, 100, 100))
    output = source.copy()
    output.putpixel((1, 0), (130, 100, 70))  # mean change 20
    output.putpixel((2, 0), (255, 255, 255))
    assert np.asarray(difference_sheet.difference(source, output)).tolist() == [[0, 40, 255]]


def test_the_sheet_from_the_command_line(
    difference_sheet: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    generator = GeneratorConfig(labels=2, size=32, width=8, blocks=1)
    Model(ModelConfig(domains=("a", "b"), size=32, generator=generator), Generator(generator)).save(tmp_path / "model")
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        Image.new("RGB", (40, 50), (80 * i, 90, 100)).save(tmp_path / "pictures" / f"{i}.png")
    command = ["sheet", str(tmp_path / "model"), str(tmp_path / "pictures"), "--to", "b", "-o", str(tmp_path / "s.png")]
    monkeypatch.setattr("sys.argv", command)
    difference_sheet.main()
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.width > 6 * 128
        assert len(sheet.getcolors(1_000_000)) > 10
