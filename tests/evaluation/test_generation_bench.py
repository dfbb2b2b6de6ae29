"""What is said of generators that are known: a perfect one, a copier, one that collapsed, one that blurs."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.datasets.rendered.mazes import mazes_data, render_maze
from domainxfer.evaluation import generation_bench
from domainxfer.evaluation.generation_bench import GenerationBench, Judgement, made_of_noise
from domainxfer.evaluation.nearest_sheet import PAIRS
from domainxfer.generate import PictureMaker
from domainxfer.metrics.extractors import Digits, load_extractor
from domainxfer.metrics.extractors.base import Extractor
from domainxfer.metrics.modes import drawn_floor, joint_classes, mode_figures
from domainxfer.models.config import GeneratorConfig, ModelConfig
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel


class Places:
    """Features: the pixels of the picture at 6 x 6 px."""

    name, digest, size, resize = "places", "0" * 16, 6, "the mean of each place"

    def features(self, x: Tensor) -> Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x.mean(1, keepdim=True), 6).flatten(1)


def blobs(count: int, seed: int) -> np.ndarray:
    """Grey pictures of smooth noise, (count, 12, 12) uint8."""
    numbers = np.random.default_rng(seed).normal(size=(count, 12, 12))
    return (127 + 300 * ndimage.gaussian_filter(numbers, (0, 1, 1))).clip(0, 255).astype(np.uint8)


def grey_data(train: np.ndarray, held_out: np.ndarray) -> DomainData:
    part = (PictureArray(held_out),)
    return DomainData("mine", (), (PictureArray(train),), part, part)


def as_tensor(pictures: np.ndarray) -> Tensor:
    """(N, H, W) or (N, H, W, 3) uint8 -> (N, C, H, W) in [-1, 1]."""
    x = torch.from_numpy(pictures).float() / 127.5 - 1
    return x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)


def bench_of(data: DomainData, extractor: Extractor | None = None, **more: object) -> GenerationBench:
    settings = {"card": "", "size": 12, "channels": 1, "split": "test", "seed": 0, "most": 1000, **more}
    return GenerationBench(data, extractor or Places(), **settings)  # type: ignore[arg-type]


def judged(bench: GenerationBench, made: Tensor, monkeypatch: pytest.MonkeyPatch) -> Judgement:
    """What is said of a generator whose pictures are these."""
    monkeypatch.setattr(generation_bench, "made_of_noise", lambda network, seed, count, mend: made[:count])
    return bench.judge(None)  # type: ignore[arg-type]


def value(judgement: Judgement, name: str) -> float:
    return judgement.measures[name].estimate.value


@pytest.fixture(scope="module")
def blob_bench() -> GenerationBench:
    return bench_of(grey_data(blobs(600, 0), blobs(150, 1)))


def test_a_perfect_generator_scores_what_real_pictures_score(
    blob_bench: GenerationBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = judged(blob_bench, as_tensor(blobs(150, 2)), monkeypatch)
    for name, tolerance in {
        "precision": 0.1, "recall": 0.1, "coverage": 0.1, "density": 0.15, "authentic": 0.1, "variation": 0.1,
        "variation_plane": 0.1,
    }.items():  # fmt: skip
        real = found.measures[name].real
        assert value(found, name) == pytest.approx(real, abs=tolerance), name
    assert value(found, "sharpness") == pytest.approx(found.measures["sharpness"].real, rel=0.05)
    assert value(found, "frechet") == pytest.approx(found.measures["frechet"].real, rel=0.2)
    low, high = found.measures["kernel"].estimate.interval() or (0, 0)
    assert low < value(found, "kernel") < high
    for name in ("sharpness", "authentic"):
        low, high = found.measures[name].estimate.interval() or (0, 0)
        assert low < value(found, name) < high
    assert set(found.measures) == {
        *("kernel", "frechet", "precision", "recall", "density", "coverage"),
        *("variation", "variation_plane", "sharpness", "authentic"),
    }
    assert found.classes is None


def test_a_copier_is_found_out(blob_bench: GenerationBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its distances are excellent: only the nearest training pictures tell."""
    found = judged(blob_bench, as_tensor(blobs(600, 0)[200:350]) + 0.002, monkeypatch)
    assert value(found, "authentic") < 0.02 < 0.5 < (found.measures["authentic"].real or 0)
    copies, originals, nearness = found.suspects
    assert len(copies) == PAIRS
    assert (copies - originals).abs().max() < 0.01, "beside each copy lies what it was copied from"
    assert nearness.max() < 0.1
    assert nearness.tolist() == sorted(nearness.tolist())
    assert value(found, "coverage") > 0.8


def test_a_collapse_and_noise_are_far_off(blob_bench: GenerationBench, monkeypatch: pytest.MonkeyPatch) -> None:
    one = judged(blob_bench, as_tensor(blobs(1, 5)).expand(150, -1, -1, -1), monkeypatch)
    assert value(one, "recall") == 0
    assert value(one, "coverage") < 0.1
    assert value(one, "variation") > 0.4
    assert value(one, "kernel") > 10 * abs(one.measures["kernel"].real or 1)
    noise = judged(blob_bench, torch.rand(150, 1, 12, 12) * 2 - 1, monkeypatch)
    assert value(noise, "sharpness") > 2 * (noise.measures["sharpness"].real or 1)


def test_blur_shows_in_sharpness(blob_bench: GenerationBench, monkeypatch: pytest.MonkeyPatch) -> None:
    blurred = ndimage.gaussian_filter(blobs(150, 2).astype(float), (0, 0.8, 0.8)).astype(np.uint8)
    found = judged(blob_bench, as_tensor(blurred), monkeypatch)
    assert value(found, "sharpness") < 0.5 * (found.measures["sharpness"].real or 0)


def test_the_floor_has_as_many_pictures_and_copies_are_looked_for_among_all() -> None:
    few = bench_of(grey_data(blobs(80, 0), blobs(150, 1)), most=40)
    assert (few.count, few.floor_count, len(few.train)) == (40, 40, 80)
    assert bench_of(grey_data(blobs(30, 0), blobs(50, 1))).floor_count == 30


def test_a_grey_model_of_coloured_pictures_is_held_against_grey_ones() -> None:
    """By luma, as training has it."""
    coloured = np.stack([blobs(20, 0), blobs(20, 1), blobs(20, 2)], axis=3)
    bench = bench_of(grey_data(coloured, coloured))
    luma = (coloured * [0.299, 0.587, 0.114]).sum(3) / 127.5 - 1
    torch.testing.assert_close(bench.pictures[:, 0], torch.from_numpy(luma).float())


# --- digits ----------------------------------------------------------------------------------------------------------


def drawn_digit(digit: int, seed: int) -> np.ndarray:
    """A digit in the default font, moved a little: (28, 28) uint8."""
    picture = Image.new("L", (28, 28))
    left, top = np.random.default_rng([digit, seed]).uniform(-1.5, 1.5, 2)
    ImageDraw.Draw(picture).text(
        (14 + left, 14 + top), str(digit), fill=255, font=ImageFont.load_default(24), anchor="mm"
    )
    return np.asarray(picture)


def drawn_digits(digits: list[int], seed: int = 0) -> np.ndarray:
    return np.stack([drawn_digit(digit, seed + number) for number, digit in enumerate(digits)])


def test_which_digits_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real ones are even; the generator makes the same few digits over and over."""
    real = drawn_digits(list(range(10)) * 6)
    bench = bench_of(grey_data(real, drawn_digits(list(range(10)) * 4, 100)), load_extractor("digits"), size=28)
    made = as_tensor(drawn_digits([1, 7, 7, 7] * 10, 200))
    found = judged(bench, made, monkeypatch)
    read = Digits().read(made).numpy()
    expected = mode_figures(read, 10)
    assert found.classes is not None
    assert found.classes.outputs == {str(digit): int((read == digit).sum()) for digit in range(10)}
    assert sum(found.classes.real.values()) == 40
    assert value(found, "modes") == expected.modes <= 3
    assert value(found, "kl") == pytest.approx(expected.kl)
    assert value(found, "kl_chance") == pytest.approx(drawn_floor(10, 40).mean())
    assert value(found, "entropy") < found.measures["entropy"].real
    assert (found.measures["modes"].real or 0) >= 8, "the network has learned handwriting, not this font"
    assert found.measures["kl_chance"].real == value(found, "kl_chance")


def test_modes_of_stacked_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each channel is read by itself; more pictures are counted than distances look at."""
    monkeypatch.setattr(generation_bench, "STACKED", 60)

    def stacked(count: int, seed: int, most: int = 10) -> np.ndarray:
        digits = np.random.default_rng(seed).integers(0, most, (3, count))
        return np.stack([drawn_digits(row.tolist(), 300 * seed + 100 * c) for c, row in enumerate(digits)], axis=3)

    bench = bench_of(
        grey_data(stacked(70, 1), stacked(20, 2)),
        load_extractor("stacked-digits"),
        card="stacked-mnist",
        size=28,
        channels=3,
    )
    made = as_tensor(stacked(60, 3, most=2))
    found = judged(bench, made, monkeypatch)
    channels = torch.stack([Digits().read(made[:, c : c + 1]) for c in range(3)], 1).numpy()
    expected = mode_figures(joint_classes(channels), 1000)
    assert value(found, "modes") == expected.modes < (found.measures["modes"].real or 0) <= 60
    assert value(found, "kl") == pytest.approx(expected.kl)
    assert value(found, "kl_chance") == pytest.approx(drawn_floor(1000, 60).mean())
    assert (bench.count, bench.mode_count, bench.real.shape[1]) == (20, 60, 384)
    assert found.classes is None, "a thousand of them"
    assert len(found.pictures) == 20
    few = bench_of(grey_data(stacked(59, 1), stacked(20, 2)), card="stacked-mnist", size=28, channels=3)
    assert few.real_classes is None, "a floor of fewer pictures would be another one"
    assert judged(few, made, monkeypatch).measures["modes"].real is None


# --- mazes -----------------------------------------------------------------------------------------------------------


def test_mazes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of twelve: six new, two of them twice, two training mazes, two black ones."""
    data = mazes_data(seed=0, train=30, validation=12, test=12)
    bench = bench_of(data, card="mazes", size=28, channels=3)
    new = [render_maze(1, number) for number in (0, 1, 2, 3, 4, 5, 0, 1)]
    training = [np.asarray(data.train[0][number].convert("L")) for number in range(2)]
    made = as_tensor(np.stack([*new, *training, *[np.zeros((28, 28), np.uint8)] * 2]))
    found = judged(bench, made.expand(-1, 3, -1, -1), monkeypatch)
    for name, share in {
        "valid": 10, "perfect": 10, "distinct": 9, "unseen": 10, "valid_distinct_unseen": 6,
    }.items():  # fmt: skip
        assert value(found, f"maze_{name}") == pytest.approx(share / 12)
        assert found.measures[f"maze_{name}"].real == 1
    assert bench_of(data, card="mazes", size=32).mazes is None, "no figures of mazes at another size"
    assert bench_of(data, size=28).mazes is None, "a folder of that name may hold anything"


# --- what is judged --------------------------------------------------------------------------------------------------


def test_the_pictures_are_those_that_a_file_would_keep() -> None:
    torch.manual_seed(0)
    settings = GeneratorConfig(
        content="noise", output="plain", labels=3, code_size=1, size=16, width=8, blocks=1, channels=1
    )
    network = NetworkModel(ModelConfig(size=16, generator=settings), Generator(settings))
    made = made_of_noise(network, 5, 40)
    plain = PictureMaker(network, seed=5).as_trained(range(40))
    assert made.shape == (40, 1, 16, 16)
    assert (made - plain).abs().max() <= 0.5001 / 127.5
    levels = (made + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)
    assert torch.equal(made_of_noise(network, 5, 40), made), "the seed decides"
    assert not torch.equal(made_of_noise(network, 6, 40), made)
