"""`domainxfer.evaluate` of models that make pictures of noise: what is asked, written and refused."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import domainxfer
from domainxfer.datasets.rendered import mazes
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.evaluation import code_response, generation, generation_bench
from domainxfer.evaluation.result import Evaluation
from domainxfer.generate import PictureMaker
from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.critic import Critic
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe, override, write_recipe

SIDE = 16


def network(*, seed: int = 0, size: int = SIDE, content: str = "noise", **more: object) -> NetworkModel:
    """A small untrained model without domains, whose pictures differ."""
    torch.manual_seed(seed)
    settings = {
        "content": content, "output": "plain" if content == "noise" else "change", "width": 8, "blocks": 1,
        "size": size, "noise_size": 6, **more,
    }  # fmt: skip
    config = GeneratorConfig.model_validate(settings)
    generator = Generator(config)
    with torch.no_grad():
        for name, weight in generator.named_parameters():
            if name.startswith(("exit.", "condition.")):
                weight.mul_(4)
    return NetworkModel(ModelConfig(size=size, steps=7, generator=config, version="test"), generator)


def run_folder(folder: Path, data: str, model: NetworkModel, **changes: object) -> Path:
    """A run as training leaves it, as far as evaluate looks."""
    model.save(folder / "model")
    source = {"data": data, "labels": "none", **changes}
    recipe = override(Recipe(), {"card": "mine", "mode": "generate", "source": source, "data": {"size": SIDE}})
    (folder / "recipe.yaml").write_text(write_recipe(recipe))
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of two domains, 24 pictures to train with and 12 of each split held out in all, and a run."""
    place = tmp_path_factory.mktemp("generation")
    numbers = np.random.default_rng(0)
    for split, count in (("train", 12), ("validation", 6), ("test", 6)):
        for domain, grey in (("dark", 60), ("light", 190)):
            (place / "mine" / split / domain).mkdir(parents=True)
            for i in range(count):
                picture = numbers.normal(grey, 25, (20, 24, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(picture).save(place / "mine" / split / domain / f"{i}.png")
    run_folder(place / "runs" / "mine-1", str(place / "mine"), network(labels=2))
    run_folder(place / "runs" / "other-1", str(place / "mine"), network(seed=1))
    network(size=32).save(place / "larger")
    network(channels=1).save(place / "grey")
    network(content="picture", labels=2).save(place / "translator")
    return place


def evaluate(place: Path, what: str = "mine-1", *arguments: str, **options: object) -> Evaluation:
    options = {"extractor": "gabor", **options}
    return domainxfer.evaluate(what, *arguments, runs=place / "runs", **options)  # type: ignore[arg-type]


def test_a_run_on_the_data_it_learned_from(place: Path) -> None:
    """All domains are one group, whatever labels the model has; as many pictures are made as are held out."""
    found = evaluate(place)
    (only,) = found.judged.directions
    assert (only.source, only.target, only.outputs, only.reals) == ("noise", "mine", 12, 12)
    assert found.counts == {"mine": {"held_out": 12, "train": 24}}
    assert (found.data, found.split, found.size, found.seed, found.judged.steps) == ("mine", "test", SIDE, 0, 7)
    assert (found.instrument.extractor, found.instrument.features) == ("gabor", 70)
    assert set(only.figures) == {
        *("kernel", "frechet", "precision", "recall", "density", "coverage"),
        *("variation", "variation_plane", "sharpness", "authentic"),
    }
    assert all(figure.real is not None and figure.nothing is None for figure in only.figures.values())
    assert found.judged.mean == only.figures
    assert only.figures["kernel"].low < only.figures["kernel"].value < only.figures["kernel"].high
    assert found.judged.classes is None
    assert found.probe is None
    assert any("singular" in note for note in found.notes)
    assert any("--split validation" in note for note in found.notes)


def test_likely_copies_are_drawn_beside_the_result(place: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    evaluate(place, json_file=tmp_path / "result.json", on_event=lines.append)
    sheet = tmp_path / "result-nearest.png"
    assert f"written to {sheet}" in lines
    with Image.open(sheet) as picture:
        assert picture.width > picture.height > 4 * SIDE, "12 pairs, 6 in a row"
    (tmp_path / "result.json").unlink()
    with pytest.raises(DomainxferError, match=r"result-nearest\.png exists already"):
        evaluate(place, json_file=tmp_path / "result.json")


def test_the_seed_decides(place: Path) -> None:
    once = evaluate(place)
    assert evaluate(place) == once
    assert evaluate(place, seed=1).judged != once.judged
    assert evaluate(place, split="validation").judged != once.judged


def test_mended_pictures_are_judged_apart(place: Path, tmp_path: Path) -> None:
    plain, judge = network(), CriticConfig(width=8, depth=2, fields=(1,), size=SIDE)
    config = plain.config.model_copy(update={"critic": judge})
    run_folder(tmp_path / "judged-1", str(place / "mine"), NetworkModel(config, plain.generator, Critic(judge)))
    found = evaluate(place, str(tmp_path / "judged-1"), mend=5, keep_in_run=True)
    assert (tmp_path / "judged-1" / "evaluation-test-gabor-mend-5.json").exists()
    assert found.mend == 5
    assert any(note.startswith("mended: 5 times") for note in found.notes)
    assert found.judged.mean != evaluate(place, str(tmp_path / "judged-1")).judged.mean
    made = generation_bench.made_of_noise(domainxfer.load(tmp_path / "judged-1"), 0, 12, mend=5)
    expected = PictureMaker(domainxfer.load(tmp_path / "judged-1"), mend=5).as_trained(range(12))
    assert (made - expected).abs().max() < 1 / 127


@pytest.mark.parametrize(
    ("what", "says"), [("mine-1", "has no critic"), ("translator", "make pictures of noise"), ("mine", "of noise")]
)
def test_what_cannot_be_mended(place: Path, what: str, says: str) -> None:
    named = what if what == "mine-1" else str(place / what)
    with pytest.raises(UsageError, match=rf"--mend.*{says}"):
        evaluate(place, named, mend=3)


def test_two_models(place: Path) -> None:
    found = evaluate(place, baseline="other-1")
    assert found.baseline is not None
    one, other = found.judged.mean["kernel"], found.baseline.mean["kernel"]
    assert found.difference["kernel"].value == pytest.approx(one.value - other.value, rel=1e-3)
    assert found.difference["kernel"].low is not None
    assert set(found.difference) == set(found.judged.mean)
    itself = evaluate(place, baseline="mine-1")
    assert all(figure.value == 0 for figure in itself.difference.values())


def test_what_each_value_of_the_code_does(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean change from one end to the other, and that as a share of what other noise changes."""
    model = network(labels=2, code_size=2, seed=3)
    run = run_folder(place / "runs" / "coded-1", str(place / "mine"), model)
    found = evaluate(place, str(run))
    first, second = found.judged.codes
    assert (first.place, second.place) == (1, 2)
    assert evaluate(place).judged.codes == ()

    def made(seed: int, *code: float) -> torch.Tensor:
        drawn = PictureMaker(model, seed=seed, code=code).as_trained(range(12))
        return drawn.add(1).mul(127.5).round()

    moved = float((made(0, -1, 0) - made(0, 1, 0)).abs().mean() / 255)
    by_noise = float((made(0, 0, 0) - made(1, 0, 0)).abs().mean() / 255)
    assert moved > 0
    assert first.mean["code_pixels"].value == pytest.approx(moved, rel=1e-4)
    assert first.mean["code_pixels_share"].value == pytest.approx(moved / by_noise, rel=1e-4)
    assert 0 < first.mean["code_features"].value < 1
    assert first.directions[0].figures == first.mean
    monkeypatch.setattr(code_response, "OF_NOISE", 7)
    assert evaluate(place, str(run)).judged.codes[0].directions[0].outputs == 7


def test_how_many_pictures(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of small pictures, unless a number is asked for."""
    monkeypatch.setattr(generation, "MOST_SMALL", 11)
    monkeypatch.setattr(generation, "MOST", 10)
    assert evaluate(place).judged.directions[0].outputs == 11
    assert evaluate(place, most=12).judged.directions[0].outputs == 12
    monkeypatch.setattr(generation, "SMALL", SIDE - 1)
    assert evaluate(place).judged.directions[0].outputs == 10


def test_copies_are_looked_for_among_so_many_at_most(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation_bench, "MOST_TRAIN", 20)
    found = evaluate(place)
    assert found.counts["mine"]["train"] == 20
    assert any("among 20 of 24 training pictures" in note for note in found.notes)


def test_a_run_that_is_still_training(place: Path, tmp_path: Path) -> None:
    model = network()
    model.config = model.config.model_copy(update={"finished": False})
    model.save(tmp_path / "young")
    (line,) = (note for note in evaluate(place, str(tmp_path / "young"), str(place / "mine")).notes if "young" in note)
    assert "still training" in line
    assert "step 7" in line


def test_the_result_is_kept_once(place: Path, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "runs" / "mine-1", str(place / "mine"), network())
    found = evaluate(tmp_path, keep_in_run=True)
    file = run / "evaluation-test-gabor.json"
    assert Evaluation.read(file) == found
    with pytest.raises(DomainxferError, match=r"evaluation-test-gabor\.json exists already; --overwrite"):
        evaluate(tmp_path, keep_in_run=True)
    assert Evaluation.read(file) != evaluate(tmp_path, keep_in_run=True, overwrite=True, seed=1)


@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        ("mine-1", {"masks": Path("masks")}, "--masks is for models that translate"),
        ("mine-1", {"unpaired": True}, "--unpaired is for models that translate"),
        ("mine-1", {"size": 32}, "--size 32: .* makes pictures of 16 px from noise"),
        ("mine-1", {"baseline": "translator"}, "one of mine-1 and .*translator makes pictures of noise"),
        ("translator", {"baseline": "mine-1"}, "no comparison"),
        ("mine-1", {"baseline": "larger"}, "16 px in 3 channels and 32 px in 3 channels"),
        ("mine-1", {"baseline": "grey"}, "16 px in 3 channels and 16 px in 1 channel;"),
        ("mine-1", {"most": 9}, "--most 9: at least 10"),
        ("larger", {}, "does not say what it learned from"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    place: Path, monkeypatch: pytest.MonkeyPatch, what: str, options: dict, said: str
) -> None:
    monkeypatch.chdir(place)
    with pytest.raises(UsageError, match=said) as caught:
        evaluate(place, what, **options)
    assert "\n" not in str(caught.value)


def test_too_few_pictures(place: Path, tmp_path: Path) -> None:
    for i in range(30):
        Image.new("RGB", (SIDE, SIDE), (8 * i, 0, 0)).save(tmp_path / f"{i}.png")
    with pytest.raises(DomainxferError, match=r"has 3 test pictures; at least 10 are needed"):
        evaluate(place, "mine-1", str(tmp_path))


def test_digits_are_judged_by_the_digit_network(tmp_path: Path) -> None:
    """The card decides, also for pictures with the black frame of 32 px."""
    folder, numbers = tmp_path / "data" / "mnist", np.random.default_rng(0)
    folder.mkdir(parents=True)
    for prefix, each in {"train": 8, "t10k": 3}.items():
        labels = np.tile(np.arange(10, dtype=np.uint8), each)
        images = numbers.integers(0, 256, (len(labels), 28, 28), dtype=np.uint8)
        for kind, array in {f"{prefix}-images-idx3": images, f"{prefix}-labels-idx1": labels}.items():
            head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (folder / f"{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    run_folder(tmp_path / "runs" / "digits-1", "mnist", network(size=32, channels=1, labels=10))
    found = evaluate(tmp_path, "digits-1", data_root=tmp_path / "data", extractor="auto", offline=True)
    assert found.instrument.extractor == "digits"
    assert found.counts == {"mnist": {"held_out": 30, "train": 70}}
    assert {"modes", "entropy", "kl", "kl_chance"} < set(found.judged.mean)
    assert found.judged.classes is not None
    assert sum(found.judged.classes.outputs.values()) == sum(found.judged.classes.real.values()) == 30
    other = evaluate(tmp_path, "digits-1", data_root=tmp_path / "data", offline=True)
    assert other.judged.classes is None, "no other extractor reads digits"


def test_mazes_leave_a_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = mazes.mazes_data
    monkeypatch.setattr(mazes, "mazes_data", lambda seed: rendered(seed, train=20, validation=10, test=10))
    run = run_folder(tmp_path / "runs" / "mazes-1", "mazes", network(size=28))
    lines: list[str] = []
    found = evaluate(tmp_path, "mazes-1", keep_in_run=True, on_event=lines.append, extractor="auto")
    assert found.instrument.extractor == "maze-counts"
    assert found.judged.mean["maze_valid"].value == 0
    assert found.judged.mean["maze_valid_distinct_unseen"].real == 1
    sheet = run / "evaluation-test-maze-counts-mazes.png"
    assert f"written to {sheet}" in lines
    with Image.open(sheet) as picture:
        assert picture.width > picture.height, "10 mazes, 8 in a row"
    (run / "evaluation-test-maze-counts.json").unlink()
    with pytest.raises(DomainxferError, match=r"maze-counts-mazes\.png exists already"):
        evaluate(tmp_path, "mazes-1", keep_in_run=True, extractor="auto")
    evaluate(tmp_path, "mazes-1", json_file=tmp_path / "elsewhere.json")
    assert (tmp_path / "elsewhere-mazes.png").exists()
    before = set(tmp_path.rglob("*"))
    evaluate(tmp_path, "mazes-1")
    assert set(tmp_path.rglob("*")) == before, "without a place for the result there is none for the sheet"
