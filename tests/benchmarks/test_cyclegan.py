"""Our plain CycleGAN is the paper's: its sizes, its fields of view, its losses, its replay pool."""

import copy

import pytest
import torch
from torch import nn

from domainxfer.datasets.batches import BatchSource
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.training.held_out import translated

SIDE = 32


@pytest.fixture
def cyclegan(benchmark_module):
    return benchmark_module("cyclegan")


@pytest.fixture
def tiny_gan(cyclegan):
    """`tiny_gan(fast=False, seed=0)`: a CycleGAN of a few thousand weights."""

    def make(*, fast=False, seed=0):
        return cyclegan.CycleGAN(cyclegan.Pair(4, 1, fast=fast), 4, seed=seed)

    return make


def pictures(count=1, seed=0):
    """A few pictures of each of two domains."""
    numbers = torch.Generator().manual_seed(seed)
    return [torch.rand(count, 3, SIDE, SIDE, generator=numbers) * 2 - 1 for _ in range(2)]


def parameters(network):
    return sum(p.numel() for p in network.parameters())


# --- the networks ----------------------------------------------------------------------------------------------------


def test_full_size_networks_have_the_papers_number_of_weights(cyclegan):
    # Of every layer: inputs x outputs x kernel + outputs.
    ends = (3 * 64 * 49 + 64) + (64 * 3 * 49 + 3)
    strided = (64 * 128 * 9 + 128) + (128 * 256 * 9 + 256) + (256 * 128 * 9 + 128) + (128 * 64 * 9 + 64)
    block = 2 * (256 * 256 * 9 + 256)
    assert parameters(cyclegan.ResNetGenerator()) == ends + strided + 9 * block == 11_378_179
    assert parameters(cyclegan.ResNetGenerator(blocks=6)) == 11_378_179 - 3 * block
    assert parameters(cyclegan.PatchCritic()) == 2_764_737


@pytest.mark.parametrize(("height", "width"), [(32, 32), (36, 28)])
def test_generator_keeps_the_shape_and_the_range(cyclegan, height, width):
    x = torch.rand(2, 3, height, width) * 2 - 1
    made = cyclegan.ResNetGenerator(4, 2)(x)
    assert made.shape == x.shape
    assert made.dtype == torch.float32
    assert made.abs().max() < 1
    assert made.std() > 0


@pytest.mark.parametrize(("side", "scores"), [(32, 2), (128, 14), (256, 30)])
def test_patch_critic_scores_a_map(cyclegan, side, scores):
    assert cyclegan.PatchCritic(2)(torch.rand(1, 3, side, side)).shape == (1, 1, scores, scores)


def test_patch_critic_looks_at_70_px(cyclegan):
    critic = cyclegan.PatchCritic(4, norm=lambda channels: nn.Identity())  # a norm would couple the whole picture
    x = torch.rand(1, 3, 128, 128, requires_grad=True)
    critic(x)[0, 0, 7, 7].backward()
    seen = x.grad[0].abs().sum(0) > 0
    assert seen.any(0).sum() == seen.any(1).sum() == 70


def test_weights_start_as_the_paper_says(cyclegan):
    gan = cyclegan.CycleGAN(cyclegan.Pair(16, 1), 16)
    for network in (gan.generators, gan.critics):
        weights = torch.cat([p.flatten() for name, p in network.named_parameters() if name.endswith("weight")])
        assert weights.std().item() == pytest.approx(0.02, rel=0.02)
        assert weights.mean().abs() < 3e-4
        assert all((p == 0).all() for name, p in network.named_parameters() if name.endswith("bias"))


def test_seed_decides_the_start(tiny_gan):
    first, again, other = (tiny_gan(seed=seed).generators[0][1].weight for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_picture_norm_is_instance_norm_and_keeps_the_layout(cyclegan):
    x = (torch.randn(3, 5, 8, 6) * 3 + 1).contiguous(memory_format=torch.channels_last)
    normal = cyclegan.PictureNorm(5)(x)
    torch.testing.assert_close(normal, nn.InstanceNorm2d(5)(x))
    assert normal.is_contiguous(memory_format=torch.channels_last)


def test_fast_networks_compute_the_same(cyclegan):
    plain, fast = (cyclegan.Pair(4, 2, fast=fast) for fast in (False, True))
    fast.generators.load_state_dict(plain.generators.state_dict())
    fast.bf16 = False
    x = pictures(2)[0]
    torch.testing.assert_close(fast.apply(x, torch.tensor([0, 1])), plain.apply(x, torch.tensor([0, 1])))
    assert fast.generators[0][1].weight.is_contiguous(memory_format=torch.channels_last)


# --- the pair --------------------------------------------------------------------------------------------------------


def test_label_chooses_the_generator(cyclegan):
    pair = cyclegan.Pair(4, 1)
    x, label = pictures(3)[0], torch.tensor([1, 0, 1])
    made = pair.apply(x, label)
    with torch.no_grad():
        for place, domain in enumerate(label.tolist()):
            torch.testing.assert_close(made[place], pair.generators[domain](x[place : place + 1])[0])
    torch.testing.assert_close(translated(pair, x, 1), pair.apply(x, torch.ones(3, dtype=torch.int64)))


def test_saved_pair_comes_back(cyclegan, tmp_path):
    pair, back = cyclegan.Pair(4, 1, fast=True), cyclegan.Pair(4, 1, fast=True)
    x, label = pictures(2)[0], torch.tensor([0, 1])
    assert not torch.equal(back.apply(x, label), pair.apply(x, label))
    pair.save(tmp_path / "pair.safetensors")
    back.load(tmp_path / "pair.safetensors")
    assert torch.equal(back.apply(x, label), pair.apply(x, label))
    with pytest.raises(DomainxferError):
        cyclegan.Pair(4, 2).load(tmp_path / "pair.safetensors")


# --- the replay pool -------------------------------------------------------------------------------------------------


def fakes(*values):
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1)


def test_pool_shows_what_comes_until_it_is_full(cyclegan):
    pool = cyclegan.ReplayPool(50, torch.Generator().manual_seed(0))
    for number in range(0, 50, 2):
        assert torch.equal(pool.exchange(fakes(number, number + 1)), fakes(number, number + 1))
    assert [int(kept) for kept in pool.kept] == list(range(50))


def test_full_pool_gives_back_earlier_fakes_half_of_the_time(cyclegan):
    pool = cyclegan.ReplayPool(50, torch.Generator().manual_seed(0))
    pool.exchange(fakes(*range(50)))
    new = range(50, 1050)
    shown = [int(pool.exchange(fakes(number))) for number in new]
    earlier = [was for was, number in zip(shown, new, strict=True) if was != number]
    assert all(was < number for was, number in zip(shown, new, strict=True) if was != number)
    assert 450 < len(earlier) < 550
    assert len(set(shown)) == len(shown)  # what is given back leaves the pool
    assert len(pool.kept) == 50
    assert sorted([*shown, *(int(kept) for kept in pool.kept)]) == [*range(50), *new]  # none is lost


def test_pool_keeps_no_graph(cyclegan):
    pool = cyclegan.ReplayPool(2, torch.Generator())
    fake = torch.ones(1, 3, 2, 2, requires_grad=True) * 2
    assert not pool.exchange(fake).requires_grad
    assert not pool.kept[0].requires_grad


# --- losses and step -------------------------------------------------------------------------------------------------


def test_losses_by_hand(cyclegan):
    of = lambda *values: torch.tensor(values, dtype=torch.float64)
    parts = cyclegan.generator_parts(
        x=[of(0.0, 1.0), of(-1.0, 0.5)],
        same=[of(0.5, 1.0), of(-1.0, 0.0)],
        cycle=[of(0.0, 0.0), of(0.0, 0.5)],
        scores=[of(1.0, 3.0), of(0.0)],
    )
    assert {name: float(part) for name, part in parts.items()} == {
        "adversarial": (0 + 4) / 2 + 1,
        "cycle": (0 + 1) / 2 + (1 + 0) / 2,
        "identity": (0.5 + 0) / 2 + (0 + 0.5) / 2,
    }
    assert float(cyclegan.critic_loss(of(1.0, 0.0), of(2.0, 0.0))) == 0.5 * ((0 + 1) / 2 + (4 + 0) / 2)


def test_step_has_the_gradients_of_the_papers_losses(tiny_gan):
    gan = tiny_gan()
    a, b = x = pictures()
    (to_a, to_b), (of_a, of_b) = copy.deepcopy(gan.generators), copy.deepcopy(gan.critics)
    gan.step(x)

    fake_a, fake_b = to_a(b), to_b(a)
    loss = (of_a(fake_a) - 1).square().mean() + (of_b(fake_b) - 1).square().mean()
    loss = loss + 10 * ((to_a(fake_b) - a).abs().mean() + (to_b(fake_a) - b).abs().mean())
    loss = loss + 5 * ((to_a(a) - a).abs().mean() + (to_b(b) - b).abs().mean())
    loss.backward()
    same_gradients(gan.generators[0], to_a)
    same_gradients(gan.generators[1], to_b)

    for critic, real, fake, ours in ((of_a, a, fake_a, gan.critics[0]), (of_b, b, fake_b, gan.critics[1])):
        critic.zero_grad()
        (0.5 * (critic(real) - 1).square().mean() + 0.5 * critic(fake.detach()).square().mean()).backward()
        same_gradients(ours, critic)


def same_gradients(ours, expected):
    for (name, p), q in zip(ours.named_parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("fast", [False, True])
def test_steps_move_all_weights_and_learn_to_copy(tiny_gan, fast):
    gan = tiny_gan(fast=fast)
    before = copy.deepcopy(gan.generators), copy.deepcopy(gan.critics)
    x = [side.contiguous(memory_format=gan.pair.layout) for side in pictures()]
    for optimizer in gan.optimizers:
        optimizer.param_groups[0]["lr"] = 2e-3
    parts = [gan.step(x) for _ in range(12)]
    assert set(parts[0]) == {"adversarial", "cycle", "identity", "critic"}
    assert all(bool(part.isfinite()) for part in parts[-1].values())
    assert parts[-1]["cycle"] < parts[0]["cycle"]
    assert parts[-1]["identity"] < parts[0]["identity"]
    for old, new in zip(before, (gan.generators, gan.critics), strict=True):
        weights = zip(old.named_parameters(), new.parameters(), strict=True)
        assert all(not torch.equal(p, q) for (name, p), q in weights if name.endswith("weight"))


@pytest.mark.parametrize(("passed", "rate"), [(0, 2e-4), (0.5, 2e-4), (0.75, 1e-4), (1, 0)])
def test_rate_is_held_then_lowered(tiny_gan, passed, rate):
    gan = tiny_gan()
    gan.set_rate(0.9)
    gan.set_rate(passed)
    assert [optimizer.param_groups[0]["lr"] for optimizer in gan.optimizers] == pytest.approx([rate, rate])
    assert all(optimizer.param_groups[0]["betas"] == (0.5, 0.999) for optimizer in gan.optimizers)


def test_batches_of_our_loader_hold_a_picture_of_each_domain(cyclegan, tiny_data, tiny_recipe):
    settings = tiny_recipe().data.model_copy(update={"batch": 2})
    batch = BatchSource(tiny_data(), settings, 0)[5]
    a, b = cyclegan.pictures_of(batch)
    assert a.shape == b.shape == (1, 3, SIDE, SIDE)
    assert torch.equal(a[0], batch.x_real[batch.y_real == 0][0])


def test_a_third_domain_is_refused(cyclegan, tiny_data, tiny_recipe):
    settings = tiny_recipe(labels=3).data.model_copy(update={"batch": 3})
    with pytest.raises(UsageError, match="two domains"):
        cyclegan.pictures_of(BatchSource(tiny_data((4, 4, 4)), settings, 0)[0])
