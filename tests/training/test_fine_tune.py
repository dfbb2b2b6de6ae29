"""Fine-tuning takes over what fits, and rows of labels by the name of their domain."""

import pytest
import torch

from domainxfer.errors import DomainxferError
from domainxfer.models.config import CriticConfig, GeneratorConfig
from domainxfer.models.generator import Generator
from domainxfer.models.networks import AnyCritic, new_critic
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


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(DomainxferError, match="another architecture"):
        take_over(_critic(2), _generator(2), ["a", "b"], ["a", "b"], "critic")
