"""Does the code matter? What each of its values does to pictures, beside what the translation or other noise does."""

import torch
from torch import Tensor

from domainxfer.evaluation.bench import Bench, Measure, Measures, means
from domainxfer.evaluation.generation_bench import GenerationBench, made_of_noise
from domainxfer.evaluation.result import CodeFigures, DirectionFigures
from domainxfer.metrics.bootstrap import Estimate, mean_estimate, redraws
from domainxfer.metrics.code_response import CodeResponse, code_responses
from domainxfer.metrics.extractors import features_in_batches
from domainxfer.metrics.per_picture import feature_cosine, pixel_distance
from domainxfer.models.model import NetworkModel
from domainxfer.training.held_out import Translates, translated

NO_CHANGE = 1e-6
"""A translation, or other noise, that changes less than this has no share to be had of it: rounding alone."""

OF_NOISE = 1000
"""Pictures made of noise that are looked at, at most: each is made twice for every value of the code."""


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
    change, content = measures["change"].estimate, measures["content"].estimate
    return [_measured(response, bench.weights[source], change, _left_of_one(content)) for response in responses]


def code_figures_of_noise(bench: GenerationBench, network: NetworkModel) -> tuple[CodeFigures, ...]:
    """The same for a model that makes pictures of noise: a response is compared with what other noise changes.

    Args:
        bench: what judges.
        network: the model; without a code there is nothing to find.
    """
    code_size, count, seed = network.config.generator.code_size, min(bench.count, OF_NOISE), bench.seed
    if not code_size:
        return ()
    weights = redraws(count, seed=seed)
    none = [0.0] * code_size
    made, other = (made_of_noise(network, seed + n, count, none) for n in (0, 1))  # of the same labels
    change = mean_estimate(pixel_distance(made, other), weights)
    cosine = mean_estimate(feature_cosine(bench.features_of(made), bench.features_of(other)), weights)
    responses = code_responses(
        lambda code: made_of_noise(network, seed, count, code.tolist()), code_size, bench.features_of
    )
    found = []
    for place, response in enumerate(responses, start=1):
        measured = _measured(response, weights, change, _left_of_one(cosine))
        figures = {name: measure.figure() for name, measure in measured.items()}
        direction = DirectionFigures(
            source="noise", target=bench.data.name, outputs=count, reals=bench.count, figures=figures
        )
        found.append(CodeFigures(place=place, directions=(direction,), mean=figures))
    return tuple(found)


def _measured(response: CodeResponse, weights: Tensor, pixels: Estimate, features: Estimate) -> dict[str, Measure]:
    """A response beside the change of pixels and of features that it is to be compared with."""
    return _with_shares(mean_estimate(response.pixels, weights), pixels, "code_pixels") | _with_shares(
        mean_estimate(response.features, weights), features, "code_features"
    )


def _with_shares(response: Estimate, whole: Estimate, name: str) -> dict[str, Measure]:
    found = {name: Measure(response)}
    if whole.value > NO_CHANGE:
        found[f"{name}_share"] = Measure(response / whole)
    return found


def _left_of_one(cosine: Estimate) -> Estimate:
    rounds: Tensor | None = None if cosine.rounds is None else torch.ones_like(cosine.rounds)
    return Estimate(1.0, rounds) - cosine
