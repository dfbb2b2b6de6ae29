"""What a run found in unlabelled pictures: a label for each, a sheet for each label, and figures if the truth is known.

    RUN/discovered/ labels.csv       split, picture, label, confidence, and the truth where there is one
                    label_03.png     the pictures that the critic is surest of
                    generated.png    what the generator makes for each label
                    sweep_0.png      the same of one noise vector, over the first value of the code; and so on
                    figures.json     counts; accuracy, purity, NMI, ARI and the table of counts, where there is a truth

The labels are those of the critic's label head. The truth judges; it takes no part in training or in any choice.
"""

import csv
import io
import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from domainxfer.datasets.domain_data import SPLITS, DomainData, Pictures
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.files import explain_os_error, write_text
from domainxfer.generate import PictureMaker
from domainxfer.latent import SWEEP_STEPS
from domainxfer.metrics.clustering import ClusteringFigures, clustering_figures, confusion
from domainxfer.models.model import NetworkModel
from domainxfer.training.samples import NoiseSamples, save_picture, titled_grid

ON_A_SHEET = 64
"""Pictures of a label's sheet."""


@dataclass(frozen=True)
class Labelled:
    """The pictures of a split with the labels that were found."""

    names: list[str]
    labels: np.ndarray
    """(N,) int64."""
    confidence: np.ndarray
    """(N,) probability of that label, 1 / K to 1."""
    truth: np.ndarray | None
    """(N,) int64, where it is known."""

    def figures(self) -> ClusteringFigures | None:
        """Agreement with the truth."""
        return None if self.truth is None else clustering_figures(self.labels, self.truth)


@dataclass(frozen=True)
class Discovered:
    """What `write_discovered` leaves behind."""

    folder: Path
    counts: dict[str, list[int]]
    """Split -> how many pictures each label has."""
    figures: dict[str, ClusteringFigures]
    """Split -> agreement with the truth; empty where there is none."""
    tables: dict[str, np.ndarray]
    """Split -> (labels, classes) counts; empty where there is no truth."""
    class_names: tuple[str, ...] = ()
    """Of the classes in the tables."""
    kept: Path | None = None
    """What labels.csv was, if that was something else: a user may have mended it."""
    unreadable: tuple[str, ...] = ()
    """Pictures that cannot be read and have no label, with the reason."""


def label_pictures(model: NetworkModel, data: DomainData, split: str, batch: int = 256) -> Labelled:
    """The label of every picture of a split of unlabelled data.

    Raises:
        DomainxferError: the model has no critic, or its critic no labels.
    """
    if not model.config.generator.labels:
        raise DomainxferError(
            "this model was trained without labels; find some with domainxfer discover DATA --labels 10"
        )
    (pictures,) = data.split(split)
    size, channels = model.config.size, model.config.generator.channels
    parts = [
        model.label_probabilities(held_out_tensor(pictures, size, some, channels)).cpu()
        for some in (range(start, min(start + batch, len(pictures))) for start in range(0, len(pictures), batch))
    ]
    confidence, labels = torch.cat(parts).max(dim=1)
    names = [pictures.name(index) for index in range(len(pictures))]
    return Labelled(names, labels.numpy(), confidence.numpy(), data.classes.get(split))


def write_discovered(model: NetworkModel, data: DomainData, run: Path, seed: int = 0) -> Discovered:
    """Label all pictures of a data set and write what was found into ``RUN/discovered``.

    A labels.csv that was there and says something else is kept under another name.

    Args:
        model: trained on the data, with its critic.
        data: unlabelled; labels that were put aside judge what was found.
        run: the run's folder.
        seed: of the noise for the pictures that are generated.

    Raises:
        UsageError: the data is labelled: there is nothing to find.
        DomainxferError: the run's folder cannot be written.
    """
    if data.labelled:
        raise UsageError(f"{data.name} comes with its labels; put them aside with --labels NUMBER")
    folder, count = run / "discovered", model.config.generator.labels
    found: dict[str, Labelled] = {
        split: label_pictures(model, data, split) for split in SPLITS if len(data.split(split)[0])
    }
    listed = _csv(found, data.class_names)
    kept = _set_aside(folder / "labels.csv", listed)
    discovered = Discovered(
        folder,
        {split: np.bincount(part.labels, minlength=count).tolist() for split, part in found.items()},
        {split: figures for split, part in found.items() if (figures := part.figures()) is not None},
        {split: confusion(part.labels, part.truth) for split, part in found.items() if part.truth is not None},
        data.class_names,
        kept,
        tuple(reason for _, reason in data.skipped),
    )
    write_text(folder / "labels.csv", listed)
    write_text(folder / "figures.json", json.dumps(_plain(discovered), indent=2) + "\n")
    for label in range(count):
        sheet, path = _sheet(found["train"], data.train[0], label, model), folder / f"label_{label:02}.png"
        if sheet is None:
            path.unlink(missing_ok=True)  # an earlier time it had pictures
        else:
            save_picture(sheet, path)
    save_picture(NoiseSamples(model, seed).draw(model), folder / "generated.png")
    for place in range(model.config.generator.code_size):
        sweep = PictureMaker(model, seed=seed).code_sweep(SWEEP_STEPS, only=place)
        save_picture(sweep, folder / f"sweep_{place}.png")
    return discovered


def _set_aside(table: Path, listed: str) -> Path | None:
    """Give a table that says something else a name of its own."""
    try:
        if not table.exists() or table.read_bytes() == listed.encode("utf-8", "surrogateescape"):
            return None
        names = (table.with_name(f"{table.stem}-{n}{table.suffix}") for n in itertools.count(1))
        return table.rename(next(name for name in names if not name.exists()))
    except OSError as error:
        raise explain_os_error(error, "keep", table) from error


def _csv(found: dict[str, Labelled], class_names: tuple[str, ...]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "picture", "label", "confidence", *(["truth"] if class_names else [])])
    for split, part in found.items():
        for i, name in enumerate(part.names):
            truth = [] if part.truth is None else [class_names[part.truth[i]]]
            writer.writerow([split, name, int(part.labels[i]), f"{part.confidence[i]:.4f}", *truth])
    return text.getvalue()


def _plain(discovered: Discovered) -> dict[str, Any]:
    return {
        "counts": discovered.counts,
        "classes": list(discovered.class_names),
        "figures": {split: asdict(figures) for split, figures in discovered.figures.items()},
        "tables": {split: table.tolist() for split, table in discovered.tables.items()},
    }


def _sheet(found: Labelled, pictures: Pictures, label: int, model: NetworkModel) -> Image.Image | None:
    """The pictures of a label that the critic is surest of, eight in a row; None for a label that no picture has."""
    of_label = np.flatnonzero(found.labels == label)
    surest = of_label[np.argsort(-found.confidence[of_label], kind="stable")][:ON_A_SHEET].tolist()
    if not surest:
        return None
    surest += [surest[-1]] * (-len(surest) % 8)  # the grid has no holes
    cells = held_out_tensor(pictures, model.config.size, surest, model.config.generator.channels)
    return titled_grid([cells[column::8] for column in range(8)], None)
