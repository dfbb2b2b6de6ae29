"""How good a translation is, as one number: what is left of do-nothing's distance. Imports no torch."""

from collections.abc import Sequence


def share_left(distances: Sequence[float], ceilings: Sequence[float]) -> float | None:
    """Sum of the distances over the sum of those of doing nothing, of one direction or of several.

    Sums, not a mean of quotients: an unbiased distance of domains that are nearly the same lies about 0, and one such
    direction would outweigh all others. None where doing nothing is no farther from the target than its own pictures.
    """
    return sum(distances) / sum(ceilings) if sum(ceilings) > 0 else None
