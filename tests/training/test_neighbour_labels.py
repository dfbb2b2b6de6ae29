"""Labels read anew from features that stand still: neighbours share a label, and the best of several heads is taken."""

import csv
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from domainxfer.datasets.batches import LoadedPictures
from domainxfer.datasets.domain_data import PictureArray
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.losses.info import information
from domainxfer.models.layered import LayeredCritic
from domainxfer.objective import NeighbourLabels
from domainxfer.recipe import Recipe
from domainxfer.training.listener import Listener
from domainxfer.training.neighbour_labels import _Heads, linear_of, nearest_neighbours, read_labels_anew
from domainxfer.training.processes import Processes
from domainxfer.training.run import Run
from domainxfer.training.run_folder import RunFolder
from domainxfer.training.sensible import refuse_senseless

SIDE = 32
PER_HUE = 40
LOOKS = {
    "mode": "generate",
    "data": {"batch": 6},
    "generator": {"code_size": 0},
    "objective": {
        "critic": {"nonsaturating": 0, "r1": 0, "paired_information": 1.0, "label_known": 1.0},
        "generator": {"nonsaturating": 0},
        "info": {"label_fake": 0},
        "looks": {"turn": 5.0},
        "labels_from_neighbours": {
            "at": 3,
            "nearest": 3,
            "heads": 5,
            "steps": 60,
            "batch": 64,
            "learning_rate": 0.02,
            "sure": 0.4,
            "balance": 1.2,
        },
    },
    "critic": {"extra_heads": [7]},
}
LAYERS = {
    "layers": [
        {"kind": "down", "out": 8, "kernel": 4, "stride": 2, "pad": 1, "act": "leaky"},
        {"kind": "down", "out": 8, "kernel": 4, "stride": 2, "pad": 1, "norm": "batch", "act": "leaky"},
        {"kind": "linear", "out": 1},
    ]
}


@pytest.fixture(params=["one trunk", "layers"])
def recipe(request: pytest.FixtureRequest, tiny_recipe: Callable[..., Recipe]) -> Recipe:
    more = LAYERS if request.param == "layers" else {}
    critic = {**LOOKS["critic"], **more}  # type: ignore[dict-item]
    return tiny_recipe({**LOOKS, "critic": critic}, labels=3, labels_known=False)  # type: ignore[no-any-return]


@pytest.fixture
def hues(recipe: Recipe) -> LoadedPictures:
    """Red, green and blue squares on dark noise, a little here or there; the hue of picture i is i % 3."""
    numbers = np.random.default_rng(0)
    pictures = numbers.integers(0, 60, (3 * PER_HUE, SIDE, SIDE, 3), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        top, left = numbers.integers(0, SIDE - 28, 2)
        picture[top : top + 28, left : left + 28] = np.eye(3)[number % 3] * 250
    return LoadedPictures(PictureArray(pictures), recipe.data.size, 2**30)


def labels_of(critic: torch.nn.Module, hues: LoadedPictures, recipe: Recipe) -> torch.Tensor:
    """Told by the statistics of these pictures, as they were read."""
    size = recipe.data.size
    with torch.no_grad():
        return critic(held_out_tensor(hues.pictures, size, range(len(hues)))).label_logits


def kept(name: str) -> bool:
    """Whether reading anew leaves it; BatchNorm counts what it saw, which has no use."""
    return not name.startswith("label_head") and not name.endswith("num_batches_tracked")


def test_nearest_neighbours_are_those_of_most_alike_brightness() -> None:
    x = torch.rand(70, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = nearest_neighbours(x, 4)
    flat = ((x.double() + 1) / 2).flatten(1)
    for i in range(70):
        alike = torch.nn.functional.cosine_similarity(flat[i : i + 1], flat, dim=1)
        alike[i] = -9
        assert found[i].tolist() == alike.argsort(descending=True)[:4].tolist()


def test_the_best_head_becomes_the_label_head_and_all_else_stays(
    recipe: Recipe, hues, new_stepper, some_batches
) -> None:  # type: ignore[no-untyped-def]
    stepper = new_stepper(recipe)
    stepper(some_batches(recipe), 0)  # the optimizer has a memory now
    critic, memory = stepper.critic, stepper.optimizers["critic"].state
    linear = linear_of(critic)
    others = {name: value.clone() for name, value in critic.state_dict().items() if kept(name)}
    assert memory[linear.weight]

    nats, read = read_labels_anew(stepper, hues, {})

    assert len(nats) == 5
    assert linear.weight not in memory
    assert critic.training
    for name, value in others.items():
        assert torch.equal(critic.state_dict()[name], value), name
    # What is said of the best is so of the critic: all pairs of a picture and a neighbour, weighed as in training.
    logits = labels_of(critic, hues, recipe)
    size = recipe.data.size
    small = torch.nn.functional.interpolate(
        held_out_tensor(hues.pictures, size, range(len(hues))), size=(min(size, 32),) * 2, mode="area"
    )
    neighbours = nearest_neighbours(small, 3)
    again = information(logits.repeat_interleave(3, 0), logits[neighbours.flatten()], balance=1.2)
    assert float(again) == pytest.approx(max(nats), abs=2e-3)
    confidence, labels = logits.softmax(1).max(1)
    clear = (confidence - 0.4).abs() > 0.01
    assert torch.equal(read[clear], torch.where(confidence > 0.4, labels, -1)[clear])


@pytest.mark.parametrize("few", [0, 4])
def test_what_a_head_has_found_is_its_information_less_its_error_on_known_labels(few: int) -> None:
    """By hand, from the heads as they are in the end."""
    settings = NeighbourLabels(at=1, heads=3, steps=5, batch=8, learning_rate=0.05, balance=1.3)
    features = torch.randn(12, 6, generator=torch.Generator().manual_seed(1))
    neighbours = torch.tensor([[(i + 1) % 12, (i + 5) % 12] for i in range(12)])
    known = torch.tensor([0, 1, 1, 0][:few] + [-1] * (12 - few))
    heads = _Heads(2, features, settings, seed=0)
    found = heads.learn(neighbours, known)
    for head, nats in enumerate(found):
        weight, bias = (w.double() for w in heads.of(head))
        p = (features.double() @ weight.T + bias).softmax(1)
        joint = sum(p[i][:, None] * p[j] for i in range(12) for j in neighbours[i].tolist()) / 24
        joint = (joint + joint.T) / 2
        alone = joint.sum(0)
        by_hand = (joint * joint.log()).sum() - 2 * 1.3 * (alone * alone.log()).sum()
        for i in range(few):
            by_hand = by_hand + p[i, known[i]].log() / few
        assert nats == pytest.approx(float(by_hand), abs=1e-5)


def test_neighbours_tell_hues_apart_with_no_label_known(recipe: Recipe, hues, new_stepper) -> None:  # type: ignore[no-untyped-def]
    stepper = new_stepper(recipe)
    read_labels_anew(stepper, hues, {})
    found = labels_of(stepper.critic, hues, recipe).argmax(1).view(-1, 3)  # a column is a hue
    assert sorted(found.mode(0).values.tolist()) == [0, 1, 2]
    assert (found == found.mode(0).values).float().mean() > 0.9


def test_known_labels_say_which_label_is_which(recipe: Recipe, hues, new_stepper) -> None:  # type: ignore[no-untyped-def]
    stepper = new_stepper(recipe)
    known = {place: (place + 1) % 3 for place in range(12)}
    read = read_labels_anew(stepper, hues, known).labels
    assert all(read[place] == label for place, label in known.items())
    found = labels_of(stepper.critic, hues, recipe).argmax(1)
    assert (found == (torch.arange(len(hues)) + 1) % 3).float().mean() > 0.9


def test_of_very_many_pictures_every_nth_is_taken(recipe: Recipe, hues, new_stepper, tiny_recipe) -> None:  # type: ignore[no-untyped-def]
    stepper = new_stepper(recipe)
    settings = recipe.objective.labels_from_neighbours
    fewer = settings.model_copy(update={"most": 31, "nearest": 60})  # and no more neighbours than there are
    stepper.recipe = recipe.model_copy(
        update={"objective": recipe.objective.model_copy(update={"labels_from_neighbours": fewer})}
    )
    nats, read = read_labels_anew(stepper, hues, {0: 2, 1: 1})
    assert len(nats) == 5
    assert len(read) == 120
    assert (read >= 0).sum() <= 32  # and a known one that is not among them
    assert read[:2].tolist() == [2, 1]
    logits = labels_of(stepper.critic, hues, recipe)
    assert logits.isfinite().all()


def senseless(**changes: dict) -> dict:  # type: ignore[type-arg]
    settings: dict = {**LOOKS, "objective": {**LOOKS["objective"]}}  # type: ignore[type-arg, dict-item]
    for part, values in changes.items():
        settings[part] = {**settings[part], **values}
    return settings


@pytest.mark.parametrize(
    ("settings", "labels", "reason"),
    [
        (
            senseless(objective={"critic": {"paired_information": 0, "label_known": 1.0}}),
            3,
            "paired_information is off",
        ),
        (
            senseless(objective={"critic": {"paired_information": 1.0}}),
            3,
            "label_known teaches what was found, which is off",
        ),
        (senseless(critic={"count": 2}), 3, "take critic.count 1"),
        (
            senseless(critic={"layers": [*LAYERS["layers"][:2], {"kind": "down", "out": 1, "kernel": 8, "stride": 1}]}),
            3,
            "must be linear",
        ),
        (senseless(), 0, "there are no labels to find"),
    ],
)
def test_what_cannot_be_read_is_refused(settings, labels: int, reason: str, tiny_recipe) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UsageError, match=reason):
        refuse_senseless(tiny_recipe(settings, labels=labels, labels_known=False))


@pytest.mark.parametrize("stop_after", [2, 3, 4])
def test_a_run_reads_once_and_a_resumed_one_the_same(  # type: ignore[no-untyped-def]
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
    assert ["of 5 label heads" in text for text in said] == [True]
    assert whole.labels_read is not None
    assert (whole.labels_read >= 0).any()
    with whole.folder.metrics.open() as file:
        taught = [float(row["critic/label_known"]) for row in csv.DictReader(file)]
    assert taught[:3] == [0, 0, 0]  # nothing is known before
    assert any(taught[3:])

    steps = iter(range(9))
    new_run("parts", Listener(stop=lambda: next(steps) >= stop_after)).train()
    rest = new_run("parts", Listener())
    rest.resume()
    assert rest.step == stop_after
    rest.train()
    for name, value in whole.stepper.critic.state_dict().items():
        assert torch.equal(value, rest.stepper.critic.state_dict()[name]), name


@pytest.mark.parametrize("count", [18, 23])
@pytest.mark.parametrize(("stop_after", "refused"), [(2, False), (4, True)])  # labels are read at step 3
def test_labels_that_were_read_are_of_those_pictures_and_no_others(  # type: ignore[no-untyped-def]
    count: int, stop_after: int, refused: bool, tmp_path: Path, tiny_data, tiny_recipe
) -> None:
    settings = {**LOOKS, "training": {"steps": 6, "checkpoint_every": 1, "log_every": 1, "precision": "fp32"}}
    made, steps = tiny_recipe(settings, labels=3, labels_known=False), iter(range(9))

    def new_run(pictures: int, listener: Listener) -> Run:
        data = tiny_data((pictures,), labelled=False)
        return Run(made, data, Processes(cpu=True), RunFolder(tmp_path), listener)

    new_run(20, Listener(stop=lambda: next(steps) >= stop_after)).train()
    with pytest.raises(DomainxferError, match="put them back") if refused else nullcontext():
        new_run(count, Listener()).resume()


def test_features_are_what_labels_are_read_from(recipe: Recipe, new_stepper, some_batches) -> None:  # type: ignore[no-untyped-def]
    critic = new_stepper(recipe).critic.eval()
    x = some_batches(recipe)[0].x_real
    with torch.no_grad():
        assert torch.allclose(linear_of(critic)(critic.encode(x)), critic(x).label_logits, atol=1e-6)
    assert isinstance(critic, LayeredCritic) == bool(recipe.critic.layers)


@pytest.mark.parametrize("as_is", [0.0, 1.0])
def test_looks_leave_no_mark_where_pictures_are_seen_as_they_are(  # type: ignore[no-untyped-def]
    as_is: float, tiny_recipe, new_stepper, some_batches
) -> None:
    """BatchNorm's running statistics are those of the reals, if the critic sees any; else of the looks."""
    objective = {**LOOKS["objective"], "critic": {**LOOKS["objective"]["critic"], "label_as_is": as_is}}  # type: ignore[dict-item]
    settings = {**LOOKS, "objective": objective, "critic": {**LOOKS["critic"], **LAYERS}}  # type: ignore[dict-item]
    stepper = new_stepper(tiny_recipe(settings, labels=3, labels_known=False))
    (batch,) = some_batches(stepper.recipe)
    norm = next(module for module in stepper.critic.modules() if isinstance(module, torch.nn.BatchNorm2d))
    seen: list[torch.Tensor] = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))

    stepper([batch], 0)

    assert len(seen) == (3 if as_is else 2)  # two looks, then the pictures as they are
    means = torch.zeros(8)
    for x in seen[2:] or seen:
        means = 0.9 * means + 0.1 * x.mean((0, 2, 3))
    torch.testing.assert_close(norm.running_mean, means)
