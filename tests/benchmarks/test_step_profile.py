"""The profile names every kind of operation once, and its shares make a whole."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "step_profile.py"


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("aten::convolution_backward", "convolution, backward"),
        ("aten::mkldnn_convolution", "convolution, forward"),
        ("aten::native_layer_norm_backward", "normalisation"),
        ("aten::native_batch_norm", "normalisation"),
        ("aten::leaky_relu_backward", "activation"),
        ("aten::pixel_unshuffle", "space to depth and back"),
        ("aten::_fused_adam_", "optimizer and average"),
        ("aten::mul", "sums, products, means"),
        ("autograd::engine", "everything else"),
    ],
)
def test_kinds(operation: str, kind: str, benchmark_module) -> None:
    assert benchmark_module("step_profile").kind_of(operation) == kind


def test_shares_make_a_whole() -> None:
    command = [sys.executable, str(SCRIPT), "--size", "16", "--batch", "2", "--threads", "1", "--periods", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    shares = [float(share) for share in re.findall(r"(\d+\.\d) %", done.stdout)]
    assert sum(shares) == pytest.approx(100, abs=1)
    assert "convolution, backward" in done.stdout
    assert shares == sorted(shares, reverse=True)
