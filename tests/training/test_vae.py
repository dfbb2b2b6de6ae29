"""A VAE on the one trainer: the step against one written out by hand, and a run from its first step to its pictures."""

import copy
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from domainxfer.datasets.domain_data import DomainData
from domainxfer.draws import per_position
from domainxfer.errors import UsageError
from domainxfer.generate import PictureMaker
from domainxfer.loaded import Model
from domainxfer.losses.vae import kl_to_normal, reconstruction
from domainxfer.models.layered import LOG_VARIANCE
from domainxfer.models.networks import NoCritic
from domainxfer.recipe import Recipe
from domainxfer.training.dry_run import estimate
from domainxfer.training.listener import Listener
from domainxfer.training.logbook import read_log
from domainxfer.training.processes import Processes
from domainxfer.training.run import Run
from domainxfer.training.run_folder import RunFolder, checkpoint_files
from domainxfer.training.state import load_checkpoint
from domainxfer.training.terms import asks_critic

MakeRecipe = Callable[..., Recipe]

LAYERS = [
    {"kind": "up", "out": 6, "kernel": 4, "stride": 4, "pad": 0, "norm": "batch", "act": "leaky"},
    {"kind": "up", "out": 3, "kernel": 4, "stride": 4, "pad": 0, "act": "tanh"},
]
ENCODER = [
    {"kind": "down", "out": 6, "kernel": 4, "stride": 4, "pad": 0, "norm": "batch", "act": "leaky"},
    {"kind": "linear", "out": 8},
]
OFF = {"nonsaturating": 0, "label_real": 0, "r1": 0}
VAE: dict[str, Any] = {
    "mode": "generate",
    "data": {"size": 16},
    "generator": {
        **{"content": "noise", "output": "plain", "size": 16, "noise_size": 4, "code_size": 0},
        **{"layers": LAYERS, "encoder": ENCODER},
    },
    "objective": {
        "critic_steps": 0,
        "critic": OFF,
        "generator": {"nonsaturating": 0, "reconstruction": 1.0, "kl_to_normal": 0.5},
        "info": {"label_fake": 0, "code": 0},
    },
}
BLOCKS = {**VAE, "generator": {**VAE["generator"], "layers": [], "patch": 4}}


class Runs:
    """Makes runs of tiny data, into a folder or nowhere."""

    def __init__(self, make: MakeRecipe, data: Callable[..., DomainData]) -> None:
        self.make, self.data = make, data

    def __call__(
        self, changes: dict[str, Any] = VAE, *, labels: int = 0, folder: Path | None = None, **training: Any
    ) -> Run:
        settings = {"precision": "fp32", "steps": 4, "log_every": 1, "checkpoint_every": 2, "keep": 9, **training}
        recipe = self.make({**changes, "training": settings}, labels=labels)
        data = self.data((7, 5, 6)[:labels]) if labels else self.data((9,), labelled=False)
        return Run(recipe, data, Processes(cpu=True), None if folder is None else RunFolder(folder), Listener())


@pytest.fixture
def new_run(tiny_recipe: MakeRecipe, tiny_data: Callable[..., DomainData]) -> Runs:
    return Runs(tiny_recipe, tiny_data)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in run.stepper.generator.state_dict().items()}


# --- the step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [VAE, BLOCKS])
@pytest.mark.parametrize("labels", [0, 3])
def test_the_step_is_that_of_the_paper(new_run: Runs, changes: dict[str, Any], labels: int) -> None:
    run = new_run(changes, labels=labels)
    batch, g = run.source[7], copy.deepcopy(run.stepper.generator)
    parts = run.stepper([batch], 7)

    e = per_position("normal", (4,), run.recipe.training.seed, "latent", batch.step, batch.positions)
    assert g.encoder is not None
    mean, log_variance = g.encoder(batch.x_real)
    rebuilt = g(mean + (log_variance / 2).exp() * e, batch.y_real if labels else None)
    terms = reconstruction(rebuilt, batch.x_real), kl_to_normal(mean, log_variance)
    (terms[0] + 0.5 * terms[1]).backward()
    assert set(parts) == {"generator/reconstruction", "generator/kl_to_normal", "gradient/generator"}
    torch.testing.assert_close(parts["generator/reconstruction"], terms[0].detach())
    torch.testing.assert_close(parts["generator/kl_to_normal"], terms[1].detach())
    for (name, p), q in zip(run.stepper.generator.named_parameters(), g.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=2e-4, atol=1e-5, msg=lambda text, name=name: f"{name} {text}")
    assert any(bool(p.grad.any()) for p in g.encoder.parameters() if p.grad is not None), "gradients reach the encoder"


def test_it_learns(new_run: Runs) -> None:
    changes = {**VAE, "optimizer": {"generator_lr": 5e-3, "betas": (0.9, 0.999)}}
    run = new_run(changes, steps=80)
    batch = run.source[0]
    bounds = [sum(float(v) for v in run.stepper([batch], 0).values()) for _ in range(80)]
    assert bounds[-1] < 0.97 * bounds[0]


def test_a_log_variance_of_any_size_stays_finite(new_run: Runs) -> None:
    run = new_run()
    encoder = run.stepper.generator.encoder
    assert encoder is not None
    with torch.no_grad():
        encoder.layers[-1].weight.mul_(1e6)
    mean, log_variance = encoder(run.source[0].x_real)
    assert float(log_variance.detach().abs().max()) == pytest.approx(LOG_VARIANCE)
    assert math.isfinite(float(kl_to_normal(mean, log_variance).detach()))


def test_a_critic_may_judge_beside_the_encoder(new_run: Runs) -> None:
    """A VAE and a GAN at once: the same generator rebuilds and invents."""
    both = {**VAE["objective"], "critic_steps": 1, "critic": {**OFF, "hinge": 1.0}}
    both["generator"] = {**both["generator"], "hinge": 0.1}
    run = new_run({**VAE, "objective": both})
    parts = run.stepper([run.source[0]], 0)
    assert {"critic/hinge", "generator/hinge", "generator/reconstruction", "generator/kl_to_normal"} <= set(parts)
    assert run.model().critic is not None


def test_only_the_generator_phase_has_a_latent(new_run: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("latent_terms")
    module.fn = lambda x_rebuilt: x_rebuilt.mean()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "latent_terms", module)
    terms = {**VAE["objective"], "critic": {**OFF, "latent_terms:fn": 1.0}}
    with pytest.raises(UsageError, match=r"generator phase with generator\.encoder a latent"):
        new_run({**VAE, "objective": terms})


# --- no critic --------------------------------------------------------------------------------------------------------


def test_a_run_that_asks_no_critic_has_none(new_run: Runs) -> None:
    run = new_run()
    assert isinstance(run.stepper.critic, NoCritic)
    assert list(run.stepper.critic.parameters()) == run.stepper.critic.info_parameters() == []
    assert set(run.stepper.optimizers) == {"generator"}
    assert run.model().critic is None
    assert run.model().config.critic is None
    with pytest.raises(RuntimeError, match="without a critic"):
        run.stepper.critic(torch.zeros(1, 3, 16, 16))
    found = estimate(run)
    assert found.critic_parameters == 0
    assert set(found.parts) == {"generator/reconstruction", "generator/kl_to_normal", "gradient/generator"}


def test_who_is_asked(tiny_recipe: MakeRecipe) -> None:
    assert not asks_critic(tiny_recipe(VAE, labels=0))
    assert asks_critic(tiny_recipe())
    for phase, term in (("critic", "r1"), ("generator", "hinge"), ("info", "label_fake")):
        terms = {**VAE["objective"], phase: {**VAE["objective"][phase], term: 1.0}}
        assert asks_critic(tiny_recipe({**VAE, "objective": terms}, labels=3))
    assert asks_critic(tiny_recipe({**VAE, "generator": {**VAE["generator"], "code_size": 2}})), "to estimate the code"


# --- a whole run ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [0, 3])
def test_a_run_from_its_first_step_to_its_pictures(new_run: Runs, tmp_path: Path, labels: int) -> None:
    assert new_run(labels=labels, folder=tmp_path / "run").train().finished
    folder = RunFolder(tmp_path / "run")
    rows = read_log(folder.metrics)
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert all(math.isfinite(float(row["generator/kl_to_normal"])) for row in rows)
    assert {row["score/spread"] for row in rows} == {""}
    assert sorted(path.name for path in folder.model.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert "critic" not in (folder.model / "README.md").read_text()
    with Image.open(folder.samples / "step_000004.png") as grid:
        above = 8 * 98 + 2 + (16 if labels else 0)
        pairs = 3 if labels else 1  # of the three held-out pictures of a group
        assert grid.size == ((labels or 8) * 98 + 2, above + pairs * 2 * 98 + 2 + 16)
    maker = PictureMaker(Model.load(folder.model))
    assert len(maker.pictures(range(3))) == 3
    assert maker.interpolation(0, 1, 4).width > 4 * 96


def test_resuming_is_bit_for_bit(new_run: Runs, tmp_path: Path) -> None:
    whole = new_run(folder=tmp_path / "whole", ema=0.9)
    whole.train()
    first = new_run(folder=tmp_path / "parts", ema=0.9, steps=2)
    first.train()
    torch.rand(5)
    rest = new_run(folder=tmp_path / "parts", ema=0.9)
    rest.resume()
    assert rest.step == 2
    rest.train()
    a, b = weights(whole), weights(rest)
    assert all(torch.equal(a[name], b[name]) for name in a)
    a, b = (run.average.network.state_dict() for run in (whole, rest))
    assert any(name.startswith("encoder.") for name in a)
    assert all(torch.equal(a[name], b[name]) for name in a)
    state = load_checkpoint(checkpoint_files(RunFolder(tmp_path / "parts").checkpoints)[-1])
    assert state["critic"] == {}


def test_fine_tuning_takes_the_encoder_over(new_run: Runs) -> None:
    old, run = new_run(labels=3), new_run(labels=3)
    with torch.no_grad():
        for p in old.stepper.generator.parameters():
            p.add_(1)
    run.start_from(Run.model(old))
    start, wanted = weights(run), weights(old)
    assert start.keys() == wanted.keys()
    averaged = old.average.network.state_dict()
    assert all(torch.equal(start[name], averaged[name]) for name in start)
