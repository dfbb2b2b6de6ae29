"""A model that makes pictures of noise: as many as there are held out, judged as a set beside real ones."""

from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

from domainxfer import __version__
from domainxfer.datasets.card import list_cards
from domainxfer.datasets.rendered.mazes import SIDE as MAZE
from domainxfer.errors import UsageError
from domainxfer.evaluation.bench import differences
from domainxfer.evaluation.code_response import code_figures_of_noise
from domainxfer.evaluation.folders import require_enough
from domainxfer.evaluation.generation_bench import MAZES, MOST_TRAIN, GenerationBench, Judgement
from domainxfer.evaluation.maze_sheet import maze_sheet
from domainxfer.evaluation.nearest_sheet import nearest_sheet
from domainxfer.evaluation.notes import generation_notes
from domainxfer.evaluation.result import DirectionFigures, Evaluation, Instrument, Judged, refuse_existing
from domainxfer.evaluation.subject import Subject, name_of_data, open_for
from domainxfer.evaluation.wish import MOST, Wish
from domainxfer.files import legible
from domainxfer.metrics.bootstrap import ROUNDS
from domainxfer.metrics.extractors import Extractor, load_extractor
from domainxfer.metrics.manifold import NEIGHBOURS
from domainxfer.training.samples import save_picture

SMALL, MOST_SMALL = 32, 10_000
"""Of pictures of at most so many px so many are looked at: a distance of thousands is surer, and they are cheap."""

AUTO = {"mnist": "digits", "stacked-mnist": "stacked-digits", **dict.fromkeys(MAZES, "maze-counts")}
"""Card -> the extractor that ``auto`` takes for what is made of noise; for other cards the best one installed."""

SHEETS: dict[str, Callable[[Judgement], Image.Image]] = {
    "nearest": lambda judgement: nearest_sheet(*judgement.suspects),
    "mazes": lambda judgement: maze_sheet(judgement.pictures),
}
"""What is drawn beside a result, by the end of the drawing's name. Mazes are alike by their counts, not copies."""


def evaluate_generation(subject: Subject, baseline: Subject | None, wish: Wish, data_named: str | None) -> Evaluation:
    """Judge what a model makes of noise, and what a second one makes of it.

    Args:
        subject: the model.
        baseline: another one that makes pictures of the same size.
        wish: what was asked for.
        data_named: a card's name or a folder; None takes what the model learned from.

    Raises:
        UsageError: options that are for models that translate, or models that cannot be compared.
        DomainxferError: too few pictures, missing data, ...
    """
    subjects = [subject] if baseline is None else [subject, baseline]
    _refuse_senseless(subjects, wish)
    config = subject.network.config
    size, name = config.size, name_of_data(subject, data_named)
    card = name if name in list_cards() else ""
    judge = _extractor(wish, card)
    place = wish.place(judge, subject)
    shown = "mazes" if card in MAZES and size == MAZE else "nearest"
    sheet = _place_of_sheet(place, shown, wish)
    data = open_for(
        subject,
        data_named,
        data_root=wish.data_root,
        names=wish.names,
        offline=wish.offline,
        size=size,
        on_event=wish.say,
    )
    counts = {split: len(data.split(split)[0]) for split in (wish.split, "train")}
    for split, count in counts.items():
        require_enough(count, f"{data.name} has {count} {split} pictures")
    most = wish.most or (MOST_SMALL if size <= SMALL else MOST)
    held_out, train = min(counts[wish.split], most), min(counts["train"], MOST_TRAIN)
    wish.say(f"features of {judge.name}: {held_out} {wish.split} and {train} training pictures of {data.name}")
    bench = GenerationBench(
        data,
        judge,
        card=card,
        size=size,
        channels=config.generator.channels,
        split=wish.split,
        seed=wish.seed,
        most=most,
    )
    found: list[Judgement] = []
    for one in subjects:
        wish.say(f"generating {bench.count} pictures with {one.path}")
        found.append(bench.judge(one.network, mend=wish.mend))
    if sheet is not None:
        save_picture(SHEETS[shown](found[0]), sheet)
        wish.say(f"written to {sheet}")
    judged = [_judged(one, judgement, bench) for one, judgement in zip(subjects, found, strict=True)]
    return wish.kept(
        place,
        Evaluation(
            version=__version__,
            torch=torch.__version__,
            data=data.name,
            split=wish.split,
            counts={data.name: {"held_out": bench.count, "train": len(bench.train)}},
            instrument=Instrument.of(judge, bench.real.shape[1], size),
            size=size,
            seed=wish.seed,
            neighbours=NEIGHBOURS,
            rounds=ROUNDS,
            judged=judged[0],
            baseline=judged[1] if baseline else None,
            difference=differences(found[0].measures, found[1].measures) if baseline else {},
            mend=wish.mend,
            notes=tuple(generation_notes(bench, subjects, mend=wish.mend)),
            unreadable=len(data.skipped),
        ),
    )


def _refuse_senseless(subjects: list[Subject], wish: Wish) -> None:
    asked = {"--masks": wish.masks is not None, "--unpaired": wish.unpaired}
    for option, is_asked in asked.items():
        if is_asked:
            raise UsageError(
                f"{option} is for models that translate: {subjects[0].path} makes pictures of noise, which have no "
                "sources; leave it out"
            )
    deaf = next((one.path for one in subjects if one.network.critic is None), None)
    if wish.mend and deaf is not None:
        raise UsageError(f"--mend: {deaf} has no critic, so nothing can say which pictures to mend; leave it out")
    shapes = [(one.network.config.size, one.network.config.generator.channels) for one in subjects]
    if wish.size not in (None, shapes[0][0]):
        raise UsageError(
            f"--size {wish.size}: {subjects[0].path} makes pictures of {shapes[0][0]} px from noise, and no others"
        )
    if len(set(shapes)) > 1:
        made = " and ".join(f"{size} px in {channels} channel{'s' * (channels > 1)}" for size, channels in shapes)
        raise UsageError(f"--baseline: the two models make pictures of {made}; only those of one kind compare")


def _extractor(wish: Wish, card: str) -> Extractor:
    name = AUTO.get(card, "auto") if wish.extractor == "auto" else wish.extractor
    return load_extractor(name, wish.weights, offline=wish.offline)


def _place_of_sheet(place: Path | None, name: str, wish: Wish) -> Path | None:
    """Beside the result; nothing that exists is in its way."""
    if place is None:
        return None
    sheet = place.with_name(f"{place.stem}-{name}.png")
    refuse_existing(sheet, overwrite=wish.overwrite)
    return sheet


def _judged(subject: Subject, judgement: Judgement, bench: GenerationBench) -> Judged:
    config = subject.network.config
    figures = {name: measure.figure() for name, measure in judgement.measures.items()}
    direction = DirectionFigures(
        source="noise", target=bench.data.name, outputs=bench.count, reals=bench.count, figures=figures
    )
    return Judged(
        name=legible(str(subject.path)),
        digest=subject.digest,
        steps=config.steps,
        trained_size=config.size,
        directions=(direction,),
        mean=figures,
        classes=judgement.classes,
        codes=code_figures_of_noise(bench, subject.network),
    )
