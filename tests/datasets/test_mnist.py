"""Reading idx files, and MNIST as ten domains or as one group."""

import gzip
import hashlib
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from domainxfer.datasets import open_data
from domainxfer.datasets.domain_data import DomainData, without_labels
from domainxfer.datasets.mnist import check_idx, load_mnist, read_idx
from domainxfer.errors import DomainxferError


def idx(array: np.ndarray) -> bytes:
    """An array of unsigned bytes in the idx format."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_tiny_mnist(folder: Path, packed: bool = True) -> None:
    """MNIST with 8 training and 3 test digits a class; digit d is grey level 10 d + its number."""
    folder.mkdir(parents=True)
    for prefix, each in {"train": 8, "t10k": 3}.items():
        labels = np.tile(np.arange(10, dtype=np.uint8), each)
        images = np.empty((len(labels), 28, 28), np.uint8)
        images[:] = (10 * labels + np.arange(len(labels)) // 10)[:, None, None]
        for name, array in {f"{prefix}-images-idx3-ubyte": images, f"{prefix}-labels-idx1-ubyte": labels}.items():
            content = idx(array)
            target = folder / (f"{name}.gz" if packed else name)
            target.write_bytes(gzip.compress(content, mtime=0) if packed else content)


def levels(data: DomainData, split: str, digit: int) -> list[int]:
    """The grey level in the middle of each picture."""
    return [picture.getpixel((14, 14))[0] for picture in data.split(split)[digit]]


def test_ten_domains_with_the_right_pictures(tmp_path: Path) -> None:
    write_tiny_mnist(tmp_path / "mnist")
    data = load_mnist(tmp_path / "mnist")
    assert data.domains == tuple("0123456789")
    for digit in range(10):
        assert levels(data, "test", digit) == [10 * digit + number for number in range(3)]
        kept = levels(data, "train", digit) + levels(data, "validation", digit)
        assert sorted(kept) == [10 * digit + number for number in range(8)]
        assert len(levels(data, "validation", digit)) == 1
    assert data.test[3].name(1) == "test 13"
    assert data.train[0][0].mode == "RGB"


def test_validation_follows_the_seed(tmp_path: Path) -> None:
    write_tiny_mnist(tmp_path / "mnist")

    def held_out(seed: int) -> list[int]:
        data = load_mnist(tmp_path / "mnist", seed=seed)
        return [level for digit in range(10) for level in levels(data, "validation", digit)]

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)


def test_unlabelled_keeps_the_truth_aside(tmp_path: Path) -> None:
    write_tiny_mnist(tmp_path / "mnist")
    data = without_labels(load_mnist(tmp_path / "mnist"))
    assert data.domains == ()
    assert data.class_names == tuple("0123456789")
    truth = data.classes["train"]
    assert truth.shape == (70,)
    assert [picture.getpixel((0, 0))[0] // 10 for picture in data.train[0]] == truth.tolist()


def test_padded_to_a_little_more_and_no_further(tmp_path: Path) -> None:
    write_tiny_mnist(tmp_path / "mnist")
    picture = load_mnist(tmp_path / "mnist", size=32).test[9][0]
    assert picture.size == (32, 32)
    assert picture.getpixel((1, 1)) == (0, 0, 0)
    assert picture.getpixel((2, 2)) == (90, 90, 90)
    assert load_mnist(tmp_path / "mnist", size=64).test[9][0].size == (28, 28)
    assert load_mnist(tmp_path / "mnist", size=28).test[9][0].size == (28, 28)


def test_as_a_card_and_in_torchvisions_place(tmp_path: Path) -> None:
    write_tiny_mnist(tmp_path / "mnist")
    data = open_data("mnist", data_root=tmp_path, offline=True, unlabelled=True)
    assert data.counts()["test"] == {"all": 30}
    assert data.test[0][0].size == (28, 28)
    write_tiny_mnist(tmp_path / "other" / "mnist" / "MNIST" / "raw", packed=False)
    assert open_data("mnist", data_root=tmp_path / "other", offline=True, size=28).test[0][0].size == (28, 28)


def test_damaged_files(tmp_path: Path) -> None:
    whole = idx(np.arange(12, dtype=np.uint8).reshape(3, 4))
    path = tmp_path / "a"
    path.write_bytes(whole)
    assert read_idx(path).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    path.write_bytes(whole[:-1])
    with pytest.raises(DomainxferError, match="cut off"):
        read_idx(path)
    for content in (b"", b"\0\0\x0d\x01" + whole[4:], b"PK\3\4", whole[:6]):
        path.write_bytes(content)
        with pytest.raises(DomainxferError, match="not an idx file"):
            read_idx(path)
    packed = tmp_path / "a.gz"
    for content in (b"no gzip", gzip.compress(whole)[:-9], gzip.compress(whole)[:12] + b"xxxxxxxxxxxxx"):
        packed.write_bytes(content)
        with pytest.raises(DomainxferError, match="damaged"):
            read_idx(packed)
    with pytest.raises(DomainxferError, match="no such file"):
        read_idx(tmp_path / "missing")


def test_missing_or_swapped_files(tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    write_tiny_mnist(folder)
    images, labels = folder / "train-images-idx3-ubyte.gz", folder / "train-labels-idx1-ubyte.gz"
    labels.rename(tmp_path / "kept")
    with pytest.raises(DomainxferError, match="lacks train-labels-idx1-ubyte"):
        load_mnist(folder)
    labels.write_bytes(images.read_bytes())
    with pytest.raises(DomainxferError, match="not MNIST's"):
        load_mnist(folder)


def test_the_contents_are_checked_not_the_wrapper(tmp_path: Path) -> None:
    content = idx(np.zeros(5, np.uint8))
    digest = hashlib.sha256(content).hexdigest()
    path = tmp_path / "a.gz"
    for level in (1, 9):
        path.write_bytes(gzip.compress(content, level, mtime=level))
        check_idx(path, digest)
    path.write_bytes(gzip.compress(content + b"x"))
    with pytest.raises(DomainxferError, match=rf"not the recorded {digest}"):
        check_idx(path, digest)


@pytest.mark.real_data
@pytest.mark.skipif(
    not (Path(os.environ.get("DOMAINXFER_DATA", "")) / "mnist" / "train-images-idx3-ubyte.gz").is_file(),
    reason="MNIST is not in $DOMAINXFER_DATA",
)
def test_real_mnist_has_the_recorded_digests() -> None:
    from domainxfer.datasets.card import load_card

    folder = Path(os.environ["DOMAINXFER_DATA"]) / "mnist"
    for source in load_card("mnist").sources:
        for name, digest in source.files.items():
            check_idx(folder / name, digest)
    data = load_mnist(folder)
    assert sum(data.counts()["train"].values()) + sum(data.counts()["validation"].values()) == 60_000
    assert list(data.counts()["test"].values()) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
