"""What a run ran on: machine, versions, and what ``auto`` chose. Written once, for whoever wants to repeat it."""

import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from domainxfer.datasets.domain_data import DomainData
from domainxfer.files import write_text
from domainxfer.training.processes import Processes

PACKAGES = ("domainxfer", "torch", "torchvision", "Pillow", "albumentations", "accelerate", "numpy", "safetensors")


def describe(processes: Processes, bf16: bool, memory_format: torch.memory_format, data: DomainData) -> dict[str, Any]:
    """Everything about the place of a run, as plain types."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(processes.device),
        "gpu": torch.cuda.get_device_name() if processes.device.type == "cuda" else None,
        "processes": processes.count,
        "precision": "bf16" if bf16 else "fp32",
        "memory_format": str(memory_format).removeprefix("torch."),
        "packages": {name: _version(name) for name in PACKAGES},
        "data": {
            "name": data.name,
            "domains": list(data.domains),
            **{
                split: [len(pictures) for pictures in getattr(data, split)] for split in ("train", "validation", "test")
            },
        },
    }


def write(path: Path, processes: Processes, bf16: bool, memory_format: torch.memory_format, data: DomainData) -> None:
    """Write ``environment.json``."""
    write_text(path, json.dumps(describe(processes, bf16, memory_format, data), indent=2) + "\n")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
