"""What is installed, and what the command line costs before it does anything."""

import email
import importlib
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import domainxfer

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "torchvision", "numpy", "scipy", "albumentations", "accelerate", "PIL", "pydantic", "yaml", "rich"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built by the very backend that pip calls, without network."""
    pytest.importorskip("hatchling", reason="builds a wheel: needs hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    code = "import sys, hatchling.build as backend; print(backend.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / done.stdout.strip()) as archive:
        yield archive


def test_only_our_own_name_is_installed_at_the_top(wheel):
    top = {PurePosixPath(name).parts[0] for name in wheel.namelist()}
    assert top == {"domainxfer", f"domainxfer-{domainxfer.__version__}.dist-info"}


def test_the_wheel_holds_the_whole_package(wheel):
    package = ROOT / "domainxfer"
    ours = [path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    missing = {path.relative_to(ROOT).as_posix() for path in ours} - set(wheel.namelist())
    assert not missing
    assert "domainxfer/py.typed" in wheel.namelist()
    assert "domainxfer/datasets/cards/horse2zebra.yaml" in wheel.namelist()
    assert "domainxfer/presets/original.yaml" in wheel.namelist()


def test_the_wheel_says_what_it_is(wheel):
    about = f"domainxfer-{domainxfer.__version__}.dist-info"
    fields = email.message_from_bytes(wheel.read(f"{about}/METADATA"))
    assert fields["Name"] == "domainxfer"
    assert fields["Version"] == domainxfer.__version__
    assert fields["License-Expression"] == "MIT"
    assert b"the domainxfer authors" in wheel.read(f"{about}/licenses/LICENSE")
    assert "<!-- install and test -->" in fields.get_payload()


def test_the_console_script_leads_to_a_function(wheel):
    text = wheel.read(f"domainxfer-{domainxfer.__version__}.dist-info/entry_points.txt").decode()
    assert "[console_scripts]" in text
    module, _, name = text.partition("domainxfer = ")[2].splitlines()[0].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("launcher", [["-m", "domainxfer"], ["cli.py"]], ids=" ".join)
def test_the_launchers_of_a_checkout(launcher):
    done = python(*launcher, "--help")
    assert done.returncode == 0, done.stderr
    for command in ("train", "translate", "data", "runs", "doctor"):
        assert f"\n  {command} " in done.stdout


def test_help_imports_nothing_heavy():
    # Heavy imports are what would make --help slow; their names say so on a busy machine too, a clock would not.
    done = python("-X", "importtime", "-m", "domainxfer", "--help")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "domainxfer.cli" in imported
    assert not {name.partition(".")[0] for name in imported} & HEAVY


def test_importing_the_package_imports_no_torch():
    done = python(
        "-c",
        "import domainxfer, domainxfer.cli, domainxfer.recipe, domainxfer.report, sys; print('torch' in sys.modules)",
    )
    assert done.stdout == "False\n", done.stderr


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
