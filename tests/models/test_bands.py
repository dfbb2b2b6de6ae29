"""Bands: an invertible change of basis, at the loudness that was measured."""

import numpy as np
import pytest
import torch

from domainxfer.models.bands import HAAR, LOUDNESS, OPPONENT, Bands, FromColours, opponent_colours


def test_colours_and_haar_are_orthonormal() -> None:
    torch.testing.assert_close(opponent_colours() @ opponent_colours().T, torch.eye(3))
    torch.testing.assert_close(torch.tensor(HAAR) @ torch.tensor(HAAR).T / 4, torch.eye(4))


@pytest.mark.parametrize("channels", [1, 3])
def test_bands_by_hand(channels: int) -> None:
    """In float64, from the definition: block by block, colour by colour."""
    x = 2 * np.random.default_rng(0).random((2, channels, 6, 8)) - 1
    colours = np.array(OPPONENT) / np.linalg.norm(OPPONENT, axis=1, keepdims=True) if channels == 3 else np.ones((1, 1))
    y = np.einsum("oc,bchw->bohw", colours, x)
    blocks = np.stack([y[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=2)
    bands = np.einsum("kp,bophw->bokhw", np.array(HAAR) / 2, blocks) / np.array(LOUDNESS)[:channels, :, None, None]
    found = Bands(channels)(torch.from_numpy(x).float())
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), bands.reshape(2, 4 * channels, 3, 4), rtol=1e-4, atol=1e-5)


def test_nothing_is_lost() -> None:
    matrix = Bands(3).get_buffer("kernel").reshape(12, 12)
    assert torch.linalg.matrix_rank(matrix) == 12


def test_bf16_does_not_round_faint_bands_away() -> None:
    x = 0.9 + 0.001 * torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = Bands(3)(x)
    torch.testing.assert_close(found, Bands(3)(x))


def test_colours_lead_back() -> None:
    x = torch.rand(2, 3, 4, 4) * 2 - 1
    loudness = torch.tensor([row[0] for row in LOUDNESS]) / LOUDNESS[0][0]
    colours = torch.einsum("oc,bchw->bohw", opponent_colours(), x) / loudness[:, None, None]
    torch.testing.assert_close(FromColours()(colours), x)


def test_they_travel_with_a_network_but_not_in_its_weights() -> None:
    assert not Bands(3).state_dict()
    assert Bands(3).to(torch.float64).get_buffer("kernel").dtype == torch.float64
