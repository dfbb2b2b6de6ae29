"""Several critics as one: what each says stands side by side, what they say of label and code is averaged."""

from typing import Any

import pytest
import torch
from torch import Tensor

from domainxfer.models.blocks import forgetting
from domainxfer.models.config import CriticConfig
from domainxfer.models.critic import Critic
from domainxfer.models.networks import AnyCritic, new_critic
from domainxfer.models.several import Critics

LAYERS: list[dict[str, Any]] = [
    {"kind": "down", "out": 6, "norm": "batch", "act": "leaky"},
    {"kind": "down", "out": 1},
]
KINDS: list[dict[str, Any]] = [
    {"width": 8, "depth": 3, "fields": (1, 2), "extra_heads": (5,)},
    {"width": 8, "depth": 2, "fields": (1,), "norm": "spectral", "bands": False},
    {"layers": LAYERS, "size": 16, "extra_heads": (5, 7), "depth": 2, "fields": (1,)},
]


def made(**settings: Any) -> AnyCritic:
    torch.manual_seed(0)
    return new_critic(CriticConfig(**{"count": 3, "labels": 2, "code_size": 2, **settings}))


def pictures(count: int = 4) -> Tensor:
    return 2 * torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(1)) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_scores_stand_side_by_side_and_logits_are_averaged(kind: dict[str, Any]) -> None:
    d = made(**kind).eval()
    assert isinstance(d, Critics)
    x, label = pictures(), torch.tensor([0, 1, 1, 0])
    view, alone = d(x, label), [critic(x, label) for critic in d.critics]
    assert len(view.patches) == sum(len(one.patches) for one in alone)
    for patches, expected in zip(view.patches, (p for one in alone for p in one.patches), strict=True):
        assert torch.equal(patches, expected)
    for name in ("label_logits", "code"):
        mean = sum(getattr(one, name).double() for one in alone) / 3
        torch.testing.assert_close(getattr(view, name).double(), mean)
    assert len(view.extra_logits) == len(kind.get("extra_heads", ()))
    for number, logits in enumerate(view.extra_logits):
        torch.testing.assert_close(logits, torch.stack([one.extra_logits[number] for one in alone]).mean(0))
    again = d.judge(d.enter(x), label)
    assert all(torch.equal(a, b) for a, b in zip(view.patches, again.patches, strict=True))


def test_they_start_from_different_weights_and_the_first_is_the_single_one() -> None:
    d = made(**KINDS[0])
    assert isinstance(d, Critics)
    first, second, third = (dict(critic.named_parameters()) for critic in d.critics)
    drawn = [name for name in first if name.startswith("trunk") and name.endswith("weight")]
    assert drawn
    assert all(not torch.equal(first[name], other[name]) for name in drawn for other in (second, third))
    single = made(**KINDS[0], count=1)
    assert isinstance(single, Critic)
    assert all(torch.equal(first[name], p) for name, p in single.named_parameters())


def test_the_slope_of_the_mean_score_is_the_mean_of_their_slopes() -> None:
    """What gradient penalties are taken of."""
    d = made(**KINDS[0])
    assert isinstance(d, Critics)
    seen, label = d.enter(pictures()).requires_grad_(), torch.tensor([0, 1, 1, 0])

    def slope(critic: Any) -> Tensor:
        patches = critic.judge(seen, label).patches
        score = torch.stack([p.mean(1) for p in patches]).mean(0).sum()
        (gradient,) = torch.autograd.grad(score, seen)
        return gradient

    expected = torch.stack([slope(critic) for critic in d.critics]).mean(0)
    torch.testing.assert_close(slope(d), expected, rtol=1e-4, atol=1e-7)


def test_info_parameters_are_those_of_all_heads() -> None:
    d = made(**KINDS[0])
    assert isinstance(d, Critics)
    of_codes = [p for critic in d.critics for p in critic.code_head.parameters()]
    assert {id(p) for p in d.info_parameters(label=False)} == {id(p) for p in of_codes}
    assert len(d.info_parameters()) == 2 * len(of_codes)


def test_all_batchnorms_forget_the_fakes() -> None:
    d = made(**KINDS[2])
    assert isinstance(d, Critics)
    norms = [module for module in d.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    before = [norm.running_mean.clone() for norm in norms]
    with forgetting(d):
        d(pictures(), torch.tensor([0, 1, 1, 0]))
    assert all(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))
    d(pictures(), torch.tensor([0, 1, 1, 0]))
    assert not any(torch.equal(norm.running_mean, mean) for norm, mean in zip(norms, before, strict=True))


def test_several_auto_encoders_encode_one_after_the_other() -> None:
    layers = [{"kind": "linear", "out": 4, "act": "relu"}, {"kind": "linear", "out": 3 * 16 * 16, "act": "tanh"}]
    d = made(labels=0, code_size=0, layers=layers, energy=True, size=16, depth=2, fields=(1,))
    assert isinstance(d, Critics)
    encodings = d.encode(pictures())
    assert encodings.shape == (4, 3 * 4)
    torch.testing.assert_close(encodings[:, 4:8], d.critics[1].encode(pictures()))
    assert [p.shape for p in d(pictures()).patches] == [(4, 1)] * 3
