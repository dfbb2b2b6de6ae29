"""What a run ran on: enough to repeat it, and nothing that does not belong into a file that is shared."""

import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from domainxfer.datasets.domain_data import DomainData
from domainxfer.training import environment
from domainxfer.training.processes import Processes


@pytest.fixture
def written(tiny_data: Callable[..., DomainData], tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`written()`: what a reader of ``environment.json`` finds."""

    def write(*, bf16: bool = False, memory_format: torch.memory_format = torch.channels_last) -> dict[str, Any]:
        path = tmp_path / "run" / "environment.json"
        environment.write(path, Processes(cpu=True), bf16, memory_format, tiny_data((7, 5)))
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    return write


def test_versions_and_machine(written: Callable[..., dict[str, Any]]) -> None:
    found = written()
    assert found["python"] == platform.python_version()
    for name in ("torch", "torchvision", "Pillow", "albumentations", "accelerate", "numpy", "safetensors"):
        assert found["packages"][name] == version(name)
    assert "domainxfer" in found["packages"]
    assert found["threads"] == torch.get_num_threads()
    assert (found["device"], found["gpu"], found["processes"]) == ("cpu", None, 1)


def test_a_package_that_is_not_installed_is_no_error(
    written: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "PACKAGES", ("torch", "no-such-package-of-ours"))
    assert written()["packages"] == {"torch": version("torch"), "no-such-package-of-ours": None}


@pytest.mark.parametrize(("bf16", "precision"), [(True, "bf16"), (False, "fp32")])
@pytest.mark.parametrize("layout", ["channels_last", "contiguous_format"])
def test_what_auto_chose(written: Callable[..., dict[str, Any]], bf16: bool, precision: str, layout: str) -> None:
    found = written(bf16=bf16, memory_format=getattr(torch, layout))
    assert (found["precision"], found["memory_format"]) == (precision, layout)


def test_the_data_is_counted_by_split_and_domain(written: Callable[..., dict[str, Any]]) -> None:
    assert written()["data"] == {
        "name": "tiny",
        "domains": ["ant", "bee"],
        "train": [7, 5],
        "validation": [3, 3],
        "test": [3, 3],
    }


def test_unlabelled_data_is_one_group(tiny_data: Callable[..., DomainData]) -> None:
    data = tiny_data((9,), labelled=False)
    found = environment.describe(Processes(cpu=True), False, torch.channels_last, data)["data"]
    assert (found["domains"], found["train"]) == ([], [9])


def test_the_command_is_kept_and_no_environment_variable_is(
    written: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["domainxfer", "train", "./my photos", "--set", "data.size=64"]
    monkeypatch.setattr("sys.argv", command)
    secrets = {
        "SOME_API_TOKEN": "token-8c1f",
        "HTTPS_PROXY": "proxy-user:proxy-word",
        "AWS_SECRET_ACCESS_KEY": "key-77aa",
        "USER": "somebody-by-name",
        "HOSTNAME": "host-by-name",
        "HOME": "home-of-somebody",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    found = written()
    assert found["command"] == command
    text = json.dumps(found)
    assert not [name for name, value in secrets.items() if value in text]
