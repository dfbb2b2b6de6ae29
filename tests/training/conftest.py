"""Tiny networks in training."""

from collections.abc import Callable

import pytest
import torch

from domainxfer.datasets.batches import Batch, BatchSource
from domainxfer.datasets.domain_data import DomainData
from domainxfer.models.networks import new_critic, new_generator
from domainxfer.recipe import Recipe
from domainxfer.training.processes import Processes
from domainxfer.training.step import Stepper


@pytest.fixture
def new_stepper() -> Callable[..., Stepper]:
    """`new_stepper(recipe)`: networks and optimizers; equal seeds give equal weights."""

    def make(recipe: Recipe, *, seed: int = 0, bf16: bool = False) -> Stepper:
        torch.manual_seed(seed)
        generator, critic = new_generator(recipe.generator), new_critic(recipe.critic)
        return Stepper(generator, critic, recipe, Processes(cpu=True), bf16=bf16)

    return make


@pytest.fixture
def some_batches(tiny_data: Callable[..., DomainData]) -> Callable[..., list[Batch]]:
    """`some_batches(recipe, count=1, first=0)`: batches of random pictures."""

    def make(recipe: Recipe, count: int = 1, first: int = 0) -> list[Batch]:
        labels = recipe.generator.labels if recipe.critic.patch_labels else 0
        data = tiny_data((7, 5, 6, 4, 5)[:labels]) if labels else tiny_data((9,), labelled=False)
        reuse = recipe.objective.reuse if recipe.mode == "translate" else 1
        source = BatchSource(data, recipe.data, recipe.training.seed, recipe.generator.channels, reuse=reuse)
        return [source[number] for number in range(first, first + count)]

    return make
