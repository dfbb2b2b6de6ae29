"""open_data: a card's name or a folder, where it is looked for, and what is said when it is nowhere."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from domainxfer.datasets import DomainData, PictureArray, fetch_data, open_data
from domainxfer.datasets.find import data_roots
from domainxfer.errors import DomainxferError, UsageError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with a cache of its own and no data of the machine's user."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DOMAINXFER_DATA", raising=False)


def fill(folder: Path, *parts: str, count: int = 4) -> None:
    for part in parts:
        (folder / part).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / part / f"{number}.png")


HORSES = ("trainA", "trainB", "testA", "testB")


def test_roots_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_roots(None) == [tmp_path / "cache" / "domainxfer"]
    Path("datasets").mkdir()
    monkeypatch.setenv("DOMAINXFER_DATA", "/somewhere")
    expected = [Path("/given"), Path("/somewhere"), Path("datasets").absolute(), tmp_path / "cache" / "domainxfer"]
    assert data_roots(Path("/given")) == expected


@pytest.mark.parametrize("where", ["given", "environment", "datasets", "cache"])
def test_a_card_is_found_in_each_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    root = {"datasets": Path("datasets"), "cache": tmp_path / "cache" / "domainxfer"}.get(where, tmp_path / where)
    fill(root / "horse2zebra", *HORSES)
    if where == "environment":
        monkeypatch.setenv("DOMAINXFER_DATA", str(root))
    data = open_data("horse2zebra", data_root=root if where == "given" else None, offline=True)
    assert data.name == "horse2zebra"
    assert data.domains == ("horse", "zebra")
    assert data.counts()["test"] == {"horse": 4, "zebra": 4}


def test_a_card_with_other_names_or_its_own_folders(tmp_path: Path) -> None:
    fill(tmp_path / "horse2zebra", *HORSES)
    renamed = open_data("horse2zebra", data_root=tmp_path, names={"A": "pony"}, offline=True)
    assert renamed.domains == ("pony", "zebra")
    fill(tmp_path / "by_name" / "horse2zebra", "train/zebra", "train/horse")
    assert open_data("horse2zebra", data_root=tmp_path / "by_name", offline=True).domains == ("horse", "zebra")


def test_a_folder_under_a_cards_name_that_is_something_else(tmp_path: Path) -> None:
    fill(tmp_path / "emoji", "train/cat", "train/dog")
    with pytest.raises(DomainxferError, match=r"has the domains cat, dog, but emoji has .*write \./emoji"):
        open_data("emoji", data_root=tmp_path, offline=True)


def test_folder_or_card(tmp_path: Path) -> None:
    fill(Path("horse2zebra"), "cat", "dog")
    fill(tmp_path / "root" / "horse2zebra", *HORSES)
    events: list[str] = []
    assert open_data("horse2zebra", data_root=tmp_path / "root", on_event=events.append).domains == ("horse", "zebra")
    assert "./horse2zebra" in events[0]
    assert open_data("./horse2zebra").domains == ("cat", "dog")
    fill(Path("mine"), "cat", "dog")
    assert open_data("mine", names={"cat": "lion"}).domains == ("lion", "dog")
    fill(tmp_path / "root" / "yours", "cat", "dog")
    assert open_data("yours", data_root=tmp_path / "root").domains == ("cat", "dog")


def test_unlabelled_and_single(tmp_path: Path) -> None:
    fill(tmp_path / "two", "cat", "dog")
    mixed = open_data(str(tmp_path / "two"), unlabelled=True)
    assert (mixed.domains, mixed.class_names) == ((), ("cat", "dog"))
    fill(tmp_path / "one", "cat")
    assert open_data(str(tmp_path / "one"), allow_single=True).domains == ("cat",)
    with pytest.raises(DomainxferError, match="one domain only"):
        open_data(str(tmp_path / "one"))


def test_faces_from_ones_own_folder(tmp_path: Path) -> None:
    fill(tmp_path, "faces/someone", "faces/someone else")
    data = open_data("faces", data_root=tmp_path, offline=True)
    assert (data.name, data.domains) == ("faces", ())
    assert sum(counts["all"] for counts in data.counts().values()) == 8


def test_painters_are_put_together(tmp_path: Path) -> None:
    for name in ("monet", "vangogh", "cezanne", "ukiyoe"):
        fill(tmp_path / f"{name}2photo", *HORSES)
    data = open_data("painters", data_root=tmp_path, offline=True)
    assert data.domains == ("photo", "monet", "vangogh", "cezanne", "ukiyoe")
    assert "monet2photo/trainB" in Path(data.train[0].name(0)).as_posix()
    assert "cezanne2photo/testA" in Path(data.test[3].name(0)).as_posix()
    parts = [*data.train, *data.validation, *data.test]
    used = [part.name(i) for part in parts for i in range(len(part))]
    assert len(used) == len(set(used)) == 8 * 5


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"no data set and no folder 'hors2zebra'\. Did you mean 'horse2zebra'"):
        open_data("hors2zebra")
    with pytest.raises(DomainxferError, match="does not exist"):
        open_data("./hors2zebra")


def test_nowhere_and_offline_says_where_what_and_how(tmp_path: Path) -> None:
    with pytest.raises(DomainxferError) as caught:
        open_data("apple2orange", data_root=tmp_path / "root", offline=True)
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path / "root") in message
    assert str(tmp_path / "cache" / "domainxfer") in message
    assert "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/apple2orange.zip" in message
    assert str(tmp_path / "root" / "apple2orange.zip") in message
    assert not (tmp_path / "root").exists(), "nothing is made when nothing can be fetched"
    for name in ("mnist", "faces", "emoji", "painters"):
        with pytest.raises(DomainxferError, match=f"{tmp_path / 'root'}"):
            open_data(name, data_root=tmp_path / "root", offline=True)


def test_names_where_they_mean_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--names is for folders"):
        open_data("painters", data_root=tmp_path, names={"A": "x"})


def test_fetch_data_returns_what_is_there(tmp_path: Path) -> None:
    fill(tmp_path / "horse2zebra", *HORSES)
    assert fetch_data("horse2zebra", data_root=tmp_path, offline=True) == [tmp_path / "horse2zebra"]
    events: list[str] = []
    assert fetch_data("demo", on_event=events.append) == []
    assert "rendered" in events[0]


def test_rendered_cards_are_rendered_at_the_size_and_with_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, int]] = []
    part = (PictureArray(np.zeros((1, 32, 32, 3), np.uint8)),)

    def render(**settings: int) -> DomainData:
        asked.append(settings)
        return DomainData("demo", ("one",), part, part, part)

    monkeypatch.setattr("domainxfer.datasets.rendered.demo.demo_data", render)
    assert open_data("demo", size=32, seed=5).domains == ("one",)
    open_data("demo")
    assert asked == [{"size": 32, "seed": 5}, {"size": 64, "seed": 0}]
