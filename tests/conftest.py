"""What many tests share: one thread, tiny recipes, tiny data in memory, the command line, and real data."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from domainxfer.cli import main
from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.recipe import Recipe, override

torch.set_num_threads(1)

# Much is tested to the bit, which a CPU keeps and a GPU does not. So neither the suite nor the processes that it starts
# see a GPU, unless asked to: DOMAINXFER_TEST_GPU=1 pytest tests/test_gpu.py
if os.environ.get("DOMAINXFER_TEST_GPU") != "1":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "koi", "lynx", "mole")

TINY: dict[str, Any] = {
    "data": {"size": 32, "batch": 4},
    "generator": {"width": 16, "blocks": 1, "code_size": 2, "noise_size": 8},
    "critic": {"width": 16, "depth": 3, "fields": [1, 2]},
    "training": {"precision": "fp32", "steps": 100},
}


@pytest.fixture
def tiny_recipe() -> Callable[..., Recipe]:
    """`tiny_recipe(changes, labels=2, labels_known=True)`: a resolved recipe with networks of few weights."""

    def make(changes: dict[str, Any] | None = None, *, labels: int = 2, labels_known: bool = True) -> Recipe:
        recipe = override(override(Recipe(), TINY), changes or {})
        return recipe.resolved(labels, labels_known=labels_known)

    return make


@pytest.fixture
def tiny_data() -> Callable[..., DomainData]:
    """`tiny_data(sizes, side=40)`: random pictures in memory, ``sizes[k]`` in the train part of domain k.

    With ``labelled=False`` one size makes one unlabelled group.
    """

    def make(sizes: tuple[int, ...] = (7, 5), side: int = 40, *, labelled: bool = True, seed: int = 0) -> DomainData:
        numbers = np.random.default_rng(seed)

        def part(counts: tuple[int, ...]) -> tuple[PictureArray, ...]:
            return tuple(PictureArray(numbers.integers(0, 256, (n, side, side, 3), dtype=np.uint8)) for n in counts)

        domains = NAMES[: len(sizes)] if labelled else ()
        few = tuple(3 for _ in sizes)
        return DomainData("tiny", domains, train=part(sizes), validation=part(few), test=part(few))

    return make


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """`run("train", "demo")`: call the command in an empty folder; (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DOMAINXFER_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["domainxfer", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """`real_data("horse2zebra")`: its folder under $DOMAINXFER_DATA; the test is skipped where it is not there."""

    def find(name: str) -> Path:
        root = os.environ.get("DOMAINXFER_DATA")
        if not root:
            pytest.skip(f"needs real data: set DOMAINXFER_DATA to the folder that holds {name}")
        folder = Path(root) / name
        if not folder.is_dir():
            pytest.skip(f"there is no {name} in $DOMAINXFER_DATA ({root})")
        return folder

    return find
