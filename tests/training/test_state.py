"""Checkpoints: bit for bit, never a part, never unpickled; and the moving average."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from domainxfer.datasets.batches import Batch
from domainxfer.errors import DomainxferError
from domainxfer.recipe import Recipe
from domainxfer.training import state as state_module
from domainxfer.training.run_folder import checkpoint_files
from domainxfer.training.state import (
    FORMAT,
    MovingAverage,
    checkpoint_path,
    load_checkpoint,
    restore,
    save_checkpoint,
)
from domainxfer.training.step import Stepper

MakeRecipe = Callable[..., Recipe]
MakeStepper = Callable[..., Stepper]
MakeBatches = Callable[..., list[Batch]]
CHANGES: list[dict[str, Any]] = [
    {"optimizer": {"info_lr": 1e-4}, "critic": {"norm": "spectral"}},
    {"generator": {"heads": 2}, "critic": {"count": 2}, "objective": {"reuse": 3, "critic_batch": 2}},
    {"mode": "generate", "generator": {"heads": 3}, "objective": {"reuse": 3}},
]


def trained(stepper: Stepper, average: MovingAverage, batches: list[Batch], first: int) -> None:
    for step, batch in enumerate(batches, start=first):
        stepper([batch], step)
        average.update(stepper.generator, step)


def everything(stepper: Stepper, average: MovingAverage) -> dict[str, torch.Tensor]:
    networks = {"generator": stepper.generator, "critic": stepper.critic, "average": average.network}
    found = {f"{n}.{key}": t for n, network in networks.items() for key, t in network.state_dict().items()}
    for name, optimizer in stepper.optimizers.items():
        for number, values in optimizer.state_dict()["state"].items():
            found |= {f"{name}.{number}.{key}": value for key, value in values.items()}
    return found


@pytest.fixture
def saved(tiny_recipe: MakeRecipe, new_stepper: MakeStepper, tmp_path: Path) -> Path:
    stepper = new_stepper(tiny_recipe())
    return save_checkpoint(tmp_path, stepper, MovingAverage(stepper.generator, 0.9), 5, {"seconds": 1.5}, keep=2)


def refused(path: Path) -> str:
    with pytest.raises(DomainxferError) as caught:
        load_checkpoint(path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(path) in line
    return line


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", CHANGES)
def test_going_on_from_a_checkpoint_is_going_on(
    tiny_recipe: MakeRecipe,
    new_stepper: MakeStepper,
    some_batches: MakeBatches,
    tmp_path: Path,
    changes: dict[str, Any],
) -> None:
    """Two steps, a checkpoint, two more: bit for bit what a new process makes of the checkpoint."""
    recipe = tiny_recipe(changes)
    batches = some_batches(recipe, count=4)
    going = new_stepper(recipe)
    average = MovingAverage(going.generator, 0.99)
    trained(going, average, batches[:2], 0)
    path = save_checkpoint(tmp_path, going, average, 2, {"seconds": 3.25, "best": None}, keep=2)
    torch.rand(3)
    trained(going, average, batches[2:], 2)

    fresh = new_stepper(recipe, seed=77)
    fresh_average = MovingAverage(fresh.generator, 0.99)
    loaded = load_checkpoint(path)
    assert loaded["extra"] == {"seconds": 3.25, "best": None}
    assert restore(loaded, fresh, fresh_average) == 2
    trained(fresh, fresh_average, some_batches(recipe, count=2, first=2), 2)
    a, b = everything(going, average), everything(fresh, fresh_average)
    assert a.keys() == b.keys()
    assert len(a) > 100
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_what_the_recipe_now_says_of_an_optimizer_holds(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, some_batches: MakeBatches, tmp_path: Path
) -> None:
    recipe = tiny_recipe()
    stepper = new_stepper(recipe)
    average = MovingAverage(stepper.generator, 0.99)
    trained(stepper, average, some_batches(recipe), 0)
    path = save_checkpoint(tmp_path, stepper, average, 1, {}, keep=2)
    other = new_stepper(tiny_recipe({"optimizer": {"betas": [0.0, 0.9]}}))
    restore(load_checkpoint(path), other, average)
    assert all(group["betas"] == (0.0, 0.9) for o in other.optimizers.values() for group in o.param_groups)
    assert all(int(s["step"]) == 1 for s in other.optimizers["critic"].state.values()), "what it remembers is kept"


def test_the_random_state_comes_back(tiny_recipe: MakeRecipe, new_stepper: MakeStepper, tmp_path: Path) -> None:
    stepper = new_stepper(tiny_recipe())
    average = MovingAverage(stepper.generator, 0.9)
    torch.manual_seed(5)
    path = save_checkpoint(tmp_path, stepper, average, 1, {}, keep=1)
    expected = torch.rand(4)
    restore(load_checkpoint(path), stepper, average)
    assert torch.equal(torch.rand(4), expected)


def test_a_checkpoint_holds_plain_types_only(saved: Path) -> None:
    loaded = torch.load(saved, weights_only=True)
    assert loaded["format"] == FORMAT
    assert loaded["step"] == 5
    assert set(loaded["optimizers"]) == {"generator", "critic"}


# --- which are kept ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_newest_are_kept(tiny_recipe: MakeRecipe, new_stepper: MakeStepper, tmp_path: Path, keep: int) -> None:
    stepper = new_stepper(tiny_recipe())
    average = MovingAverage(stepper.generator, 0.9)
    for step in (10, 20, 30, 40):
        save_checkpoint(tmp_path, stepper, average, step, {}, keep)
    assert checkpoint_files(tmp_path) == [checkpoint_path(tmp_path, step) for step in (10, 20, 30, 40)][-keep:]


@pytest.mark.parametrize("keep", [1, 2])
def test_a_damaged_later_one_pushes_no_good_one_out(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, tmp_path: Path, keep: int
) -> None:
    """The run went on from step 20, since 30 could not be read; what it writes at 25 must stay."""
    stepper = new_stepper(tiny_recipe())
    average = MovingAverage(stepper.generator, 0.9)
    save_checkpoint(tmp_path, stepper, average, 20, {}, keep)
    checkpoint_path(tmp_path, 30).write_bytes(b"damaged")
    save_checkpoint(tmp_path, stepper, average, 25, {}, keep)
    assert load_checkpoint(checkpoint_path(tmp_path, 25))["step"] == 25


def test_only_whole_checkpoints_count(tmp_path: Path) -> None:
    for name in (".step_0000009.pt.abc.part", "step_0000007.pt", "step_x.pt", "step_12.pt", "step_0000003.pt", "other"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in checkpoint_files(tmp_path)] == ["step_0000003.pt", "step_0000007.pt"]
    assert checkpoint_files(tmp_path / "nowhere") == []


def test_a_failed_write_leaves_the_old_ones(
    tiny_recipe: MakeRecipe, new_stepper: MakeStepper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stepper = new_stepper(tiny_recipe())
    average = MovingAverage(stepper.generator, 0.9)
    save_checkpoint(tmp_path, stepper, average, 1, {}, keep=1)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DomainxferError, match="disk is full"):
        save_checkpoint(tmp_path, stepper, average, 2, {}, keep=1)
    assert os.listdir(tmp_path) == ["step_0000001.pt"]


# --- what is refused --------------------------------------------------------------------------------------------------


class Evil:
    """Its pickle makes a folder when it is opened."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("how", ["pickle", "torch.save", "old torch.save"])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path: Path, how: str) -> None:
    marker, path = tmp_path / "it ran", tmp_path / "step_0000001.pt"
    content = {"format": FORMAT, "step": 1, "generator": Evil(marker)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch.save")
    refused(path)
    assert not marker.exists()
    with path.open("rb") as file:
        if how == "pickle":
            pickle.load(file)
            assert marker.exists(), "the pickle is a live one"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_checkpoint(saved: Path, share: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * len(content))])
    assert "damaged" in refused(saved)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_any_bytes_at_all_give_one_line(tmp_path: Path) -> None:
    numbers = torch.Generator().manual_seed(0)
    path = tmp_path / "step_0000001.pt"
    for number in range(150):
        length = int(torch.randint(0, 120, (1,), generator=numbers))
        path.write_bytes(bytes(torch.randint(0, 256, (length,), generator=numbers).tolist()))
        refused(path)
        path.write_bytes(pickle.dumps([number, {"a": 1}, "text", None][number % 4], protocol=number % 5))
        refused(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"format": FORMAT + 1}, "newer"),
        ({"step": 3}, "no checkpoint"),
        ({"format": FORMAT}, "no checkpoint"),
        ({"format": FORMAT, "step": "3", "extra": {}}, "no checkpoint"),
        ({"format": "one"}, "no checkpoint"),
        ([1, 2], "no checkpoint"),
        (torch.zeros(3), "no checkpoint"),
    ],
)
def test_something_else_in_its_place(tmp_path: Path, content: object, says: str) -> None:
    torch.save(content, tmp_path / "x.pt")
    assert says in refused(tmp_path / "x.pt")


def test_nothing_in_its_place(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "step_0000001.pt")
    (tmp_path / "folder").mkdir()
    assert "a folder" in refused(tmp_path / "folder")


# --- the moving average -----------------------------------------------------------------------------------------------


def test_the_average_warms_up() -> None:
    """After update t the decay was min(decay, (1 + t) / (10 + t)), by hand for one number."""
    network = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(5.0)
    average = MovingAverage(network, 0.4)
    by_hand = 5.0
    decays = []
    for step in range(12):
        value = float((step * 7) % 5)
        with torch.no_grad():
            network.weight.fill_(value)
        average.update(network, step)
        decay = min(0.4, (1 + step) / (10 + step))
        decays.append(decay)
        by_hand = decay * by_hand + (1 - decay) * value
        assert float(average.network.weight.detach()) == pytest.approx(by_hand, rel=1e-5)
    assert decays[:2] == pytest.approx([0.1, 2 / 11])
    assert decays[-1] == 0.4


def test_the_average_forgets_the_random_start() -> None:
    network = torch.nn.Linear(4, 4)
    average = MovingAverage(network, 0.999)
    start = average.network.weight.clone()
    with torch.no_grad():
        network.weight.zero_()
    for step in range(60):
        average.update(network, step)
    assert average.network.weight.abs().max() < 1e-6 * start.abs().max()


def test_the_average_is_a_copy_without_gradients() -> None:
    network = torch.nn.Linear(2, 2)
    average = MovingAverage(network, 0.5)
    assert not any(p.requires_grad for p in average.network.parameters())
    assert all(p.requires_grad for p in network.parameters())
    assert not average.network.training
    with torch.no_grad():
        network.weight.zero_()
    assert average.network.weight.abs().sum() > 0


def test_the_module_reads_weights_only(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    plain = torch.load

    def load(*arguments: Any, **options: Any) -> Any:
        asked.append(options.get("weights_only"))
        return plain(*arguments, **options)

    monkeypatch.setattr(state_module.torch, "load", load)
    load_checkpoint(saved)
    assert asked == [True]


def test_the_average_carries_the_statistics_of_batchnorm() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    average = MovingAverage(network, 0.9)
    network(torch.randn(32, 3, generator=torch.Generator().manual_seed(0)) + 5)
    average.update(network, 10)
    assert network[1].running_mean.abs().sum() > 0
    assert torch.equal(average.network[1].running_mean, network[1].running_mean)
