"""What every data set is to the rest of the program: domains, their pictures, and the ones held out."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from domainxfer.errors import UsageError
from domainxfer.pictures import open_picture, to_rgb

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@runtime_checkable
class Pictures(Protocol):
    """A sequence of upright RGB pictures, decoded when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Image.Image: ...

    def name(self, index: int, /) -> str:
        """What to call the picture in a table or a message: its file name, or its place."""
        ...


class PictureFiles:
    """Pictures in files, read when asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Image.Image:
        """The picture, RGB.

        Raises:
            PictureError: the file is broken or gone.
        """
        return to_rgb(open_picture(self.paths[index]))

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[index] for index in range(len(self)))

    def name(self, index: int) -> str:
        return str(self.paths[index])


class PictureArray:
    """Pictures in memory: uint8, (N, H, W, 3) or grey (N, H, W)."""

    def __init__(self, array: np.ndarray, names: Sequence[str] | None = None) -> None:
        if array.dtype != np.uint8 or array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] != 3):
            raise ValueError(f"wanted uint8 (N, H, W, 3) or (N, H, W), got {array.dtype} {array.shape}")
        if names is not None and len(names) != len(array):
            raise ValueError(f"{len(names)} names for {len(array)} pictures")
        self.array = array
        self.names = tuple(names) if names is not None else None

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Image.Image:
        return Image.fromarray(self.array[index]).convert("RGB")

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[index] for index in range(len(self)))

    def name(self, index: int) -> str:
        return self.names[index] if self.names is not None else f"picture {index}"


class PictureChain:
    """Several collections one after the other, as one."""

    def __init__(self, parts: Sequence[Pictures]) -> None:
        self.parts = tuple(parts)
        self._ends = list(accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> Image.Image:
        part, place = self._find(index)
        return part[place]

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[index] for index in range(len(self)))

    def name(self, index: int) -> str:
        part, place = self._find(index)
        return part.name(place)

    def _find(self, index: int) -> tuple[Pictures, int]:
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = bisect_right(self._ends, index)
        return self.parts[number], index - (self._ends[number - 1] if number else 0)


@runtime_checkable
class Truth(Protocol):
    """The right answer of every translation, which only rendered or paired data has.

    Picture ``i`` of domain ``k`` in the split is scene ``i`` with coat ``k``.
    """

    def images(self, split: str) -> np.ndarray:
        """uint8 (N, K, H, W, 3): scene n as it looks in domain k."""
        ...

    def masks(self, split: str) -> np.ndarray:
        """bool (N, H, W): where the domains may differ (the figure); the rest must be left alone."""
        ...


@dataclass(frozen=True)
class DomainData:
    """A data set: the domains and their pictures, with a validation and a test part held out of train.

    Attributes:
        name: what to call it.
        domains: the label of a domain is its index; empty for unlabelled data.
        train, validation, test: one collection per domain; a single one for unlabelled data.
        skipped: pictures that cannot be read, with the reason: a line that names them.
        truth: the right answer of every translation, where it is known.
        class_names, classes: unlabelled data whose labels are known but were put aside, to judge what was discovered:
            the names, and for each split the label of every picture, int64 (N,).
        known_labels: of these, the few that training may see: place in train -> label.
    """

    name: str
    domains: tuple[str, ...]
    train: tuple[Pictures, ...]
    validation: tuple[Pictures, ...]
    test: tuple[Pictures, ...]
    skipped: tuple[tuple[Path, str], ...] = ()
    truth: Truth | None = None
    class_names: tuple[str, ...] = ()
    classes: Mapping[str, np.ndarray] = field(default_factory=dict)
    known_labels: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        groups = len(self.domains) or 1
        for split in SPLITS:
            if len(self.split(split)) != groups:
                raise ValueError(f"{split} has {len(self.split(split))} collections of pictures, not {groups}")
        if len(set(self.domains)) != len(self.domains):
            raise ValueError(f"two domains of one name: {self.domains}")

    @property
    def labelled(self) -> bool:
        return bool(self.domains)

    def split(self, name: str) -> tuple[Pictures, ...]:
        """The collections of ``train``, ``validation`` or ``test``, one per domain."""
        match name:
            case "train":
                return self.train
            case "validation":
                return self.validation
            case "test":
                return self.test
        raise ValueError(f"there is no split {name!r}; there are {', '.join(SPLITS)}")

    def counts(self) -> dict[str, dict[str, int]]:
        """How many pictures: split -> domain (``"all"`` for unlabelled data) -> number."""
        names = self.domains or ("all",)
        return {
            split: {name: len(pictures) for name, pictures in zip(names, self.split(split), strict=True)}
            for split in SPLITS
        }


def without_labels(data: DomainData) -> DomainData:
    """The same pictures as one unlabelled group; the labels are put aside in ``classes`` to judge discovery later."""
    if not data.labelled:
        return data
    chained = {split: (PictureChain(data.split(split)),) for split in SPLITS}
    classes: dict[str, np.ndarray] = {
        split: np.repeat(np.arange(len(data.domains)), [len(pictures) for pictures in data.split(split)])
        for split in SPLITS
    }
    return replace(
        data,
        domains=(),
        train=chained["train"],
        validation=chained["validation"],
        test=chained["test"],
        truth=None,
        class_names=data.domains,
        classes=classes,
    )


def with_few_labels(data: DomainData, share: float, seed: int) -> DomainData:
    """Unlabelled data of which training may see a share of the labels that were put aside.

    Args:
        data: from `without_labels`.
        share: of the training pictures of each class, in (0, 1]; at least one of each.
        seed: decides which.

    Raises:
        UsageError: the data came without labels.
    """
    from domainxfer.draws import permutation  # late: it brings torch, which fetching does without

    if not data.classes:
        raise UsageError(f"--supervise: {data.name} has no labels; put pictures of each into a folder of its own")
    classes, known = data.classes["train"], dict[int, int]()
    for label in range(len(data.class_names)):
        places = np.flatnonzero(classes == label)
        few = permutation(len(places), seed, "known labels", label)[: max(1, round(share * len(places)))]
        known |= dict.fromkeys(sorted(places[few].tolist()), label)
    return replace(data, known_labels=known)
