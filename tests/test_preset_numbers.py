"""The classic presets have the sizes and rates of their write-ups, number by number.

A layer reads as in the papers: kind, channels, kernel/stride/padding, normalisation, activation.
"""

import pytest

from domainxfer.models.config import Layer
from domainxfer.presets import load_preset
from domainxfer.recipe import Recipe, override

MLP_GENERATOR = ["linear 512 batch relu", "linear 512 batch relu", "linear 512 batch relu", "linear 784 sigmoid"]
MLP_CRITIC = ["linear 512 leaky", "linear 512 leaky", "linear 1"]
DCGAN_28_GENERATOR = [
    "up 128 4/1/0 batch leaky",
    "up 64 3/2/1 batch leaky",
    "up 32 4/2/1 batch leaky",
    "up 1 4/2/1 tanh",
]

NETWORKS: dict[str, tuple[int, str, list[str], list[str]]] = {
    "mlp-gan": (10, "normal", MLP_GENERATOR, MLP_CRITIC),
    "mlp-gan-noise": (10, "normal", MLP_GENERATOR, MLP_CRITIC),
    "wgan-mlp": (10, "normal", MLP_GENERATOR, MLP_CRITIC),
    "wgan-mlp-noise": (10, "normal", MLP_GENERATOR, MLP_CRITIC),
    "mlp-gan-small": (
        100,
        "normal",
        ["linear 32 batch leaky", "linear 64 batch leaky", "linear 128 batch leaky", "linear 784 tanh"],
        ["linear 128 leaky", "linear 64 leaky", "linear 32 leaky", "linear 1"],
    ),
    "dcgan-28": (
        100,
        "uniform",
        DCGAN_28_GENERATOR,
        ["down 32 4/2/1 leaky", "down 64 4/2/1 batch leaky", "down 128 3/2/1 batch leaky", "down 1 4/1/0"],
    ),
    "wgan-gp-28": (
        100,
        "normal",
        DCGAN_28_GENERATOR,
        ["down 32 4/2/1 leaky", "down 64 4/2/1 instance leaky", "down 128 3/2/1 instance leaky", "down 1 4/1/0"],
    ),
    "ebgan-28": (
        100,
        "normal",
        DCGAN_28_GENERATOR,
        ["linear 256 relu", "linear 64 relu", "linear 256 relu", "linear 784 tanh"],
    ),
    "dcgan-64": (
        100,
        "normal",
        [
            "up 512 4/1/0 batch relu",
            "up 256 4/2/1 batch relu",
            "up 128 4/2/1 batch relu",
            "up 64 4/2/1 batch relu",
            "up 3 4/2/1 tanh",
        ],
        [
            "down 64 4/2/1 leaky",
            "down 128 4/2/1 batch leaky",
            "down 256 4/2/1 batch leaky",
            "down 512 4/2/1 batch leaky",
            "down 1 4/1/0",
        ],
    ),
    "faces-patch": (
        100,
        "normal",
        [
            "up 1024 4/2/0 relu",
            "up 512 4/2/1 batch relu",
            "up 256 4/2/1 batch relu",
            "up 128 4/2/1 batch relu",
            "up 3 4/2/1 tanh",
        ],
        ["down 128 4/2/1 batch leaky", "down 256 4/2/1 batch leaky", "down 512 4/2/1 batch leaky", "down 1 4/1/0"],
    ),
    "infogan-28": (
        62,
        "uniform",
        ["linear 1024 batch relu", "up 128 7/1/0 batch relu", "up 64 4/2/1 batch relu", "up 1 4/2/1 sigmoid"],
        ["down 64 4/2/1 leaky", "down 128 4/2/1 batch leaky", "linear 1024 batch leaky", "linear 1"],
    ),
}
"""Length and kind of the noise, the generator's layers, the critic's."""


CRITIC_FIRST = ("critic", "generator")
TRAINING: dict[str, tuple[str, float, float, tuple[float, float] | None, int, int, tuple[str, str]]] = {
    "mlp-gan": ("adam", 3e-4, 3e-4, (0.9, 0.999), 128, 1, CRITIC_FIRST),
    "mlp-gan-noise": ("adam", 3e-4, 3e-4, (0.9, 0.999), 128, 1, CRITIC_FIRST),
    "wgan-mlp": ("rmsprop", 3e-4, 3e-4, None, 128, 10, CRITIC_FIRST),
    "wgan-mlp-noise": ("rmsprop", 3e-4, 3e-4, None, 128, 10, CRITIC_FIRST),
    "mlp-gan-small": ("adam", 2e-4, 2e-4, (0.5, 0.999), 128, 1, ("generator", "critic")),
    "dcgan-28": ("adam", 3e-4, 2e-4, (0.5, 0.999), 128, 1, CRITIC_FIRST),
    "wgan-gp-28": ("adam", 2e-4, 2e-4, (0.0, 0.9), 128, 5, CRITIC_FIRST),
    "ebgan-28": ("adam", 3e-4, 3e-4, (0.5, 0.999), 128, 1, CRITIC_FIRST),
    "dcgan-64": ("adam", 2e-4, 2e-4, (0.5, 0.999), 64, 1, CRITIC_FIRST),
    "faces-patch": ("adam", 2e-4, 2e-4, (0.5, 0.999), 64, 1, ("generator", "critic")),
    "infogan-28": ("adam", 1e-3, 2e-4, (0.5, 0.999), 128, 1, CRITIC_FIRST),
}
"""Optimizer, the generator's rate, the critic's, betas, batch, critic steps for one of the generator, order of both."""

LOSSES: dict[str, tuple[set[str], set[str]]] = {
    "mlp-gan": ({"nonsaturating"}, {"nonsaturating"}),
    "mlp-gan-noise": ({"nonsaturating"}, {"nonsaturating"}),
    "wgan-mlp": ({"wasserstein"}, {"wasserstein"}),
    "wgan-mlp-noise": ({"wasserstein"}, {"wasserstein"}),
    "mlp-gan-small": ({"nonsaturating"}, {"nonsaturating"}),
    "dcgan-28": ({"nonsaturating"}, {"nonsaturating"}),
    "wgan-gp-28": ({"wasserstein", "gradient_penalty"}, {"wasserstein"}),
    "ebgan-28": ({"ebgan"}, {"ebgan"}),
    "dcgan-64": ({"nonsaturating"}, {"nonsaturating"}),
    "faces-patch": ({"nonsaturating"}, {"nonsaturating"}),
    "infogan-28": ({"nonsaturating"}, {"nonsaturating"}),
}
"""What each network minimises when it learns from noise, each with weight 1."""


def preset(name: str) -> Recipe:
    return override(Recipe(), load_preset(name))


def written(layer: Layer) -> str:
    size = "" if layer.kind == "linear" else f" {layer.kernel}/{layer.stride}/{layer.pad}"
    rest = [part for part in (layer.norm, layer.act) if part != "none"]
    return " ".join([f"{layer.kind} {layer.out}{size}", *rest])


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    noise_size, noise, of_generator, of_critic = NETWORKS[name]
    generator, critic = preset(name).generator, preset(name).critic
    assert (generator.noise_size, generator.noise) == (noise_size, noise)
    assert [written(layer) for layer in generator.layers] == of_generator
    assert [written(layer) for layer in critic.layers] == of_critic
    assert not any(layer.extra for layer in (*generator.layers, *critic.layers))


@pytest.mark.parametrize("name", TRAINING)
def test_rates_and_order(name: str) -> None:
    kind, generator_lr, critic_lr, betas, batch, critic_steps, order = TRAINING[name]
    recipe = preset(name)
    optimizer = recipe.optimizer
    assert (optimizer.kind, optimizer.generator_lr, optimizer.critic_lr) == (kind, generator_lr, critic_lr)
    assert betas is None or optimizer.betas == betas
    assert optimizer.hold == 1, "the write-ups lower no rates"
    assert recipe.data.batch == batch
    assert (recipe.objective.critic_steps, recipe.objective.order) == (critic_steps, order)
    assert recipe.training.ema == 0, "nor do they average weights"


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str) -> None:
    recipe = preset(name).resolved(0)
    for found, meant in zip((recipe.objective.critic, recipe.objective.generator), LOSSES[name], strict=True):
        assert {term: settings.weight for term, settings in found.items() if settings.weight} == dict.fromkeys(meant, 1)


def test_numbers_of_single_presets() -> None:
    assert preset("mlp-gan-noise").objective.critic_input.noise == 0.2, ".1 of pictures in [0, 1]"
    assert preset("wgan-mlp-noise").objective.critic_input.noise == 0.02, ".01 of pictures in [0, 1]"
    assert {preset(name).optimizer.clip_weights for name in ("wgan-mlp", "wgan-mlp-noise")} == {0.01}
    penalty = preset("wgan-gp-28").objective.critic["gradient_penalty"]
    assert penalty.weight * penalty.options.get("lambda_", 10) == 10
    assert preset("infogan-28").resolved(10).objective.info["label_fake"].weight == 1
    assert preset("infogan-28").resolved(10).objective.info["code"].weight == 0.1


def test_the_energy_is_an_auto_encoders_and_its_margin_a_setting() -> None:
    assert preset("ebgan-28").objective.critic["ebgan"].model_dump()["margin"] == 0.5
    other = override(preset("ebgan-28"), {"objective": {"critic": {"ebgan": {"margin": 0.1}}}})
    assert other.objective.critic["ebgan"].model_dump()["margin"] == 0.1


@pytest.mark.parametrize(
    ("name", "noise_size", "likelihood", "last"),
    [("vae-28", 20, "bernoulli", "down 40 4/1/0"), ("vae-64", 100, "gaussian", "down 200 4/1/0")],
)
def test_an_auto_encoder_ends_in_mean_and_variance_of_its_noise(
    name: str, noise_size: int, likelihood: str, last: str
) -> None:
    recipe = preset(name)
    assert recipe.generator.noise_size == noise_size
    assert written(recipe.generator.encoder[-1]) == last
    assert recipe.objective.generator["reconstruction"].model_dump()["likelihood"] == likelihood
