"""The pass: what the networks make of a batch."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from domainxfer.training.passes import Pass


def made(recipe, stepper, batch) -> Pass:
    return Pass(stepper.generator, stepper.critic, batch, recipe, stepper.processes, stepper.forward, same=True)


def test_cycle_noise_is_seen_but_not_to_be_removed(tiny_recipe, new_stepper, some_batches) -> None:
    recipe = tiny_recipe({"objective": {"cycle_noise": 0.5}})
    stepper = new_stepper(recipe)
    (batch,) = some_batches(recipe)
    p = made(recipe, stepper, batch)
    noise = 0.5 * p.drawn("cycle", "normal", *batch.x_real.shape[1:])
    own_code = p.own_code[batch.sources]
    seen = p.x_fake + noise
    change = stepper.generator(seen, batch.y_source, own_code) - seen
    torch.testing.assert_close(p.x_cycle, p.x_fake + change, atol=1e-5, rtol=0)


def test_identity_and_translation_go_through_the_generator_as_one_batch(tiny_recipe, new_stepper, some_batches) -> None:
    recipe = tiny_recipe()
    stepper = new_stepper(recipe)
    (batch,) = some_batches(recipe)
    p = made(recipe, stepper, batch)
    alone = stepper.generator(batch.x_real, batch.y_real, p.own_code)
    torch.testing.assert_close(p.x_same, alone, atol=1e-5, rtol=0)
    alone = stepper.generator(batch.x_source, batch.y_real, p.code)
    torch.testing.assert_close(p.x_fake, alone, atol=1e-5, rtol=0)


def test_a_score_for_penalties_is_the_mean_or_patchwise_the_sum_over_the_root(
    tiny_recipe, new_stepper, some_batches
) -> None:
    recipe = tiny_recipe()
    stepper = new_stepper(recipe)
    (batch,) = some_batches(recipe)
    p = made(recipe, stepper, batch)
    seen = stepper.critic.enter(batch.x_real)
    fields = stepper.critic.judge(seen, batch.y_real).patches
    assert len({field.shape[1] for field in fields}) > 1
    mean = sum(field.mean(1) for field in fields) / len(fields)
    rooted = sum(field.sum(1) / field.shape[1] ** 0.5 for field in fields) / len(fields)
    torch.testing.assert_close(p.score(seen, batch.y_real), mean)
    torch.testing.assert_close(p.score(seen, batch.y_real, patchwise=True), rooted)


@pytest.mark.parametrize("seen", [{}, {"augment": ("cutout",)}, {"noise": 0.5}])
def test_identity_gets_the_code_of_the_picture_as_it_is(
    tiny_recipe, new_stepper, some_batches, monkeypatch, seen
) -> None:
    """Not of what instance noise or augmentation make of it, by which the critic is taught."""
    recipe = tiny_recipe({"generator": {"code_size": 2}, "objective": {"critic_input": seen}})
    stepper = new_stepper(recipe)
    (batch,) = some_batches(recipe)
    with torch.no_grad():
        expected = stepper.critic(batch.x_real, batch.y_real).code.clamp(-1, 1)
    passes: list[Pass] = []
    make = stepper._pass
    monkeypatch.setattr(stepper, "_pass", lambda *args, **options: passes.append(make(*args, **options)) or passes[-1])
    monkeypatch.setattr(stepper, "_update", lambda *args: None)
    stepper([batch], 0)
    torch.testing.assert_close(passes[0].own_code, expected, atol=1e-4, rtol=0)


def test_draws_follow_the_position_not_the_share(tiny_recipe, new_stepper, some_batches) -> None:
    recipe = tiny_recipe({"generator": {"code_size": 3}})
    stepper = new_stepper(recipe)
    (batch,) = some_batches(recipe)
    whole = made(recipe, stepper, batch).code
    assert whole.shape == (len(batch.positions), 3)
    assert bool((whole.abs() <= 1).all())
    assert not torch.equal(whole[0], whole[1])
    assert torch.equal(whole, made(recipe, stepper, batch).code)


@pytest.mark.parametrize("known", [True, False])
def test_noise_meets_several_batches_of_reals(tiny_recipe, new_stepper, some_batches, known: bool) -> None:
    changes = {"mode": "generate", "objective": {"reuse": 3}, "data": {"batch": 6}}
    recipe = tiny_recipe(changes, labels=3, labels_known=known)
    stepper = new_stepper(recipe)
    batches = some_batches(recipe, count=7)
    passes = [made(recipe, stepper, batch) for batch in batches]
    for name in ("noise", "code", "y_target", "x_fake"):
        values = [getattr(p, name) for p in passes]
        for step in range(7):
            assert torch.equal(values[step], values[step - step % 3]), name
        if not (known and name == "y_target"):  # that is the label of the real beside it, the same in every batch
            assert not torch.equal(values[2], values[3]), name
    assert all(not torch.equal(a.x_real, b.x_real) for a, b in pairwise(batches))
    looks = [p.drawn("penalty", "uniform", 4) for p in passes[:2]]
    assert not torch.equal(*looks), "what is no content is drawn anew"


def test_unknown_labels_stay_even_where_noise_is_reused(tiny_recipe, new_stepper, some_batches) -> None:
    """13 batches of 8 would bring the surplus of 13 labels back to where it was: it moves on with the noise."""
    changes = {"mode": "generate", "objective": {"reuse": 13}, "data": {"batch": 8}}
    recipe = tiny_recipe(changes, labels=13, labels_known=False)
    stepper = new_stepper(recipe)
    (batch,) = some_batches(recipe)
    drawn = [made(recipe, stepper, replace(batch, step=13 * number)).y_target for number in range(13)]
    assert torch.bincount(torch.cat(drawn)).tolist() == [8] * 13


def test_the_code_of_sources_of_an_earlier_batch_is_read_from_them(tiny_recipe, new_stepper, some_batches) -> None:
    recipe = tiny_recipe({"objective": {"reuse": 2}})
    stepper = new_stepper(recipe)
    first, second = (made(recipe, stepper, batch) for batch in some_batches(recipe, count=2))
    torch.testing.assert_close(second.source_code, first.source_code)
    assert not torch.allclose(second.own_code, first.own_code)
    torch.testing.assert_close(second.x_cycle, first.x_cycle)


def test_the_other_code_differs_in_one_value_by_half_its_range(tiny_recipe, new_stepper, some_batches) -> None:
    recipe = tiny_recipe({"generator": {"code_size": 3}, "data": {"batch": 24}})
    stepper = new_stepper(recipe)
    (batch,) = some_batches(recipe)
    p = made(recipe, stepper, batch)
    apart = p.other_code - p.code
    assert bool(((apart != 0).sum(1) == 1).all())
    torch.testing.assert_close(apart.abs().sum(1), torch.ones(24))
    assert bool((p.other_code.abs() <= 1).all())
    assert set((apart != 0).nonzero()[:, 1].tolist()) == {0, 1, 2}, "each value has its turn"
    assert torch.equal(p.other_code, made(recipe, stepper, batch).other_code)


def test_the_other_fakes_are_those_of_the_other_code(tiny_recipe, new_stepper, some_batches) -> None:
    for mode in ("translate", "generate"):
        recipe = tiny_recipe({"mode": mode})
        stepper = new_stepper(recipe)
        (batch,) = some_batches(recipe)
        p = made(recipe, stepper, batch)
        content = batch.x_source if mode == "translate" else p.noise
        alone = stepper.generator(content, batch.y_real, p.other_code)
        torch.testing.assert_close(p.x_other, alone, atol=1e-5, rtol=0)
        assert float((p.x_other - p.with_code(p.code, "fake")).detach().abs().mean()) > 1e-4


@pytest.mark.parametrize("critic_steps", [0, 1, 5])
def test_the_noise_on_what_the_critic_sees_fades_by_training_steps(
    tiny_recipe, new_stepper, some_batches, monkeypatch, critic_steps: int
) -> None:
    recipe = tiny_recipe({"objective": {"critic_steps": critic_steps, "critic_input": {"noise": {0: 1.0, 4: 0.0}}}})
    stepper = new_stepper(recipe)
    per_step = max(1, critic_steps)
    seen = []
    monkeypatch.setattr(stepper.critic, "forward", lambda image, label: seen.append(image))
    for batch in some_batches(recipe, count=5 * per_step):
        made(recipe, stepper, batch).view(torch.zeros_like(batch.x_real), None, "real")
    deviations = [float(image.std()) for image in seen]
    for step in range(5):
        for deviation in deviations[step * per_step : (step + 1) * per_step]:
            assert deviation == pytest.approx(1 - step / 4, abs=0.03)
