"""Pictures of noise: which noise, which label, which code, and where each stands in a sheet.

What is expected is what the model itself makes of the same noise; a grey level may differ by rounding.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from domainxfer import generate as module
from domainxfer.draws import per_position
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.generate import AT_ONCE, PictureMaker, noise_of, refuse_existing, write_animation
from domainxfer.latent import as_normal, as_uniform, between_linear, between_slerp
from domainxfer.loaded import Model
from domainxfer.models.config import GeneratorConfig, Layer, ModelConfig
from domainxfer.models.networks import new_generator
from domainxfer.training.samples import NoiseSamples

HORSES = ("horse", "zebra", "cow")
STEP = 98  # a picture of 16 px is shown at 96, and 2 px of paper follow


def model(domains: tuple[str, ...] = (), **settings: Any) -> Model:
    """A model of random weights, made so loud that one picture is not like another."""
    torch.manual_seed(0)
    settings = {"content": "noise", "output": "plain", "size": 16, "width": 8, "blocks": 1, "noise_size": 6, **settings}
    config = GeneratorConfig.model_validate(settings)
    generator = new_generator(config)
    with torch.no_grad():
        for name, weight in generator.named_parameters():
            if name.startswith("exit.") or name.startswith("condition."):
                weight.mul_(4)
    return Model(ModelConfig(domains=domains, size=config.size, generator=config), generator)


def apply(made_by: Model, noise: Tensor, label: int | None = None, code: list[float] | None = None) -> np.ndarray:
    """What the model makes of noise (N, Z) with one label and one code: (N, H, W, C), grey levels."""
    labels = None if label is None else torch.full((len(noise),), label)
    codes = None if code is None else torch.tensor([code]).expand(len(noise), -1)
    return ((made_by.apply(noise, labels, codes) + 1) * 127.5).permute(0, 2, 3, 1).numpy()


def levels(picture: Image.Image) -> np.ndarray:
    """(H, W, C) of a picture."""
    return np.atleast_3d(np.asarray(picture, np.float32))


def cells(sheet: Image.Image, rows: int, columns: int) -> np.ndarray:
    """The pictures of a sheet, (rows, columns, 16, 16, C); titles are above and on the left."""
    pixels = levels(sheet)
    left, top = sheet.width - columns * STEP, sheet.height - rows * STEP
    shown = np.stack(
        [[pixels[top + r * STEP :, left + c * STEP :][:96, :96] for c in range(columns)] for r in range(rows)]
    )
    assert shown.shape[2:4] == (96, 96)
    assert np.array_equal(shown[:, :, ::6, ::6], shown[:, :, 5::6, 5::6]), "cut at the edges of the pixels"
    return shown[:, :, ::6, ::6]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether pictures are alike to half a level of rounding and the rounding of bf16 in another batch."""
    assert a.shape == b.shape
    return bool(np.abs(a - b).max() <= 1)


def test_the_models_of_these_tests_make_pictures_that_differ() -> None:
    labelled = model(HORSES, labels=3, code_size=2)
    noise = noise_of(labelled, 0, range(8))
    base = apply(labelled, noise, 0, [0, 0])
    others = [
        apply(labelled, noise, 1, [0, 0]),
        apply(labelled, noise, 0, [0, 1]),
        apply(labelled, noise.roll(1, 0), 0),
    ]
    for other in others:
        assert np.abs(base - other).max(axis=(1, 2, 3)).min() > 4


# --- noise and single pictures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_noise_depends_on_seed_and_number_only(noise: str) -> None:
    made_by = model(noise=noise, noise_size=500)
    many = noise_of(made_by, 5, range(20))
    assert many.shape == (20, 500)
    assert torch.equal(noise_of(made_by, 5, [7, 3]), many[[7, 3]])
    assert not torch.equal(noise_of(made_by, 6, [7]), many[[7]])
    assert float(many.var()) == pytest.approx(1 if noise == "normal" else 1 / 3, rel=0.05)
    assert bool(many.abs().max() > 1) == (noise == "normal")


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_what_the_model_makes(channels: int) -> None:
    made_by = model(HORSES, labels=3, code_size=2, channels=channels)
    pictures = made_by.generate(3, label="zebra", code=[0.5, -1], seed=4)
    assert {picture.mode for picture in pictures} == {"L" if channels == 1 else "RGB"}
    expected = apply(made_by, noise_of(made_by, 4, range(3)), 1, [0.5, -1])
    assert same(np.stack([levels(picture) for picture in pictures]), expected)


def test_a_picture_is_the_same_whatever_the_count() -> None:
    made_by = model(labels=3)
    many = made_by.generate(AT_ONCE + 3, seed=2)
    assert [picture.tobytes() for picture in made_by.generate(2, seed=2)] == [p.tobytes() for p in many[:2]]
    assert [picture.tobytes() for picture in made_by.generate(AT_ONCE + 1, seed=2)] == [p.tobytes() for p in many[:-2]]
    assert len({picture.tobytes() for picture in many}) == len(many)
    alone = PictureMaker(made_by, seed=2).pictures([AT_ONCE + 2])
    assert same(levels(alone[0]), levels(many[-1]))
    assert made_by.generate(0) == []


def test_few_go_through_the_model_at_a_time_and_always_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    made_by, seen = model(labels=3, code_size=1), []
    applied = made_by.apply

    def watched(noise: Tensor, label: Tensor | None, code: Tensor | None = None) -> Tensor:
        assert label is not None
        assert code is not None
        seen.append((len(noise), len(label), len(code)))
        return applied(noise, label, code)

    monkeypatch.setattr(made_by, "apply", watched)
    made_by.generate(2 * AT_ONCE + 1, code=[1])
    PictureMaker(made_by, code=[1]).grid()
    assert set(seen) == {(AT_ONCE,) * 3}
    assert len(seen) == 3 + 2


def test_a_label_may_be_a_number_of_another_library() -> None:
    made_by = model(labels=3)
    wanted = made_by.generate(2, label=2, seed=1)
    for label in (np.int64(2), torch.tensor(2), "2"):
        assert [p.tobytes() for p in made_by.generate(2, label=label, seed=1)] == [p.tobytes() for p in wanted]
    with pytest.raises(UsageError, match=r"no label 2\.0; it knows 0 to 2"):
        made_by.generate(2, label=2.0)


def test_without_a_label_all_take_their_turn() -> None:
    made_by = model(labels=3)
    pictures = made_by.generate(AT_ONCE + 4)
    for number in (0, 1, 2, 3, AT_ONCE + 3):
        assert same(levels(pictures[number]), apply(made_by, noise_of(made_by, 0, [number]), number % 3)[0])


def test_pictures_as_training_draws_them_have_codes_of_their_own() -> None:
    made_by = model(labels=3, code_size=2)
    drawn = PictureMaker(made_by, seed=4).as_trained(range(AT_ONCE + 2))
    again = PictureMaker(made_by, seed=4).as_trained([5])
    codes = per_position("symmetric", (2,), 4, "codes of samples", 0, [5, 6])
    for number, code in zip((5, 6), codes.tolist(), strict=True):
        picture = apply(made_by, noise_of(made_by, 4, [number]), number % 3, code)[0]
        assert same(((drawn[number] + 1) * 127.5).round().permute(1, 2, 0).numpy(), picture.astype(float))
    assert not torch.equal(codes[0], codes[1])
    torch.testing.assert_close(again[0], drawn[5], atol=0.02, rtol=0)
    chosen = PictureMaker(made_by, seed=4, code=[0, 0]).as_trained([5])[0]
    assert not torch.allclose(chosen, drawn[5], atol=0.02)
    codeless = model(labels=3)
    plain = PictureMaker(codeless).as_trained(range(3))
    for number, picture in enumerate(codeless.generate(3)):
        shown = ((plain[number] + 1) * 127.5).round().permute(1, 2, 0).numpy()
        assert same(shown, levels(picture).astype(float))


def test_labels_by_name_and_by_number() -> None:
    named, digits, nameless = model(HORSES, labels=3), model(("7", "0", "1"), labels=3), model(labels=3)
    assert PictureMaker(named, label="cow").label == PictureMaker(named, label="2").label == 2
    assert PictureMaker(named, label=0).label == 0
    assert PictureMaker(digits, label="0").label == 1, "a domain's name goes before a number"
    assert PictureMaker(digits, label=0).label == 0
    assert PictureMaker(nameless, label="2").label == PictureMaker(nameless, label=2).label == 2


@pytest.mark.parametrize(
    ("settings", "wanted", "message"),
    [
        ({"domains": HORSES, "labels": 3}, {"label": "zbra"}, r"0 to 2 \(horse, zebra, cow\). Did you mean 'zebra'"),
        ({"domains": HORSES, "labels": 3}, {"label": 3}, "no label 3; it knows 0 to 2"),
        ({"labels": 4}, {"label": "-1"}, "no label '-1'; it knows 0 to 3.$"),
        ({}, {"label": "zebra"}, "has no labels"),
        ({"code_size": 2}, {"code": [0.5]}, "code of 1 values.* has 2"),
        ({"code_size": 2}, {"code": [0.5, -1.5]}, "0.5, -1.5 leaves the range"),
        ({"code_size": 1}, {"code": [float("nan")]}, "nan leaves the range"),
        ({}, {"code": [0.5]}, "without a code"),
        ({"content": "picture"}, {}, "domainxfer translate"),
        ({}, {"count": -1}, "count is -1"),
    ],
)
def test_what_a_model_cannot_do(settings: dict[str, Any], wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        model(**settings).generate(**wanted)


def test_a_model_of_not_a_number_is_named() -> None:
    broken = model()
    with torch.no_grad():
        next(broken.generator.parameters()).fill_(float("nan"))
    with pytest.raises(DomainxferError, match="diverged"):
        broken.generate()


def test_a_network_of_layers_and_uniform_noise() -> None:
    layers = (Layer(kind="linear", out=12, norm="batch", act="relu"), Layer(kind="linear", out=64, act="sigmoid"))
    made_by = model(layers=layers, noise="uniform", size=8, channels=1)
    pictures = made_by.generate(2)
    assert same(np.stack([levels(p) for p in pictures]), apply(made_by, noise_of(made_by, 0, [0, 1])))
    assert PictureMaker(made_by).grid().mode == "L"


# --- sheets ----------------------------------------------------------------------------------------------------------


def test_a_grid_has_a_column_a_label_and_a_row_a_noise_vector() -> None:
    made_by = model(HORSES, labels=3, code_size=1)
    sheet = PictureMaker(made_by, seed=3, code=[-1]).grid()
    shown = cells(sheet, 8, 3)
    for label in range(3):
        assert same(shown[:, label], apply(made_by, noise_of(made_by, 3, range(8)), label, [-1]))
    margin, head = levels(sheet)[16:, : sheet.width - 3 * STEP - 2], levels(sheet)[:16]
    assert all((part < 128).any() for part in (*np.split(margin[2:], 8), *np.split(head[:, -3 * STEP :], 3, axis=1)))


def test_the_grid_of_the_runs_own_seed_is_its_sample_grid() -> None:
    made_by = model(HORSES, labels=3)
    sheet, samples = PictureMaker(made_by, seed=9).grid(), NoiseSamples(made_by, seed=9).draw(made_by)
    assert same(cells(sheet, 8, 3), cells(samples, 8, 3))


@pytest.mark.parametrize(("labels", "label"), [(0, None), (3, 2)])
def test_a_grid_of_one_label_or_none_is_the_first_64_pictures_by_rows(labels: int, label: int | None) -> None:
    made_by = model(labels=labels, channels=1)
    sheet = PictureMaker(made_by, label=label).grid()
    assert sheet.mode == "L"
    assert same(cells(sheet, 8, 8).reshape(64, 16, 16, 1), apply(made_by, noise_of(made_by, 0, range(64)), label))


@pytest.mark.parametrize("linear", [False, True])
def test_a_strip_goes_from_one_picture_to_the_other(linear: bool) -> None:
    made_by = model(HORSES, labels=3)
    shown = cells(PictureMaker(made_by, seed=1).interpolation(3, 7, 5, linear=linear), 3, 5)
    ends = noise_of(made_by, 1, [3, 7])
    way = (between_linear if linear else between_slerp)(*ends, 5)
    for label in range(3):
        assert same(shown[label, [0, -1]], apply(made_by, ends, label))
        assert same(shown[label], apply(made_by, way, label))
    assert not same(shown[:, 0], shown[:, -1])


def test_straight_lines_and_great_circles_look_different() -> None:
    maker = PictureMaker(model())
    straight, round_ = (cells(maker.interpolation(3, 7, 5, linear=linear), 1, 5) for linear in (True, False))
    assert not same(straight[:, 2], round_[:, 2])


def test_the_way_through_uniform_noise_stays_in_its_cube() -> None:
    made_by = model(noise="uniform", noise_size=400)
    maker = PictureMaker(made_by)
    a, b = per_position("symmetric", (400,), 0, "samples", 0, [3, 7])
    way = maker.way(3, 7, 5)
    torch.testing.assert_close(way, as_uniform(between_slerp(as_normal(a), as_normal(b), 5)))
    torch.testing.assert_close(way[[0, -1]], torch.stack([a, b]))
    assert way.abs().max() <= 1
    assert float(way[2].var()) == pytest.approx(1 / 3, rel=0.15)
    assert torch.equal(maker.way(3, 7, 5, linear=True), between_linear(a, b, 5))


def test_an_animation_goes_there_and_back() -> None:
    made_by = model(HORSES, labels=3)
    frames = PictureMaker(made_by).animation(3, 7, 4)
    assert len(frames) == 6
    shown = np.stack([cells(frame, 1, 3)[0] for frame in frames])
    for label in range(3):
        ends = apply(made_by, noise_of(made_by, 0, [3, 7]), label)
        assert same(shown[[0, 3], label], ends)
    assert [frame.tobytes() for frame in frames[4:]] == [frames[2].tobytes(), frames[1].tobytes()]
    assert len({frame.tobytes() for frame in frames[:4]}) == 4


def test_a_gif_runs_for_ever_and_is_written_whole(tmp_path: Path) -> None:
    frames = PictureMaker(model(channels=1)).animation(3, 7, 4)
    write_animation(frames, tmp_path / "new" / "way.gif", seconds=0.1)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["way.gif"]
    with Image.open(tmp_path / "new" / "way.gif") as gif:
        assert (gif.format, gif.n_frames, gif.info["loop"], gif.info["duration"]) == ("GIF", 6, 0, 100)
        for number, frame in enumerate(frames):
            gif.seek(number)
            assert np.array_equal(np.asarray(gif.convert("L")), np.asarray(frame))


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_sum_is_shown_beside_its_terms_plain_and_scaled(kind: str) -> None:
    made_by = model(("dark", "light"), labels=2, noise=kind)
    shown = cells(PictureMaker(made_by).addition(3, 7), 2, 4)
    a, b = noise_of(made_by, 0, [3, 7])
    x, y = (a, b) if kind == "normal" else (as_normal(a), as_normal(b))
    scaled = (x + y) * (x.norm() + y.norm()) / (2 * (x + y).norm())
    noise = torch.stack([a, b, a + b, scaled.float() if kind == "normal" else as_uniform(scaled)])
    for label in range(2):
        assert same(shown[label], apply(made_by, noise, label))
    assert not same(shown[:, 2], shown[:, 3])


def test_a_sweep_changes_one_value_of_the_code_at_a_time() -> None:
    made_by = model(HORSES, labels=3, code_size=2)
    shown = cells(PictureMaker(made_by, seed=2, code=[0.3, -0.6]).code_sweep(5), 10, 3)
    noise = noise_of(made_by, 2, [0])
    for row, value in enumerate((-1, -0.5, 0, 0.5, 1)):
        for label in range(3):
            assert same(shown[row, label], apply(made_by, noise, label, [value, -0.6])[0])
            assert same(shown[5 + row, label], apply(made_by, noise, label, [0.3, value])[0])


def test_a_sweep_of_one_value_alone() -> None:
    made_by = model(HORSES, labels=3, code_size=2)
    whole = cells(PictureMaker(made_by).code_sweep(3), 6, 3)
    assert same(cells(PictureMaker(made_by).code_sweep(3, only=1), 3, 3), whole[3:])


def test_nothing_but_the_code_changes_in_a_sweep() -> None:
    made_by = model(HORSES, labels=3, code_size=2)
    assert not same(*cells(PictureMaker(made_by).code_sweep(2), 4, 3)[:2])
    with torch.no_grad():
        made_by.generator.condition.of_rest.weight[:, -2:] = 0  # deaf to the code, which follows the noise there
    rows = cells(PictureMaker(made_by).code_sweep(3), 6, 3)
    assert same(rows, np.broadcast_to(rows[:1], rows.shape))


@pytest.mark.parametrize(("labels", "label"), [(0, None), (3, 1)])
def test_a_sweep_of_one_label_or_none_has_a_column_a_noise_vector(labels: int, label: int | None) -> None:
    made_by = model(labels=labels, code_size=1)
    shown = cells(PictureMaker(made_by, label=label).code_sweep(3), 3, 8)
    for row, value in enumerate((-1.0, 0.0, 1.0)):
        assert same(shown[row], apply(made_by, noise_of(made_by, 0, range(8)), label, [value]))


def test_sheets_that_cannot_be_made() -> None:
    with pytest.raises(UsageError, match="no code to sweep"):
        PictureMaker(model()).code_sweep(5)
    with pytest.raises(UsageError, match="2 to 500 steps, not 1"):
        PictureMaker(model(code_size=1)).code_sweep(1)
    for make in (PictureMaker(model()).interpolation, PictureMaker(model()).animation):
        with pytest.raises(UsageError, match=r"2 to 500 steps, .* not 1"):
            make(3, 7, 1)


# --- files -----------------------------------------------------------------------------------------------------------


def test_single_pictures_are_written_a_few_at_a_time(tmp_path: Path) -> None:
    made_by, told = model(labels=3, channels=1), []
    paths = [tmp_path / "out" / f"mine_{number:06d}.png" for number in range(AT_ONCE + 2)]
    PictureMaker(made_by, seed=1).write_all(paths, on_written=told.append)
    assert sorted((tmp_path / "out").iterdir()) == paths
    assert told == [AT_ONCE, AT_ONCE + 2]
    for path, picture in zip(paths, made_by.generate(AT_ONCE + 2, seed=1), strict=True):
        with Image.open(path) as written:
            assert written.mode == "L"
            assert written.tobytes() == picture.tobytes()


def test_no_picture_is_written_over_unasked(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    paths[2].write_text("mine")
    maker = PictureMaker(model())
    with pytest.raises(DomainxferError, match=r"2\.png exists already.*--overwrite"):
        maker.write_all(paths)
    assert list(tmp_path.iterdir()) == [paths[2]]
    assert paths[2].read_text() == "mine"
    maker.write_all(paths, overwrite=True)
    with Image.open(paths[2]) as written:
        assert written.tobytes() == maker.pictures(range(3))[2].tobytes()


def test_nor_one_that_appears_while_pictures_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    monkeypatch.setattr(module, "refuse_existing", lambda paths, overwrite: paths[2].write_text("another's"))
    with pytest.raises(DomainxferError, match=r"2\.png exists already"):
        PictureMaker(model()).write_all(paths)
    assert paths[2].read_text() == "another's"


def test_a_link_to_nowhere_is_there_too(tmp_path: Path) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(DomainxferError, match="exists already"):
        refuse_existing([link], overwrite=False)
    refuse_existing([link], overwrite=True)
    refuse_existing([tmp_path / "free.png"], overwrite=False)
