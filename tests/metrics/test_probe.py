"""The linear probe: finds the least of its convex loss, treats labels alike, and calls what it should."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from domainxfer.metrics.probe import PENALTY, fit_probe


def cloud(count: int, centre: tuple[float, ...], seed: int, spread: float = 1.0) -> Tensor:
    numbers = torch.Generator().manual_seed(seed)
    return torch.tensor(centre) + spread * torch.randn(count, len(centre), generator=numbers)


def test_it_tells_clouds_apart() -> None:
    centres = ((0.0, 0.0, 0.0), (4.0, 0.0, 0.0), (0.0, 4.0, 0.0))
    probe = fit_probe([cloud(40, centre, k) for k, centre in enumerate(centres)])
    for k, centre in enumerate(centres):
        calls = probe.calls(cloud(200, centre, 10 + k))
        assert (calls == k).double().mean() > 0.9


def test_clouds_that_are_alike_are_called_by_chance() -> None:
    probe = fit_probe([cloud(200, (0.0, 0.0), 0), cloud(200, (0.0, 0.0), 1)])
    share = (probe.calls(cloud(400, (0.0, 0.0), 2)) == 0).double().mean()
    assert 0.2 < share < 0.8


def test_the_boundary_does_not_depend_on_the_counts() -> None:
    """Two equal clouds at -2 and 2, one of ten times as many: the boundary stays about 0."""
    probe = fit_probe([cloud(1000, (-2.0,), 0), cloud(100, (2.0,), 1)])
    assert probe.calls(torch.tensor([[-0.4], [0.4]])).tolist() == [0, 1]


def test_it_is_the_least_of_its_loss() -> None:
    features = [cloud(30, (0.0,) * 12, 0, spread=3), cloud(20, (0.5,) * 12, 1, spread=3)]
    probe = fit_probe(features)
    weight, bias = probe.weight.clone().requires_grad_(), probe.bias.clone().requires_grad_()
    loss = PENALTY / 2 * weight.square().sum()
    for label, of_label in enumerate(features):
        scores = F.linear((of_label.double() - probe.mean) / probe.deviation, weight, bias)
        loss = loss + F.cross_entropy(scores, torch.full((len(of_label),), label)) / len(features)
    loss.backward()
    assert weight.grad is not None
    assert bias.grad is not None
    assert weight.grad.abs().max() < 1e-5
    assert bias.grad.abs().max() < 1e-5


def test_it_is_deterministic_and_scale_does_not_matter() -> None:
    features = [cloud(30, (0.0, 1.0, 0.0), 0), cloud(30, (1.0, 0.0, 0.0), 1)]
    one, same = fit_probe(features), fit_probe(features)
    assert torch.equal(one.weight, same.weight)
    stretched = fit_probe([f * torch.tensor([1000.0, 0.001, 1.0]) for f in features])
    torch.testing.assert_close(stretched.weight, one.weight, atol=1e-3, rtol=1e-2)


def test_a_feature_that_never_varies_does_no_harm() -> None:
    features = [
        cloud(20, (-2.0, 5.0), 0) * torch.tensor([1.0, 0.0]),
        cloud(20, (2.0, 5.0), 1) * torch.tensor([1.0, 0.0]),
    ]
    assert fit_probe(features).weight.isfinite().all()


@pytest.mark.parametrize("features", [[torch.zeros(3, 2)], [torch.zeros(3, 2), torch.zeros(0, 2)]])
def test_too_little(features: list[Tensor]) -> None:
    with pytest.raises(ValueError, match="at least 2 labels"):
        fit_probe(features)
