"""Fine-tuning takes over what fits, and rows of labels by the name of their domain."""

from typing import Any

import pytest
import torch

from domainxfer.errors import DomainxferError
from domainxfer.models.config import CriticConfig, GeneratorConfig
from domainxfer.models.generator import Generator
from domainxfer.models.networks import AnyCritic, AnyGenerator, new_critic, new_generator
from domainxfer.models.several import Critics
from domainxfer.training.fine_tune import take_over


def _generator(labels: int, seed: int = 0, width: int = 8) -> Generator:
    torch.manual_seed(seed)
    return Generator(GeneratorConfig(labels=labels, size=16, width=width, blocks=1)).eval()


def _critic(labels: int, seed: int = 0, count: int = 1) -> AnyCritic:
    torch.manual_seed(seed)
    return new_critic(CriticConfig(labels=labels, width=8, depth=2, fields=(1, 2), count=count)).eval()


def test_the_same_domains_in_another_order_give_the_same_pictures_by_name() -> None:
    old, new = _generator(3), _generator(3, seed=1)
    take_over(new, old, ["c", "a", "b"], ["a", "b", "c"], "generator")
    x = torch.rand(3, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(new(x, torch.tensor([1, 2, 0])), old(x, torch.tensor([0, 1, 2])))


@pytest.mark.parametrize("count", [1, 2])
def test_the_critic_judges_a_known_domain_as_before_beside_new_ones(count: int) -> None:
    old, new = _critic(2, count=count), _critic(4, seed=1, count=count)
    take_over(new, old, ["x", "b", "y", "a"], ["a", "b"], "critic")
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    before, after = old(image, torch.tensor([0, 1])), new(image, torch.tensor([3, 1]))
    for a, b in zip(before.patches, after.patches, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(after.label_logits[:, [3, 1]], before.label_logits)


def test_two_new_domains_do_not_look_the_same() -> None:
    old, new = _generator(2), _generator(2, seed=1)
    fresh = take_over(new, old, ["c", "d"], ["a", "b"], "generator")
    x = (torch.rand(1, 3, 16, 16) * 2 - 1).expand(2, -1, -1, -1)
    one, other = new(x, torch.tensor([0, 1])).detach()
    assert fresh == []
    assert (one - other).abs().max() > 1e-4


def test_what_does_not_fit_stays_fresh_and_is_named() -> None:
    old = _generator(2)
    torch.manual_seed(1)
    new = Generator(GeneratorConfig(labels=2, size=16, width=8, blocks=2)).eval()
    before = {k: v.clone() for k, v in new.state_dict().items()}
    fresh = take_over(new, old, ["a", "b"], ["a", "b"], "generator")
    assert fresh
    assert all(name.startswith("blocks.1.") for name in fresh)
    assert all(torch.equal(new.state_dict()[name], before[name]) for name in fresh)
    assert torch.equal(new.state_dict()["exit.conv.weight"], old.state_dict()["exit.conv.weight"])


def test_one_critic_and_the_first_of_several_are_the_same() -> None:
    domains, image, label = ["a", "b"], torch.rand(2, 3, 16, 16) * 2 - 1, torch.tensor([0, 1])
    one, several, again = _critic(2), _critic(2, seed=1, count=2), _critic(2, seed=2)
    fresh = take_over(several, one, domains, domains, "critic")
    assert isinstance(several, Critics)
    assert fresh
    assert all(name.startswith("critics.1.") for name in fresh)
    assert take_over(again, several, domains, domains, "critic") == []
    for critic in (several.critics[0], again):
        for patches, expected in zip(critic(image, label).patches, one(image, label).patches, strict=True):
            assert torch.equal(patches, expected)


LINEAR = [{"kind": "linear", "out": 6, "act": "relu"}, {"kind": "linear", "out": 64, "act": "tanh"}]
UP = [
    {"kind": "up", "out": 4, "kernel": 4, "stride": 1, "pad": 0, "norm": "batch", "act": "relu"},
    {"kind": "up", "out": 1, "act": "tanh"},
]
DOWN = [{"kind": "down", "out": 6, "kernel": 1, "stride": 1, "pad": 0, "act": "relu"}, *LINEAR[1:]]


def _layered(layers: list[dict[str, Any]], labels: int, seed: int = 0, **more: Any) -> AnyGenerator:
    torch.manual_seed(seed)
    settings = {"content": "noise", "output": "plain", "channels": 1, "noise_size": 5, "code_size": 2, "size": 8}
    config = GeneratorConfig.model_validate({**settings, "layers": layers, "labels": labels, **more})
    return new_generator(config).eval()


@pytest.mark.parametrize(("layers", "settings"), [(LINEAR, {}), (LINEAR, {"heads": 2}), (UP, {}), (DOWN, {})])
def test_a_generator_of_layers_reads_labels_by_name(layers: list[dict[str, Any]], settings: dict[str, Any]) -> None:
    old, new = _layered(layers, 2, **settings), _layered(layers, 3, seed=1, **settings)
    assert take_over(new, old, ["b", "x", "a"], ["a", "b"], "generator") == []
    noise, code = torch.randn(2, 5), torch.rand(2, 2)
    with torch.no_grad():
        torch.testing.assert_close(new(noise, torch.tensor([2, 0]), code), old(noise, torch.tensor([0, 1]), code))
        known = old(noise, torch.tensor([0, 0]), code)
        assert not torch.allclose(new(noise, torch.tensor([1, 1]), code), known, atol=1e-4), "x is new"


def test_a_generator_of_layers_without_labels_learns_some() -> None:
    old, new = _layered(LINEAR, 0), _layered(LINEAR, 2, seed=1)
    assert take_over(new, old, ["a", "b"], [], "generator") == []
    assert all(bool(p.isfinite().all()) for p in new.parameters())
    assert torch.equal(new.state_dict()["layers.1.weight"][:, :5], old.state_dict()["layers.1.weight"][:, :5])
    assert torch.equal(new.state_dict()["layers.1.weight"][:, 7:], old.state_dict()["layers.1.weight"][:, 5:])


@pytest.mark.parametrize("count", [1, 2])
def test_a_critic_of_layers_scores_labels_by_name(count: int) -> None:
    layers = [{"kind": "linear", "out": 6, "act": "leaky"}, {"kind": "linear", "out": 1}]

    def critic(labels: int, seed: int) -> AnyCritic:
        torch.manual_seed(seed)
        settings = {"layers": layers, "channels": 1, "size": 8, "labels": labels, "count": count}
        return new_critic(CriticConfig.model_validate(settings)).eval()

    old, new = critic(2, 0), critic(3, 1)
    assert take_over(new, old, ["b", "x", "a"], ["a", "b"], "critic") == []
    image = torch.rand(2, 1, 8, 8) * 2 - 1
    before, after = old(image, torch.tensor([0, 1])), new(image, torch.tensor([2, 0]))
    for a, b in zip(before.patches, after.patches, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(after.label_logits[:, [2, 0]], before.label_logits)


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(DomainxferError, match="another architecture"):
        take_over(_critic(2), _generator(2), ["a", "b"], ["a", "b"], "critic")
