"""Folders of pictures as a data set: one folder per domain, trainA/trainB/testA/testB, or train/DOMAIN + test/DOMAIN.

What the folder does not hold out itself is held out here. Which pictures those are follows from the seed and each
picture's name: domains with the same names hold out the same ones (folders of the same scenes do not leak into each
other's test; where one has more pictures than another a few may), and adding a picture moves hardly any other.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from domainxfer.datasets.domain_data import SPLITS, DomainData, PictureFiles
from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import legible
from domainxfer.pictures import find_pictures, is_hidden, picture_problem

MOST_VALIDATION_PICTURES = 200

_SPLIT_NAMES = {name: name for name in SPLITS} | {"val": "validation", "valid": "validation"}
_LETTERED = re.compile(r"((?i:train|test|val|valid|validation))([A-Z])")


@dataclass
class Found:
    """The pictures of one domain (or of unlabelled data), by the split that the folder puts them in."""

    folder: Path
    train: list[Path] = field(default_factory=list)
    validation: list[Path] = field(default_factory=list)
    test: list[Path] = field(default_factory=list)


def load_folder(
    path: Path,
    *,
    names: dict[str, str] | None = None,
    seed: int = 0,
    validation_share: float = 0.1,
    test_share: float = 0.1,
    allow_single: bool = False,
) -> DomainData:
    """Find the domains and pictures of a folder, check that each can be read, and hold out what is not held out yet.

    Args:
        path: a folder with one folder per domain, or with trainA, trainB, ..., testA, testB, or with train/DOMAIN and
            test/DOMAIN; ``val``, ``valid`` or ``validation`` beside them is used too. With ``allow_single`` also a
            single domain, or pictures without any folder of their own (unlabelled).
        names: folder or letter -> domain, e.g. ``{"A": "horse", "B": "zebra"}``.
        seed: decides what is held out.
        validation_share, test_share: how much of the pictures is held out where the folder does not say.

    Raises:
        DomainxferError: no such folder, no pictures, too few in a domain, one domain only.
        UsageError: ``names`` speaks of a folder that is not there.
    """
    if not path.is_dir():
        what = "is a file, not a folder" if path.exists() else "does not exist"
        raise DomainxferError(f"{path} {what}; give a folder that holds one folder of pictures per domain")
    found = _find_domains(_inner_folder(path))
    if not found:
        raise DomainxferError(f"there are no pictures in {path}; put one folder of pictures per domain into it")
    labelled = "" not in found
    if not allow_single and (not labelled or len(found) < 2):
        only = f"one domain only ({next(iter(found))})" if labelled else "pictures but no folder per domain"
        raise DomainxferError(f"{path} has {only}; translation needs two or more folders, one per domain")
    domains = _rename(list(found), names or {}, path) if labelled else ()
    return _hold_out_and_check(path, domains, found, seed, validation_share, test_share)


def load_mixed_folder(
    path: Path, *, seed: int = 0, validation_share: float = 0.1, test_share: float = 0.1
) -> DomainData:
    """All pictures of a folder and those in it, as one unlabelled group; ``train`` and ``test`` are kept apart."""
    found = _find_domains(path) if path.is_dir() and _has_split_layout(path) else {}
    mixed = Found(path, train=[] if found else find_pictures(path))
    for one in found.values():
        for split in SPLITS:
            getattr(mixed, split).extend(getattr(one, split))
    return _hold_out_and_check(path, (), {"": mixed}, seed, validation_share, test_share)


def folder_domains(path: Path) -> tuple[str, ...]:
    """The domains that a folder's layout has, by their folders' names or letters; empty for loose pictures."""
    return tuple(name for name in _find_domains(_inner_folder(path)) if name)


def is_filled(path: Path) -> bool:
    """Whether there is a folder of that name with something in it."""
    return path.is_dir() and any(not is_hidden(child.name) for child in path.iterdir())


def _hold_out_and_check(
    path: Path,
    domains: tuple[str, ...],
    found: dict[str, Found],
    seed: int,
    validation_share: float,
    test_share: float,
) -> DomainData:
    skipped = drop_unreadable(found.values())
    for name, domain in zip(domains or ("",), found.values(), strict=True):
        hold_out(domain, name, skipped, seed, validation_share, test_share)
    parts = {split: tuple(PictureFiles(getattr(one, split)) for one in found.values()) for split in SPLITS}
    return DomainData(
        name=legible(path.resolve().name),
        domains=domains,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        skipped=tuple(skipped),
    )


def _subfolders(path: Path) -> list[Path]:
    return sorted(child for child in path.iterdir() if child.is_dir() and not is_hidden(child.name))


def _has_split_layout(path: Path) -> bool:
    inside = _subfolders(path)
    return _are_splits(inside) or any(_LETTERED.fullmatch(child.name) for child in inside)


def _are_splits(folders: Sequence[Path]) -> bool:
    """Whether there is a ``train`` among them; a ``Train`` beside a ``Car`` is a domain, beside a ``Test`` not."""
    names = {child.name for child in folders}
    anyhow = {name.lower() for name in names}
    return "train" in names or ("train" in anyhow and anyhow <= _SPLIT_NAMES.keys())


def _inner_folder(path: Path) -> Path:
    """``path``, or the one folder in it if that holds the data: archives often unpack as NAME/NAME/trainA."""
    inside = _subfolders(path)
    if len(inside) == 1 and not _are_splits(inside) and _has_split_layout(inside[0]):
        return inside[0]
    return path


def _find_domains(path: Path) -> dict[str, Found]:
    """Domain -> its pictures, in the order of the labels; the domain ``""`` alone stands for unlabelled pictures."""
    inside = _subfolders(path)
    lettered = [(child, match) for child in inside if (match := _LETTERED.fullmatch(child.name))]
    found: dict[str, Found] = {}
    if lettered:
        train_of = {match[2]: child for child, match in lettered if match[1].lower() == "train"}
        for child, match in sorted(lettered, key=lambda pair: pair[1][2]):
            domain = found.setdefault(match[2], Found(train_of.get(match[2], path / f"train{match[2]}")))
            getattr(domain, _SPLIT_NAMES[match[1].lower()]).extend(find_pictures(child))
    elif _are_splits(inside):
        train = next(child for child in inside if child.name.lower() == "train")
        for child in inside:
            split = _SPLIT_NAMES.get(child.name.lower())
            if split is None:
                continue
            for name, pictures in _by_subfolder(child).items():
                domain = found.setdefault(name, Found(train / name))
                getattr(domain, split).extend(pictures)
        found = dict(sorted(found.items()))
        if "" in found and len(found) > 1:
            raise DomainxferError(f"{path} mixes loose pictures and folders; put each picture into its domain's folder")
    else:
        by_name = _by_subfolder(path)
        if odd := [name for name in by_name if name.lower() in _SPLIT_NAMES.keys() - {"train"}]:
            raise DomainxferError(
                f"{path} has {odd[0]}, but no train: put the pictures to learn from into train/DOMAIN beside it, or "
                "have one folder per domain and nothing else"
            )
        found = {name: Found(path / name, train=pictures) for name, pictures in by_name.items()}
    return found


def _by_subfolder(path: Path) -> dict[str, list[Path]]:
    """Subfolder -> its pictures, empty ones too (an error later); ``""`` -> loose pictures, if there are no others.

    Raises:
        DomainxferError: both; which of them are meant cannot be told.
    """
    by_name, loose = (
        {child.name: find_pictures(child) for child in _subfolders(path)},
        find_pictures(path, recursive=False),
    )
    if not any(by_name.values()):
        return {"": loose} if loose else {}
    if loose:
        raise DomainxferError(
            f"{path} mixes loose pictures and folders: {len(loose)} lie beside its folders, e.g. {loose[0].name}; put "
            "each picture into its domain's folder, or take it away"
        )
    return by_name


def _rename(folders: Sequence[str], names: dict[str, str], path: Path) -> tuple[str, ...]:
    for wanted in names:
        if wanted not in folders:
            hint = did_you_mean(wanted, list(folders))
            raise UsageError(f"--names speaks of {wanted!r}, but {path} has {', '.join(folders)}.{hint}")
    domains = tuple(names.get(folder, legible(folder)) for folder in folders)
    if len(set(domains)) != len(domains):
        raise UsageError(f"--names gives two domains of {path} the same name: {', '.join(domains)}")
    return domains


def drop_unreadable(found: Iterable[Found]) -> list[tuple[Path, str]]:
    """Take the pictures that cannot be read out of ``found``; return them with the reason."""
    skipped: list[tuple[Path, str]] = []
    with ThreadPoolExecutor() as pool:
        for one in found:
            for split in SPLITS:
                paths: list[Path] = getattr(one, split)
                problems = list(pool.map(picture_problem, paths))
                skipped += [(path, why) for path, why in zip(paths, problems, strict=True) if why]
                setattr(one, split, [path for path, why in zip(paths, problems, strict=True) if not why])
    return skipped


def hold_out(
    one: Found,
    domain: str,
    skipped: Sequence[tuple[Path, str]],
    seed: int,
    validation_share: float = 0.1,
    test_share: float = 0.1,
) -> None:
    """Move pictures from train to the splits that the folder leaves empty."""
    count, missing = len(one.train), (not one.validation) + (not one.test)
    called = f"domain {domain!r}" if domain else "the data"
    broken = [why for path, why in skipped if one.folder in path.parents]
    if count == 0:
        because = f"; {len(broken)} cannot be read, e.g. {broken[0]}" if broken else ""
        raise DomainxferError(f"{called} has no pictures to train with in {one.folder}{because}")
    if count < 1 + missing:
        raise DomainxferError(
            f"{called} has only {count} readable pictures in {one.folder}; at least {1 + missing} are needed, "
            "since some are held out to test with"
        )
    order = sorted(one.train, key=lambda path: _lot(path, one.folder, seed))
    for_test = 0 if one.test else _held_out(count, test_share, spare=1 if one.validation else 2)
    for_validation = (
        0 if one.validation else min(_held_out(count, validation_share, spare=1 + for_test), MOST_VALIDATION_PICTURES)
    )
    one.test += sorted(order[:for_test])
    one.validation += sorted(order[for_test : for_test + for_validation])
    one.train = sorted(order[for_test + for_validation :])


def _held_out(count: int, share: float, spare: int) -> int:
    """A share of ``count``: at least 1, and ``spare`` pictures are left for the other splits."""
    return max(1, min(round(count * share), count - spare))


def _lot(path: Path, folder: Path, seed: int) -> bytes:
    """A picture's place in the random order: from the seed and its name within the domain, nothing else."""
    name = (path.relative_to(folder) if path.is_relative_to(folder) else path).with_suffix("").as_posix()
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()  # as old archives have it
