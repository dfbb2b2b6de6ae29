"""Does the code matter in translation? What each of its values does to held-out pictures, beside the translation."""

import torch
from torch import Tensor

from domainxfer.evaluation.bench import Bench, Measure, Measures, means
from domainxfer.evaluation.result import CodeFigures
from domainxfer.metrics.bootstrap import Estimate, mean_estimate
from domainxfer.metrics.code_response import code_responses
from domainxfer.metrics.extractors import features_in_batches
from domainxfer.training.held_out import Translates, translated

NO_CHANGE = 1e-6
"""A translation that changes less than this has no share to be had of it: rounding alone."""


def code_figures(bench: Bench, model: Translates, code_size: int, measures: Measures) -> tuple[CodeFigures, ...]:
    """The figures of each value of the code, every direction; empty for a model without a code.

    Args:
        bench: the pictures and what judges them.
        model: its labels are the data's.
        code_size: values of its code.
        measures: what the bench found of the model; a response is compared with the change that the translation makes.
    """
    of_pair = {pair: _of_pair(bench, model, code_size, pair, measures[pair]) for pair in bench.pairs}
    found = []
    for place in range(code_size):
        of_value = {pair: responses[place] for pair, responses in of_pair.items()}
        mean = {name: measure.figure() for name, measure in means(of_value).items()}
        found.append(CodeFigures(place=place + 1, directions=bench.written(of_value), mean=mean))
    return tuple(found)


def _of_pair(
    bench: Bench, model: Translates, code_size: int, pair: tuple[int, int], measures: dict[str, Measure]
) -> list[dict[str, Measure]]:
    """The figures of one direction, for each value of the code."""
    source, target = pair
    pictures, extractor = bench.held_out.pictures[source], bench.held_out.extractor
    responses = code_responses(
        lambda code: translated(model, pictures, target, code=code),
        code_size,
        lambda x: features_in_batches(extractor, x),
    )
    weights, change, content = bench.weights[source], measures["change"].estimate, measures["content"].estimate
    return [
        _with_shares(mean_estimate(response.pixels, weights), change, "code_pixels")
        | _with_shares(mean_estimate(response.features, weights), _left_of_one(content), "code_features")
        for response in responses
    ]


def _with_shares(response: Estimate, translation: Estimate, name: str) -> dict[str, Measure]:
    found = {name: Measure(response)}
    if translation.value > NO_CHANGE:
        found[f"{name}_share"] = Measure(response / translation)
    return found


def _left_of_one(cosine: Estimate) -> Estimate:
    rounds: Tensor | None = None if cosine.rounds is None else torch.ones_like(cosine.rounds)
    return Estimate(1.0, rounds) - cosine
