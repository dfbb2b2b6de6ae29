"""From files to files: nothing is lost, overwritten or half-written, and every failure is named."""

import os
import sys
import threading
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from domainxfer import save_picture
from domainxfer import translate_files as module
from domainxfer.errors import UsageError
from domainxfer.pictures import open_picture, to_rgb
from domainxfer.translate_files import FileResult, Report, translate_files

ORIENTATION = 0x0112


class FakeModel:
    """Turns every picture into its negative, or for horses leaves it."""

    domains: tuple[str, ...] = ("horse", "zebra")
    multiple = 4
    reach = 32
    config = SimpleNamespace(size=32, generator=SimpleNamespace(content="picture", code_size=0, norm="layer"))

    def label_of(self, domain: str) -> int:
        if domain not in self.domains:
            raise UsageError(f"this model knows no domain {domain!r}; it knows {', '.join(self.domains)}.")
        return self.domains.index(domain)

    def apply_with_gain(
        self, content: Tensor, label: Tensor, code: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        return content * (1 - 2 * label.view(-1, 1, 1, 1)), None

    def estimate_code(self, image: Tensor) -> Tensor:
        raise AssertionError("not asked for")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def noise(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    colours = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    return Image.fromarray(colours).convert(mode)


def save(name: str, image: Image.Image | None = None, **options: Any) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    (image or noise()).save(name, **options)


def run(*inputs: str, to: str = "zebra", output: str | None = None, **options: Any) -> Report:
    return translate_files(FakeModel(), inputs, to, None if output is None else Path(output), **options)


def values(image: Image.Image | str) -> np.ndarray:
    return np.asarray(open_picture(Path(image)) if isinstance(image, str) else image).astype(int)


def files() -> set[str]:
    return {str(path.relative_to(Path.cwd())) for path in Path.cwd().rglob("*") if path.is_file()}


def test_a_file_is_translated_beside_itself() -> None:
    save("a.png")
    report = run("a.png")
    assert report.ok
    assert [(r.source, r.target, r.note) for r in report.done] == [(Path("a.png"), Path("a_zebra.png"), "")]
    np.testing.assert_array_equal(values("a_zebra.png"), 255 - values("a.png"))
    assert files() == {"a.png", "a_zebra.png"}


def test_folder_goes_into_the_output_folder() -> None:
    save("in/a.png")
    save("in/deep/b.bmp")
    results: list[tuple[Path, int, int]] = []
    report = run("in", output="out", on_result=lambda r: results.append((r.source, r.number, r.total)))
    assert report.ok
    assert results == [(Path("in/a.png"), 1, 2), (Path("in/deep/b.bmp"), 2, 2)]
    assert files() == {"in/a.png", "in/deep/b.bmp", "out/a_zebra.png", "out/deep/b_zebra.bmp"}
    assert run("in", output="out", overwrite=True).ok


def test_bad_files_are_named_and_passed() -> None:
    save("1.png")
    save("3.png", noise(64, 64))
    Path("2.png").write_text("no picture")
    Path("3.png").write_bytes(Path("3.png").read_bytes()[:2000])
    save("4.png")
    results: list[FileResult] = []
    report = run("0.png", "1.png", "2.png", "3.png", "4.png", on_result=results.append)
    assert not report.ok
    assert [str(r.source) for r in report.done] == ["1.png", "4.png"]
    assert [str(p.path) for p in report.failed] == ["0.png", "2.png", "3.png"]
    for path, reason in report.failed:
        assert str(path) in reason
        assert "\n" not in reason
    assert [bool(r.problem) for r in results] == [True, False, True, True, False]
    assert files() == {"1.png", "2.png", "3.png", "4.png", "1_zebra.png", "4_zebra.png"}


def test_nothing_is_overwritten_unasked() -> None:
    save("a.png")
    save("a_zebra.png", Image.new("RGB", (1, 1)))
    report = run("a.png")
    assert not report.ok
    assert report.done == report.failed == []
    assert [(str(p), reason.split(";")[0]) for p, reason in report.skipped] == [("a.png", "a_zebra.png exists already")]
    assert "--overwrite" in report.skipped[0].reason
    assert values("a_zebra.png").shape == (1, 1, 3)
    assert run("a.png", overwrite=True).ok
    assert values("a_zebra.png").shape == (30, 40, 3)
    before = values("a.png")
    assert run("a.png", output="a.png").skipped
    assert run("a.png", output="a.png", overwrite=True).ok
    np.testing.assert_array_equal(values("a.png"), 255 - before)


def test_nor_is_a_file_that_appears_while_the_picture_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    save("a.png")

    def write_another(*arguments: Any, **options: Any) -> None:
        Path("a_zebra.png").write_text("precious")
        save_picture.write_picture(*arguments, **options)

    monkeypatch.setattr(module, "write_picture", write_another)
    report = run("a.png")
    assert [path.name for path, _ in report.skipped] == ["a.png"]
    assert "--overwrite" in report.skipped[0].reason
    assert Path("a_zebra.png").read_text() == "precious"
    assert files() == {"a.png", "a_zebra.png"}


def test_a_dangling_link_is_not_overwritten_either() -> None:
    save("a.png")
    os.symlink("nowhere.png", "a_zebra.png")
    assert run("a.png").skipped


def test_wrong_settings_are_found_before_anything_is_written() -> None:
    save("x/a.png")
    save("y/a.png")
    for options, message in [
        ({"to": "zebbra"}, "knows no domain"),
        ({"strength": 3}, "strength is 3"),
        ({"output": "out"}, "would both become"),
        ({"code": [0.0]}, "has no code"),
    ]:
        with pytest.raises(UsageError, match=message):
            run("x", "y", **options)
    assert files() == {"x/a.png", "y/a.png"}


def test_settings_and_mask_are_passed_on() -> None:
    save("a.png", Image.new("RGB", (40, 30), (100, 100, 100)))
    mask = Image.new("L", (40, 30), 0)
    mask.paste(255, (0, 0, 20, 30))
    assert run("a.png", mask=mask, strength=0.5).ok
    out = values("a_zebra.png")
    assert set(out[:, :20].ravel()) <= {127, 128}
    assert set(out[:, 20:].ravel()) == {100}
    save("b.png", noise(30, 40))
    report = run("a.png", "b.png", mask=mask, output="out")
    assert [str(p.path) for p in report.failed] == ["b.png"]
    assert "aspect" in report.failed[0].reason


def test_turned_photo_stays_as_it_is_stored() -> None:
    block = Image.Exif()
    block[ORIENTATION] = 6
    save("a.jpg", noise(40, 24).resize((80, 48)), exif=block, quality=95, subsampling=0, dpi=(300, 300))
    assert run("a.jpg").ok
    before, after = open_picture(Path("a.jpg")), open_picture(Path("a_zebra.jpg"))
    assert after.size == before.size == (80, 48)
    assert after.getexif()[ORIENTATION] == 6
    assert after.info["dpi"] == (300, 300)
    assert abs(values(to_rgb(after)) - (255 - values(to_rgb(before)))).mean() < 3


def test_alpha_is_kept_or_its_loss_is_said() -> None:
    image = noise(mode="RGBA")
    save("a.png", image)
    assert run("a.png").done[0].note == ""
    np.testing.assert_array_equal(values("a_zebra.png")[..., 3], values(image)[..., 3])
    assert "JPEG has no transparency" in run("a.png", output="b.jpg").done[0].note
    assert open_picture(Path("b.jpg")).mode == "RGB"


def test_the_loss_of_deep_samples_is_said() -> None:
    deep = np.linspace(0, 65535, 40 * 30).reshape(30, 40)
    save("a.png", Image.fromarray(deep.astype(np.uint16)))
    save("b.tiff", Image.fromarray(deep.astype(np.float32) / 65535))
    save("c.png", Image.fromarray((deep / 257).astype(np.uint8)))
    assert [result.note for result in run("a.png", "b.tiff", "c.png").done] == [
        *["it has 8 bits a channel now"] * 2,
        "",
    ]


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (0, 120, 240)]
    save(f"a.{kind}", frames[0], save_all=True, append_images=frames[1:])
    save(f"b.{kind}", frames[0])
    report = run(f"a.{kind}", f"b.{kind}")
    assert ["only the first" in result.note for result in report.done] == [True, False]
    first = to_rgb(open_picture(Path(f"a_zebra.{kind}")))
    assert abs(values(first) - 255).max() < 4
    assert getattr(first, "n_frames", 1) == 1


def test_an_animation_cut_in_its_second_frame_ends_nothing() -> None:
    """Where a frame's head is cut, Pillow fails with errors of its own when asked whether there are several."""
    frames = [Image.new("RGB", (20, 20), (shade, 0, 0)) for shade in (0, 120, 240)]
    save("whole.gif", frames[0], save_all=True, append_images=frames[1:])
    data = Path("whole.gif").read_bytes()
    second = data.index(b"\x21\xf9", data.index(b"\x2c"))  # the extension before the second frame
    cuts = [f"cut{place}.gif" for place in range(2, 26)]
    for name, place in zip(cuts, range(2, 26), strict=True):
        Path(name).write_bytes(data[: second + place])
    save("good.png")
    report = run(*cuts, "good.png")
    assert len(report.done) == len(cuts) + 1, [problem.reason for problem in report.failed]


def test_output_suffix_decides_the_format_and_unwritable_ones_become_png() -> None:
    save("a.png")
    save("b.pgm", noise(mode="L"))
    Path("plain").write_bytes(Path("a.png").read_bytes())
    assert run("a.png", output="out.jpg").ok
    assert run("b.pgm").ok
    assert run("a.png", output="plain", overwrite=True).ok
    kinds = {name: open_picture(Path(name)).format for name in ("out.jpg", "b_zebra.png", "plain")}
    assert kinds == {"out.jpg": "JPEG", "b_zebra.png": "PNG", "plain": "PNG"}


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_stdin_to_stdout(kind: str) -> None:
    given, out = BytesIO(), BytesIO()
    noise().save(given, kind)
    given.seek(0)
    report = run("-", stdin=given, stdout=out)
    assert [(r.source, r.target) for r in report.done] == [(Path("-"), Path("-"))]
    result = open_picture(BytesIO(out.getvalue()))
    assert result.format == kind
    np.testing.assert_array_equal(values(result), 255 - values(noise()))
    assert files() == set()


def test_a_closed_stdin_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # what Python makes of <&-
    report = run("-", stdout=BytesIO())
    assert "standard input is closed" in report.failed[0].reason


def test_stdin_to_file_and_file_to_stdout() -> None:
    save("a.png")
    assert run("-", output="b.bmp", stdin=BytesIO(Path("a.png").read_bytes())).ok
    out = BytesIO()
    assert run("a.png", output="-", stdout=out).ok
    np.testing.assert_array_equal(values("b.bmp"), values(Image.open(out)))


@pytest.mark.parametrize(("data", "reason"), [(b"", "is empty"), (b"nothing", "cannot be read"), (b"x" * 900, "large")])
def test_bad_stdin_is_said(data: bytes, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINXFER_MAX_PIXELS", "100")
    out = BytesIO()
    report = run("-", stdin=BytesIO(data), stdout=out)
    assert reason in report.failed[0].reason
    assert out.getvalue() == b""


def test_all_gives_a_contact_sheet() -> None:
    save("a.png", Image.new("RGB", (200, 150), (200, 10, 10)))
    assert run("a.png", to="all").ok
    pixels = values("a_all.png")
    assert (pixels == (200, 10, 10)).all(axis=2).sum() == 2 * 200 * 150  # the input, and the horse that it is
    assert (pixels == (55, 245, 245)).all(axis=2).sum() == 200 * 150
    assert run("a_all.png", "a.png", to="all", overwrite=True).own == [Path("a_all.png")]


class Shaded(FakeModel):
    """Makes a picture of one grey: its code's first value times 100 above middle grey, zebras a quarter of it more."""

    config = SimpleNamespace(size=32, generator=SimpleNamespace(content="picture", code_size=2, norm="layer"))

    def apply_with_gain(
        self, content: Tensor, label: Tensor, code: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        assert code is not None
        level = (100 * code[:, 0] + 25 * code[:, 1] * label).view(-1, 1, 1, 1)
        return (level + 0.5).div(127.5).expand_as(content), None


def centres(sheet: str, rows: int, columns: int) -> list[list[int]]:
    """The red of the middle of each cell of a sheet of codes, above its title."""
    pixels = values(sheet)
    height, width = (pixels.shape[0] - 8) // rows, (pixels.shape[1] - 8) // columns
    return [[int(pixels[r * height + 50, c * width + width // 2, 0]) for c in range(columns)] for r in range(rows)]


def swept(*inputs: str, to: str, **options: Any) -> Report:
    return translate_files(Shaded(), inputs, to, sweep_steps=3, **options)


def test_a_sweep_has_a_row_a_code_and_a_column_a_domain() -> None:
    save("a.png", Image.new("RGB", (128, 96), (10, 20, 30)))
    assert swept("a.png", to="all").ok
    rows = [[10, 28, 28], [10, 128, 128], [10, 228, 228], [10, 128, 103], [10, 128, 128], [10, 128, 153]]
    np.testing.assert_allclose(centres("a_all-codes.png", 6, 3), rows, atol=1)
    assert swept("a.png", to="zebra", code=[-1.0, 0.0]).ok
    rows = [[10, 28], [10, 128], [10, 228], [10, 3], [10, 28], [10, 53]]
    np.testing.assert_allclose(centres("a_zebra-codes.png", 6, 2), rows, atol=1)
    report = swept(".", to="zebra", overwrite=True)
    assert [str(result.source) for result in report.done] == ["a.png"]
    assert report.own == [Path("a_all-codes.png"), Path("a_zebra-codes.png")]


def test_sheets_say_nothing_of_the_camera() -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010F] = 6, "Camera"
    save("a.jpg", Image.new("RGB", (128, 96), (10, 20, 30)), exif=exif)
    assert run("a.jpg", to="all").ok
    assert swept("a.jpg", to="zebra").ok
    for sheet in ("a_all.jpg", "a_zebra-codes.jpg"):
        assert not dict(open_picture(Path(sheet)).getexif())


def test_a_sweep_keeps_the_other_values_of_a_liked_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shaded, "estimate_code", lambda self, image: torch.tensor([[0.5, -1.0]]))
    save("a.png", Image.new("RGB", (128, 96), (10, 20, 30)))
    assert swept("a.png", to="zebra", like=noise()).ok
    rows = [[10, 3], [10, 103], [10, 203], [10, 153], [10, 178], [10, 203]]
    np.testing.assert_allclose(centres("a_zebra-codes.png", 6, 2), rows, atol=1)


def test_without_a_code_nothing_can_be_swept() -> None:
    save("a.png")
    with pytest.raises(UsageError, match="no code to sweep over"):
        run("a.png", sweep_steps=3)
    with pytest.raises(UsageError, match="has 2 to 500 steps, not 1"):
        translate_files(Shaded(), ["a.png"], "zebra", sweep_steps=1)
    assert files() == {"a.png"}


def test_a_domain_named_all_is_a_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeModel, "domains", ("all", "zebra"))
    save("a.png")
    assert run("a.png", to="all").ok
    np.testing.assert_array_equal(values("a_all.png"), values("a.png"))


def test_full_disk_and_missing_memory_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    save("a.png")
    save("b.png")
    Path("blocked").touch()
    report = run("a.png", "b.png", output="blocked/out")
    assert len(report.failed) == 2
    assert "blocked" in report.failed[0].reason

    def exhausted(*args: object) -> Tensor:
        raise MemoryError

    monkeypatch.setattr(FakeModel, "apply_with_gain", exhausted)
    assert "more memory than there is" in run("a.png").failed[0].reason
    assert files() == {"a.png", "b.png", "blocked"}


def test_unreadable_file_is_named() -> None:
    os.symlink("nowhere.png", "link.png")
    report = run("link.png")
    assert "link.png" in report.failed[0].reason
    assert "no such file" in report.failed[0].reason


def test_one_picture_is_read_and_another_written_while_a_third_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(4):
        save(f"in/{i}.png", noise(20 + i, 20))
    read = [threading.Event() for _ in range(4)]
    real_open, real_write, real_apply = module.open_picture, module.write_picture, FakeModel.apply_with_gain
    writing = threading.Event()
    calls = iter(range(4))

    def open_picture(stream: Any) -> Image.Image:
        image = real_open(stream)
        read[image.width - 20].set()
        return image

    def write_picture(picture: Image.Image, *rest: Any, **options: Any) -> None:
        writing.set()
        real_write(picture, *rest, **options)

    def apply(self: FakeModel, *rest: Any) -> Any:
        call = next(calls)
        assert call == 3 or read[call + 1].wait(60), "the next picture was not read meanwhile"
        assert call == 0 or writing.wait(60), "the last picture was not written meanwhile"
        return real_apply(self, *rest)

    monkeypatch.setattr(module, "open_picture", open_picture)
    monkeypatch.setattr(module, "write_picture", write_picture)
    monkeypatch.setattr(FakeModel, "apply_with_gain", apply)
    report = run("in", output="out")
    assert [result.source.name for result in report.done] == [f"{i}.png" for i in range(4)]
    assert [result.number for result in report.done] == [1, 2, 3, 4]
    for i in range(4):
        np.testing.assert_array_equal(values(f"out/{i}_zebra.png"), 255 - values(f"in/{i}.png"))


def test_a_bad_picture_between_good_ones_is_named_in_its_place() -> None:
    for name in ("a.png", "c.png", "d.png"):
        save(f"in/{name}")
    Path("in/b.png").write_bytes(b"no picture")
    seen: list[FileResult] = []
    report = run("in", output="out", on_result=seen.append)
    assert [result.source.name for result in seen] == ["a.png", "b.png", "c.png", "d.png"]
    assert [bool(result.problem) for result in seen] == [False, True, False, False]
    assert not report.ok
    assert files() >= {f"out/{name}_zebra.png" for name in "acd"}
