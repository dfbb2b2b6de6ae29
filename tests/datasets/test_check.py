"""data check: each kind of fault is found, named, and nothing else is."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from domainxfer.datasets import open_data
from domainxfer.datasets.check import DataReport, check_data
from domainxfer.datasets.domain_data import DomainData, PictureArray, PictureFiles
from domainxfer.datasets.folders import load_folder

SIZE = 64


def blobs(number: int, size: int = SIZE, contrast: float = 1.0) -> np.ndarray:
    """A picture of soft coloured blobs, another for each number: uint8 (size, size, 3)."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 6, 3), np.uint8)
    picture = np.asarray(Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC))
    return np.clip((picture - 128.0) * contrast + 128, 0, 255).astype(np.uint8)


def data(
    train: Sequence[Sequence[np.ndarray]],
    test: Sequence[Sequence[np.ndarray]] | None = None,
    validation: Sequence[Sequence[np.ndarray]] | None = None,
) -> DomainData:
    """Two domains, cat and dog; where no pictures are given, some that are nowhere else."""

    def collect(parts: Sequence[Sequence[np.ndarray]] | None, start: int, split: str) -> tuple[PictureArray, ...]:
        parts = parts or [[blobs(start)], [blobs(start + 1)]]
        return tuple(
            PictureArray(np.stack(part), [f"{split}{domain}/{i}.png" for i in range(len(part))])
            for domain, part in zip("AB", parts, strict=True)
        )

    return DomainData(
        "set",
        ("cat", "dog"),
        collect(train, 0, "train"),
        collect(validation, 90_000, "val"),
        collect(test, 91_000, "test"),
    )


def plain(start: int, count: int = 50) -> list[np.ndarray]:
    return [blobs(start + number) for number in range(count)]


def kinds(report: DataReport) -> set[str]:
    return {finding.kind for finding in report.findings}


def test_nothing_is_found_in_a_good_set() -> None:
    seen: list[tuple[int, int]] = []
    report = check_data(data([plain(0), plain(100)]), on_progress=lambda done, total: seen.append((done, total)))
    assert report.findings == ()
    assert not report.serious
    assert seen == [(number, 104) for number in range(1, 105)]
    assert report.counts["train"] == {"cat": 50, "dog": 50}


def test_broken_pictures_by_name(tmp_path: Path) -> None:
    for domain in ("cat", "dog"):
        (tmp_path / domain).mkdir()
        for number in range(5):
            Image.fromarray(blobs(number + 10 * (domain == "dog"))).save(tmp_path / domain / f"{number}.png")
    whole = (tmp_path / "cat" / "0.png").read_bytes()
    (tmp_path / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    report = check_data(load_folder(tmp_path))
    (finding,) = report.of("broken")
    assert "cut.png" in finding.message
    assert finding.serious
    assert report.serious

    (tmp_path / "dog" / "0.png").write_bytes(b"gone bad after loading")
    files = PictureFiles(sorted((tmp_path / "dog").iterdir()))
    late = check_data(DomainData("set", ("dog",), (files,), (files,), (files,)))
    assert len(late.of("broken")) == 3


def test_small_pictures() -> None:
    set_of_two_sizes = data([plain(0), [blobs(100 + n, 32) for n in range(50)]])
    (finding,) = check_data(set_of_two_sizes, size=48).of("small")
    assert "50 pictures of dog smaller than 48 px (the smallest 32): trainB/0.png" in finding.message
    assert "and 46 more" in finding.message
    assert len(finding.pictures) == 50
    assert kinds(check_data(set_of_two_sizes, size=32)) == set()


def test_exact_duplicates() -> None:
    train = [*plain(0), blobs(3), blobs(3)]
    (finding,) = check_data(data([train, plain(100)])).of("duplicate")
    assert finding.pictures == ("trainA/50.png", "trainA/51.png")
    assert finding.message.startswith("2 pictures of cat (train)")


def test_a_copy_in_another_format_is_an_exact_duplicate(tmp_path: Path) -> None:
    picture = Image.fromarray(blobs(1))
    picture.save(tmp_path / "a.png")
    picture.save(tmp_path / "b.webp", lossless=True)
    files = PictureFiles(sorted(tmp_path.iterdir()))
    others = PictureArray(np.stack(plain(10, 2)))
    report = check_data(DomainData("set", ("x",), (files,), (others,), (others,)))
    assert report.of("duplicate")[0].pictures == (str(tmp_path / "b.webp"),)


def test_a_leak_between_files_of_one_name_says_which_is_which(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 3)):
        for domain in ("cats", "dogs"):
            (tmp_path / split / domain).mkdir(parents=True)
            for number in range(first, 12):
                picture = blobs(number + 50 * (domain == "dogs") + 500 * (split == "test" and number != 4))
                Image.fromarray(picture).save(tmp_path / split / domain / f"{number}.png")
    (finding,) = check_data(load_folder(tmp_path)).of("leak")
    assert "cats/4.png of test is that of train" in finding.message


@pytest.mark.parametrize("split", ["test", "validation"])
def test_exact_leaks(split: str) -> None:
    leaking = data([plain(0), plain(100)], **{split: [[blobs(3), blobs(500)], [blobs(501)]]})
    (finding,) = check_data(leaking).of("leak")
    assert finding.message.startswith(f"1 picture of {split} in train too: ")
    assert finding.message.endswith("A/0.png is trainA/3.png")
    assert finding.serious == (split == "test")


def changed(picture: np.ndarray, how: str) -> np.ndarray:
    image = Image.fromarray(picture)
    match how:
        case "brighter":
            return np.clip(picture.astype(int) + 6, 0, 255).astype(np.uint8)
        case "noise":
            noise = np.random.default_rng(1).normal(0, 6, picture.shape)
            return np.clip(picture + noise, 0, 255).astype(np.uint8)
        case "blur":
            return np.asarray(image.filter(ImageFilter.GaussianBlur(1)))
        case "scaled":
            return np.asarray(image.resize((48, 48)).resize((SIZE, SIZE)))
        case "cropped":
            return np.asarray(image.resize((SIZE, SIZE), box=(1, 1, SIZE - 1, SIZE - 1)))
    raise ValueError(how)


@pytest.mark.parametrize("how", ["brighter", "noise", "blur", "scaled", "cropped"])
def test_near_leaks(how: str) -> None:
    leaking = data([plain(0), plain(100)], test=[[blobs(500)], [blobs(501), changed(blobs(7), how)]])
    report = check_data(leaking)
    (finding,) = report.of("near leak")
    assert finding.pictures == ("testB/1.png",)
    assert "testB/1.png looks like trainA/7.png" in finding.message
    assert report.of("leak") == ()


def test_an_exact_leak_is_not_named_twice() -> None:
    leaking = data([plain(0), plain(100)], test=[[blobs(3)], [blobs(501)]])
    assert kinds(check_data(leaking)) == {"leak"}


def test_the_same_structure_in_other_colours_is_no_leak() -> None:
    recoloured = blobs(7)[:, :, [1, 2, 0]]
    fair = data([plain(0), plain(100)], test=[[blobs(500)], [recoloured]])
    assert check_data(fair).findings == ()


def test_near_leaks_mean_nothing_among_tiny_pictures() -> None:
    train = [[blobs(n, 28) for n in range(50)], [blobs(100 + n, 28) for n in range(50)]]
    test = [[changed(blobs(7, 28), "brighter")], [blobs(501, 28)]]
    assert check_data(data(train, test=test), size=28).findings == ()


def test_one_picture_in_two_domains() -> None:
    (finding,) = check_data(data([plain(0), [*plain(100), blobs(5)]])).of("two domains")
    assert set(finding.pictures) == {"trainA/5.png", "trainB/50.png"}
    assert finding.serious


def test_unbalanced_and_few() -> None:
    report = check_data(data([plain(0, 60), plain(100, 12)]))
    assert "cat has 60 training pictures, dog only 12" in report.of("unbalanced")[0].message
    assert "dog has only 12" in report.of("few")[0].message
    assert not report.serious
    assert check_data(data([plain(0, 60), plain(100, 13)])).of("unbalanced") == ()


def test_grey_pictures_in_a_coloured_domain() -> None:
    grey = [np.repeat(blobs(n)[:, :, :1], 3, axis=2) for n in (300, 301)]
    (finding,) = check_data(data([[*plain(0), *grey], plain(100)])).of("grey")
    assert finding.pictures == ("trainA/50.png", "trainA/51.png")
    all_grey = [np.repeat(blobs(n)[:, :, :1], 3, axis=2) for n in range(300, 360)]
    assert check_data(data([plain(0), all_grey])).of("grey") == (), "a grey domain is meant to be grey"


def test_each_picture_is_opened_once_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    many = data([plain(0), plain(100)], test=[plain(200), plain(300)])
    opened: Counter[str] = Counter()
    look_up = PictureArray.__getitem__

    def counted(pictures: PictureArray, index: int) -> Image.Image:
        opened[pictures.name(index)] += 1
        return look_up(pictures, index)

    monkeypatch.setattr(PictureArray, "__getitem__", counted)
    check_data(many)
    assert len(opened) == 202
    assert set(opened.values()) == {1}


@pytest.mark.real_data
@pytest.mark.skipif(
    not (Path(os.environ.get("DOMAINXFER_DATA", "")) / "horse2zebra").is_dir(),
    reason="horse2zebra is not in $DOMAINXFER_DATA",
)
def test_what_is_known_of_horse2zebra() -> None:
    horses = open_data("horse2zebra", data_root=Path(os.environ["DOMAINXFER_DATA"]), offline=True)
    report = check_data(horses)
    assert report.counts["test"] == {"horse": 120, "zebra": 140}
    assert sum(report.counts[split]["horse"] for split in ("train", "validation")) == 1067
    assert sum(report.counts[split]["zebra"] for split in ("train", "validation")) == 1334
    assert "testA/n02381460_1160.jpg is trainA/n02381460_3811.jpg" in report.of("leak")[0].message
    assert "testB/n02391049_5240.jpg looks like trainB/n02391049_2136.jpg" in report.of("near leak")[0].message
    assert report.of("broken") == report.of("small") == report.of("two domains") == ()
