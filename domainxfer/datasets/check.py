"""What is wrong with a data set: found by looking at every picture once.

Pictures are compared in two ways. Exactly: by the digest of their decoded pixels, so that a copy in another format
without loss counts as well. And roughly: by difference hashes (is a pixel of a tiny grey version brighter than its
neighbours?), where what is close by hash must also be close by its thumbnail's colours.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from domainxfer.datasets.domain_data import SPLITS, DomainData, Pictures, Split
from domainxfer.errors import PictureError

Kind = Literal["broken", "small", "duplicate", "leak", "near leak", "two domains", "unbalanced", "few", "grey"]

NEAR_BITS = 12
"""Pictures whose 128-bit difference hashes differ in at most this many bits may be near duplicates ..."""
NEAR_COLOUR = 8.0
"""... and are, if their thumbnails differ by at most this much on average, of 255."""
SMALLEST_FOR_NEAR = 48
"""Below this size (digits, icons) different pictures look alike so often that near duplicates mean nothing."""
GREY_SPREAD = 4
"""A picture is grey if no more than 1 in 100 thumbnail pixels has channels further apart than this, of 255."""
UNBALANCED = 5
FEW = 50
_THUMB = 16


@dataclass(frozen=True)
class Finding:
    """One kind of problem in one place.

    Attributes:
        kind: what it is.
        message: one line, with a few of the pictures' names.
        pictures: the names of all pictures concerned.
        serious: whether it spoils a training or its figures, rather than being worth a look.
    """

    kind: Kind
    message: str
    pictures: tuple[str, ...] = ()
    serious: bool = False


@dataclass(frozen=True)
class DataReport:
    """What ``check_data`` found."""

    name: str
    size: int
    counts: dict[str, dict[str, int]]
    findings: tuple[Finding, ...]

    @property
    def serious(self) -> bool:
        return any(finding.serious for finding in self.findings)

    def of(self, kind: Kind) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)


@dataclass(frozen=True)
class _Look:
    """What one picture leaves behind after it was looked at."""

    name: str
    split: Split
    domain: str
    side: int
    digest: bytes
    signs: np.ndarray  # float32 (128,), the difference hash as -1 and 1
    thumb: np.ndarray  # uint8 (_THUMB, _THUMB, 3)
    grey: bool


def check_data(
    data: DomainData, *, size: int = 64, on_progress: Callable[[int, int], None] | None = None
) -> DataReport:
    """Look at every picture of a data set.

    Args:
        data: as ``open_data`` or ``load_folder`` returns it.
        size: the training size; pictures whose shorter side is smaller are named.
        on_progress: gets (pictures looked at, pictures in all).
    """
    looks, broken = _look_at_all(data, on_progress)
    findings = [
        *_broken([*((str(path), why) for path, why in data.skipped), *broken]),
        *_leaks(looks),
        *_near_leaks(looks),
        *_in_two_domains(looks),
        *_duplicates(looks),
        *_small(looks, size),
        *_grey(looks),
        *_counts(data),
    ]
    return DataReport(data.name, size, data.counts(), tuple(findings))


def _look_at_all(
    data: DomainData, on_progress: Callable[[int, int], None] | None
) -> tuple[list[_Look], list[tuple[str, str]]]:
    looks: list[_Look] = []
    broken: list[tuple[str, str]] = []
    places = [
        (pictures, index, split, domain)
        for split in SPLITS
        for domain, pictures in zip(data.domains or ("all",), data.split(split), strict=True)
        for index in range(len(pictures))
    ]

    def look(place: tuple[Pictures, int, Split, str]) -> _Look | tuple[str, str]:
        pictures, index, split, domain = place
        try:
            return _look(pictures[index], pictures.name(index), split, domain)
        except PictureError as error:
            return pictures.name(index), str(error)

    with ThreadPoolExecutor() as pool:
        for done, result in enumerate(pool.map(look, places), start=1):
            if isinstance(result, _Look):
                looks.append(result)
            else:
                broken.append(result)
            if on_progress is not None:
                on_progress(done, len(places))
    return looks, broken


def _look(picture: Image.Image, name: str, split: Split, domain: str) -> _Look:
    digest = hashlib.sha256(f"{picture.size}".encode())
    digest.update(picture.tobytes())
    small = picture.resize((4 * _THUMB, 4 * _THUMB), Image.Resampling.BILINEAR, reducing_gap=2.0)
    thumb = np.asarray(small.resize((_THUMB, _THUMB), Image.Resampling.BOX))
    # 64 times: is a pixel darker than its right neighbour? And 64 times: than its lower one?
    grey = small.convert("L")
    across = np.asarray(grey.resize((9, 8), Image.Resampling.BOX)).astype(np.int16)
    down = np.asarray(grey.resize((8, 9), Image.Resampling.BOX)).astype(np.int16)
    brighter = np.concatenate([np.diff(across, axis=1).ravel() > 0, np.diff(down, axis=0).ravel() > 0])
    spread = np.ptp(np.asarray(small).astype(np.int16), axis=2)
    return _Look(
        name=name,
        split=split,
        domain=domain,
        side=min(picture.size),
        digest=digest.digest(),
        signs=np.where(brighter, np.float32(1), np.float32(-1)),
        thumb=thumb,
        grey=bool(np.mean(spread > GREY_SPREAD) <= 0.01),
    )


def _broken(skipped: Iterable[tuple[str, str]]) -> list[Finding]:
    return [Finding("broken", why, (name,), serious=True) for name, why in skipped]


def _same_pixels(looks: Sequence[_Look]) -> list[list[_Look]]:
    groups: dict[bytes, list[_Look]] = defaultdict(list)
    for look in looks:
        groups[look.digest].append(look)
    return [group for group in groups.values() if len(group) > 1]


def _leaks(looks: Sequence[_Look]) -> list[Finding]:
    """The same picture in train and in a part that is held out of it."""
    findings = []
    for held_out in ("test", "validation"):
        pairs = []
        for group in _same_pixels(looks):
            first = {look.split: look for look in reversed(group)}
            if held_out in first and "train" in first:
                pairs.append((first[held_out], first["train"]))
        if pairs:
            message = f"{_pictures(len(pairs))} of {held_out} in train too: {_some_pairs(pairs, 'is')}"
            serious = held_out == "test"
            findings.append(Finding("leak", message, _names([mine for mine, _ in pairs]), serious))
    return findings


def _near_leaks(looks: Sequence[_Look]) -> list[Finding]:
    """Pictures of test that look like one of train: cut, scaled or compressed differently."""
    train = [look for look in looks if look.split == "train" and look.side >= SMALLEST_FOR_NEAR]
    test = [look for look in looks if look.split == "test" and look.side >= SMALLEST_FOR_NEAR]
    if not train or not test:
        return []
    train_signs = np.stack([look.signs for look in train])
    known = {look.digest for look in train}
    pairs = []
    for look in test:
        if look.digest in known:
            continue  # an exact copy, named already
        differing = (look.signs.size - train_signs @ look.signs) / 2  # of n signs, a product counts n - 2 x differing
        candidates = np.flatnonzero(differing <= NEAR_BITS)
        colours = [(float(np.abs(look.thumb.astype(np.int16) - train[i].thumb).mean()), i) for i in candidates]
        if colours and min(colours)[0] <= NEAR_COLOUR:
            pairs.append((look, train[min(colours)[1]]))
    if not pairs:
        return []
    message = f"{_pictures(len(pairs))} of test much like one of train: {_some_pairs(pairs, 'looks like')}"
    return [Finding("near leak", message, _names([mine for mine, _ in pairs]))]


def _in_two_domains(looks: Sequence[_Look]) -> list[Finding]:
    double = [group for group in _same_pixels(looks) if len({look.domain for look in group}) > 1]
    if not double:
        return []
    firsts = [group[0] for group in double]
    message = f"{_pictures(len(double))} in more than one domain: {_some(firsts)}"
    return [Finding("two domains", message, _names([look for group in double for look in group]), serious=True)]


def _duplicates(looks: Sequence[_Look]) -> list[Finding]:
    findings = []
    for (split, domain), part in _by_part(looks).items():
        spare = [look for group in _same_pixels(part) for look in group[1:]]
        if spare:
            message = f"{_pictures(len(spare))} of {domain} ({split}) there more than once: {_some(spare)}"
            findings.append(Finding("duplicate", message, _names(spare)))
    return findings


def _small(looks: Sequence[_Look], size: int) -> list[Finding]:
    findings = []
    for domain, part in _by_domain(looks).items():
        small = [look for look in part if look.side < size]
        if small:
            least = min(look.side for look in small)
            message = (
                f"{_pictures(len(small))} of {domain} smaller than {size} px (the smallest {least}): {_some(small)}"
            )
            findings.append(Finding("small", message, _names(small)))
    return findings


def _grey(looks: Sequence[_Look]) -> list[Finding]:
    """Grey pictures in domains that are otherwise coloured."""
    findings = []
    for domain, part in _by_domain(looks).items():
        grey = [look for look in part if look.grey]
        if grey and 2 * len(grey) < len(part):
            message = f"{_pictures(len(grey))} of {domain} grey, unlike the others: {_some(grey)}"
            findings.append(Finding("grey", message, _names(grey)))
    return findings


def _counts(data: DomainData) -> list[Finding]:
    findings = []
    train = data.counts()["train"]
    most, fewest = max(train, key=lambda name: train[name]), min(train, key=lambda name: train[name])
    if train[most] >= UNBALANCED * max(1, train[fewest]):
        message = f"{most} has {train[most]} training pictures, {fewest} only {train[fewest]}"
        findings.append(Finding("unbalanced", f"{message}; each batch holds equally many of both all the same"))
    for domain, count in train.items():
        if count < FEW:
            findings.append(Finding("few", f"{domain} has only {count} training pictures; {FEW} or more learn better"))
    return findings


def _by_part(looks: Iterable[_Look]) -> dict[tuple[Split, str], list[_Look]]:
    parts: dict[tuple[Split, str], list[_Look]] = defaultdict(list)
    for look in looks:
        parts[look.split, look.domain].append(look)
    return parts


def _by_domain(looks: Iterable[_Look]) -> dict[str, list[_Look]]:
    domains: dict[str, list[_Look]] = defaultdict(list)
    for look in looks:
        domains[look.domain].append(look)
    return domains


def _names(looks: Iterable[_Look]) -> tuple[str, ...]:
    return tuple(look.name for look in looks)


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def _short(look: _Look) -> str:
    return "/".join(Path(look.name).parts[-2:])


def _some(looks: Sequence[_Look]) -> str:
    return ", ".join(_short(look) for look in looks[:4]) + _more(len(looks) - 4)


def _some_pairs(pairs: Sequence[tuple[_Look, _Look]], verb: str) -> str:
    def said(mine: _Look, other: _Look) -> str:
        if _short(mine) == _short(other):  # train/cats/1.png and test/cats/1.png
            return f"{_short(mine)} of {mine.split} {verb} that of {other.split}"
        return f"{_short(mine)} {verb} {_short(other)}"

    return ", ".join(said(*pair) for pair in pairs[:3]) + _more(len(pairs) - 3)


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
