"""The scripts in benchmarks/ lie beside each other and find each other there; they are no package."""

import gzip
import importlib
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """`benchmark_module("cyclegan")`: a module of benchmarks/."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def few_digits(tmp_path: Path) -> Path:
    """A data root with MNIST's files: 60 training and 20 test pictures of noise a digit."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for prefix, each in {"train": 60, "t10k": 20}.items():
        labels = np.tile(np.arange(10, dtype=np.uint8), each)
        images = np.random.default_rng(0).integers(256, size=(len(labels), 28, 28), dtype=np.uint8)
        for name, array in {f"{prefix}-images-idx3-ubyte": images, f"{prefix}-labels-idx1-ubyte": labels}.items():
            head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (folder / f"{name}.gz").write_bytes(gzip.compress(head + array.tobytes(), mtime=0))
    return folder.parent
