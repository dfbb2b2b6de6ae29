"""Models that ship: found by name, and where no run knows the domain; half precision on disk, fp32 in memory."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import domainxfer
import domainxfer.weights as weights
from domainxfer.errors import DomainxferError
from domainxfer.loaded import Model, find_model
from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator


def _model(domains: tuple[str, ...]) -> Model:
    torch.manual_seed(0)
    generator = GeneratorConfig(labels=len(domains), size=16, width=8, blocks=1)
    critic = CriticConfig(labels=len(domains), width=8, depth=2, fields=(1, 2))
    config = ModelConfig(domains=domains, size=16, generator=generator, critic=critic)
    return Model(config, Generator(generator), Critic(critic))


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder with one model, of cats and tigers; the path of that model."""
    monkeypatch.setattr(weights, "HERE", tmp_path / "weights")
    _model(("cat", "tiger")).save(tmp_path / "weights" / "cat2tiger", half=True)
    return tmp_path / "weights" / "cat2tiger"


def test_half_precision_halves_the_file_and_loads_as_fp32(shipped: Path, tmp_path: Path) -> None:
    _model(("cat", "tiger")).save(tmp_path / "full")
    for name in ("model.safetensors", "critic.safetensors"):
        half, full = ((folder / name).stat().st_size for folder in (shipped, tmp_path / "full"))
        assert half < 0.75 * full  # the header with the names keeps its length
    loaded, full = Model.load(shipped), Model.load(tmp_path / "full")
    assert {p.dtype for p in loaded.generator.parameters()} == {torch.float32}
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    difference = loaded.apply(x, torch.tensor([1])) - full.apply(x, torch.tensor([1]))
    assert 0 < difference.abs().max() < 0.02


def test_a_shipped_model_is_found_by_domain_and_by_name(shipped: Path, tmp_path: Path) -> None:
    assert find_model(None, "tiger", tmp_path / "runs")[0] == shipped
    assert find_model("cat2tiger", "tiger", tmp_path / "runs")[0] == shipped


def test_python_loads_it_by_name_unless_a_folder_has_that_name(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert domainxfer.load("cat2tiger").domains == ("cat", "tiger")
    _model(("dog", "wolf")).save(tmp_path / "cat2tiger")
    assert domainxfer.load("cat2tiger").domains == ("dog", "wolf")
    with pytest.raises(DomainxferError, match="dog2wolf holds no model"):
        domainxfer.load("dog2wolf")


def test_a_run_of_the_users_comes_first(shipped: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "mine-1"
    _model(("dog", "tiger")).save(run / "model")
    (run / "recipe.yaml").write_text("{}")
    assert find_model(None, "tiger", tmp_path / "runs")[0] == run
    assert find_model(None, "cat", tmp_path / "runs")[0] == shipped


def test_an_unknown_domain_lists_what_is_known(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(DomainxferError, match="cat, tiger"):
        find_model(None, "unicorn", tmp_path / "runs")


def test_what_ships_is_small_has_a_card_and_tells_its_domains_apart() -> None:
    models = weights.shipped_models()
    assert "horse2zebra" in models
    for name, folder in models.items():
        files = {file.name: file.stat().st_size for file in folder.iterdir()}
        assert set(files) == {"config.json", "model.safetensors", "critic.safetensors", "README.md"}
        assert sum(files.values()) <= 12 * 1024**2, name
        card = (folder / "README.md").read_text(encoding="utf-8")
        for word in ("steps", "px", "licence", "limits"):
            assert word in card.lower(), f"the card of {name} says nothing of {word}"
        model = Model.load(folder)
        assert model.config.finished
        picture = Image.effect_mandelbrot((96, 80), (-2, -1, 1, 1), 60).convert("RGB")
        made = [np.asarray(model.translate(picture, to=domain)).astype(int) for domain in model.domains]
        assert len({made[0].shape, (80, 96, 3)}) == 1
        assert all(abs(a - b).max() > 10 for a, b in itertools.combinations(made, 2))


def test_without_any_run_the_model_that_ships_makes_zebras(tmp_path: Path) -> None:
    for domain in ("horse", "zebra"):
        path, model = find_model(None, domain, tmp_path / "runs")
        assert path == weights.HERE / "horse2zebra"
        assert set(model.domains) == {"horse", "zebra"}
