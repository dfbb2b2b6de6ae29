"""How much of its training pictures a critic knows by heart: against scores that are known, and in a run."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel
from domainxfer.models.precision import autocast, pays_bf16
from domainxfer.training.by_heart import JUDGED, known_by_heart
from domainxfer.training.held_out import LEAST, HeldOut

SIDE = 8


class Colours:
    """An extractor that nobody asks here."""

    name, digest, size = "mean colours", "0" * 16, SIDE

    def features(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Known:
    """A model whose pictures are grey, and whose critic scores brightness; it writes down what was asked."""

    critic: object = True

    def __init__(self, makes: tuple[float, ...]) -> None:
        self.makes, self.scored = makes, list[tuple[int, int, float]]()

    def apply(self, x: Tensor, label: Tensor, code: Tensor | None = None) -> Tensor:
        return torch.full_like(x, self.makes[int(label[0])])

    def score(self, x: Tensor, label: Tensor) -> Tensor:
        assert len(set(label.tolist())) == 1
        self.scored.append((int(label[0]), len(x), float(x.mean())))
        return x.mean((1, 2, 3))


def greys(*values: int, count: int) -> tuple[PictureArray, ...]:
    return tuple(PictureArray(np.full((count, SIDE, SIDE, 3), value, np.uint8)) for value in values)


def data(train: tuple[int, ...], held_out: tuple[int, ...], count: int = 80, few: int = 20) -> DomainData:
    names = tuple("abc"[: len(train)])
    return DomainData(
        "greys", names, greys(*train, count=count), greys(*held_out, count=few), greys(*held_out, count=0)
    )


def shares(model: Any, pictures: DomainData) -> dict[str, float]:
    return known_by_heart(model, HeldOut(pictures, SIDE, Colours()))


def test_the_share_is_the_way_from_training_to_generated_pictures() -> None:
    """Training 1 and .6, held out .2 and .6, generated -1 and -.2 on the scale of [-1, 1]."""
    found = shares(Known((-1.0, -0.2)), data((255, 204), (153, 204)))
    assert found == pytest.approx({"a": (1 - 0.2) / (1 - -1), "b": 0.0}, abs=1e-6)


def test_as_many_of_each_kind_are_judged() -> None:
    model = Known((-1.0, -1.0, -1.0))
    shares(model, data((200, 200, 200), (100, 100, 100), count=100, few=70))
    for label in range(3):
        counts = {value: 0 for value in {round(score, 3) for _, _, score in model.scored}}
        for asked, count, score in model.scored:
            counts[round(score, 3)] += count if asked == label else 0
        assert sorted(counts.values()) == [JUDGED, JUDGED, JUDGED]


def test_pictures_are_drawn_by_lot_on_every_side() -> None:
    """Neighbours in the order of names are often of one scene: here the first half is dark."""
    half = np.repeat([0, 200], 100).astype(np.uint8)
    mixed = PictureArray(np.broadcast_to(half[:, None, None, None], (200, SIDE, SIDE, 3)).copy())
    pictures = DomainData("halves", ("a", "b"), (mixed, mixed), (mixed, mixed), (mixed, mixed))
    assert shares(Known((-1.0, -1.0)), pictures) == pytest.approx({"a": 0.0, "b": 0.0}, abs=1e-6)


def test_a_critic_that_prefers_generated_pictures_knows_nothing_by_heart() -> None:
    assert shares(Known((1.0, 1.0)), data((100, 100), (50, 50))) == {"a": 0.0, "b": 0.0}


def test_too_few_held_out_pictures_or_no_critic_say_nothing() -> None:
    assert shares(Known((0.0, 0.0)), data((9, 9), (5, 5), few=LEAST - 1)) == {}
    model = Known((0.0, 0.0))
    model.critic = None
    assert shares(model, data((9, 9), (5, 5))) == {}


@pytest.fixture
def model() -> NetworkModel:
    torch.manual_seed(0)
    generator = GeneratorConfig(labels=2, size=16, width=8, blocks=1)
    critic = CriticConfig(labels=2, width=8, depth=2, fields=(1, 2))
    config = ModelConfig(domains=("a", "b"), size=16, generator=generator, critic=critic)
    return NetworkModel(config, Generator(generator), Critic(critic))


def test_the_score_is_the_mean_of_patches_and_then_of_views(model: NetworkModel) -> None:
    x, label = torch.rand(3, 3, 16, 16) * 2 - 1, torch.tensor([1, 0, 1])
    assert isinstance(model.critic, Critic)
    with torch.no_grad(), autocast(model.device, pays_bf16(model.device)):
        views = model.critic(x, label).patches
    by_hand = [sum(float(view[i].mean()) for view in views) / len(views) for i in range(3)]
    assert model.score(x, label).tolist() == pytest.approx(by_hand, rel=1e-5)


def test_asking_leaves_no_mark_on_the_critic(model: NetworkModel) -> None:
    assert isinstance(model.critic, Critic)
    before = copy.deepcopy(model.critic.state_dict())
    pictures = data((255, 204), (153, 204))
    known_by_heart(model, HeldOut(pictures, 16, Colours()))
    after = model.critic.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.critic.training
