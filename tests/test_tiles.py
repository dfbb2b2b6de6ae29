"""Tiles cover everything, share it fairly, and are held a row at a time."""

import numpy as np
import pytest

from domainxfer.tiles import FEATHER, blended_strips, overlap, tile_starts, tile_weights

MARGIN = 32


@pytest.mark.parametrize("length", [1, 255, 256, 257, 264, 384, 385, 1000])
def test_weights_sum_to_one_and_starts_keep_the_multiple(length: int) -> None:
    starts, weights = tile_starts(length, 256, MARGIN), tile_weights(length, 256, MARGIN)
    total = np.zeros(length)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + len(weight)] += weight
    np.testing.assert_allclose(total, 1, atol=1e-6)
    if length % 8 == 0:
        assert all(start % 8 == 0 for start in starts)


def test_edges_of_a_tile_are_not_trusted_inside_the_picture() -> None:
    first, second = tile_weights(256 + 256 - overlap(MARGIN), 256, MARGIN)
    assert (first[:MARGIN] == 1).all()
    assert (first[-MARGIN:] == 0).all()
    assert (second[:MARGIN] == 0).all()
    assert np.diff(second[MARGIN : MARGIN + FEATHER]).max() < 1.1 / FEATHER


def test_strips_join_to_the_whole() -> None:
    whole = np.random.default_rng(0).random((700, 500, 2)).astype(np.float32)
    strips = list(blended_strips(700, 500, 256, MARGIN, lambda rows, columns: whole[rows, columns]))
    assert max(len(strip) for strip in strips) <= 256
    np.testing.assert_allclose(np.concatenate(strips), whole, atol=1e-6)
