"""The step, phase by phase, against the algorithm written out by hand on copies of the networks."""

import copy
import dataclasses
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from domainxfer.datasets.batches import Batch
from domainxfer.errors import UsageError
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.objective import Objective
from domainxfer.recipe import Recipe
from domainxfer.training.passes import Pass
from domainxfer.training.step import Stepper, _told_apart
from domainxfer.training.terms import TERMS

MakeRecipe = Callable[..., Recipe]
MakeStepper = Callable[..., Stepper]
MakeBatches = Callable[..., list[Batch]]
Weights = dict[str, Tensor]


def only(**phases: dict[str, Any]) -> dict[str, Any]:
    """Changes that leave just these terms: ``only(critic={"lsgan": 1})``."""
    defaults = Objective()
    off = {phase: dict.fromkeys(getattr(defaults, phase), 0) for phase in ("critic", "generator", "info")}
    return {"objective": {phase: {**off[phase], **phases.get(phase, {})} for phase in off}}


def weights(network: nn.Module) -> Weights:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def moved(before: Weights, network: nn.Module) -> set[str]:
    return {name for name, p in network.named_parameters() if not torch.equal(before[name], p)}


def gradients_match(network: nn.Module, by_hand: nn.Module) -> None:
    for (name, p), q in zip(network.named_parameters(), by_hand.parameters(), strict=True):
        if q.grad is None or not q.grad.any():
            assert p.grad is None or not p.grad.any(), name
        else:
            assert p.grad is not None, name
            torch.testing.assert_close(
                p.grad, q.grad, rtol=2e-4, atol=1e-6, msg=lambda text, name=name: f"{name} {text}"
            )


class Spy:
    """Terms of one's own that write down what they were given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[dict[str, Any]] = []
        self.module = types.ModuleType("spy_terms")
        monkeypatch.setitem(sys.modules, "spy_terms", self.module)

    def term(self, *needs: str) -> str:
        """The name of a term that asks for ``needs`` and is 0 everywhere."""
        name = "saw_" + "_".join(needs)
        namespace: dict[str, Any] = {"seen": self.seen}
        pairs = ", ".join(f"{need}={need}" for need in needs)
        exec(f"def {name}({', '.join(needs)}):\n seen.append(dict({pairs}))\n return 0 * {needs[0]}.sum()", namespace)
        setattr(self.module, name, namespace[name])
        return f"spy_terms:{name}"


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


# --- who learns in which phase ----------------------------------------------------------------------------------------


def test_the_critic_phase_leaves_the_generator_alone(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe(only(critic={"lsgan": 1, "label_real": 1, "r1": 1}))
    stepper = new_stepper(recipe)
    g, d = weights(stepper.generator), weights(stepper.critic)
    stepper(some_batches(recipe), 0)
    assert moved(g, stepper.generator) == set()
    assert all(p.grad is None for p in stepper.generator.parameters())
    assert moved(d, stepper.critic) == set(d) - {"code_head.weight", "code_head.bias"}


def test_the_generator_phase_leaves_the_critic_alone(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe(only(generator={"lsgan": 1, "cycle": 5, "identity": 1, "simgan": 1}))
    stepper = new_stepper(recipe)
    g, d = weights(stepper.generator), weights(stepper.critic)
    stepper(some_batches(recipe), 0)
    assert moved(d, stepper.critic) == set()
    assert moved(g, stepper.generator) == set(g)


@pytest.mark.parametrize("info_lr", [None, 1e-3])
@pytest.mark.parametrize(
    ("labels_known", "learns", "heads"),
    [(True, "reals", {"code"}), (True, "reals and fakes", {"code", "label"}), (False, "reals", {"code", "label"})],
)
def test_the_info_phase_moves_the_generator_and_the_heads(
    tiny_recipe: MakeRecipe,
    new_stepper: MakeStepper,
    some_batches: MakeBatches,
    info_lr: float | None,
    labels_known: bool,
    learns: str,
    heads: set[str],
) -> None:
    changes = only(info={"label_fake": 1, "code": 1}) | {"optimizer": {"info_lr": info_lr}}
    changes["objective"]["label_head_learns"] = learns
    changes["mode"] = "translate" if labels_known else "generate"
    recipe = tiny_recipe(changes, labels=3, labels_known=labels_known)
    stepper = new_stepper(recipe)
    g, d = weights(stepper.generator), weights(stepper.critic)
    stepper(some_batches(recipe), 0)
    assert moved(d, stepper.critic) == {f"{head}_head.{part}" for head in heads for part in ("weight", "bias")}
    assert len(moved(g, stepper.generator)) > len(g) / 2


def test_the_info_losses_may_teach_all_of_the_critic(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    """As in InfoGAN: D and Q, which share all but their last layer, both learn from what Q loses."""
    changes = only(info={"label_fake": 1, "code": 1}) | {"mode": "generate"}
    changes["objective"]["info_teaches"] = "critic"
    recipe = tiny_recipe(changes, labels=3, labels_known=False)
    stepper = new_stepper(recipe)
    by_hand, (batch,) = copy.deepcopy(stepper.critic), some_batches(recipe)
    p = stepper._pass(batch, 0)
    view = by_hand(p.x_fake.detach())
    (F.cross_entropy(view.label_logits, p.y_target) + (view.code - p.code).abs().mean()).backward()
    g, d = weights(stepper.generator), weights(stepper.critic)
    gradients: dict[str, Tensor] = {}
    stepper.optimizers["critic"].register_step_pre_hook(
        lambda *_: gradients.update(
            {n: w.grad.clone() for n, w in stepper.critic.named_parameters() if w.grad is not None}
        )
    )
    stepper([batch], 0)
    assert {"trunk", "label_head", "code_head"} <= {name.partition(".")[0] for name in gradients}
    for name, w in by_hand.named_parameters():
        if w.grad is not None:
            torch.testing.assert_close(gradients[name], w.grad, rtol=2e-4, atol=1e-6)
    assert {"label_head.weight", "code_head.weight"} < moved(d, stepper.critic)
    assert len(moved(g, stepper.generator)) > len(g) / 2
    assert all(w.grad is None for w in stepper.critic.parameters()), "and in the generator's phase it stands still"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"optimizer": {"info_lr": 1e-3}}, "optimizer.info_lr makes one of"),
        ({"objective": {"critic_steps": 0}}, "no phase to learn in"),
        ({"mode": "translate"}, "reals and fakes"),
    ],
)
def test_where_the_info_losses_cannot_teach_all_of_the_critic(
    changes: dict[str, Any], says: str, tiny_recipe: MakeRecipe, new_stepper: MakeStepper
) -> None:
    changes = {"mode": "generate", **changes, "objective": {"info_teaches": "critic", **changes.get("objective", {})}}
    with pytest.raises(UsageError, match=says):
        new_stepper(tiny_recipe(changes, labels=3, labels_known=changes["mode"] == "translate"))


def test_fakes_are_scored_before_and_after_the_critics_step(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe({"mode": "generate", "objective": {"critic": {"r1": 0}}}, labels=0)
    stepper, batches = new_stepper(recipe), some_batches(recipe)
    before = copy.deepcopy(stepper.critic)
    fakes = stepper._pass(batches[0], 0).x_fake.detach()
    parts = stepper(batches, 0)

    def score(critic: Critic) -> Tensor:
        with torch.no_grad():
            return torch.stack([s.mean() for s in critic(fakes).patches]).mean()

    torch.testing.assert_close(parts["score/fake"], score(before))
    torch.testing.assert_close(parts["score/fake_after"], score(stepper.critic))
    assert parts["score/fake_after"] < parts["score/fake"]
    first = tiny_recipe({"mode": "generate", "objective": {"order": ["generator", "critic"]}}, labels=0)
    assert "score/fake_after" not in new_stepper(first)(some_batches(first), 0)


def test_the_joint_generator_phase_gives_the_trunk_no_gradients(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe()
    stepper = new_stepper(recipe)
    stepper(some_batches(recipe), 0)
    heads = {id(p) for p in stepper.critic.info_parameters(label=False)}
    for name, p in stepper.critic.named_parameters():
        assert (p.grad is not None) == (id(p) in heads), name
    assert all(p.grad is not None for p in stepper.generator.parameters())


# --- the gradients ----------------------------------------------------------------------------------------------------


def adversarial_by_hand(d: Critic, x: Tensor, y: Tensor, target: float) -> Tensor:
    fields = d(x, y).patches
    return sum((0.5 * (p - target) ** 2).mean() for p in fields) / len(fields)  # type: ignore[return-value]


@pytest.mark.parametrize(("step", "times"), [(0, 4), (1, 0), (3, 0), (4, 4)])
def test_the_critics_gradient_and_lazy_r1(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, step: int, times: int
) -> None:
    r1 = {"weight": 0.5, "every": 4, "gamma": 3.0}
    recipe = tiny_recipe(only(critic={"lsgan": 2, "label_real": 0.7, "r1": r1}))
    stepper, (batch,) = new_stepper(recipe), some_batches(recipe, first=step)
    d, g = copy.deepcopy(stepper.critic), copy.deepcopy(stepper.generator)
    parts = stepper([batch], step)

    code = Pass(g, d, batch, recipe, stepper.processes, stepper.forward, same=False).code
    with torch.no_grad():
        x_fake = g(batch.x_source, batch.y_real, code)
    x_real = batch.x_real
    view = d(x_real, batch.y_real)
    total = 2 * (adversarial_by_hand(d, x_real, batch.y_real, 1) + adversarial_by_hand(d, x_fake, batch.y_real, 0))
    total = total + 0.7 * F.cross_entropy(view.label_logits, batch.y_real)
    seen = d.enter(batch.x_real).requires_grad_()
    patches = d.judge(seen, batch.y_real).patches
    score = sum(p.mean(1) for p in patches) / len(patches)
    (slope,) = torch.autograd.grad(score.sum(), seen, create_graph=True)  # type: ignore[union-attr]
    penalty = 3.0 / 2 * slope.square().flatten(1).sum(1).mean()
    (total + times * 0.5 * penalty).backward()
    gradients_match(stepper.critic, d)
    assert ("critic/r1" in parts) == (times > 0)
    if times:
        torch.testing.assert_close(parts["critic/r1"], penalty.detach(), rtol=1e-4, atol=1e-7)


def test_the_generators_gradient(tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches) -> None:
    """The whole of the generator and info phase, term by term."""
    changes = only(
        generator={"lsgan": 1.5, "cycle": {"weight": 5, "shrink": 4}, "identity": 2.5},
        info={"label_fake": 0.6, "code": 0.1},
    )
    changes["objective"]["label_head_learns"] = "reals and fakes"
    recipe = tiny_recipe(changes, labels=3)
    stepper, (batch,) = new_stepper(recipe), some_batches(recipe)
    d, g = copy.deepcopy(stepper.critic), copy.deepcopy(stepper.generator)
    parts = stepper([batch], 0)

    code = Pass(g, d, batch, recipe, stepper.processes, stepper.forward, same=False).code
    with torch.no_grad():
        own = d(batch.x_real, batch.y_real).code.clamp(-1, 1)
    x_fake = g(batch.x_source, batch.y_real, code)
    x_same = g(batch.x_real, batch.y_real, own)
    x_cycle = g(x_fake, batch.y_source, own[batch.sources])
    view = d(x_fake, batch.y_real)
    by_hand = {
        "generator/lsgan": 1.5 * adversarial_by_hand(d, x_fake, batch.y_real, 1),
        "generator/cycle": 5 * F.avg_pool2d(x_cycle - batch.x_source, 4).abs().mean(),
        "generator/identity": 2.5 * (x_same - batch.x_real).abs().mean(),
        "info/label_fake": 0.6 * F.cross_entropy(view.label_logits, batch.y_real),
        "info/code": 0.1 * (view.code - code).abs().mean(),
    }
    sum(by_hand.values()).backward()  # type: ignore[union-attr]
    gradients_match(stepper.generator, g)
    for p, q in zip(stepper.critic.info_parameters(), d.info_parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=2e-4, atol=1e-6)
    weight = {"lsgan": 1.5, "cycle": 5, "identity": 2.5, "label_fake": 0.6, "code": 0.1}
    for name, value in by_hand.items():
        torch.testing.assert_close(parts[name] * weight[name.split("/")[1]], value.detach(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(parts["change"], (x_fake - batch.x_source).abs().mean().detach())


def test_nothing_flows_from_the_cycle_into_the_critics_estimate_of_the_code(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe(only(generator={"cycle": 1, "identity": 1}))
    stepper = new_stepper(recipe)
    stepper(some_batches(recipe), 0)
    assert all(p.grad is None for p in stepper.critic.parameters())


def test_the_gradient_of_code_diversity_flows_into_both_fakes(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe(only(generator={"code_diversity": {"weight": 3, "ceiling": 1.5}}))
    stepper, (batch,) = new_stepper(recipe), some_batches(recipe)
    g = copy.deepcopy(stepper.generator)
    by_hand = Pass(g, stepper.critic, batch, recipe, stepper.processes, stepper.forward, same=False)
    parts = stepper([batch], 0)
    change = (g(batch.x_source, batch.y_real, by_hand.code) - g(batch.x_source, batch.y_real, by_hand.other_code)).abs()
    value = (1.5 - change.flatten(1).mean(1)).clamp(min=0).mean()
    (3 * value).backward()
    gradients_match(stepper.generator, g)
    torch.testing.assert_close(parts["generator/code_diversity"], value.detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", ["translate", "generate"])
def test_the_code_response_is_the_change_from_one_end_to_the_other(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, mode: str
) -> None:
    recipe = tiny_recipe({"mode": mode})
    stepper, (batch,) = new_stepper(recipe), some_batches(recipe)
    p = Pass(stepper.generator, stepper.critic, batch, recipe, stepper.processes, stepper.forward, same=False)
    content = batch.x_source if mode == "translate" else p.noise
    of_value = []
    for low, high in (([-1.0, 0.0], [1.0, 0.0]), ([0.0, -1.0], [0.0, 1.0])):
        ends = (torch.tensor([code]).expand(4, -1) for code in (low, high))
        made = [stepper.generator(content, batch.y_real, code) for code in ends]
        of_value.append((made[1] - made[0]).abs().mean())
    torch.testing.assert_close(stepper.code_response(batch), sum(of_value).detach() / 2)  # type: ignore[union-attr]
    assert stepper.generator.training
    with torch.no_grad():
        stepper.generator.condition.of_rest.weight[:, -2:] = 0  # deaf to the code, which follows the noise there
    assert float(stepper.code_response(batch)) == 0


def test_looking_at_the_code_response_changes_no_network(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    layers = [
        {"kind": "up", "out": 8, "kernel": 8, "stride": 1, "pad": 0, "norm": "batch", "act": "relu"},
        {"kind": "up", "out": 4, "norm": "batch", "act": "relu"},
        {"kind": "up", "out": 3, "act": "tanh"},
    ]
    recipe = tiny_recipe(
        {"mode": "generate", "generator": {"content": "noise", "output": "plain", "size": 32, "layers": layers}}
    )
    stepper, (batch,) = new_stepper(recipe), some_batches(recipe)
    before = copy.deepcopy(stepper.generator.state_dict())
    assert float(stepper.code_response(batch)) > 0
    assert all(torch.equal(before[name], value) for name, value in stepper.generator.state_dict().items())


# --- what a term sees -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [2, 3, 5])
def test_fakes_are_ordered_by_the_labels_of_the_reals(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, spy: Spy, labels: int
) -> None:
    needs = ("x_fake", "x_real", "y_real", "y_target", "x_source", "y_source", "code")
    recipe = tiny_recipe(only(generator={spy.term(*needs): 1}) | {"data": {"batch": 8}}, labels=labels)
    stepper, (batch,) = new_stepper(recipe), some_batches(recipe)
    g = copy.deepcopy(stepper.generator)
    stepper([batch], 0)
    (seen,) = spy.seen
    assert torch.equal(seen["y_target"], seen["y_real"])
    assert torch.equal(seen["y_real"], batch.y_real)
    assert (seen["y_source"] != seen["y_target"]).all()
    assert seen["code"].shape == (8, 2)
    assert seen["code"].abs().max() <= 1
    torch.testing.assert_close(seen["x_fake"], g(batch.x_source, batch.y_real, seen["code"]))


def calls_of(network: nn.Module) -> list[int]:
    sizes: list[int] = []
    network.register_forward_pre_hook(lambda module, arguments: sizes.append(len(arguments[0])))
    return sizes


@pytest.mark.parametrize(
    ("terms", "sizes"),
    [
        ({"lsgan": 1, "cycle": 1, "identity": 1}, [8, 4]),
        ({"lsgan": 1, "identity": 1}, [8]),
        ({"lsgan": 1, "cycle": 1}, [4, 4]),
        ({"lsgan": 1, "cycle": {"weight": {0: 0.0, 5: 1.0}}}, [4]),
        ({"lsgan": 1}, [4]),
        ({"lsgan": 1, "code_diversity": 1}, [4, 4]),
    ],
)
def test_what_no_term_asks_for_is_not_computed(
    tiny_recipe: MakeRecipe,
    new_stepper: MakeStepper,
    some_batches: MakeBatches,
    terms: dict[str, Any],
    sizes: list[int],
) -> None:
    """The generator's forwards in a step: fakes (with identity in the same batch of 2 x 4), then the cycle."""
    recipe = tiny_recipe(only(critic={"lsgan": 1}, generator=terms))
    stepper = new_stepper(recipe)
    seen = calls_of(stepper.generator)
    stepper(some_batches(recipe), 0)
    assert seen == sizes


@pytest.mark.parametrize(("step", "sizes"), [(0, [8]), (4, [8]), (5, [4]), (9, [4])])
def test_no_identity_pass_where_its_weight_is_0_by_now(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, step: int, sizes: list[int]
) -> None:
    recipe = tiny_recipe(only(critic={"lsgan": 1}, generator={"lsgan": 1, "identity": {0: 5.0, 5: 0.0}}))
    stepper = new_stepper(recipe)
    seen = calls_of(stepper.generator)
    stepper(some_batches(recipe), step)
    assert seen == sizes


def test_no_identity_pass_where_only_the_critic_learns(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    changes = only(critic={"lsgan": 1}, generator={"identity": 1})
    changes["objective"]["critic_steps"] = 3
    recipe = tiny_recipe(changes)
    stepper = new_stepper(recipe)
    seen = calls_of(stepper.generator)
    stepper(some_batches(recipe, count=3), 0)
    assert seen == [4, 4, 8]


def test_noise_becomes_pictures_once_a_step(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe({"mode": "generate"}, labels=0)
    stepper = new_stepper(recipe)
    seen = calls_of(stepper.generator)
    parts = stepper(some_batches(recipe), 0)
    assert seen == [4]
    assert "change" not in parts


def test_the_critic_looks_at_each_picture_once_a_phase(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    changes = only(critic={"lsgan": 1, "hinge": 1, "label_real": 1}, generator={"lsgan": 1, "hinge": 1, "cycle": 1})
    recipe = tiny_recipe(changes)
    stepper = new_stepper(recipe)
    seen = calls_of(stepper.critic)
    stepper(some_batches(recipe), 0)
    assert seen == [4, 4, 4], "reals and fakes, then the fakes again; the code of the reals is known already"


# --- labels that are not known ----------------------------------------------------------------------------------------


def targets_of(recipe: Recipe, stepper: Stepper, batches: list[Batch]) -> list[int]:
    passes = [
        Pass(stepper.generator, stepper.critic, b, recipe, stepper.processes, stepper.forward, same=False)
        for b in batches
    ]
    return [label for p in passes if p.y_target is not None for label in p.y_target.tolist()]


def test_unknown_labels_are_drawn_evenly(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe({"mode": "generate", "data": {"batch": 8}}, labels=4, labels_known=False)
    batches = some_batches(recipe, count=20)
    found = targets_of(recipe, new_stepper(recipe), batches)
    assert all(sorted(found[i : i + 8]) == [0, 0, 1, 1, 2, 2, 3, 3] for i in range(0, 160, 8))
    assert len({tuple(found[i : i + 8]) for i in range(0, 160, 8)}) > 15, "in a new order each step"


@pytest.mark.parametrize(("labels", "batch"), [(13, 8), (3, 8)])
def test_over_many_steps_every_unknown_label_is_drawn_as_often(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, labels: int, batch: int
) -> None:
    recipe = tiny_recipe({"mode": "generate", "data": {"batch": batch}}, labels=labels, labels_known=False)
    found = targets_of(recipe, new_stepper(recipe), some_batches(recipe, count=3 * 13))
    counts = [found.count(label) for label in range(labels)]
    assert max(counts) - min(counts) <= 1


def test_the_critic_is_told_no_label_where_none_is_known(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, spy: Spy
) -> None:
    recipe = tiny_recipe(
        only(critic={"lsgan": 1, spy.term("real_patches", "y_real"): 1}) | {"mode": "generate"},
        labels=4,
        labels_known=False,
    )
    told = []
    stepper = new_stepper(recipe)
    stepper.critic.register_forward_pre_hook(lambda module, arguments: told.append(arguments[1]))
    stepper(some_batches(recipe), 0)
    assert told == [None, None]
    assert all(seen["y_real"] is None for seen in spy.seen)


# --- optimizers, order, numbers of steps ------------------------------------------------------------------------------


def updates(stepper: Stepper, optimizer: str, parameter: nn.Parameter) -> int:
    state = stepper.optimizers[optimizer].state
    return int(state[parameter]["step"]) if parameter in state else 0


@pytest.mark.parametrize("critic_steps", [0, 1, 3])
@pytest.mark.parametrize("order", [("critic", "generator"), ("generator", "critic")])
def test_critic_steps_each_on_its_own_batch(
    tiny_recipe: MakeRecipe,
    new_stepper: MakeStepper,
    some_batches: MakeBatches,
    spy: Spy,
    critic_steps: int,
    order: tuple[str, str],
) -> None:
    changes = only(critic={"lsgan": 1, spy.term("x_real", "x_fake"): 1}, generator={"lsgan": 1})
    changes["objective"] |= {"critic_steps": critic_steps, "order": order}
    recipe = tiny_recipe(changes)
    stepper = new_stepper(recipe)
    assert recipe.objective.batches_a_step == max(1, critic_steps)
    batches = some_batches(recipe, count=recipe.objective.batches_a_step)
    parts = stepper(batches, 0)
    assert updates(stepper, "critic", next(stepper.critic.parameters())) == critic_steps
    assert updates(stepper, "generator", next(stepper.generator.parameters())) == 1
    assert len(spy.seen) == critic_steps
    assert all(torch.equal(seen["x_real"], b.x_real) for seen, b in zip(spy.seen, batches, strict=False))
    assert not any(seen["x_fake"].requires_grad for seen in spy.seen)
    assert ("critic/lsgan" in parts) == (critic_steps > 0)


@pytest.mark.parametrize("critic_steps", [0, 1, 3])
@pytest.mark.parametrize("order", [("critic", "generator"), ("generator", "critic")])
def test_the_critic_may_learn_from_a_part_of_the_batch(
    tiny_recipe: MakeRecipe,
    new_stepper: MakeStepper,
    some_batches: MakeBatches,
    spy: Spy,
    critic_steps: int,
    order: tuple[str, str],
) -> None:
    needs = ("x_fake", "x_real", "y_real", "x_source", "code")
    changes = only(critic={"lsgan": 1, spy.term(*needs): 1}, generator={"lsgan": 1, "cycle": 1, "identity": 1})
    changes["objective"] |= {"critic_steps": critic_steps, "order": order, "critic_batch": 4}
    recipe = tiny_recipe(changes | {"data": {"batch": 8}})
    stepper = new_stepper(recipe)
    sizes = calls_of(stepper.generator)
    batches = some_batches(recipe, count=recipe.objective.batches_a_step)
    stepper(batches, 0)
    assert len(spy.seen) == critic_steps
    for seen, batch in zip(spy.seen, batches, strict=False):
        assert torch.equal(seen["x_real"], batch.x_real[[0, 1, 4, 5]])
        assert torch.equal(seen["x_source"], batch.x_source[[0, 1, 4, 5]])
        assert seen["y_real"].bincount().tolist() == [2, 2]
        assert seen["x_fake"].shape[0] == 4
        assert not seen["x_fake"].requires_grad
    assert sorted(sizes) == [4] * critic_steps + [8, 16], "the generator's phase has the whole batch"


@pytest.mark.parametrize("order", [("critic", "generator"), ("generator", "critic")])
def test_the_draws_of_a_part_are_those_of_its_places(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, spy: Spy, order: tuple[str, str]
) -> None:
    critic = {spy.term("code", "uniform_a_picture"): 1}
    seen = []
    for size in (None, 4, 8):
        changes = only(critic=critic)
        changes["objective"] |= {"order": order, "critic_batch": size}
        recipe = tiny_recipe(changes | {"data": {"batch": 8}})
        new_stepper(recipe)(some_batches(recipe), 0)
        seen.append(spy.seen[-1])
    for name in ("code", "uniform_a_picture"):
        assert torch.equal(seen[1][name], seen[0][name][[0, 1, 4, 5]])
        assert torch.equal(seen[2][name], seen[0][name])


def test_the_generator_may_go_first(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, spy: Spy
) -> None:
    critic = {"lsgan": 1, spy.term("x_fake", "x_source", "y_real", "code"): 1}
    changes = only(critic=critic, generator={"lsgan": 1, "cycle": 1})
    first, alone = copy.deepcopy(changes), copy.deepcopy(changes)
    first["objective"]["order"] = ("generator", "critic")
    alone["objective"]["critic_steps"] = 0
    after = {}
    for name, change in (("first", first), ("alone", alone), ("second", changes)):
        recipe = tiny_recipe(change)
        stepper = new_stepper(recipe)
        after[name] = stepper, weights(stepper.generator)
        stepper(some_batches(recipe), 0)
    generators = {name: stepper.generator for name, (stepper, _) in after.items()}
    assert not moved(weights(generators["first"]), generators["alone"]), "it learnt from the critic as it was"
    assert moved(weights(generators["second"]), generators["alone"]), "here it learnt from the critic's new weights"
    seen_first, seen_second = spy.seen
    for seen, generator in ((seen_first, generators["first"]), (seen_second, None)):
        arguments = seen["x_source"], seen["y_real"], seen["code"]
        if generator is not None:
            torch.testing.assert_close(seen["x_fake"], generator(*arguments).detach(), msg="fakes of the new generator")
        else:
            old = new_stepper(tiny_recipe(changes)).generator
            torch.testing.assert_close(seen["x_fake"], old(*arguments).detach(), msg="fakes of the old generator")


@pytest.mark.parametrize("first", ["critic", "generator"])
def test_a_critic_that_comes_second_has_noise_of_its_own(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, spy: Spy, first: str
) -> None:
    """One that goes first hands its fakes on."""
    term = spy.term("noise", "code")
    changes = only(critic={"lsgan": 1, term: 1}, generator={"lsgan": 1, term: 1})
    changes["objective"]["order"] = (first, "generator" if first == "critic" else "critic")
    recipe = tiny_recipe(changes | {"mode": "generate"})
    new_stepper(recipe)(some_batches(recipe), 0)
    one, other = spy.seen
    for name in ("noise", "code"):
        assert torch.equal(one[name], other[name]) is (first == "critic"), name


def test_the_info_losses_may_have_their_own_optimizer(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    recipe = tiny_recipe({"optimizer": {"info_lr": 1e-5, "generator_lr": 1e-3, "critic_lr": 1e-3}})
    stepper = new_stepper(recipe)
    assert set(stepper.optimizers) == {"generator", "critic", "info"}
    parts = stepper(some_batches(recipe), 0)
    assert {"info/label_fake", "info/code"} <= set(parts)
    head = stepper.critic.info_parameters(label=False)[0]
    assert updates(stepper, "info", head) == 1
    assert updates(stepper, "critic", head) == 0, "the code head learns from the info losses only"
    assert updates(stepper, "info", next(stepper.generator.parameters())) == 1
    assert updates(stepper, "generator", next(stepper.generator.parameters())) == 1
    assert updates(stepper, "info", next(stepper.critic.trunk.parameters())) == 0


def test_the_rate_of_the_info_optimizer_is_its_own(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    """Adam's first step is as long as its rate."""
    recipe = tiny_recipe(only(info={"code": 1}) | {"optimizer": {"info_lr": 1e-5}})
    stepper = new_stepper(recipe)
    before = {**weights(stepper.generator), **weights(stepper.critic)}
    stepper(some_batches(recipe), 0)
    after = {**weights(stepper.generator), **weights(stepper.critic)}
    assert max(float((after[name] - before[name]).abs().max()) for name in before) == pytest.approx(1e-5, rel=0.1)


@pytest.mark.parametrize(
    ("phase", "terms", "networks", "rate"),
    [
        ("generator", {"lsgan": 1}, {"generator"}, 1e-4),
        ("critic", {"lsgan": 1}, {"critic"}, 2e-5),
        ("info", {"code": 1}, {"generator", "critic"}, 3e-6),
    ],
)
def test_each_phase_moves_weights_at_a_rate_of_its_own(
    tiny_recipe: MakeRecipe,
    new_stepper: MakeStepper,
    some_batches: MakeBatches,
    phase: str,
    terms: dict[str, Any],
    networks: set[str],
    rate: float,
) -> None:
    """Adam's first step is as long as its rate; all three optimizers are there, and only the one of the phase acts."""
    rates = {"generator_lr": 1e-4, "critic_lr": 2e-5, "info_lr": 3e-6}
    stepper = new_stepper(tiny_recipe(only(**{phase: terms}) | {"optimizer": rates}))
    both = {"generator": stepper.generator, "critic": stepper.critic}
    before = {name: weights(network) for name, network in both.items()}
    stepper(some_batches(stepper.recipe), 0)
    for name, network in both.items():
        move = max(float((p.detach() - before[name][key]).abs().max()) for key, p in network.named_parameters())
        assert move == pytest.approx(rate if name in networks else 0.0, rel=0.1), name


def test_rates_are_held_and_then_lowered(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    optimizer = {"generator_lr": 1e-3, "critic_lr": 2e-3, "info_lr": 3e-3, "hold": 0.5, "final": 0.1}
    recipe = tiny_recipe({"optimizer": optimizer})
    stepper, batches = new_stepper(recipe), some_batches(recipe)
    for step, share in ((0, 1.0), (50, 1.0), (75, 0.55), (100, 0.1)):
        stepper(batches, step)
        rates = [stepper.optimizers[name].param_groups[0]["lr"] for name in ("generator", "critic", "info")]
        assert rates == pytest.approx([share * 1e-3, share * 2e-3, share * 3e-3])


def test_gradients_are_clipped_a_network_at_a_time(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches
) -> None:
    def norm(network: nn.Module) -> float:
        return float(torch.stack([p.grad.norm() for p in network.parameters() if p.grad is not None]).norm())

    sizes = {}
    for clip in (None, 1e-2):
        changes = only(critic={"lsgan": 50}) | {"optimizer": {"clip": clip}}
        critic_recipe = tiny_recipe(changes)
        stepper = new_stepper(critic_recipe)
        stepper(some_batches(critic_recipe), 0)
        changes = only(generator={"cycle": 50}) | {"optimizer": {"clip": clip}}
        generator_recipe = tiny_recipe(changes)
        other = new_stepper(generator_recipe)
        other(some_batches(generator_recipe), 0)
        sizes[clip] = norm(stepper.critic), norm(other.generator)
    assert min(sizes[None]) > 0.1
    assert sizes[1e-2] == pytest.approx((1e-2, 1e-2), rel=1e-3)


# --- numbers ----------------------------------------------------------------------------------------------------------


def test_penalties_are_computed_in_fp32(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(only(critic={"lsgan": 1, "r1": 1, "r2": 1, "dragan": 1}, generator={"lsgan": 1}))
    stepper = new_stepper(recipe, bf16=True)
    kinds: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    in_penalty = [False]
    plain = Pass.score

    def score(self: Pass, image: Tensor, label: Tensor | None) -> Tensor:
        in_penalty[0] = True
        try:
            return plain(self, image, label)
        finally:
            in_penalty[0] = False

    monkeypatch.setattr(Pass, "score", score)
    for module in stepper.critic.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda m, i, output: kinds[in_penalty[0]].add(output.dtype))
    parts = stepper(some_batches(recipe), 0)
    assert kinds[True] == {torch.float32}
    assert kinds[False] == {torch.bfloat16}
    assert {value.dtype for value in parts.values()} == {torch.float32}, "losses too"


@pytest.mark.parametrize("phase", ["critic", "generator"])
@pytest.mark.parametrize(("labels", "labels_known"), [(2, True), (3, True), (13, False), (0, True)])
def test_every_term_with_any_labels(
    tiny_recipe: MakeRecipe,
    new_stepper: MakeStepper,
    some_batches: MakeBatches,
    phase: str,
    labels: int,
    labels_known: bool,
) -> None:
    translates = labels_known and labels > 0
    # for a critic of energies, for an encoder, and for labels of which a few are known
    elsewhere = {"pulling_away", "reconstruction", "kl_to_normal", "label_known", "label_as_is"}
    names = set(TERMS[phase]) - elsewhere  # type: ignore[index]
    names -= {"mode_seeking"} if translates else {"label_real", "cycle", "identity"}
    changes = only(**{phase: dict.fromkeys(sorted(names), 1.0)})
    recipe = tiny_recipe(
        changes | {"mode": "translate" if translates else "generate"}, labels=labels, labels_known=labels_known
    )
    stepper = new_stepper(recipe)
    parts = stepper(some_batches(recipe), 0)
    assert {name for name in parts if name.startswith(phase)} == {f"{phase}/{name}" for name in names}
    assert all(value.isfinite() for value in parts.values())
    assert all(p.isfinite().all() for n in (stepper.generator, stepper.critic) for p in n.parameters())


@pytest.mark.parametrize("norm", ["instance", "spectral", "none"])
def test_steps_repeat_exactly(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, norm: str
) -> None:
    recipe = tiny_recipe({"critic": {"norm": norm}}, labels=3)
    ends: list[tuple[Generator, Critic]] = []
    for _ in range(2):
        stepper = new_stepper(recipe)
        for step, batch in enumerate(some_batches(recipe, count=3)):
            stepper([batch], step)
        ends.append((stepper.generator, stepper.critic))
    assert not moved(weights(ends[0][0]), ends[1][0])
    assert not moved(weights(ends[0][1]), ends[1][1])


def test_it_learns(tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches) -> None:
    """Forty steps of reconstruction on one batch: the losses fall."""
    recipe = tiny_recipe(only(generator={"cycle": 5, "identity": 5}) | {"optimizer": {"generator_lr": 2e-3}})
    stepper, batches = new_stepper(recipe), some_batches(recipe)
    values = [float(stepper(batches, 0)["generator/cycle"]) for _ in range(40)]
    assert values[-1] < 0.5 * values[0]


def test_weights_are_clipped_after_the_critics_steps_alone(tiny_recipe, new_stepper, some_batches) -> None:
    recipe = tiny_recipe({"optimizer": {"kind": "rmsprop", "clip_weights": 0.01}})
    stepper = new_stepper(recipe)
    assert isinstance(stepper.optimizers["critic"], torch.optim.RMSprop)
    stepper(some_batches(recipe), 0)
    largest = {
        name: max(float(p.detach().abs().max()) for p in network.parameters())
        for name, network in (("critic", stepper.critic), ("generator", stepper.generator))
    }
    assert largest["critic"] == pytest.approx(0.01)
    assert largest["generator"] > 0.02


def test_rmsprop_divides_by_the_root_mean_square(tiny_recipe, new_stepper, some_batches) -> None:
    """The first step of RMSprop moves each weight by rate / sqrt(1 - .99), whatever its gradient is."""
    recipe = tiny_recipe({"optimizer": {"kind": "rmsprop", "generator_lr": 1e-4}})
    stepper = new_stepper(recipe)
    before = [p.detach().clone() for p in stepper.generator.parameters()]
    stepper(some_batches(recipe), 0)
    moves = torch.cat(
        [(a.detach() - b).abs().flatten() for a, b in zip(stepper.generator.parameters(), before, strict=True)]
    )
    assert float(moves.median()) == pytest.approx(1e-3, rel=0.01)


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_is_of_the_kind_asked_for(kind: str, tiny_recipe, new_stepper, some_batches) -> None:
    recipe = tiny_recipe({"mode": "generate", "generator": {"noise": kind, "noise_size": 4000}})
    stepper = new_stepper(recipe)
    (batch,) = some_batches(recipe)
    p = Pass(stepper.generator, stepper.critic, batch, recipe, stepper.processes, stepper.forward, same=False)
    assert float(p.noise.std()) == pytest.approx({"normal": 1.0, "uniform": 3**-0.5}[kind], rel=0.03)
    assert (float(p.noise.abs().max()) <= 1) == (kind == "uniform")


def test_simgan_has_one_group_where_labels_are_unknown(tiny_recipe, new_stepper, some_batches) -> None:
    """The label that a fake was given says nothing of the real beside it."""
    terms = {"critic": {"simgan": 1.0}, "generator": {"simgan": 1.0}}
    for known in (True, False):
        base = tiny_recipe({"mode": "generate", "objective": terms, "data": {"batch": 6}})
        stepper = new_stepper(base.resolved(3, labels_known=known))
        asked: list[Any] = []
        term = next(t for t in stepper.terms["critic"] if t.name == "simgan")
        spied = dataclasses.replace(
            term, function=lambda y_real, asked=asked, **_: asked.append(y_real) or torch.zeros(())
        )
        stepper.terms["critic"] = [spied]
        stepper(some_batches(stepper.recipe), 0)
        assert (asked[0] is not None) == known


@pytest.mark.parametrize(
    ("term", "message"),
    [("mode_seeking", "noise"), ("pulling_away", "fake_encodings"), ("reconstruction", "x_rebuilt")],
)
def test_terms_of_generation_are_refused_in_translation(term: str, message: str, tiny_recipe, new_stepper) -> None:
    with pytest.raises(UsageError, match=f"asks for {message}"):
        new_stepper(tiny_recipe({"objective": {"generator": {term: 1.0}}}))


def test_an_energy_gan_with_all_its_penalties_trains(tiny_recipe, new_stepper, some_batches) -> None:
    numbers = 3 * 16 * 16
    layers = [{"kind": "linear", "out": 8, "act": "relu"}, {"kind": "linear", "out": numbers, "act": "tanh"}]
    recipe = tiny_recipe(
        {
            "mode": "generate",
            "data": {"size": 16},
            "critic": {"depth": 2, "fields": [1], "size": 16, "layers": layers, "energy": True},
            "objective": {
                "critic": {"nonsaturating": 0, "r1": 0, "ebgan": {"margin": 1.0}},
                "generator": {"nonsaturating": 0, "ebgan": 1.0, "pulling_away": 0.1, "mode_seeking": 0.01},
            },
        }
    )
    stepper = new_stepper(recipe)
    before = copy.deepcopy(stepper.generator.state_dict())
    parts = stepper(some_batches(recipe), 0)
    assert 0 <= float(parts["generator/pulling_away"]) <= 1
    assert float(parts["generator/mode_seeking"]) > 0
    assert float(parts["score/real"]) < 0
    assert any(not torch.equal(before[name], value) for name, value in stepper.generator.state_dict().items())


def test_encodings_of_fakes_leave_no_mark_in_a_batchnorm(tiny_recipe, new_stepper, some_batches) -> None:
    numbers = 3 * 16 * 16
    layers = [
        {"kind": "linear", "out": 8, "norm": "batch", "act": "relu"},
        {"kind": "linear", "out": numbers, "act": "tanh"},
    ]
    critic = {"nonsaturating": 0, "r1": 0, "ebgan": {"margin": 1.0}}
    recipe = tiny_recipe(
        {
            "mode": "generate",
            "data": {"size": 16},
            "critic": {"depth": 2, "fields": [1], "size": 16, "layers": layers, "energy": True},
            "objective": {
                "critic_steps": 0,
                "critic": critic,
                "generator": {"nonsaturating": 0, "pulling_away": 1.0},
            },
        }
    )
    stepper = new_stepper(recipe)
    stepper(some_batches(recipe), 0)
    assert not stepper.critic.trunk[2].running_mean.any()


@pytest.mark.parametrize("looks", [True, False])
def test_labels_found_by_looks_are_not_taught_by_fakes(looks: bool, tiny_recipe, new_stepper, some_batches) -> None:
    """Only the info phase acts at step 0, and where looks are to teach the label head, it leaves that alone."""
    terms = {
        "critic": {"nonsaturating": 0, "r1": 0, "paired_information": {0: 0.0, 10: 1.0} if looks else 0},
        "generator": {"nonsaturating": 0},
        "info": {"label_fake": 1.0, "code": 0},
    }
    changes = {"mode": "generate", "data": {"batch": 6}, "objective": terms, "critic": {"extra_heads": [5]}}
    stepper = new_stepper(tiny_recipe(changes, labels=3, labels_known=False))
    head, generator = copy.deepcopy(stepper.critic.label_head), copy.deepcopy(stepper.generator)
    parts = stepper(some_batches(stepper.recipe), 0)
    assert "info/label_fake" in parts
    assert not torch.equal(generator.exit.conv.weight, stepper.generator.exit.conv.weight)
    assert torch.equal(head.weight, stepper.critic.label_head.weight) == looks
    later = stepper(some_batches(stepper.recipe, first=10), 10)
    assert ("critic/paired_information" in later) == looks
    assert not torch.equal(head.weight, stepper.critic.label_head.weight)


def test_nothing_is_computed_that_no_active_term_needs(tiny_recipe, new_stepper, some_batches, monkeypatch) -> None:
    """A head start of the critic's label head: no fakes are made, nor judged."""
    off = {"critic": {"nonsaturating": {0: 0, 1: 0, 2: 1}, "r1": 0}, "info": {"label_fake": {0: 0, 1: 0, 2: 1}}}
    generator = {"nonsaturating": {0: 0, 1: 0, 2: 1}, "cycle": 0, "identity": 0}
    stepper = new_stepper(tiny_recipe({"objective": {**off, "generator": generator}, "generator": {"code_size": 0}}))
    made = []
    stepper.generator.register_forward_hook(lambda *_: made.append("fake"))
    (batch,) = some_batches(stepper.recipe)
    parts = stepper([batch], 0)
    assert not made
    assert set(parts) == {"critic/label_real"}
    stepper([batch], 2)
    assert made


def test_batchnorm_of_a_critic_remembers_reals_alone(tiny_recipe, new_stepper, some_batches) -> None:
    """What a trained critic normalises by must be what it sees then: pictures, not fakes of all ages."""
    layers = [{"kind": "down", "out": 6, "norm": "batch", "act": "leaky"}, {"kind": "down", "out": 1}]
    changes = {"mode": "generate", "critic": {"layers": layers}, "objective": {"critic": {"r1": 0}}}
    stepper = new_stepper(tiny_recipe(changes, labels=0))
    norm, seen = stepper.critic.trunk[1], []
    norm.register_forward_pre_hook(lambda module, inputs: seen.append((module.momentum, inputs[0].mean((0, 2, 3)))))
    stepper(some_batches(stepper.recipe), 0)
    momenta = [momentum for momentum, _ in seen]
    assert momenta == [0.1, 0.0, 0.0], "real, fake, and the fake of the generator's phase"
    torch.testing.assert_close(norm.running_mean, 0.1 * seen[0][1].detach(), atol=1e-5, rtol=1e-4)
    assert norm.momentum == 0.1


def test_what_label_heads_normalise_by_is_that_of_reals_alone(tiny_recipe, new_stepper, some_batches) -> None:
    """Not of fakes, and not of what a penalty judges, which makes no labels."""
    terms = {
        "critic": {"nonsaturating": 1, "r1": 1, "r2": 1},
        "generator": {"nonsaturating": 1},
        "info": {"label_fake": 1},
    }
    changes = {"mode": "generate", "critic": {"label_norm": "batch"}, **only(**terms)}
    stepper = new_stepper(tiny_recipe(changes, labels=3, labels_known=False))
    norm, seen = stepper.critic.label_norm, []
    norm.register_forward_pre_hook(lambda module, inputs: seen.append((module.momentum, inputs[0].mean(0))))
    stepper(some_batches(stepper.recipe), 0)
    marks = [mean for momentum, mean in seen if momentum]
    assert (len(marks), len(seen)) == (1, 5), "reals, fakes, both penalties, and the fakes of the generator's phase"
    torch.testing.assert_close(norm.running_mean, 0.1 * marks[0].detach(), atol=1e-5, rtol=1e-4)


def test_each_of_several_critics_is_judged_by_itself_and_averaged(tiny_recipe, new_stepper, some_batches) -> None:
    """So the gradient of each is half of what it would have alone; only a penalty of the mean score couples them."""
    recipe = tiny_recipe(only(critic={"hinge": 1}) | {"critic": {"count": 2}})
    stepper, (batch,) = new_stepper(recipe), some_batches(recipe)
    g, alone = copy.deepcopy(stepper.generator), copy.deepcopy(stepper.critic.critics)
    parts = stepper([batch], 0)
    code = Pass(g, stepper.critic, batch, recipe, stepper.processes, stepper.forward, same=False).code
    x_fake = g(batch.x_source, batch.y_real, code).detach()
    losses = []
    for critic in alone:
        views = zip(critic(batch.x_real, batch.y_real).patches, critic(x_fake, batch.y_real).patches, strict=True)
        losses.append(torch.stack([F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in views]).mean())
        (losses[-1] / 2).backward()
    torch.testing.assert_close(parts["critic/hinge"], torch.stack(losses).mean().detach())
    for trained, critic in zip(stepper.critic.critics, alone, strict=True):
        gradients_match(trained, critic)


@pytest.mark.parametrize("mode", ["translate", "generate"])
def test_several_generators_and_critics_with_every_setting_of_the_step(
    tiny_recipe, new_stepper, some_batches, mode: str
) -> None:
    """All heads learn, noise and all; the step is a function of its number."""
    objective = {"reuse": 2, "critic_batch": 4, "critic_steps": 2, "critic": {"r1": 1, "dragan": 1, "simgan": 0.1}}
    changes = {"mode": mode, "generator": {"heads": 2}, "critic": {"count": 2}, "data": {"batch": 8}}
    recipe = tiny_recipe({**changes, "objective": objective})
    ends = []
    for _ in range(2):
        stepper = new_stepper(recipe)
        before = weights(stepper.generator), weights(stepper.critic)
        torch.rand(3)
        for step in range(2):
            parts = stepper(some_batches(recipe, count=2, first=2 * step), step)
            assert all(value.isfinite() for value in parts.values())
        ends.append(stepper)
    assert moved(before[0], ends[1].generator) == set(before[0])
    assert moved(before[1], ends[1].critic) == set(before[1])
    assert not moved(weights(ends[0].generator), ends[1].generator)
    assert not moved(weights(ends[0].critic), ends[1].critic)


def test_noise_on_the_heads_is_new_in_each_step(tiny_recipe, new_stepper, some_batches) -> None:
    stepper = new_stepper(tiny_recipe({"mode": "generate", "generator": {"heads": 2}}))
    seen = []
    for step in (0, 1, 1):
        stepper(some_batches(stepper.recipe), step)
        seen.append(stepper.generator.enter.linear.weight_noise.clone())
    assert seen[0].abs().min() > 0
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[1], seen[2])


# --- what tells health ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terms", "told"), [({"hinge": 1}, True), ({"simgan": 1}, False)])
def test_told_apart_is_of_critics_that_score_reals_higher(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, terms: dict[str, Any], told: bool
) -> None:
    recipe = tiny_recipe(only(critic=terms, generator={"hinge": 1}))
    parts = new_stepper(recipe)(some_batches(recipe), 0)
    assert ("told_apart" in parts) == told
    assert "score/spread" in parts


def test_told_apart_counts_pairs_of_pictures() -> None:
    real = (torch.tensor([[1.0, 3.0], [0.0, 0.0], [5.0, 5.0]]), torch.tensor([[2.0], [2.0], [2.0]]))
    fake = (torch.tensor([[0.0, 0.0], [9.0, 9.0]]), torch.tensor([[2.0], [2.0]]))
    assert float(_told_apart(real, fake)) == pytest.approx((1 + 0.5 + 1) / 6), "a tie is half told apart"
    assert float(_told_apart(fake, real)) == pytest.approx(1 - 2.5 / 6)


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_the_norm_of_the_generators_gradient_is_logged_as_it_was_before_clipping(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, clip: float | None
) -> None:
    recipe = tiny_recipe({**only(critic={"hinge": 1}, generator={"hinge": 1}), "optimizer": {"clip": clip}})
    stepper = new_stepper(recipe)
    seen: list[float] = []
    optimizer = stepper.optimizers["generator"]
    step = optimizer.step

    def look(*arguments: Any) -> Any:
        norms = [p.grad.double().square().sum() for p in stepper.generator.parameters() if p.grad is not None]
        seen.append(float(sum(norms)) ** 0.5)
        return step(*arguments)

    optimizer.step = look  # type: ignore[method-assign]
    parts = stepper(some_batches(recipe), 0)
    if clip is None:
        assert float(parts["gradient/generator"]) == pytest.approx(seen[0], rel=1e-5)
    else:
        assert float(parts["gradient/generator"]) > seen[0]
        assert seen[0] == pytest.approx(clip, rel=1e-2)
    assert 0 <= float(parts["told_apart"]) <= 1
