"""Label heads that compete: the best by its own information becomes the label head, weights and memory alike."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from domainxfer.errors import UsageError
from domainxfer.recipe import Recipe
from domainxfer.training.head_choice import choose_label_head
from domainxfer.training.listener import Listener
from domainxfer.training.processes import Processes
from domainxfer.training.run import Run
from domainxfer.training.run_folder import RunFolder
from domainxfer.training.sensible import refuse_senseless

LOOKS = {
    "mode": "generate",
    "data": {"batch": 6},
    "generator": {"code_size": 0},
    "objective": {
        "critic": {"nonsaturating": 0, "r1": 0, "paired_information": 1.0},
        "generator": {"nonsaturating": 0},
        "info": {"label_fake": 0},
        "looks": {"turn": 5.0},
        "choose_label_head_at": 3,
    },
    "critic": {"extra_heads": [0, 7, 0]},
}


@pytest.fixture
def recipe(tiny_recipe: Callable[..., Recipe]) -> Recipe:
    return tiny_recipe(LOOKS, labels=3, labels_known=False)  # type: ignore[no-any-return]


def test_a_head_of_0_labels_has_as_many_as_the_label_head(recipe: Recipe, new_stepper) -> None:  # type: ignore[no-untyped-def]
    assert recipe.critic.extra_heads == (3, 7, 3)
    assert [head.out_features for head in new_stepper(recipe).critic.extra_heads] == [3, 7, 3]


@pytest.mark.parametrize("best", [0, 1, 3])
def test_the_head_of_most_information_wins(best: int, recipe: Recipe, new_stepper, some_batches) -> None:  # type: ignore[no-untyped-def]
    stepper = new_stepper(recipe)
    stepper(some_batches(recipe), 0)  # the optimizer has a memory now
    critic = stepper.critic
    heads = [critic.label_head, *critic.extra_heads]
    with torch.no_grad():
        for place, head in enumerate(heads):
            # Sharp labels of what the picture shows say more of it than almost even ones.
            torch.nn.init.normal_(head.weight, std=20.0 if place == best else 1e-3)
            torch.nn.init.constant_(head.bias, float(place))
    memory = stepper.optimizers["critic"].state
    before = [(h.weight.clone(), h.bias.clone(), memory[h.weight]["exp_avg"].clone()) for h in heads]

    nats = choose_label_head(stepper, some_batches(recipe, 4))

    assert len(nats) == 3  # the head of 7 labels does not compete
    assert max(nats) == nats[{0: 0, 1: 1, 3: 2}[best]]
    for place, head in enumerate(heads):
        came_from = {0: best, best: 0}.get(place, place)
        weight, bias, average = before[came_from]
        assert torch.equal(head.weight, weight)
        assert torch.equal(head.bias, bias)
        assert torch.equal(memory[head.weight]["exp_avg"], average)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"critic": {"extra_heads": [7]}}, "no head of 3 labels competes"),
        ({"objective": {"critic": {"paired_information": 0}}}, "which is off"),
    ],
)
def test_nothing_to_choose_from_is_refused(change, reason: str, tiny_recipe) -> None:  # type: ignore[no-untyped-def]
    settings = {**LOOKS, "objective": {**LOOKS["objective"]}}  # type: ignore[dict-item]
    for part, values in change.items():
        settings[part] = {**settings[part], **values}
    with pytest.raises(UsageError, match=reason):
        refuse_senseless(tiny_recipe(settings, labels=3, labels_known=False))


@pytest.mark.parametrize("stop_after", [2, 3, 4])
def test_a_run_chooses_once_and_a_resumed_one_the_same(  # type: ignore[no-untyped-def]
    stop_after: int, tmp_path: Path, tiny_data, tiny_recipe
) -> None:
    settings = {**LOOKS, "training": {"steps": 6, "checkpoint_every": 1, "log_every": 1, "precision": "fp32"}}
    made = tiny_recipe(settings, labels=3, labels_known=False)

    def new_run(name: str, listener: Listener) -> Run:
        data = tiny_data((20,), labelled=False)
        return Run(made, data, Processes(cpu=True), RunFolder(tmp_path / name), listener)

    said: list[str] = []
    whole = new_run("whole", Listener(say=said.append))
    whole.train()
    assert ["of 3 label heads" in text for text in said] == [True]

    steps = iter(range(9))
    new_run("parts", Listener(stop=lambda: next(steps) >= stop_after)).train()
    rest = new_run("parts", Listener())
    rest.resume()
    assert rest.step == stop_after
    rest.train()
    for name, value in whole.stepper.critic.state_dict().items():
        assert torch.equal(value, rest.stepper.critic.state_dict()[name]), name
