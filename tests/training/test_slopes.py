"""The sheet of a critic's slopes between generated and real pictures."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.model import NetworkModel
from domainxfer.models.networks import new_critic, new_generator
from domainxfer.recipe import Recipe, override
from domainxfer.training import slopes as module
from domainxfer.training.slopes import SlopeSheet, slope_sheet, slopes

LINEAR = ({"kind": "linear", "out": 1},)
SIDE = 16


def model(*, labels: int = 0, known: bool = False, content: str = "noise") -> NetworkModel:
    torch.manual_seed(0)
    output = "plain" if content == "noise" else "change"
    g = GeneratorConfig(
        content=content, output=output, size=SIDE, width=8, blocks=1, noise_size=4, labels=labels, detail=0
    )
    d = CriticConfig(size=SIDE, layers=LINEAR, labels=labels, patch_labels=known)
    domains = tuple("abc"[:labels]) if known else ()
    config = ModelConfig(domains=domains, size=SIDE, generator=g, critic=d)
    return NetworkModel(config, new_generator(g), new_critic(d)).to("cpu")


def steepness(made: NetworkModel, label: int = 0) -> float:
    """A linear critic is as steep everywhere as its weights are long."""
    return float(made.critic.score[1].weight[label].detach().norm())


def test_the_slope_of_a_linear_critic_is_the_norm_of_its_weights() -> None:
    made, images = model(), torch.rand(5, 3, SIDE, SIDE)
    torch.testing.assert_close(slopes(made, images, None), torch.full((5,), steepness(made)))


def test_each_picture_is_judged_for_its_own_label() -> None:
    made, label = model(labels=3, known=True), torch.tensor([2, 0, 1])
    found = slopes(made, torch.rand(3, 3, SIDE, SIDE), label)
    torch.testing.assert_close(found, torch.tensor([steepness(made, k) for k in label.tolist()]))


def test_the_slope_is_that_at_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    made = model()

    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x.flatten(1) ** 2).sum(1, keepdim=True)  # its gradient is 2 x

    made.critic.score = Square()
    images = torch.rand(4, 3, SIDE, SIDE)
    torch.testing.assert_close(slopes(made, images, None), 2 * images.flatten(1).norm(dim=1))


@pytest.mark.parametrize("training", [True, False])
def test_looking_changes_nothing(training: bool) -> None:
    made = model()
    made.critic.train(training)
    with torch.no_grad():
        slopes(made, torch.rand(2, 3, SIDE, SIDE), None)
    assert made.critic.training is training
    assert all(p.grad is None for p in made.critic.parameters())


@pytest.mark.parametrize(
    ("labels", "known", "content"),
    [(0, False, "noise"), (3, True, "noise"), (3, False, "noise"), (3, True, "picture")],
)
def test_the_panel_leads_from_made_to_real(labels: int, known: bool, content: str, tiny_data) -> None:  # type: ignore[no-untyped-def]
    data, made = tiny_data((5, 7, 4) if known else (9,)), model(labels=labels, known=known, content=content)
    sheet = SlopeSheet(made, data, 0)
    assert len(sheet.real) == sum(len(group) for group in data.validation), "all, where there are few"
    picture = np.asarray(sheet.draw(made))
    assert picture.shape[2] == 3
    cell = 6 * SIDE  # small pictures are enlarged
    top = 16 + 2
    last = picture[top : top + cell, 2 + 6 * (cell + 2) :][:, :cell]
    real = ((sheet.real[0].permute(1, 2, 0).numpy() + 1) * 127.5).repeat(6, 0).repeat(6, 1)
    assert np.abs(last - real).max() <= 1
    assert np.array_equal(np.asarray(sheet.draw(made)), picture), "the same each time"


def test_the_histogram_stands_where_the_slopes_are() -> None:
    panel = Image.new("RGB", (400, 10), "white")
    blue = np.array([0x00, 0x72, 0xB2])

    def columns(found: list[float]) -> np.ndarray:
        rows = np.asarray(module._below(panel, found))[10:]
        return np.flatnonzero((rows == blue).all(2).any(0))

    near, far = columns([0.5] * 20), columns([1.5] * 20)  # of 0 to 2 on 384 px
    assert 96 + 8 - 12 <= near.min() <= near.max() <= 96 + 8 + 12
    assert 288 + 8 - 12 <= far.min() <= far.max() <= 288 + 8 + 12
    assert columns([7.0]).max() > 380, "the axis reaches the steepest"


@pytest.mark.parametrize(("weight", "drawn"), [(None, False), (0, False), (1.0, True), ({0: 0.0, 9: 1.0}, True)])
def test_a_sheet_is_for_runs_under_a_gradient_penalty(weight: object, drawn: bool, tiny_data) -> None:  # type: ignore[no-untyped-def]
    terms = {} if weight is None else {"gradient_penalty": {"weight": weight}}
    recipe = override(Recipe(), {"mode": "generate", "objective": {"critic": terms}, **GENERATES})
    assert (slope_sheet(recipe, model(), tiny_data((9,))) is not None) is drawn


GENERATES = {"generator": {"content": "noise", "output": "plain"}}
