"""Batches: balanced, deranged, complete, and the same for any number of workers and processes."""

import multiprocessing
import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

from domainxfer.datasets.batches import Batch, BatchSource, LoadedPictures, Planner, balanced_part, batches, deranged
from domainxfer.datasets.domain_data import DomainData, PictureFiles
from domainxfer.datasets.pixels import shrink, to_tensor
from domainxfer.draws import draw
from domainxfer.errors import PictureError
from domainxfer.recipe import DataSettings

MakeData = Callable[..., DomainData]
CASES = [(k, b) for k in (2, 3, 4, 7, 13) for b in (2, 4, 5, 7, 8, 12, 13, 26) if k > 2 or b % 2 == 0]


def settings(**changes: Any) -> DataSettings:
    augment = [{"name": "HorizontalFlip", "p": 0.5}, {"name": "ColorJitter", "p": 1.0}]
    return DataSettings.model_validate({"size": 32, "batch": 6, "augment": augment, **changes})


def same(a: Batch, b: Batch) -> bool:
    return (
        (a.step, a.positions, a.sources) == (b.step, b.positions, b.sources)
        and torch.equal(a.x_real, b.x_real)
        and torch.equal(a.y_real, b.y_real)
        and torch.equal(a.x_source, b.x_source)
        and torch.equal(a.y_source, b.y_source)
        and torch.equal(picks_of(a), picks_of(b))
    )


def picks_of(batch: Batch) -> torch.Tensor:
    assert batch.picks is not None
    return batch.picks


# --- the plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("domains", "batch"), CASES)
def test_every_batch_is_balanced_and_deranged(domains: int, batch: int) -> None:
    planner = Planner((5,) * domains, batch, seed=1)
    seen: Counter[int] = Counter()
    for step in range(60):
        plan = planner.plan(step)
        reals = Counter(plan.y_real.tolist())
        counts = [reals[label] for label in range(domains)]
        assert max(counts) - min(counts) <= 1
        assert sorted(plan.sources.tolist()) == list(range(batch)), "every picture becomes something, once"
        assert (plan.y_real[plan.sources] != plan.y_real).all(), "no fake from its own label"
        # Fake i is made for the label of real i, so a label has as many fakes as reals; it gives as many sources.
        assert Counter(plan.y_real[plan.sources].tolist()) == reals
        seen.update(reals)
    assert max(seen.values()) - min(seen[label] for label in range(domains)) <= 1, "the surplus moves on"


@pytest.mark.parametrize(("domains", "batch"), [(2, 4), (3, 5), (4, 8), (7, 7), (13, 13), (13, 8), (13, 4), (5, 2)])
def test_over_many_steps_every_label_becomes_every_other(domains: int, batch: int) -> None:
    planner = Planner((5,) * domains, batch, seed=2)
    pairs: Counter[tuple[int, int]] = Counter()
    for step in range(1500):
        plan = planner.plan(step)
        pairs.update(zip(plan.y_real[plan.sources].tolist(), plan.y_real.tolist(), strict=True))
    assert set(pairs) == {(s, t) for s in range(domains) for t in range(domains) if s != t}
    assert min(pairs.values()) > 0.35 * max(pairs.values())


@pytest.mark.parametrize(
    ("labels", "apart"), [([0, 0, 1, 1, 2], True), ([0, 1, 1, 0], True), ([0, 0, 0, 1], False), ([0, 0, 0], False)]
)
def test_deranged_is_a_permutation_that_keeps_labels_apart_where_it_can(labels: list[int], apart: bool) -> None:
    y = np.array(labels)
    for number in range(50):
        sources = deranged(y, draw(0, "targets", number))
        assert sorted(sources.tolist()) == list(range(len(y)))
        assert bool((y[sources] != y).all()) == apart


def test_deranged_pairs_pictures_anew() -> None:
    y = np.arange(8) % 2
    rows = {tuple(deranged(y, draw(0, "targets", number)).tolist()) for number in range(50)}
    assert len(rows) > 15
    assert len(deranged(np.array([], np.int64), draw(0, "targets"))) == 0


@pytest.mark.parametrize(("sizes", "batch"), [((7, 5), 4), ((3, 11, 6), 8), ((1, 2), 6), ((9,), 4)])
def test_each_epoch_visits_each_picture_once_in_a_new_order(sizes: tuple[int, ...], batch: int) -> None:
    planner = Planner(sizes, batch, seed=3)
    visits: list[list[int]] = [[] for _ in sizes]
    for step in range(40):
        plan = planner.plan(step)
        for label, pick in zip(plan.y_real.tolist(), plan.picks.tolist(), strict=True):
            visits[label].append(pick)
    for size, picks in zip(sizes, visits, strict=True):
        epochs = [picks[i : i + size] for i in range(0, len(picks) - size + 1, size)]
        assert len(epochs) >= 2
        assert all(sorted(epoch) == list(range(size)) for epoch in epochs)
        if size > 4:
            assert len({tuple(epoch) for epoch in epochs}) > len(epochs) // 2


def test_a_plan_does_not_depend_on_the_plans_before_it() -> None:
    going, fresh = Planner((7, 5), 4, seed=0), Planner((7, 5), 4, seed=0)
    plans = [going.plan(step) for step in range(12)]
    for step in (11, 0, 5, 6):
        for name in ("y_real", "picks", "sources"):
            assert np.array_equal(getattr(fresh.plan(step), name), getattr(plans[step], name))
    other = Planner((7, 5), 4, seed=1)
    assert any(not np.array_equal(other.plan(step).picks, plans[step].picks) for step in range(12))


# --- the tensors ------------------------------------------------------------------------------------------------------


def test_a_batch_is_what_the_plan_says(tiny_data: MakeData) -> None:
    source = BatchSource(tiny_data((7, 5, 6)), settings(), seed=0)
    for step in range(3):
        batch, plan = source[step], source.planner.plan(step)
        assert batch.x_real.shape == batch.x_source.shape == (6, 3, 32, 32)
        assert batch.x_real.dtype == torch.float32
        assert batch.x_real.min() >= -1
        assert batch.x_real.max() <= 1
        assert batch.y_real.tolist() == plan.y_real.tolist()
        assert batch.y_real.dtype == batch.y_source.dtype == torch.int64
        assert batch.sources == plan.sources.tolist()
        assert torch.equal(batch.y_source, batch.y_real[batch.sources])
        assert torch.equal(batch.x_source, batch.x_real[batch.sources]), "a source is the very picture beside it"
        assert (batch.y_source != batch.y_real).all()


@pytest.mark.parametrize(("sizes", "batch", "processes"), [((7, 5), 8, 2), ((7, 5, 6), 6, 2), ((7, 5, 6, 4), 8, 4)])
def test_shares_of_processes_are_the_batch_of_one(
    tiny_data: MakeData, sizes: tuple[int, ...], batch: int, processes: int
) -> None:
    data = tiny_data(sizes)
    whole = BatchSource(data, settings(batch=batch), seed=4)
    shares = [BatchSource(data, settings(batch=batch), 4, rank=r, processes=processes) for r in range(processes)]
    for step in (0, 1, 17):
        one, parts = whole[step], [share[step] for share in shares]
        for name in ("x_real", "x_source", "y_real", "y_source"):
            assert torch.equal(getattr(one, name), torch.cat([getattr(part, name) for part in parts])), name
        assert one.positions == [p for part in parts for p in part.positions] == list(range(batch))
        assert one.sources == [s for part in parts for s in part.sources]


class Operations(TorchDispatchMode):
    """Lists the operations of PyTorch that run meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("channels", [3, 1])
def test_no_operation_of_pytorch_makes_a_batch(tiny_data: MakeData, channels: int) -> None:
    data = replace(tiny_data((40,), labelled=False), known_labels={3: 1, 11: 0})
    source = BatchSource(data, settings(), 0, channels, reuse=2)
    with Operations() as seen:
        first, second = source[0], source[1]
    assert set(seen.names) <= {"aten.lift_fresh.default"}, "the thread would start a second team of OpenMP threads"
    with Operations() as seen:
        first.x_real.mul(second.x_real)
    assert seen.names == ["aten.mul.Tensor"]


@pytest.mark.parametrize("sizes", [(7, 5), (7, 5, 6)])
def test_sources_may_meet_several_batches_of_reals(tiny_data: MakeData, sizes: tuple[int, ...]) -> None:
    data = tiny_data(sizes)
    plain, reused = (BatchSource(data, settings(), seed=4, reuse=reuse) for reuse in (1, 3))
    for step in range(7):
        batch, first = reused[step], plain[step - step % 3]
        for name in ("x_real", "y_real", "step", "positions"):
            value, expected = getattr(batch, name), getattr(plain[step], name)
            assert torch.equal(value, expected) if isinstance(value, torch.Tensor) else value == expected, name
        assert torch.equal(batch.x_source, first.x_source)
        assert torch.equal(batch.y_source, first.y_source)
        assert (batch.y_source != batch.y_real).all()
        assert (batch.sources is None) == (step % 3 > 0), "only in the first are they reals of the same batch"
    again = list(batches(BatchSource(data, settings(), seed=4, reuse=3), range(4, 7), workers=0))
    assert all(same(a, reused[step]) for step, a in enumerate(again, start=4)), "a run may go on in their middle"
    shares = [BatchSource(data, settings(), 4, rank=r, processes=2, reuse=3)[5] for r in range(2)]
    for name in ("x_real", "x_source", "y_real", "y_source"):
        assert torch.equal(getattr(reused[5], name), torch.cat([getattr(share, name) for share in shares])), name


def test_sources_that_meet_several_batches_are_loaded_once(
    tiny_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, loaded = BatchSource(tiny_data((9, 9)), settings(), 0, reuse=4), list[int]()
    load = source._picture
    monkeypatch.setattr(source, "_picture", lambda plan, step, *args: loaded.append(step) or load(plan, step, *args))
    for step in range(4, 8):
        source[step]
    assert Counter(loaded) == {4: 6, 5: 6, 6: 6, 7: 6}, "the sources once, for all four"


@pytest.mark.parametrize(
    ("batch", "size", "labels"),
    [
        (8, 4, 2),
        (8, 2, 2),
        (12, 6, 3),
        (12, 3, 3),
        (16, 13, 13),
        (64, 26, 13),
        (8, 3, 0),
        (8, 4, 0),
        (8, 3, 13),
        (8, 8, 2),
    ],
)
def test_a_part_of_the_batch_has_each_label_as_often(batch: int, size: int, labels: int) -> None:
    places = balanced_part(batch, size, labels)
    assert len(set(places)) == len(places) == size
    assert set(places) <= set(range(batch))
    if labels:
        planner = Planner((5,) * labels, batch, seed=1)
        for step in range(5):
            seen = Counter(planner.plan(step).y_real[places].tolist())
            assert max(seen.values()) == max(1, size // labels)
            assert len(seen) == min(labels, size)


@pytest.mark.parametrize(("batch", "size", "labels"), [(8, 4, 2), (24, 12, 3), (8, 4, 0), (16, 8, 4), (32, 8, 2)])
def test_processes_share_a_part_as_they_share_the_batch(batch: int, size: int, labels: int) -> None:
    for processes in (1, 2):
        owners = Counter(place * processes // batch for place in balanced_part(batch, size, labels))
        assert owners == dict.fromkeys(range(processes), size // processes)


def test_a_part_of_a_batch_keeps_what_stands_at_its_places(tiny_data: MakeData) -> None:
    share = BatchSource(tiny_data(), settings(batch=8), 4, rank=1, processes=2)[3]
    part = share.part([0, 1, 5, 6])
    assert part.positions == [5, 6]
    assert part.step == 3
    assert part.sources is None
    for name in ("x_real", "x_source", "y_real", "y_source"):
        assert torch.equal(getattr(part, name), getattr(share, name)[1:3]), name


def test_going_on_from_a_step_gives_the_same_batches(tiny_data: MakeData) -> None:
    data = tiny_data()
    going = list(batches(BatchSource(data, settings(), seed=5), range(9), workers=0))
    again = list(batches(BatchSource(data, settings(), seed=5), range(6, 9), workers=0))
    assert all(same(a, b) for a, b in zip(going[6:], again, strict=True))
    other = list(batches(BatchSource(data, settings(), seed=6), range(6, 9), workers=0))
    assert not any(same(a, b) for a, b in zip(going[6:], other, strict=True))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_pictures_grow_by_steps_and_show_the_same(tiny_data: MakeData) -> None:
    data = tiny_data()
    plain = settings(augment=[], margin=1.0)
    grows = plain.model_copy(update={"grow": {2: 8, 4: 16}})
    whole, growing = BatchSource(data, plain, seed=3), BatchSource(data, grows, seed=3)
    for step, side in enumerate((8, 8, 16, 16, 32, 32)):
        full, small = whole[step], growing[step]
        assert small.x_real.shape[2:] == small.x_source.shape[2:] == (side, side)
        expected = torch.nn.functional.interpolate(full.x_real, size=(side, side), mode="area")
        assert (small.x_real - expected).abs().max() < 0.02, "the same pictures, averaged over areas; bytes are rounded"
        assert torch.equal(small.y_real, full.y_real)
    twice = BatchSource(data, grows, seed=3, batches_a_step=2)
    assert [twice[n].x_real.shape[2] for n in (0, 3, 4, 7, 8)] == [8, 8, 16, 16, 32]
    reused = BatchSource(data, grows, seed=3, reuse=3)
    assert [(b.x_real.shape[2], b.x_source.shape[2]) for b in map(reused.__getitem__, (2, 3, 5, 6))] == [
        (8, 8),
        (16, 16),
        (16, 16),
        (32, 32),
    ], "those that share sources are of one size"
    again = list(batches(BatchSource(data, grows, seed=3), range(3, 6), workers=0))
    assert all(same(a, growing[a.step]) for a in again)


def test_smaller_pictures_are_cropped_and_augmented_too(tiny_data: MakeData) -> None:
    grown = BatchSource(tiny_data(), settings(margin=1.5, grow={9: 16}), seed=0)
    one, other = grown[0], grown[0]
    assert one.x_real.shape[2:] == (16, 16)
    assert same(one, other)
    assert not torch.equal(one.x_real, BatchSource(tiny_data(), settings(margin=1.5, grow={9: 16}), seed=1)[0].x_real)


def test_any_number_of_workers_gives_the_same_batches(tiny_data: MakeData) -> None:
    source = BatchSource(tiny_data(), settings(), seed=7)
    alone = [source[step] for step in range(3, 9)]
    for workers in (0, 1, 2):
        found = list(batches(source, range(3, 9), workers))
        assert len(found) == 6
        assert all(same(a, b) for a, b in zip(alone, found, strict=True)), f"{workers} workers"


def test_workers_take_nothing_of_the_numbers_that_terms_draw_from(tiny_data: MakeData) -> None:
    source = BatchSource(tiny_data(), settings(), seed=7)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    list(batches(source, range(2), workers=1))
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_picture_that_cannot_be_read_is_named_whoever_reads_it(tmp_path: Path, workers: int) -> None:
    pictures = files(tmp_path, 70, broken=(3, 66))
    data = DomainData("files", (), train=(pictures,), validation=(pictures,), test=(pictures,))
    source = BatchSource(data, settings(batch=10, cache_mb=0), seed=0)
    assert ["003.png" in line for line in source.bad] == [True]
    list(batches(source, range(7), workers))
    assert ["066.png" in line for line in source.bad] == [False, True]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signals to processes")
def test_ctrl_c_which_a_terminal_sends_to_all_leaves_the_workers_at_work(tiny_data: MakeData) -> None:
    source, seen = BatchSource(tiny_data(), settings(), seed=0), list[int]()
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        for batch in batches(source, range(40), workers=1):
            seen.append(batch.step)
            for child in multiprocessing.active_children():
                os.kill(child.pid, signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == list(range(40))


def test_workers_that_are_started_by_spawning_get_the_same_source(tiny_data: MakeData) -> None:
    """On macOS and Windows the source is pickled for each worker."""
    source = BatchSource(tiny_data(), settings(), seed=7)
    before = source[2]
    assert same(pickle.loads(pickle.dumps(source))[2], before)


@pytest.mark.parametrize("steps", [range(0), range(4, 5), range(4, 6), range(2, 9, 3)])
def test_any_range_of_steps(tiny_data: MakeData, steps: range) -> None:
    source = BatchSource(tiny_data(), settings(), seed=0)
    assert [batch.step for batch in batches(source, steps, workers=0)] == list(steps)


def test_the_loop_may_stop_in_the_middle(tiny_data: MakeData) -> None:
    going = batches(BatchSource(tiny_data(), settings(), seed=0), range(100), workers=0)
    assert next(going).step == 0
    going.close()  # type: ignore[attr-defined]


def test_trouble_while_preparing_reaches_the_loop(tiny_data: MakeData, monkeypatch: pytest.MonkeyPatch) -> None:
    source = BatchSource(tiny_data(), settings(), seed=0)

    def fail(step: int) -> Batch:
        raise PictureError("gone")

    monkeypatch.setattr(source.planner, "plan", fail)
    with pytest.raises(PictureError, match="gone"):
        list(batches(source, range(3), workers=0))


def test_unlabelled_pictures_stand_for_themselves(tiny_data: MakeData) -> None:
    batch = BatchSource(tiny_data((9,), labelled=False), settings(), seed=0)[1]
    assert batch.y_real.tolist() == [0] * 6
    assert sorted(batch.sources) == list(range(6))


def test_every_so_many_th_picture_is_one_of_known_label(tiny_data: MakeData) -> None:
    data = replace(tiny_data((40,), labelled=False), known_labels={3: 1, 11: 0, 30: 2})
    source_settings = settings(augment=[], batch=10, known_every=4)
    source = BatchSource(data, source_settings, seed=3)
    whole = tiny_data((40,), labelled=False).train[0]
    seen: Counter[int] = Counter()
    for step in range(4):
        batch = source[step]
        assert batch.y_known is not None
        assert (batch.y_known >= 0).nonzero().flatten().tolist() == [0, 4, 8]
        for place in (0, 4, 8):
            number = {1: 3, 0: 11, 2: 30}[int(batch.y_known[place])]
            picture = to_tensor(shrink(whole[number], 36)[None])[0]
            crops = [picture[:, top : top + 32, left : left + 32] for top in range(5) for left in range(5)]
            assert any(torch.equal(batch.x_real[place], crop) for crop in crops)
            seen[number] += 1
    assert seen == {3: 4, 11: 4, 30: 4}, "the few take turns"

    shares = [BatchSource(data, source_settings, 3, rank=rank, processes=2)[2] for rank in (0, 1)]
    torch.testing.assert_close(torch.cat([share.y_known for share in shares]), source[2].y_known)
    torch.testing.assert_close(torch.cat([picks_of(share) for share in shares]), picks_of(source[2]))
    assert picks_of(source[2]).tolist() == source.planner.plan(2).picks.tolist()


def test_known_labels_stay_with_their_pictures_where_one_is_broken(tmp_path: Path) -> None:
    paths = []
    for i in range(4):
        paths.append(tmp_path / f"{i}.png")
        Image.new("RGB", (32, 32), (50 * i, 0, 0)).save(paths[-1])
    paths[1].write_bytes(b"broken")
    part = (PictureFiles(paths),)
    data = DomainData("few", (), part, part, part, known_labels={0: 7, 1: 5, 3: 6})
    source = BatchSource(data, settings(augment=[], margin=1.0, known_every=1), seed=0)
    batch = source[0]
    reds = {7: -1.0, 6: 150 / 127.5 - 1}
    assert batch.y_known is not None
    for picture, label in zip(batch.x_real, batch.y_known.tolist(), strict=True):
        assert float(picture[0].mean()) == pytest.approx(reds[label])


def test_to_a_memory_format(tiny_data: MakeData) -> None:
    batch = BatchSource(tiny_data(), settings(), seed=0)[1]
    moved = batch.to(torch.device("cpu"), torch.channels_last)
    assert moved.x_real.is_contiguous(memory_format=torch.channels_last)
    assert moved.x_source.is_contiguous(memory_format=torch.channels_last)
    assert same(batch, moved)


# --- pictures ---------------------------------------------------------------------------------------------------------


def files(folder: Path, count: int, broken: tuple[int, ...] = ()) -> PictureFiles:
    paths = []
    for number in range(count):
        path = folder / f"{number:03d}.png"
        Image.new("RGB", (20, 20), (number, 0, 0)).save(path)
        if number in broken:
            path.write_bytes(path.read_bytes()[:40])
        paths.append(path)
    return PictureFiles(paths)


def test_a_broken_file_is_skipped_and_named(tmp_path: Path) -> None:
    pictures = LoadedPictures(files(tmp_path, 6, broken=(2, 5)), 16, budget=2**20)
    assert len(pictures) == 4
    assert [int(pictures[i][0, 0, 0]) for i in range(4)] == [0, 1, 3, 4]
    assert len(pictures.bad) == 2
    assert "002.png" in pictures.bad[0]
    assert "005.png" in pictures.bad[1]


def test_a_domain_of_broken_files_only(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"000\.png"):
        LoadedPictures(files(tmp_path, 2, broken=(0, 1)), 16, budget=2**20)


def test_a_domain_of_nothing() -> None:
    with pytest.raises(PictureError, match="no pictures"):
        LoadedPictures(PictureFiles([]), 16, budget=2**20)


def test_pictures_beyond_the_budget_are_read_when_their_turn_comes(tmp_path: Path) -> None:
    pictures = LoadedPictures(files(tmp_path, 70, broken=(3, 66)), 16, budget=0)
    assert len(pictures.kept) == 63, "the first chunk, less a broken one"
    assert len(pictures) == 69
    expected = [n for n in range(64) if n != 3] + [64, 65, 0, 67, 68, 69]
    assert [int(pictures[i][0, 0, 0]) for i in range(69)] == expected, "a late broken one is replaced by the first"
    assert [line.count("003.png") + 2 * line.count("066.png") for line in pictures.bad] == [1, 2]
    assert int(pictures[65][0, 0, 0]) == 0
    assert len(pictures.bad) == 2, "named once"


def test_memory_changes_nothing_but_speed(tiny_data: MakeData) -> None:
    data = tiny_data((70, 5))
    rich, poor = (BatchSource(data, settings(cache_mb=mb), seed=0) for mb in (100, 0))
    assert not poor.pictures[0].kept[64:]
    assert all(same(rich[step], poor[step]) for step in (0, 9, 30))
