"""The bench on which models are judged: one set of pictures, features, redraws, ceilings and floors for all of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from domainxfer.draws import permutation
from domainxfer.evaluation.masks import Masks
from domainxfer.evaluation.result import DirectionFigures, Figure
from domainxfer.metrics.bootstrap import Estimate, mean_estimate, mean_of, redraws
from domainxfer.metrics.extractors import NamesClasses, features_in_batches
from domainxfer.metrics.frechet import frechet_distance
from domainxfer.metrics.kernel_distance import kernel_estimate
from domainxfer.metrics.manifold import manifold_figures
from domainxfer.metrics.per_picture import (
    feature_cosine,
    nearest_hits,
    picture_psnr,
    pixel_distance,
    unrelated_cosine,
)
from domainxfer.metrics.probe import fit_probe
from domainxfer.training.held_out import HeldOut, Translates, translated
from domainxfer.training.share_left import share_left

Pair = tuple[int, int]


@dataclass(frozen=True)
class Measure:
    """A figure before it is written down: with its redraws, so that means and differences can be taken."""

    estimate: Estimate
    nothing: float | None = None
    real: float | None = None
    whole: Estimate | None = None
    """What it is a share of, if it is one."""

    def figure(self) -> Figure:
        """To write down."""
        return Figure.of(self.estimate, self.nothing, self.real)


Measures = dict[Pair, dict[str, Measure]]


class Bench:
    """Everything that does not depend on the model, computed once.

    Args:
        held_out: pictures of a split, with their features and those of real training pictures.
        paired: picture i of a domain is the right answer to picture i of another.
        masks: of each domain's pictures, where there are any.
    """

    def __init__(self, held_out: HeldOut, *, paired: bool, masks: Sequence[Masks | None] = ()) -> None:
        self.held_out, self.paired = held_out, paired
        domains = range(len(held_out.real))
        self.masks = masks or [None for _ in domains]
        self.probe = fit_probe(held_out.train)
        self.weights = [
            redraws(len(x), seed=held_out.seed, place=0 if paired else label) for label, x in enumerate(held_out.real)
        ]
        self.pairs: list[Pair] = [(s, t) for s in domains for t in domains if s != t]
        self.kernel_nothing = {
            (s, t): kernel_estimate(held_out.real[s], held_out.real[t], self.weights[s], self.weights[t])
            for s, t in self.pairs
        }
        self.nothing = {pair: self._of_nothing(*pair) for pair in self.pairs}
        self.real = {pair: self._of_real(*pair) for pair in self.pairs}

    def accuracy(self) -> dict[str, float]:
        """Domain -> share of its real held-out pictures that the probe calls by their name."""
        calls = [self.probe.calls(features) == label for label, features in enumerate(self.held_out.real)]
        return dict(zip(self.held_out.data.domains, (round(float(c.double().mean()), 6) for c in calls), strict=True))

    def judge(self, model: Translates) -> Measures:
        """All figures of every direction. The model's labels are the data's."""
        measures: Measures = {}
        for pair in self.pairs:
            nothing, real = self.nothing[pair], self.real[pair]
            measures[pair] = {
                name: Measure(estimate, nothing.get(name), real.get(name))
                for name, estimate in self._direction(model, *pair).items()
            }
            if left := measures[pair].get("kernel_left"):
                measures[pair]["kernel_left"] = replace(left, whole=self.kernel_nothing[pair])
        domains = self.held_out.data.domains
        for (source, target), truth in self.held_out.against_truth(model).items():
            measures[domains.index(source), domains.index(target)] |= {
                "truth_psnr": Measure(Estimate(truth.psnr_inside), nothing=truth.psnr_inside_nothing),
                "truth_inside": Measure(Estimate(truth.change_inside)),
                "truth_outside": Measure(Estimate(truth.change_outside)),
            }
        return measures

    def written(self, measures: Measures) -> tuple[DirectionFigures, ...]:
        """The figures of every direction."""
        domains, real = self.held_out.data.domains, self.held_out.real
        return tuple(
            DirectionFigures(
                source=domains[s],
                target=domains[t],
                outputs=len(real[s]),
                reals=len(real[t]),
                figures={name: measure.figure() for name, measure in of_pair.items()},
            )
            for (s, t), of_pair in measures.items()
        )

    def _direction(self, model: Translates, s: int, t: int) -> dict[str, Estimate]:
        held_out, source = self.held_out, self.held_out.pictures[s]
        output = translated(model, source, t)
        features = features_in_batches(held_out.extractor, output)
        kernel = kernel_estimate(features, held_out.real[t], self.weights[s], self.weights[t])
        found = {"kernel": kernel}
        if (self.kernel_nothing[s, t].interval() or (0, 0))[0] > 0:  # else there is no distance to have a share of
            found["kernel_left"] = kernel / self.kernel_nothing[s, t]
        found |= {name: Estimate(value) for name, value in likeness(features, held_out.real[t]).items()}
        each = self._calls(features, s, t)
        each["content"] = feature_cosine(held_out.real[s], features)
        each["change"] = pixel_distance(source, output)
        each |= self._outside(output, s)
        each["cycle"] = pixel_distance(source, translated(model, output, s))
        if self.paired:
            each |= _answers(output, held_out.pictures[t])
        return found | {name: mean_estimate(values, self.weights[s]) for name, values in each.items()}

    def _of_nothing(self, s: int, t: int) -> dict[str, float]:
        """The ceiling: untouched sources in the place of outputs."""
        real = self.held_out.real
        each = self._calls(real[s], s, t)
        if self.paired:
            each |= _answers(self.held_out.pictures[s], self.held_out.pictures[t])
        return {
            "kernel": self.held_out.ceilings[s, t],
            "kernel_left": 1.0,
            **likeness(real[s], real[t]),
            **{name: float(values.mean()) for name, values in each.items()},
        }

    def _of_real(self, s: int, t: int) -> dict[str, float]:
        """The floor: real training pictures of the target in the place of outputs, as many as there are of those.

        The kernel distance does not depend on the count: there it is all of them. What a picture is taken for is asked
        of the held-out ones, since the probe knows the others.
        """
        held_out = self.held_out
        order = permutation(len(held_out.train[t]), held_out.seed, "floor")[: len(held_out.real[s])]
        left = share_left([held_out.floors[t]], [held_out.ceilings[s, t]])
        return {
            "kernel": held_out.floors[t],
            **({} if left is None else {"kernel_left": left}),
            **likeness(held_out.train[t][torch.from_numpy(order)], held_out.real[t]),
            **{name: float(values.mean()) for name, values in self._calls(held_out.real[t], s, t).items()},
            "content": unrelated_cosine(held_out.real[s], held_out.real[t]),
        }

    def _calls(self, features: Tensor, s: int, t: int) -> dict[str, Tensor]:
        """What pictures are taken for, 1 or 0: by the probe, and by the extractor's own classes where it has them."""
        found = {"called_target": (self.probe.calls(features) == t).double()}
        extractor, domains = self.held_out.extractor, self.held_out.data.domains
        if isinstance(extractor, NamesClasses):
            called = extractor.logits_of(features).argmax(1)
            for name, label in (("class_target", t), ("class_source", s)):
                if domains[label] in extractor.classes:
                    found[name] = (called == extractor.classes[domains[label]]).double()
        return found

    def _outside(self, output: Tensor, s: int) -> dict[str, Tensor]:
        """What changed outside the masks, NaN for pictures without one (or with nothing outside)."""
        masks, source = self.masks[s], self.held_out.pictures[s]
        if masks is None:
            return {}
        change = pixel_distance(source, output, where=~masks.inside).masked_fill(~masks.known, torch.nan)
        if change.isnan().all():
            return {}
        undone = torch.where(masks.inside[:, None], source, output)
        kept = feature_cosine(self.held_out.real[s], features_in_batches(self.held_out.extractor, undone))
        return {"content_outside": kept.masked_fill(change.isnan(), torch.nan), "change_outside": change}


def likeness(features: Tensor, real: Tensor) -> dict[str, float]:
    """The figures of a whole set against real pictures, except the kernel distance: (M, F), (N, F)."""
    return {"frechet": frechet_distance(features, real), **asdict(manifold_figures(real, features))}


def _answers(output: Tensor, right: Tensor) -> dict[str, Tensor]:
    return {"psnr": picture_psnr(output, right), "hits": nearest_hits(output, right)}


def means(measures: Measures) -> dict[str, Measure]:
    """Each figure that every direction has, as its mean over them."""
    everywhere = [name for name in next(iter(measures.values())) if all(name in one for one in measures.values())]
    return {name: _mean([one[name] for one in measures.values()]) for name in everywhere}


def _mean(measures: list[Measure]) -> Measure:
    wholes = [measure.whole for measure in measures if measure.whole is not None]
    if len(wholes) == len(measures):
        return _mean_share(measures, wholes)
    nothing = [measure.nothing for measure in measures if measure.nothing is not None]
    real = [measure.real for measure in measures if measure.real is not None]
    return Measure(
        mean_of([measure.estimate for measure in measures]),
        nothing=sum(nothing) / len(nothing) if len(nothing) == len(measures) else None,
        real=sum(real) / len(real) if len(real) == len(measures) else None,
    )


def _mean_share(shares: list[Measure], wholes: list[Estimate]) -> Measure:
    """Sum over sum, as everywhere (`training/share_left.py`)."""
    parts = _mean(
        [
            Measure(share.estimate * whole, real=None if share.real is None else share.real * whole.value)
            for share, whole in zip(shares, wholes, strict=True)
        ]
    )
    whole = mean_of(wholes)
    real = None if parts.real is None else parts.real / whole.value
    return Measure(parts.estimate / whole, nothing=shares[0].nothing, real=real)


def differences(one: dict[str, Measure], other: dict[str, Measure]) -> dict[str, Figure]:
    """How much higher each mean figure of one model is than another's, on the same redraws."""
    return {name: Figure.of(one[name].estimate - other[name].estimate) for name in one if name in other}
