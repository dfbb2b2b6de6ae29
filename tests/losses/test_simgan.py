"""SimGAN's cosine losses against a version that computes every cosine of every group by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.errors import UsageError
from domainxfer.losses.simgan import simgan_critic, simgan_generator

Vector = list[float]


def cosine(a: Vector, b: Vector) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def mean_vector(rows: list[Vector]) -> Vector:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def centred(real: list[Vector], fake: list[Vector], centre: bool) -> tuple[list[Vector], list[Vector]]:
    values = [value for vector in real + fake for value in vector]
    middle = sum(values) / len(values) if centre else 0.0
    return [[value - middle for value in r] for r in real], [[value - middle for value in f] for f in fake]


def groups_of(labels: list[int] | None, count: int) -> list[list[int]]:
    if labels is None:
        return [list(range(count))]
    members = [[i for i in range(count) if labels[i] == label] for label in sorted(set(labels))]
    return [group for group in members if len(group) > 1]


def generator_by_hand(
    real: np.ndarray, fake: np.ndarray, labels: list[int] | None, *, groups: bool = True, centre: bool = True
) -> float:
    r, f = centred(real.tolist(), fake.tolist(), centre)
    whole = 1 - cosine(mean_vector(f), mean_vector(r))
    terms = []
    for group in groups_of(labels, len(r)) if groups else []:
        r, f = centred([real[i].tolist() for i in group], [fake[i].tolist() for i in group], centre)
        terms.append(sum(1 - cosine(mean_vector(f), one) for one in r) / len(group))
        terms.append(sum(1 - cosine(one, mean_vector(r)) for one in f) / len(group))
    return (sum(terms) / len(terms) + whole) / 2 if terms else whole


def critic_by_hand(real: np.ndarray, fake: np.ndarray, labels: list[int] | None, *, centre: bool = True) -> float:
    terms = []
    for group in groups_of(labels, len(real)) or [list(range(len(real)))]:
        r, f = centred([real[i].tolist() for i in group], [fake[i].tolist() for i in group], centre)
        of_fakes = sum(max(0.0, cosine(one, mean_vector(r))) for one in f) / len(group)
        of_reals = sum(max(0.0, cosine(one, mean_vector(f))) for one in r) / len(group)
        terms.append(of_fakes + of_reals)
    return sum(terms) / len(terms)


LABELS = [None, [0, 0, 0, 0, 0, 0], [0, 1, 0, 1, 0, 1], [2, 2, 0, 0, 0, 12], [0, 1, 2, 3, 4, 5]]


@pytest.fixture
def scores() -> tuple[Tensor, Tensor]:
    numbers = np.random.default_rng(11)
    return tuple(torch.from_numpy(numbers.normal(0.4, 1, (6, 9))) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("groups", [True, False])
def test_generator_loss(scores: tuple[Tensor, Tensor], labels: list[int] | None, centre: bool, groups: bool) -> None:
    real, fake = scores
    label = None if labels is None else torch.tensor(labels)
    by_hand = generator_by_hand(real.numpy(), fake.numpy(), labels, groups=groups, centre=centre)
    assert float(simgan_generator(real, fake, label, groups=groups, centre=centre)) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("centre", [True, False])
def test_critic_loss(scores: tuple[Tensor, Tensor], labels: list[int] | None, centre: bool) -> None:
    real, fake = scores
    label = None if labels is None else torch.tensor(labels)
    by_hand = critic_by_hand(real.numpy(), fake.numpy(), labels, centre=centre)
    assert float(simgan_critic(real, fake, label, centre=centre)) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("labels", LABELS)
def test_gradients_without_centring(scores: tuple[Tensor, Tensor], labels: list[int] | None) -> None:
    real, fake = scores
    label = None if labels is None else torch.tensor(labels)
    assert torch.autograd.gradcheck(lambda f: simgan_generator(real, f, label, centre=False), [fake.requires_grad_()])
    assert torch.autograd.gradcheck(
        lambda r, f: simgan_critic(r, f, label, centre=False), [real.requires_grad_(), fake.requires_grad_()]
    )


def test_gradient_with_centring_holds_the_centre_fixed(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores
    middle = 0.5 * (real.mean() + fake.mean())
    moved = (fake - middle).requires_grad_()
    simgan_generator(real - middle, moved, None, centre=False).backward()
    fake.requires_grad_()
    simgan_generator(real, fake, None, centre=True).backward()
    torch.testing.assert_close(fake.grad, moved.grad)


def test_labels_whose_scores_lie_far_apart_do_not_saturate(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores
    label = torch.tensor([0, 0, 0, 1, 1, 1])
    apart = (20.0 * label - 10)[:, None]  # each label has patch scores of its own
    near, far = ((real + offset, (fake + offset).requires_grad_()) for offset in (0 * apart, apart))
    for r, f in (near, far):
        simgan_critic(r, f, label).backward()
    torch.testing.assert_close(simgan_critic(*far, label), simgan_critic(*near, label))
    torch.testing.assert_close(far[1].grad, near[1].grad)


def test_the_real_side_of_the_generator_loss_is_detached(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = (s.requires_grad_() for s in scores)
    simgan_generator(real, fake, torch.tensor([0, 0, 0, 1, 1, 1])).backward()
    assert real.grad is None
    assert fake.grad.abs().sum() > 0


def test_the_critic_loss_reaches_both_sides(scores: tuple[Tensor, Tensor]) -> None:
    # Vectors near one direction: every cosine is positive, so the rectifier lets all of them through.
    real, fake = ((s + 5).requires_grad_() for s in scores)
    simgan_critic(real, fake, torch.tensor([0, 0, 0, 1, 1, 1]), centre=False).backward()
    assert real.grad.abs().sum(1).min() > 0
    assert fake.grad.abs().sum(1).min() > 0


def test_a_group_of_one_is_left_out(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores
    label = torch.tensor([0, 0, 0, 1, 1, 7])
    before = simgan_generator(real, fake, label, centre=False), simgan_critic(real, fake, label, centre=False)
    turned = real.clone()
    turned[5] = -real[5]
    kept = torch.tensor([0, 1, 2, 3, 4])
    assert float(simgan_critic(turned, fake, label, centre=False)) == pytest.approx(float(before[1]))
    assert float(simgan_critic(real[kept], fake[kept], label[kept], centre=False)) == pytest.approx(float(before[1]))
    # In the generator loss the lone picture still counts in the mean of the whole batch, and only there.
    whole = [simgan_generator(r, fake, None, groups=False, centre=False) for r in (real, turned)]
    after = simgan_generator(turned, fake, label, centre=False)
    assert float(after - before[0]) == pytest.approx(float(whole[1] - whole[0]) / 2)


@pytest.mark.parametrize("labels", [[3, 3, 9, 9, 12, 12], [0, 1, 2, 3, 4, 5], [7, 7, 7, 7, 7, 7]])
def test_absent_labels_give_no_nan(scores: tuple[Tensor, Tensor], labels: list[int]) -> None:
    real, fake = (s.float().requires_grad_() for s in scores)
    total = simgan_generator(real, fake, torch.tensor(labels)) + simgan_critic(real, fake, torch.tensor(labels))
    total.backward()
    assert total.isfinite()
    assert fake.grad.isfinite().all()
    assert real.grad.isfinite().all()


def test_scores_that_are_all_equal_give_no_nan() -> None:
    real, fake = (torch.full((4, 9), value, requires_grad=True) for value in (0.5, 0.5))
    total = simgan_generator(real, fake, None) + simgan_critic(real, fake, None)
    total.backward()
    assert total.isfinite()
    assert fake.grad.isfinite().all()


def test_known_points() -> None:
    a = torch.tensor([[1.0, 0, 0, 0]] * 2, dtype=torch.float64)
    b = torch.tensor([[0, 1.0, 0, 0]] * 2, dtype=torch.float64)
    for other, generator, critic in ((a, 0.0, 2.0), (b, 1.0, 0.0), (-a, 2.0, 0.0)):
        assert float(simgan_generator(a, other, None, centre=False)) == pytest.approx(generator, abs=1e-12)
        assert float(simgan_critic(a, other, None, centre=False)) == pytest.approx(critic, abs=1e-12)


def test_centring_sees_what_a_shared_offset_hides(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = (s + 100 for s in scores)
    assert float(simgan_generator(real, fake, None, centre=False)) < 1e-3
    assert float(simgan_generator(real, fake, None, centre=True)) > 0.3


def test_repeating_the_patches_changes_nothing(scores: tuple[Tensor, Tensor]) -> None:
    real, fake = scores
    label = torch.tensor([0, 0, 0, 1, 1, 1])
    for loss in (simgan_generator, simgan_critic):
        assert float(loss(real.repeat(1, 2), fake.repeat(1, 2), label)) == pytest.approx(
            float(loss(real, fake, label)), rel=1e-9
        )


def test_too_few_patches_are_refused() -> None:
    with pytest.raises(UsageError, match="2 x 2"):
        simgan_generator(torch.zeros(2, 1), torch.zeros(2, 1), None)


def test_they_say_that_they_couple_the_batch() -> None:
    assert simgan_generator.couples_batch  # type: ignore[attr-defined]
    assert simgan_critic.couples_batch  # type: ignore[attr-defined]
