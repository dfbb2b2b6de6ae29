"""`domainxfer.evaluate`: a model on held-out pictures, two models on the same ones, or a folder against another.

A model that makes pictures of noise is judged in `generation`.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from domainxfer import __version__
from domainxfer.datasets.domain_data import PictureFiles
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.evaluation.bench import Bench, Measures, differences, means
from domainxfer.evaluation.code_response import code_figures
from domainxfer.evaluation.folders import compare_folders, folder_pairs, require_enough
from domainxfer.evaluation.generation import evaluate_generation
from domainxfer.evaluation.masks import load_masks
from domainxfer.evaluation.notes import notes_of, singular, unfinished
from domainxfer.evaluation.result import CodeFigures, Evaluation, Instrument, Judged, Probe
from domainxfer.evaluation.subject import InOrderOf, Subject, find_subject, open_for, restricted, shared_domains
from domainxfer.evaluation.wish import MOST, Wish
from domainxfer.files import at_home, legible
from domainxfer.metrics.bootstrap import ROUNDS
from domainxfer.metrics.extractors import load_extractor
from domainxfer.metrics.manifold import NEIGHBOURS
from domainxfer.training.held_out import HeldOut


def evaluate(
    what: str | Path,
    against: str | Path | None = None,
    *,
    data: str | Path | None = None,
    data_root: Path | str | None = None,
    names: dict[str, str] | None = None,
    split: str = "test",
    extractor: str = "auto",
    weights: Path | str | None = None,
    size: int | None = None,
    seed: int = 0,
    mend: int = 0,
    masks: Path | str | None = None,
    most: int | None = None,
    baseline: str | Path | None = None,
    unpaired: bool = False,
    offline: bool = False,
    runs: Path | str = Path("runs"),
    json_file: Path | str | None = None,
    keep_in_run: bool = False,
    overwrite: bool = False,
    on_event: Callable[[str], None] = lambda text: None,
) -> Evaluation:
    """Judge a model by its translations of held-out pictures or by what it makes of noise, or a folder by real ones.

    Args:
        what: a run or a model (by folder or name), or a folder of pictures made by any program.
        against: for a model: the data, as in ``data``; for a folder of pictures: a folder of real ones.
        data: a card's name or a folder; None takes what the model learned from.
        data_root: where the card's pictures are looked for first.
        names: folder or letter -> domain, as the model calls it.
        split: "test" for the last word, "validation" for every choice before it.
        extractor: what judges; "auto" takes the best one that is installed.
        weights: file of an extractor that needs one.
        size: side at which pictures are translated, px; None takes the model's (for folders: the extractor's).
        seed: of the choice of pictures, of noise, and of the redraws.
        mend: of noise: so many times a part of it is drawn again, and kept where the model's critic likes the picture
            better (`domainxfer.mend`); of a baseline's, too.
        masks: a folder of masks named like the sources: white where change is wanted.
        most: pictures of a domain that are looked at; None takes 1000, or up to 10,000 of noise if they are small.
        baseline: another model, judged on the same pictures.
        unpaired: equal file names in all domains are chance, not the same scenes.
        offline: never download.
        runs: where run folders are.
        json_file: write the result there.
        keep_in_run: without ``json_file``, write it into the run's folder, where ``what`` is a run.
        overwrite: replace a file that exists.
        on_event: gets lines on what is being done.

    Raises:
        UsageError: options that contradict each other.
        DomainxferError: anything else the user can mend: too few pictures, no domain in common, missing weights, ...
    """
    if not isinstance(what, str | Path):
        raise UsageError(f"name what is to be judged by its folder, or a run by its name; {what!r} is neither")
    if against is not None and data is not None:
        raise UsageError(f"name the data once: {against} or --data {data}")
    data = None if data is None else str(data)
    named = data if against is None else str(against)
    wish = Wish(
        data_root=_path(data_root), names=names, split=split, extractor=extractor, weights=_path(weights),
        size=size, seed=seed, mend=mend, masks=_path(masks), most=most, unpaired=unpaired, offline=offline,
        json_file=_path(json_file), keep_in_run=keep_in_run, overwrite=overwrite, say=on_event,
        apart=_what_sets_it_apart(
            on=named, beside=baseline, masks=masks, size=size, most=most, seed=seed or None, mend=mend or None
        ),
    )  # fmt: skip
    runs = at_home(runs)
    subject = find_subject(str(what), runs, critic=mend > 0)
    if mend and (subject is None or not subject.generates):
        raise UsageError(f"--mend is for models that make pictures of noise; {what} is none")
    if subject is None:
        return _of_folders(at_home(what), against, baseline, wish)
    other = find_subject(str(baseline), runs, critic=mend > 0) if baseline is not None else None
    if baseline is not None and other is None:
        raise DomainxferError(f"{baseline} holds no model; --baseline compares with another model")
    if other is not None and other.generates != subject.generates:
        raise UsageError(f"one of {what} and {baseline} makes pictures of noise, the other translates: no comparison")
    if subject.generates:
        return evaluate_generation(subject, other, wish, named)
    return _of_models(subject, other, wish, named)


def _what_sets_it_apart(**asked: Any) -> tuple[str, ...]:
    """A word for each thing that was asked otherwise than usual, in the name of the result."""
    names = {word: Path(str(value)).name or "here" for word, value in asked.items() if value is not None}
    return tuple(f"{word}-{re.sub(r'[^0-9A-Za-z_.]+', '_', name)}" for word, name in names.items())


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else at_home(given)


def _of_models(subject: Subject, baseline: Subject | None, wish: Wish, data_named: str | None) -> Evaluation:
    size = _usable_size(wish.size or subject.network.config.size, subject, baseline)
    judge = load_extractor(wish.extractor, wish.weights, offline=wish.offline)
    place = wish.place(judge, subject)
    subjects = [subject] if baseline is None else [subject, baseline]
    everything = open_for(
        subject,
        data_named,
        data_root=wish.data_root,
        names=wish.names,
        offline=wish.offline,
        size=size,
        on_event=wish.say,
    )
    domains, notes = shared_domains(everything, subjects)
    data = restricted(everything, domains)
    for split in (wish.split, "train"):
        for domain, count in zip(domains, map(len, data.split(split)), strict=True):
            require_enough(count, f"{data.name} has {count} {split} pictures of {domain!r}")
    wish.say(f"features of {judge.name}: real pictures of {', '.join(domains)}")
    held_out = HeldOut(data, size, judge, wish.split, wish.seed, wish.most or MOST)
    masks = load_masks(wish.masks, held_out) if wish.masks else []
    paired = not wish.unpaired and _is_paired(held_out)
    bench = Bench(held_out, paired=paired, masks=masks)
    measured: list[Measures] = []
    judged: list[Judged] = []
    for one in subjects:
        wish.say(f"translating with {one.path}")
        model = InOrderOf(one.network, domains)
        measured.append(bench.judge(model))
        codes = code_figures(bench, model, one.network.config.generator.code_size, measured[-1])
        judged.append(_judged(one, bench, measured[-1], codes))
    counts = {
        domain: {"held_out": len(held_out.real[label]), "train": len(held_out.train[label])}
        | ({"masks": int(m.known.sum()) if (m := masks[label]) else 0} if masks else {})
        for label, domain in enumerate(domains)
    }
    return wish.kept(
        place,
        Evaluation(
            version=__version__,
            torch=torch.__version__,
            data=data.name,
            split=wish.split,
            counts=counts,
            instrument=Instrument.of(judge, held_out.real[0].shape[1], size),
            size=size,
            seed=wish.seed,
            neighbours=NEIGHBOURS,
            rounds=ROUNDS,
            probe=Probe(accuracy=bench.accuracy(), pictures={d: c["train"] for d, c in counts.items()}),
            judged=judged[0],
            baseline=judged[1] if baseline else None,
            difference=differences(*map(means, measured)) if baseline else {},
            notes=(*notes_of(held_out, subjects, paired=paired), *notes, *unfinished(subjects)),
            unreadable=len(everything.skipped),
        ),
    )


def _of_folders(outputs: Path, against: str | Path | None, baseline: str | Path | None, wish: Wish) -> Evaluation:
    if against is None:
        raise UsageError(
            f"{outputs} holds no model; to judge pictures, name a folder of real ones too: "
            f"domainxfer evaluate {outputs} REALS"
        )
    if baseline is not None or wish.masks is not None:
        raise UsageError("--baseline and --masks are for models: of two folders of pictures no sources are known")
    if wish.names or wish.unpaired or wish.data_root is not None or wish.split != "test":
        raise UsageError(
            "--names, --unpaired, --data-root and --split are for models: two folders of pictures are compared as they "
            "are"
        )
    reals = at_home(against)
    pairs, notes = folder_pairs(outputs, reals)
    judge = load_extractor(wish.extractor, wish.weights, offline=wish.offline)
    place, size = wish.place(judge), wish.size or judge.size
    wish.say(f"features of {judge.name}: {outputs} and {reals}")
    found = [compare_folders(*pair, judge, size=size, seed=wish.seed, most=wish.most or MOST) for pair in pairs]
    directions = tuple(written for written, _, _ in found)
    mean = means({(number, number): measures for number, (_, measures, _) in enumerate(found)})
    return wish.kept(
        place,
        Evaluation(
            version=__version__,
            torch=torch.__version__,
            data=str(reals),
            split=None,
            counts={
                name: {"held_out": n} for d in directions for name, n in ((d.source, d.outputs), (d.target, d.reals))
            },
            instrument=Instrument.of(judge, found[0][2], size),
            size=size,
            seed=wish.seed,
            neighbours=NEIGHBOURS,
            rounds=ROUNDS,
            judged=Judged(
                name=str(outputs),
                directions=directions,
                mean={name: measure.figure() for name, measure in mean.items()},
            ),
            notes=(*notes, *singular(min(min(d.outputs, d.reals) for d in directions), found[0][2])),
        ),
    )


def _usable_size(size: int, *subjects: Subject | None) -> int:
    for subject in subjects:
        multiple = max(2, subject.network.multiple) if subject else 1
        if size % multiple:
            raise UsageError(f"--size {size}: this model needs a multiple of {multiple}")
    return size


def _judged(subject: Subject, bench: Bench, measures: Measures, codes: tuple[CodeFigures, ...]) -> Judged:
    config = subject.network.config
    return Judged(
        name=legible(str(subject.path)),
        digest=subject.digest,
        steps=config.steps,
        trained_size=config.size,
        directions=bench.written(measures),
        mean={name: measure.figure() for name, measure in means(measures).items()},
        codes=codes,
    )


def _is_paired(held_out: HeldOut) -> bool:
    """Whether picture i of one domain is picture i of every other: known, or by equal file names in all domains."""
    if held_out.data.truth is not None:
        return True
    names = []
    for pictures, chosen in zip(held_out.data.split(held_out.split), held_out.chosen, strict=True):
        if not isinstance(pictures, PictureFiles):
            return False
        names.append([pictures.paths[index].stem for index in chosen])
    return all(of_domain == names[0] for of_domain in names)
