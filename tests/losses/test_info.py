"""Label and code losses against their formulas."""

import math

import numpy as np
import pytest
import torch

from domainxfer.losses.info import (
    code_diversity,
    code_l1,
    information,
    label_as_is,
    label_fake,
    label_known,
    label_real,
    paired_information,
)


def cross_entropy_by_hand(logits: np.ndarray, labels: list[int]) -> float:
    total = 0.0
    for row, label in zip(logits.tolist(), labels, strict=True):
        total -= math.log(math.exp(row[label]) / sum(math.exp(value) for value in row))
    return total / len(labels)


@pytest.mark.parametrize("loss", [label_real, label_fake])
@pytest.mark.parametrize("count", [2, 3, 13])
def test_label_losses(loss, count: int) -> None:  # type: ignore[no-untyped-def]
    numbers = np.random.default_rng(count)
    logits = torch.from_numpy(numbers.normal(0, 2, (5, count)))
    labels = numbers.integers(0, count, 5).tolist()
    y = torch.tensor(labels)
    assert float(loss(logits, y)) == pytest.approx(cross_entropy_by_hand(logits.numpy(), labels), rel=1e-12)
    assert torch.autograd.gradcheck(lambda z: loss(z, y), [logits.requires_grad_()])
    (gradient,) = torch.autograd.grad(loss(logits, y), logits)
    for i, row in enumerate(logits.detach().numpy()):
        soft = np.exp(row) / np.exp(row).sum()
        soft[labels[i]] -= 1
        np.testing.assert_allclose(gradient[i].numpy(), soft / 5, rtol=1e-9)


@pytest.mark.parametrize("count", [2, 13])
def test_no_floor_from_a_softmax_before_the_logarithm(count: int) -> None:
    """Softmax twice would leave .31 at K = 2 and 1.69 at K = 13 for a head that is sure and right."""
    y = torch.arange(count)
    sure = 50.0 * torch.eye(count)
    assert float(label_fake(sure, y)) < 1e-6
    assert float(label_fake(torch.zeros(count, count), y)) == pytest.approx(math.log(count))


def test_code_loss() -> None:
    numbers = np.random.default_rng(0)
    found, code = (torch.from_numpy(numbers.uniform(-1, 1, (4, 3))) for _ in range(2))
    by_hand = sum(abs(a - b) for a, b in zip(found.ravel().tolist(), code.ravel().tolist(), strict=True)) / 12
    assert float(code_l1(found, code)) == pytest.approx(by_hand, rel=1e-12)
    assert torch.autograd.gradcheck(lambda c: code_l1(c, code), [found.requires_grad_()])
    (gradient,) = torch.autograd.grad(code_l1(found, code), found)
    np.testing.assert_allclose(gradient.numpy(), np.sign(found.detach().numpy() - code.numpy()) / 12)


def test_known_labels_count_on_both_looks_in_heads_of_as_many_labels() -> None:
    numbers = np.random.default_rng(3)
    first, second = ([torch.from_numpy(numbers.normal(0, 2, (4, k))) for k in (3, 5, 3)] for _ in range(2))
    y = torch.tensor([2, -1, 0, -1])
    by_hand = [cross_entropy_by_hand(look[[0, 2]].numpy(), [2, 0]) for looks in (first, second) for look in looks[::2]]
    assert float(label_known(first, second, y)) == pytest.approx(sum(by_hand) / 4, rel=1e-12)
    assert torch.autograd.gradcheck(lambda z: label_known([z], second[:1], y), [first[0].requires_grad_()])
    (gradient,) = torch.autograd.grad(label_known(first[:1], second[:1], y), first[0])
    assert gradient[[1, 3]].abs().max() == 0
    assert label_known(first, second, torch.full((4,), -1)).item() == 0


def test_pictures_of_known_label_as_they_are() -> None:
    logits = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([2, -1, 0, -1])
    by_hand = (logits.exp().sum(1).log() - logits[torch.arange(4), y])[[0, 2]]
    assert float(label_as_is(logits, y)) == pytest.approx(float(by_hand.mean()), rel=1e-12)
    assert torch.autograd.gradcheck(lambda z: label_as_is(z, y), [logits.requires_grad_()])
    (gradient,) = torch.autograd.grad(label_as_is(logits, torch.full((4,), -1)), logits)
    assert not gradient.any()


@pytest.mark.parametrize("ceiling", [0.05, 0.7, 2.0])
def test_code_diversity(ceiling: float) -> None:
    numbers = np.random.default_rng(1)
    fake = torch.from_numpy(numbers.uniform(-1, 1, (4, 3, 2, 5)))
    other = fake + torch.from_numpy(numbers.uniform(-1, 1, (4, 3, 2, 5))) * torch.tensor([0.01, 0.5, 1, 2]).view(
        -1, 1, 1, 1
    )
    left = []
    for a, b in zip(fake.flatten(1).tolist(), other.flatten(1).tolist(), strict=True):
        left.append(max(0.0, ceiling - sum(abs(p - q) for p, q in zip(a, b, strict=True)) / 30))
    assert float(code_diversity(fake, other, ceiling=ceiling)) == pytest.approx(sum(left) / 4, rel=1e-12)
    both = [fake.requires_grad_(), other.requires_grad_()]
    assert torch.autograd.gradcheck(lambda x, y: code_diversity(x, y, ceiling=ceiling), both)


def test_code_diversity_pulls_as_hard_until_the_ceiling_and_then_lets_go() -> None:
    fake = torch.zeros(3, 1, 1, 2, requires_grad=True)
    other = torch.tensor([[0.001, -0.001], [0.2, -0.2], [0.9, -0.7]]).view(3, 1, 1, 2)
    value = code_diversity(fake, other, ceiling=0.5)
    assert float(value.detach()) == pytest.approx((0.499 + 0.3 + 0) / 3)
    (gradient,) = torch.autograd.grad(value, fake)
    slope = 1 / 6  # of a pixel of two, of a picture of three
    expected = [[slope, -slope], [slope, -slope], [0, 0]]
    np.testing.assert_allclose(gradient.view(3, 2).numpy(), expected, rtol=1e-6)


def information_by_hand(p: np.ndarray, q: np.ndarray, balance: float) -> float:
    """Sum over i, j of P_ij log(P_ij / (P_i P_j)^balance), term by term."""
    count = p.shape[1]
    joint = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            joint[i, j] = sum(p[n, i] * q[n, j] + q[n, i] * p[n, j] for n in range(len(p))) / (2 * len(p))
    alone = joint.sum(1)
    return sum(
        joint[i, j] * math.log(joint[i, j] / (alone[i] * alone[j]) ** balance)
        for i in range(count)
        for j in range(count)
    )


@pytest.mark.parametrize("balance", [1.0, 1.3])
@pytest.mark.parametrize("count", [2, 5])
def test_paired_information_is_the_mutual_information_of_the_joint(count: int, balance: float) -> None:
    numbers = np.random.default_rng(count)
    logits = [torch.from_numpy(numbers.normal(0, 2, (7, count))) for _ in range(4)]
    soft = [z.softmax(1).numpy() for z in logits]
    wanted = -0.5 * (information_by_hand(soft[0], soft[1], balance) + information_by_hand(soft[2], soft[3], balance))
    heads = (logits[0], logits[2]), (logits[1], logits[3])
    assert float(paired_information(*heads, balance=balance)) == pytest.approx(wanted, rel=1e-9)
    one = [z[:3].clone().requires_grad_() for z in logits[:2]]
    assert torch.autograd.gradcheck(lambda a, b: paired_information((a,), (b,)), one)


def test_heads_of_one_size_count_as_one() -> None:
    numbers = np.random.default_rng(5)
    first, second = ([torch.from_numpy(numbers.normal(0, 2, (6, k))) for k in (3, 8, 3)] for _ in range(2))
    small, many, other = (float(information(a, b)) for a, b in zip(first, second, strict=True))
    assert float(paired_information(first, second)) == pytest.approx(-((small + other) / 2 + many) / 2, rel=1e-12)


def test_paired_information_is_largest_where_looks_agree_and_labels_are_even() -> None:
    sure = 50.0 * torch.eye(4).repeat(3, 1)
    assert float(paired_information((sure,), (sure,))) == pytest.approx(-math.log(4), abs=1e-4)
    assert float(paired_information((sure,), (sure.roll(1, 0),))) > -math.log(4) + 0.5, "another label each time"
    assert float(paired_information((sure,), (torch.zeros(12, 4),))) == pytest.approx(0, abs=1e-6), "independent"
    collapsed = 50.0 * torch.eye(4)[:1].repeat(12, 1)
    assert float(paired_information((collapsed,), (collapsed,))) == pytest.approx(0, abs=1e-4), "one label for all"
