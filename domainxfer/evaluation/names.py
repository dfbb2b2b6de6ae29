"""The figures by name: heading, how to print them, and what each means in a sentence. The one place that lists them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


def _decimals(places: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{places}f}"


def _percent(value: float) -> str:
    return f"{round(100 * value)} %"


def _three_digits(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _distance(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 10 else _three_digits(value)  # some extractors have large features


@dataclass(frozen=True)
class FigureName:
    """One figure."""

    heading: str
    meaning: str
    group: Literal["likeness", "change", "answer", "variety", "mazes", "code"]
    show: Callable[[float], str]


FIGURES: dict[str, FigureName] = {
    "kernel": FigureName(
        "kernel distance",
        "squared distance of the outputs' features to real ones (the estimate of KID: unbiased, any count); lower is "
        "better; its interval is that of redrawing the pictures",
        "likeness",
        _distance,
    ),
    "kernel_left": FigureName(
        "left of nothing",
        "kernel distance as a share of do-nothing's, where that is surely above 0; lower is better",
        "likeness",
        _percent,
    ),
    "frechet": FigureName(
        "Frechet distance",
        "distance of two Gaussians fitted to the features; lower is better, biased up with few pictures: compare "
        "only equal counts",
        "likeness",
        _three_digits,
    ),
    "precision": FigureName(
        "precision", "outputs that lie among the real pictures; higher is better", "likeness", _percent
    ),
    "recall": FigureName("recall", "real pictures that lie among the outputs; higher is better", "likeness", _percent),
    "density": FigureName(
        "density", "how thickly real pictures lie around an output; about 1 for real ones", "likeness", _decimals(2)
    ),
    "coverage": FigureName(
        "coverage", "real pictures that have an output as near as a real neighbour", "likeness", _percent
    ),
    "variation": FigureName(
        "total variation",
        "distance of the densities of the features' first coordinate, 0 (equal) to 1 (disjoint); lower is better",
        "likeness",
        _decimals(3),
    ),
    "variation_plane": FigureName(
        "total variation, 2-d",
        "the same of the first two coordinates together, which tell apart more; lower is better",
        "likeness",
        _decimals(3),
    ),
    "sharpness": FigureName(
        "sharpness",
        "variance of the Laplacian of grey values in [0, 1], mean over pictures; as real ones is best: blur is below, "
        "noise above",
        "likeness",
        _three_digits,
    ),
    "called_target": FigureName(
        "called target",
        "outputs that a linear classifier of the features, fitted to real training pictures, takes for the target",
        "change",
        _percent,
    ),
    "class_target": FigureName(
        "class of target",
        "outputs whose first class of all that the extractor knows is the target",
        "change",
        _percent,
    ),
    "class_source": FigureName(
        "class of source",
        "the same that are still taken for the source",
        "change",
        _percent,
    ),
    "content": FigureName(
        "content kept",
        "cosine of the features of source and output; real: of unrelated pictures",
        "change",
        _decimals(3),
    ),
    "content_outside": FigureName(
        "kept outside", "the same with what changed inside the mask undone", "change", _decimals(3)
    ),
    "change": FigureName(
        "pixel change", "mean absolute difference of source and output, range [0, 1]", "change", _decimals(4)
    ),
    "change_outside": FigureName("outside", "the same outside the mask; lower is better", "change", _decimals(4)),
    "cycle": FigureName(
        "cycle error",
        "mean absolute difference of a source and its way there and back, range [0, 1]",
        "change",
        _decimals(4),
    ),
    "psnr": FigureName("PSNR, dB", "output against the right answer, mean over pictures", "answer", _decimals(2)),
    "hits": FigureName("hits", "outputs whose nearest target, by pixels, is the right one of all", "answer", _percent),
    "truth_psnr": FigureName(
        "PSNR inside, dB", "output against the right answer over the pixels of the figure", "answer", _decimals(2)
    ),
    "truth_inside": FigureName(
        "change inside", "mean absolute change of the figure, range [0, 1]", "answer", _decimals(4)
    ),
    "truth_outside": FigureName(
        "change outside", "the same of what should be left alone; lower is better", "answer", _decimals(4)
    ),
    "authentic": FigureName(
        "authentic",
        "outputs farther from the nearest training picture than that one is from its own nearest (AuthPct); real: of "
        "held-out pictures, less than that is a sign of copies",
        "variety",
        _percent,
    ),
    "modes": FigureName("modes", "digits, or triples of digits, that are made at all", "variety", _decimals(0)),
    "entropy": FigureName("entropy, nats", "of the shares of the modes; higher is more even", "variety", _decimals(3)),
    "kl": FigureName(
        "KL to equal shares", "nats, from the shares of the modes; lower is better", "variety", _decimals(4)
    ),
    "kl_chance": FigureName(
        "KL by chance", "the KL to expect of equal shares and as many pictures", "variety", _decimals(4)
    ),
    "maze_valid": FigureName(
        "valid", "outputs with one connected corridor, no loops, and one exit that can be reached", "mazes", _percent
    ),
    "maze_perfect": FigureName("perfect", "valid, and the corridor leads to every room", "mazes", _percent),
    "maze_distinct": FigureName("distinct", "outputs that repeat none before them", "mazes", _percent),
    "maze_unseen": FigureName("unseen", "outputs that are no training maze", "mazes", _percent),
    "maze_valid_distinct_unseen": FigureName(
        "all three", "valid, distinct and unseen at once: the figure to compare by", "mazes", _percent
    ),
    "maze_components": FigureName(
        "pieces", "mean number of separate pieces of corridor; 1 is right", "mazes", _decimals(2)
    ),
    "maze_loops": FigureName("loops", "mean number of ways to walk in a circle; 0 is right", "mazes", _decimals(2)),
    "code_pixels": FigureName(
        "pixels",
        "mean absolute difference of the outputs with this value of the code at -1 and at 1, all others 0, range "
        "[0, 1]",
        "code",
        _decimals(4),
    ),
    "code_pixels_share": FigureName(
        "pixels, share",
        "the same as a share of the pixel change that the translation itself makes, or other noise of the same label",
        "code",
        _percent,
    ),
    "code_features": FigureName("features", "1 - cosine of the features of these two outputs", "code", _decimals(4)),
    "code_features_share": FigureName(
        "features, share",
        "the same as a share of that of source and output, or of outputs of other noise",
        "code",
        _percent,
    ),
}


def heading(name: str, extractor: str) -> str:
    """What to print above a figure. FID is the name of one extractor's Frechet distance alone."""
    return "FID" if name == "frechet" and extractor == "inception" else FIGURES[name].heading
