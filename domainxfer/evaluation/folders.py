"""Pictures in a folder against real ones in another: outputs of any program, without its model."""

from pathlib import Path

from domainxfer.datasets.domain_data import PictureFiles
from domainxfer.draws import permutation
from domainxfer.errors import DomainxferError
from domainxfer.evaluation.bench import Measure, likeness
from domainxfer.evaluation.result import DirectionFigures
from domainxfer.metrics.bootstrap import Estimate, redraws
from domainxfer.metrics.extractors import Extractor
from domainxfer.metrics.kernel_distance import kernel_distance, kernel_estimate
from domainxfer.pictures import find_pictures
from domainxfer.training.held_out import LEAST, picture_features


def folder_pairs(outputs: Path, reals: Path) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Which folder is held against which: where both have folders in them, those of one name; else the two themselves.

    Returns:
        the pairs, and a line for whatever the user may not have meant.

    Raises:
        DomainxferError: both have folders in them, and no two of one name.
    """
    inside = [
        {child.name for child in folder.iterdir() if child.is_dir() and find_pictures(child)}
        if not find_pictures(folder, recursive=False)
        else set()
        for folder in (outputs, reals)
    ]
    if not all(inside):
        mixed = [(folder, names) for folder, names in zip((outputs, reals), inside, strict=True) if len(names) > 1]
        return [(outputs, reals)], [
            f"the pictures of {', '.join(sorted(names))} in {folder} are taken together; "
            f"to judge one of these, name it, as in {folder / min(names)}"
            for folder, names in mixed
        ]
    shared = sorted(inside[0] & inside[1])
    if not shared:
        listed = " but ".join(
            f"{folder} has {', '.join(sorted(names))}" for folder, names in zip((outputs, reals), inside, strict=True)
        )
        raise DomainxferError(
            f"nothing in common: {listed}; name two folders of pictures, or folders of the same domains"
        )
    alone = [
        f"{folder / name} is left out: there is no {other / name}"
        for folder, other, names in ((outputs, reals, inside[0]), (reals, outputs, inside[1]))
        for name in sorted(names - set(shared))
    ]
    return [(outputs / name, reals / name) for name in shared], alone


def compare_folders(
    outputs: Path, reals: Path, extractor: Extractor, *, size: int, seed: int, most: int
) -> tuple[DirectionFigures, dict[str, Measure], int]:
    """The figures of pictures in ``outputs`` against those in ``reals``.

    Ceilings would need the sources. The floor of the kernel distance is one half of the reals against the other.

    Returns:
        the figures, the same before writing, and the number of features.

    Raises:
        DomainxferError: too few pictures, or one is broken.
    """
    folders = [PictureFiles(find_pictures(folder)) for folder in (outputs, reals)]
    for folder, pictures in zip((outputs, reals), folders, strict=True):
        require_enough(len(pictures), f"{folder} has {len(pictures)} pictures")
    features = []
    for pictures in folders:
        chosen = sorted(permutation(len(pictures), seed, "held out")[:most].tolist())
        features.append(picture_features(extractor, pictures, size, chosen))
    made, real = features
    order = permutation(len(real), seed, "halves")
    halves = real[order[::2].tolist()], real[order[1::2].tolist()]
    weights = (redraws(len(side), seed=seed, place=place) for place, side in enumerate(features))
    measures = {"kernel": Measure(kernel_estimate(made, real, *weights), real=kernel_distance(*halves))}
    measures |= {name: Measure(Estimate(value)) for name, value in likeness(made, real).items()}
    written = DirectionFigures(
        source=str(outputs),
        target=str(reals),
        outputs=len(made),
        reals=len(real),
        figures={name: measure.figure() for name, measure in measures.items()},
    )
    return written, measures, made.shape[1]


def require_enough(count: int, what: str) -> None:
    """Refuse to compute figures of too few pictures.

    Raises:
        DomainxferError: fewer than `LEAST`.
    """
    if count < LEAST:
        raise DomainxferError(
            f"{what}; at least {LEAST} are needed: with fewer a kernel distance is mostly noise, and a picture has no "
            "5th nearest neighbour to speak of"
        )
