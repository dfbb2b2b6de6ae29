"""The errors a user can mend, and the nearest right name."""

import subprocess
import sys

import pytest

from domainxfer.errors import DomainxferError, MissingExtra, PictureError, UsageError, did_you_mean, printable


def test_exit_codes() -> None:
    assert DomainxferError("x").exit_code == 1
    assert PictureError("x").exit_code == 1
    assert MissingExtra("It", "metrics").exit_code == 1
    assert UsageError("x").exit_code == 2
    for kind in (PictureError, UsageError, MissingExtra):
        assert issubclass(kind, DomainxferError)


def test_a_missing_package_comes_with_its_command() -> None:
    assert "pip install 'domainxfer[metrics]'" in str(MissingExtra("This figure", "metrics"))


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("zebar", ["horse", "zebra"], " Did you mean 'zebra'?"),
        ("HORSE", ["Horse", "zebra"], " Did you mean 'Horse'?"),
        ("sise", ["size", "side"], " Did you mean 'size'?"),
        ("quux", ["horse", "zebra"], ""),
        ("", ["horse"], ""),
        ("horse", [], ""),
    ],
)
def test_did_you_mean(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint


def test_what_a_terminal_would_obey_is_written_out() -> None:
    assert printable("\x1b[31mred\x07\r\x9b\udce9") == r"\x1b[31mred\x07\r\x9b\udce9"
    plain = "line\nnext\tgrün\u3000写真 \N{FAMILY}\u200d.png"
    assert printable(plain) == plain


def test_errors_and_files_import_no_torch() -> None:
    program = (
        "import sys, domainxfer.errors, domainxfer.files; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
