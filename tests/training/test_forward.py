"""How networks are called. What a recording gives is tested on a GPU (test_gpu.py); here: what is recorded, when."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.recipe import Recipe
from domainxfer.training import forward
from domainxfer.training.forward import Forward, may_be_recorded

CPU = torch.device("cpu")


class Scaled(nn.Module):
    """(x, label or None, code) -> (x * weight + code, label or x)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor, label: Tensor | None, code: Tensor) -> tuple[Tensor, Tensor]:
        return x * self.weight + code, x if label is None else label


@pytest.mark.parametrize(
    ("layer", "may"),
    [
        (nn.Conv2d(1, 1, 1), True),
        (nn.BatchNorm2d(1), False),
        (nn.Dropout(), False),
        (spectral_norm(nn.Conv2d(1, 1, 1)), False),
    ],
)
def test_what_leaves_a_mark_is_not_recorded(layer: nn.Module, may: bool) -> None:
    assert may_be_recorded(nn.Sequential(nn.Conv2d(1, 1, 1), layer)) == may


def test_both_networks_are_recorded_as_they_are_by_default() -> None:
    recipe = Recipe().resolved(2)
    assert may_be_recorded(Generator(recipe.generator))
    assert may_be_recorded(Critic(recipe.critic))


def test_on_a_cpu_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "_recorded", lambda *_: pytest.fail("recorded"))
    network, x = Scaled(), torch.ones(2)
    there, label = Forward(CPU, bf16=False, replayed=True)(network, x, None, x, which="a")
    assert there.tolist() == [4.0, 4.0]
    assert label is x


def recording(monkeypatch: pytest.MonkeyPatch) -> tuple[Forward, list[tuple[Tensor, ...]]]:
    """One that believes to be on a GPU, and what it has recorded so far: like which arguments."""
    made: list[tuple[Tensor, ...]] = []

    def recorded(call: Callable[..., Any], like: tuple[Tensor, ...]) -> Callable[..., Any]:
        assert all(isinstance(x, Tensor) for x in like)
        made.append(like)
        return call

    monkeypatch.setattr(forward, "_recorded", recorded)
    there = Forward(CPU, bf16=False)
    there.replayed = True
    return there, made


def test_a_recording_is_made_with_the_parameters_memory_and_with_copies_of_the_inputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there, made = recording(monkeypatch)
    network, x = Scaled(), torch.ones(2, requires_grad=True)
    there(network, x, None, x.detach(), which="a")
    (first, code, weight) = made[0]
    assert [first.requires_grad, code.requires_grad, weight.requires_grad] == [True, False, True]
    assert first.data_ptr() != x.data_ptr() != code.data_ptr()
    assert weight.data_ptr() == network.weight.data_ptr()
    assert weight is not network.weight


def test_gradients_reach_the_parameters_and_the_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    there, _ = recording(monkeypatch)
    network, x = Scaled(), torch.tensor([1.0, 5.0], requires_grad=True)
    there(network, x, None, torch.zeros(2), which="a")[0].sum().backward()
    assert network.weight.grad is not None
    assert x.grad is not None
    assert (network.weight.grad.item(), x.grad.tolist()) == (6.0, [3.0, 3.0])


def test_a_call_is_recorded_once_and_gives_what_the_network_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    there, made = recording(monkeypatch)
    network, label = Scaled(), torch.tensor([1])
    for value in (1.0, 2.0):
        x = torch.full((2,), value)
        for given in (label, None):
            found, passed = there(network, x, given, x, which="a")
            assert found.tolist() == [4 * value] * 2
            assert passed is (x if given is None else given)
    assert len(made) == 2  # with a label, and without


def test_what_a_recording_does_not_hold_for_is_recorded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    there, made = recording(monkeypatch)
    network, x = Scaled(), torch.ones(2, 3, 4)
    there(network, x, None, x, which="a")
    there(network, x, None, x, which="b")  # its answer must outlive the next "a"
    there(network, torch.ones(2, 3, 6), None, torch.ones(1), which="a")
    there(network, x.transpose(1, 2).contiguous().transpose(1, 2), None, x, which="a")
    there(network, x.clone().requires_grad_(), None, x, which="a")
    there(Scaled(), x, None, x, which="a")
    network.requires_grad_(False)
    there(network, x, None, x, which="a")
    network.eval()
    there(network, x, None, x, which="a")
    assert len(made) == 8
    network.train().requires_grad_(True)
    there(network, x, None, x, which="a")
    assert len(made) == 8


def test_without_gradients_there_is_nothing_to_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    there, made = recording(monkeypatch)
    with torch.no_grad():
        there(Scaled(), torch.ones(2), None, torch.ones(2), which="a")
    assert not made


def test_bf16_is_that_of_the_run() -> None:
    layer, x = nn.Linear(4, 4), torch.ones(1, 4)
    assert Forward(CPU, bf16=True)(layer, x, which="a").dtype == torch.bfloat16
    assert Forward(CPU, bf16=False)(layer, x, which="a").dtype == torch.float32
