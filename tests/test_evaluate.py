"""`domainxfer.evaluate`: the right figure of the right pictures, beside the right ceiling and floor; and bad input."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import domainxfer
from domainxfer.datasets.domain_data import DomainData, PictureArray
from domainxfer.datasets.find import open_data
from domainxfer.datasets.folders import load_folder
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.evaluation.bench import Bench, Measure, means
from domainxfer.evaluation.masks import Masks
from domainxfer.evaluation.names import FIGURES, heading
from domainxfer.evaluation.result import Evaluation, Figure
from domainxfer.evaluation.subject import find_subject, open_for
from domainxfer.evaluation.wish import NotKept
from domainxfer.metrics.bootstrap import Estimate
from domainxfer.metrics.extractors import EXTRACTORS, inception, load_extractor
from domainxfer.models.config import GeneratorConfig, ModelConfig
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe, override, read_recipe, write_recipe
from domainxfer.training.held_out import HeldOut

SIDE = 32
GREYS = {"dark": 60, "light": 190, "mid": 125}


class Colours:
    """An extractor quick enough for many tests: mean and deviation of each colour in each quarter."""

    name, digest, size, resize = "colours", "c0" * 8, 16, "the mean of each place"

    def features(self, x: Tensor) -> Tensor:
        quarters = torch.nn.functional.adaptive_avg_pool2d(x, 16).unfold(2, 8, 8).unfold(3, 8, 8).flatten(4)
        return torch.cat([quarters.mean(4), quarters.std(4)], 1).flatten(1)


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """An extractor is added by naming it."""
    monkeypatch.setitem(EXTRACTORS, "colours", Colours)
    load_extractor.cache_clear()


def fill(folder: Path, count: int, grey: int, *, prefix: str = "", seed: int = 0) -> None:
    """Noisy grey pictures, named PREFIX0.png, PREFIX1.png, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.random.default_rng([seed, grey])
    for i in range(count):
        picture = numbers.normal(grey, 25, (40, 48, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{prefix}{i}.png")


def data_folder(folder: Path, domains: Sequence[str], held_out: int = 12, *, paired: bool = False) -> Path:
    """train, validation and test of some domains; paired: the test pictures have the same names in all of them."""
    for number, (split, count) in enumerate((("train", 14), ("validation", held_out), ("test", held_out))):
        for domain in domains:
            fill(folder / split / domain, count, GREYS[domain], prefix="" if paired else domain, seed=number)
    return folder


def network(
    domains: Sequence[str], *, seed: int = 0, idle: bool = False, content: str = "picture", code_size: int = 0
) -> NetworkModel:
    """A small untrained model; an idle one gives back what it gets."""
    torch.manual_seed(seed)
    output = "change" if content == "picture" else "plain"
    sizes = {"labels": len(domains), "code_size": code_size, "width": 16, "blocks": 1, "size": SIDE}
    settings = GeneratorConfig(content=content, output=output, **sizes)
    generator = Generator(settings)
    with torch.no_grad():
        for weights in generator.exit.parameters():
            weights.mul_(0 if idle else 5)
    config = ModelConfig(domains=tuple(domains), size=SIDE, steps=7, generator=settings, version="test")
    return NetworkModel(config, generator)


def run_folder(folder: Path, data: Path, model: NetworkModel) -> Path:
    """A run as training leaves it, as far as evaluate looks."""
    model.save(folder / "model")
    recipe = override(Recipe(), {"card": "mine", "source": {"data": str(data)}, "data": {"size": SIDE}})
    (folder / "recipe.yaml").write_text(write_recipe(recipe))
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data of two domains, and runs of an untrained and an idle model."""
    place = tmp_path_factory.mktemp("evaluate")
    data = data_folder(place / "mine", ("dark", "light"))
    run_folder(place / "runs" / "mine-1", data, network(("dark", "light")))
    run_folder(place / "runs" / "idle-1", data, network(("dark", "light"), idle=True))
    network(("light", "mid"), seed=1).save(place / "other")
    return place


def evaluate(place: Path, what: str = "mine-1", *arguments: str, **options: object) -> Evaluation:
    return domainxfer.evaluate(what, *arguments, runs=place / "runs", **{"extractor": "colours", **options})


def refused(call: Callable[[], object], *said: str, error: type[DomainxferError] = DomainxferError) -> str:
    """The one line of an error, which says all of ``said``."""
    with pytest.raises(error) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line
    for words in said:
        assert words in line
    return line


def test_it_is_a_function_whatever_was_imported_first() -> None:
    import domainxfer.evaluation.evaluate as module

    assert domainxfer.evaluate is module.evaluate


def test_a_run_on_the_data_it_learned_from(place: Path) -> None:
    found = evaluate(place)
    assert [(d.source, d.target) for d in found.judged.directions] == [("dark", "light"), ("light", "dark")]
    assert found.data == "mine"
    assert found.split == "test"
    assert found.counts == {name: {"held_out": 12, "train": 14} for name in ("dark", "light")}
    assert found.instrument.model_dump() == {
        "extractor": "colours",
        "digest": "c0" * 8,
        "size": 16,
        "features": 24,
        "resize": "shorter side to 32 px (area, or bicubic to enlarge), centre crop; "
        "then the mean of each place to 16 px",
    }
    assert (found.size, found.seed, found.neighbours, found.judged.steps) == (SIDE, 0, 5, 7)
    assert len(found.judged.digest or "") == 16
    assert set(found.judged.directions[0].figures) == {
        *("kernel", "kernel_left", "frechet", "precision", "recall", "density", "coverage"),
        *("called_target", "content", "change", "cycle"),
    }
    assert set(found.judged.mean) == set(found.judged.directions[0].figures)
    assert found.probe is not None
    assert found.probe.accuracy == {"dark": 1.0, "light": 1.0}
    assert any("singular" in note for note in found.notes), "12 pictures of 24 features"
    assert any("--split validation" in note for note in found.notes)


def test_the_kernel_distance_is_that_of_training(place: Path) -> None:
    """One way of computing it: what a run logs and what evaluate says are the same number."""
    found = evaluate(place, split="validation")
    data = open_data(str(place / "mine"), size=SIDE)
    model = NetworkModel.load(place / "runs" / "mine-1")
    for d in HeldOut(data, SIDE, Colours()).distances(model):
        figure = found.judged.figure(d.source, d.target, "kernel")
        assert figure.value == pytest.approx(d.distance, rel=1e-5)
        assert figure.nothing == pytest.approx(d.ceiling, rel=1e-5)
        assert figure.real == pytest.approx(d.floor, rel=1e-5)
        assert found.judged.figure(d.source, d.target, "kernel_left").value == pytest.approx(d.share, rel=1e-5)
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low < figure.value < figure.high
    assert any("flatter" in note for note in found.notes)


def test_doing_nothing_scores_what_doing_nothing_scores(place: Path) -> None:
    for direction in evaluate(place, "idle-1").judged.directions:
        compared = {name: f for name, f in direction.figures.items() if f.nothing is not None}
        assert set(compared) >= {"kernel", "frechet", "precision", "coverage", "called_target"}
        for name, figure in compared.items():
            assert figure.value == pytest.approx(figure.nothing, rel=1e-5, abs=1e-9), name
        assert direction.figures["change"].value == direction.figures["cycle"].value == 0
        assert direction.figures["content"].value == pytest.approx(1)
        assert direction.figures["called_target"].value == 0
        assert direction.figures["called_target"].real == 1


class Shift:
    """A translator that adds or takes away brightness: label 1 is the lighter one."""

    def __init__(self, by: float) -> None:
        self.by = by

    def apply(self, x: Tensor, label: Tensor | None, code: Tensor | None = None) -> Tensor:
        assert label is not None
        return (x + torch.where(label == 1, self.by, -self.by)[:, None, None, None]).clamp(-1, 1)


def grey_data(**more: object) -> DomainData:
    numbers = np.random.default_rng(0)

    def part(count: int) -> tuple[PictureArray, PictureArray]:
        dark, light = (
            numbers.normal(grey, 12, (count, SIDE, SIDE, 3)).clip(0, 255).astype(np.uint8) for grey in (80, 170)
        )
        return PictureArray(dark), PictureArray(light)

    return DomainData("greys", ("dark", "light"), part(24), part(12), part(12), **more)  # type: ignore[arg-type]


def test_a_perfect_translator_scores_what_real_pictures_score() -> None:
    """Figures by name, not only against themselves: near the floor where it is right, and what it changed."""
    bench = Bench(HeldOut(grey_data(), SIDE, Colours()), paired=False)
    right, wrong = bench.judge(Shift(90 / 127.5)), bench.judge(Shift(-30 / 127.5))
    for pair in ((0, 1), (1, 0)):
        good, bad = right[pair], wrong[pair]
        assert abs(good["kernel_left"].estimate.value) < 0.02
        assert bad["kernel_left"].estimate.value > 1.2
        assert good["frechet"].estimate.value < 2 * (good["frechet"].real or 0) < 0.5 * (good["frechet"].nothing or 0)
        assert good["coverage"].estimate.value > 0.8 > 0.2 > bad["coverage"].estimate.value
        assert good["called_target"].estimate.value == 1
        assert bad["called_target"].estimate.value == good["called_target"].nothing == 0
        assert good["change"].estimate.value == pytest.approx(90 / 255, abs=0.01)
        assert good["cycle"].estimate.value < 0.01
    mean = means(right)
    assert mean["change"].estimate.value == pytest.approx(
        (right[0, 1]["change"].estimate.value + right[1, 0]["change"].estimate.value) / 2
    )


def test_a_run_is_judged_on_what_its_own_seed_held_out(tmp_path: Path) -> None:
    """The seed of `evaluate` chooses among the held-out pictures; which are held out, training decided."""
    for domain in ("dark", "light"):
        fill(tmp_path / "mine" / domain, 40, GREYS[domain])
    run = run_folder(tmp_path / "runs" / "mine-1", tmp_path / "mine", network(("dark", "light")))
    recipe = override(read_recipe(run / "recipe.yaml"), {"training": {"seed": 3}})
    (run / "recipe.yaml").write_text(write_recipe(recipe))
    subject = find_subject(str(run), tmp_path / "runs")
    assert subject is not None
    opened = open_for(subject, None, data_root=None, names=None, offline=True, size=SIDE, on_event=print)

    def held_out(seed: int) -> list[str]:
        return [load_folder(tmp_path / "mine", seed=seed).test[0].name(i) for i in range(4)]

    assert [opened.test[0].name(i) for i in range(4)] == held_out(3) != held_out(0)


def test_what_real_pictures_are_called_is_asked_of_those_the_probe_never_saw() -> None:
    held_out = HeldOut(grey_data(), SIDE, Colours())
    held_out.real = [
        x + 3 * x.std() * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)) for x in held_out.real
    ]
    bench = Bench(held_out, paired=False)
    shares = [float((bench.probe.calls(x[1]) == 1).double().mean()) for x in (held_out.real, held_out.train)]
    assert shares[0] < shares[1]
    assert bench.real[0, 1]["called_target"] == pytest.approx(shares[0])


def test_what_changed_inside_a_mask_is_undone_before_content_is_compared() -> None:
    held_out = HeldOut(grey_data(), SIDE, Colours())
    inside = torch.zeros(len(held_out.pictures[0]), SIDE, SIDE, dtype=torch.bool)
    inside[:, SIDE // 2 :] = True
    masks = [Masks(inside, torch.ones(len(inside), dtype=torch.bool)), None]
    bench = Bench(held_out, paired=False, masks=masks)

    class Below:
        """Paints over what is inside."""

        def apply(self, x: Tensor, label: Tensor | None, code: Tensor | None = None) -> Tensor:
            painted = x.clone()
            painted[:, :, SIDE // 2 :] = torch.rand(painted[:, :, SIDE // 2 :].shape) * 2 - 1
            return painted

    found = bench.judge(Below())[0, 1]
    assert found["change_outside"].estimate.value == 0
    assert found["content_outside"].estimate.value == pytest.approx(1, abs=1e-6)
    assert found["content"].estimate.value < 0.999


def test_the_mean_share_is_sum_over_sum() -> None:
    def share(value: float, whole: float, real: float) -> Measure:
        rounds = torch.tensor([value, 2 * value], dtype=torch.float64)
        drawn = torch.tensor([whole, whole], dtype=torch.float64)
        return Measure(Estimate(value, rounds), nothing=1.0, real=real, whole=Estimate(whole, drawn))

    mean = means({(0, 1): {"kernel_left": share(0.5, 0.1, 0.2)}, (1, 0): {"kernel_left": share(0.9, 0.01, 0.0)}})
    left = mean["kernel_left"]
    assert left.estimate.value == pytest.approx((0.05 + 0.009) / 0.11)
    assert left.estimate.rounds is not None
    assert left.estimate.rounds.tolist() == pytest.approx([0.059 / 0.11, 0.118 / 0.11])
    assert (left.nothing, left.real) == (1.0, pytest.approx(0.02 / 0.11))


def test_a_bench_knows_what_its_shares_are_of() -> None:
    bench = Bench(HeldOut(grey_data(), SIDE, Colours()), paired=False)
    measures = bench.judge(Shift(30 / 127.5))
    kernels = sum(one["kernel"].estimate.value for one in measures.values())
    nothings = sum(one["kernel"].nothing or 0 for one in measures.values())
    assert means(measures)["kernel_left"].estimate.value == pytest.approx(kernels / nothings, rel=1e-6)


def test_there_is_no_share_of_no_distance() -> None:
    """Two domains that look alike to the extractor: do-nothing's distance is that of chance."""
    alike = grey_data()
    alike = replace(alike, train=(alike.train[0],) * 2, validation=(alike.test[0], alike.validation[0]))
    bench = Bench(HeldOut(alike, SIDE, Colours()), paired=False)
    assert "kernel_left" not in bench.judge(Shift(0))[0, 1]


def test_there_is_no_share_where_all_pictures_are_one() -> None:
    grey = grey_data()
    one = PictureArray(np.full((12, SIDE, SIDE, 3), 100, np.uint8))
    same = replace(grey, train=(one,) * 2, validation=(one,) * 2, test=(one,) * 2)
    direction = Bench(HeldOut(same, SIDE, Colours()), paired=False).judge(Shift(0))[0, 1]
    assert "kernel_left" not in direction
    assert direction["kernel"].real == direction["kernel"].nothing == 0


class Scenes:
    """A truth in which the lower half of the light domain is lighter."""

    def images(self, split: str) -> np.ndarray:
        images = np.full((6, 2, SIDE, SIDE, 3), 100, np.uint8)
        images[:, 1, SIDE // 2 :] = 190
        return images

    def masks(self, split: str) -> np.ndarray:
        masks = np.zeros((6, SIDE, SIDE), bool)
        masks[:, SIDE // 2 :] = True
        return masks


def test_what_each_value_of_the_code_does(place: Path, tmp_path: Path) -> None:
    """A generator that hears the first value of its code only; the figures by hand from what it makes."""
    model = network(("dark", "light"), code_size=2)
    with torch.no_grad():
        model.generator.condition.of_rest.weight[:, 1] = 0
    model.save(tmp_path / "coded")
    found = evaluate(place, str(tmp_path / "coded"), data=str(place / "mine"), json_file=tmp_path / "found.json")
    assert Evaluation.read(tmp_path / "found.json") == found
    heard, unheard = found.judged.codes
    assert (heard.place, unheard.place) == (1, 2)
    assert [(d.source, d.target, d.outputs) for d in heard.directions] == [("dark", "light", 12), ("light", "dark", 12)]

    held_out = HeldOut(open_data(str(place / "mine")), SIDE, load_extractor("colours"), "test")
    x, label = held_out.pictures[0], torch.ones(12, dtype=torch.int64)
    low, plain, high = (model.apply(x, label, torch.tensor([[v, 0.0]]).expand(12, 2)) for v in (-1.0, 0.0, 1.0))
    moved, changed = float((high - low).abs().mean()) / 2, float((plain - x).abs().mean()) / 2
    figures = heard.directions[0].figures
    assert figures["code_pixels"].value == pytest.approx(moved, rel=1e-4)
    assert figures["code_pixels_share"].value == pytest.approx(moved / changed, rel=1e-4)
    features = [Colours().features(pictures) for pictures in (low, high, x, plain)]
    cosine = torch.nn.functional.cosine_similarity
    apart, translated = (1 - float(cosine(a, b).mean()) for a, b in (features[:2], features[2:]))
    assert figures["code_features"].value == pytest.approx(apart, rel=1e-3)
    assert figures["code_features_share"].value == pytest.approx(apart / translated, rel=1e-3)
    for figure in figures.values():
        assert figure.low is not None
        assert figure.low < figure.value < figure.high
    assert heard.mean["code_pixels"].value == pytest.approx(
        sum(d.figures["code_pixels"].value for d in heard.directions) / 2, rel=1e-4
    )
    assert all(d.figures["code_pixels"].value == 0 for d in unheard.directions)


def test_a_model_without_a_code_has_no_figures_of_it(place: Path) -> None:
    assert evaluate(place).judged.codes == ()


def test_there_is_no_share_of_a_translation_that_changes_nothing(place: Path, tmp_path: Path) -> None:
    network(("dark", "light"), idle=True, code_size=1).save(tmp_path / "idle")
    (of_value,) = evaluate(place, str(tmp_path / "idle"), data=str(place / "mine")).judged.codes
    assert set(of_value.mean) == {"code_pixels", "code_features"}
    assert of_value.mean["code_pixels"].value == 0


def test_where_the_truth_is_known() -> None:
    bench = Bench(HeldOut(grey_data(truth=Scenes()), SIDE, Colours()), paired=True)
    figures = bench.judge(Shift(90 / 127.5))[0, 1]
    assert figures["truth_psnr"].estimate.value > 55
    assert figures["truth_psnr"].nothing == pytest.approx(20 * np.log10(255 / 90), abs=0.01)
    assert figures["truth_outside"].estimate.value == pytest.approx(90 / 255, abs=0.01), "it changed everything"
    assert set(figures) >= {"psnr", "hits"}


@pytest.mark.parametrize("paired", [False, True])
def test_pictures_that_belong_together_are_redrawn_together(paired: bool) -> None:
    dark, light = Bench(HeldOut(grey_data(truth=Scenes()), SIDE, Colours()), paired=paired).weights
    assert torch.equal(dark, light) == paired


def test_the_labels_are_the_models_own_whatever_the_order_of_the_data(place: Path, tmp_path: Path) -> None:
    """Data sorts dark before light; a model that learned light first must not be read the other way round."""
    model = network(("light", "dark"))
    model.save(tmp_path / "turned")
    found = evaluate(place, str(tmp_path / "turned"), str(place / "mine"), split="validation")
    data = open_data(str(place / "mine"), size=SIDE)
    turned = DomainData("turned", ("light", "dark"), data.train[::-1], data.validation[::-1], data.test[::-1])
    for d in HeldOut(turned, SIDE, Colours()).distances(model):
        assert found.judged.figure(d.source, d.target, "kernel").value == pytest.approx(d.distance, rel=1e-5)


def test_paired_pictures_have_a_right_answer(place: Path, tmp_path: Path) -> None:
    """The same file names in all domains: the right answer of dark/3.png is light/3.png."""
    data = data_folder(tmp_path / "pairs", ("dark", "light"), paired=True)
    found = evaluate(place, "idle-1", str(data))
    psnr, hits = (found.judged.figure("dark", "light", name) for name in ("psnr", "hits"))
    assert psnr.value == psnr.nothing
    assert 5 < psnr.value < 7, "130 grey values off"
    assert psnr.low is not None
    assert psnr.low <= psnr.value
    assert hits.value == hits.nothing
    assert any("--unpaired" in note for note in found.notes)
    alone = evaluate(place, "idle-1", str(data), unpaired=True)
    assert "psnr" not in alone.judged.mean
    assert "psnr" not in evaluate(place).judged.mean, "other names"


def test_a_model_that_is_still_training_is_said_to_be(place: Path, tmp_path: Path) -> None:
    model = network(("dark", "light"))
    assert not any("still training" in note for note in evaluate(place).notes)
    model.config = model.config.model_copy(update={"finished": False})
    model.save(tmp_path / "young")
    found = evaluate(place, str(tmp_path / "young"), str(place / "mine"))
    (line,) = (note for note in found.notes if "still training" in note)
    assert "young" in line
    assert "step 7" in line


def test_masks(place: Path, tmp_path: Path) -> None:
    """White is where change is wanted. The upper half only here; what changed below counts as outside."""
    mask = np.zeros((40, 48), np.uint8)
    mask[:20] = 255
    for i in range(5):
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"dark{i}.png")
    found = evaluate(place, masks=tmp_path / "masks")
    figures = found.judged.directions[0].figures
    assert figures["change_outside"].value == pytest.approx(figures["change"].value, rel=0.3), "it changes everything"
    assert figures["content_outside"].value > figures["content"].value
    assert "change_outside" not in found.judged.directions[1].figures, "no masks for light"
    assert [of["masks"] for of in found.counts.values()] == [5, 0]
    everything = Image.new("L", (48, 40), 255)
    for domain in ("dark", "light"):
        for i in range(12):
            (tmp_path / "white" / domain).mkdir(parents=True, exist_ok=True)
            everything.save(tmp_path / "white" / domain / f"{domain}{i}.png")
    assert "change_outside" not in evaluate(place, masks=tmp_path / "white").judged.mean, "there is no outside"


def test_what_is_transparent_in_a_mask_is_as_black(place: Path, tmp_path: Path) -> None:
    layers = {kind: np.full((40, 48, channels), 255, np.uint8) for kind, channels in (("drawn", 4), ("painted", 3))}
    for picture in layers.values():
        picture[20:, :, -1:] = 0
    layers["painted"][20:] = 0
    for kind, picture in layers.items():
        for i in range(12):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(picture).save(tmp_path / kind / f"dark{i}.png")
    drawn, painted = (evaluate(place, masks=tmp_path / kind).judged.directions[0].figures for kind in layers)
    assert drawn["change_outside"] == painted["change_outside"]


def test_masks_of_one_domain_are_no_masks_of_another(place: Path, tmp_path: Path) -> None:
    """Pictures of all domains may have the same names; only the folder tells their masks apart."""
    mask = np.zeros((40, 48), np.uint8)
    mask[:20] = 255
    (tmp_path / "masks" / "dark").mkdir(parents=True)
    for domain in ("dark", "light"):
        for i in range(12):
            Image.fromarray(mask).save(tmp_path / "masks" / "dark" / f"{domain}{i}.png")
    found = evaluate(place, masks=tmp_path / "masks")
    assert [of["masks"] for of in found.counts.values()] == [12, 0]
    (tmp_path / "masks" / "dark" / "more").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "dark" / "more" / "dark3.png")
    refused(lambda: evaluate(place, masks=tmp_path / "masks"), "dark3.png are masks of one name")


@pytest.mark.parametrize("file", ["", "dark0.png/x.json"])
def test_a_result_that_could_not_be_written_is_refused_before_the_work(place: Path, file: str) -> None:
    said: list[str] = []
    dark = place / "mine" / "test" / "dark"
    with pytest.raises(DomainxferError, match=r"is a folder|cannot"):
        evaluate(place, json_file=str(dark / file), overwrite=True, on_event=said.append)
    assert not said


@pytest.mark.parametrize(
    "options", [{"names": {"a": "b"}}, {"unpaired": True}, {"split": "validation"}, {"data_root": "elsewhere"}]
)
def test_two_folders_take_no_options_of_models(place: Path, options: dict[str, object]) -> None:
    folders = (str(place / "mine/train/dark"), str(place / "mine/test/light"))
    with pytest.raises(UsageError, match="are for models: two folders of pictures are compared as they are"):
        evaluate(place, *folders, **options)


def test_masks_of_another_size(place: Path, tmp_path: Path) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "light3.png")
    refused(lambda: evaluate(place, masks=tmp_path), "light3.png is 20 x 20 px", "48 x 40")


def test_masks_of_other_pictures(place: Path, tmp_path: Path) -> None:
    Image.new("L", (48, 40)).save(tmp_path / "somebody.png")
    refused(lambda: evaluate(place, masks=tmp_path), "no mask in", "dark0.png")
    refused(lambda: evaluate(place, masks=tmp_path / "nowhere"), "nowhere")


def test_a_folder_against_a_folder(place: Path) -> None:
    found = evaluate(place, str(place / "mine/train/dark"), str(place / "mine/test/light"))
    (only,) = found.judged.directions
    assert (only.outputs, only.reals, found.split, found.size) == (14, 12, None, 16)
    kernel = only.figures["kernel"]
    assert kernel.real is not None
    assert abs(kernel.real) < kernel.value / 10, "the reals' own halves are alike"
    assert kernel.low is not None
    assert kernel.low < kernel.value
    same = evaluate(place, str(place / "mine/train/dark"), str(place / "mine/test/dark"))
    assert same.judged.directions[0].figures["kernel"].value < kernel.value / 10
    assert set(only.figures) == {"kernel", "frechet", "precision", "recall", "density", "coverage"}


def test_folders_of_domains_are_compared_by_name(place: Path, tmp_path: Path) -> None:
    for domain in ("light", "mid"):
        fill(tmp_path / "out" / domain, 10, GREYS[domain])
    found = evaluate(place, str(tmp_path / "out"), str(place / "mine/test"))
    assert [(d.source, d.target) for d in found.judged.directions] == [
        (str(tmp_path / "out/light"), str(place / "mine/test/light"))
    ]


def test_what_is_mixed_or_left_out_of_folders_is_said(place: Path, tmp_path: Path) -> None:
    for domain in ("light", "mid"):
        fill(tmp_path / "out" / domain, 10, GREYS[domain])
    (left, missing) = (note for note in evaluate(place, str(tmp_path / "out"), str(place / "mine/test")).notes[:2])
    assert left == f"{tmp_path / 'out/mid'} is left out: there is no {place / 'mine/test/mid'}"
    assert missing == f"{place / 'mine/test/dark'} is left out: there is no {tmp_path / 'out/dark'}"
    note = evaluate(place, str(tmp_path / "out/light"), str(place / "mine/test")).notes[0]
    assert note.startswith(f"the pictures of dark, light in {place / 'mine/test'} are taken together")
    assert not any("together" in note for note in evaluate(place, *[str(place / "mine/test/dark")] * 2).notes)


def test_the_digest_is_that_of_the_weights_that_were_judged(place: Path, tmp_path: Path) -> None:
    """A run that goes on writes new ones meanwhile."""
    run = run_folder(tmp_path / "runs" / "mine-1", place / "mine", network(("dark", "light")))
    before = evaluate(tmp_path).judged.digest

    def train_on(line: str) -> None:
        network(("dark", "light"), seed=5).save(run / "model")

    assert evaluate(tmp_path, on_event=train_on).judged.digest == before
    assert evaluate(tmp_path).judged.digest != before


def test_home_is_home_and_a_path_may_be_a_path(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    file = tmp_path / "figures.json"
    found = domainxfer.evaluate("mine-1", data=place / "mine", runs="~/runs", json_file=file, extractor="colours")
    assert Evaluation.read(file) == found


def test_what_was_computed_is_not_lost_where_it_cannot_be_written(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise DomainxferError("cannot write it: the disk is full")

    monkeypatch.setattr(Evaluation, "save", full)
    with pytest.raises(NotKept, match="the disk is full") as lost:
        evaluate(place, json_file=tmp_path / "figures.json")
    assert lost.value.evaluation == evaluate(place)
    assert lost.value.exit_code == 1


def test_pictures_that_cannot_be_read_are_counted(place: Path, tmp_path: Path) -> None:
    data = data_folder(tmp_path / "mine", ("dark", "light"))
    (data / "test" / "dark" / "torn.png").write_bytes(b"\x89PNG")
    assert evaluate(place).unreadable == 0
    assert evaluate(place, data=data).unreadable == 1


def test_folders_with_nothing_in_common(place: Path, tmp_path: Path) -> None:
    fill(tmp_path / "out" / "mid", 10, 100)
    both = str(tmp_path / "out"), str(place / "mine/test")
    refused(lambda: evaluate(place, *both), "nothing in common", "mid", "dark, light")
    data = data_folder(tmp_path / "cats", ("mid", "light"))
    line = refused(lambda: evaluate(place, "mine-1", str(data)), "'light'", "two are needed", "--names")
    assert "mine-1" in line
    found = evaluate(place, str(place / "other"), str(data))
    assert [d.source for d in found.judged.directions] == ["light", "mid"]


def test_a_domain_that_the_model_does_not_know_is_left_out(place: Path, tmp_path: Path) -> None:
    data = data_folder(tmp_path / "three", ("dark", "light", "mid"))
    found = evaluate(place, "mine-1", str(data))
    assert set(found.counts) == {"dark", "light"}
    (line,) = (note for note in found.notes if "'mid'" in note)
    assert "mine-1" in line


def test_names_make_domains_common(place: Path, tmp_path: Path) -> None:
    for letter, grey in (("A", 60), ("B", 190)):
        fill(tmp_path / "abc" / f"train{letter}", 12, grey)
        fill(tmp_path / "abc" / f"test{letter}", 10, grey, prefix=letter)
    refused(lambda: evaluate(place, "mine-1", str(tmp_path / "abc")), "no domain in common", "A, B")
    found = evaluate(place, "mine-1", str(tmp_path / "abc"), names={"A": "dark", "B": "light"})
    assert set(found.counts) == {"dark", "light"}


def test_two_models(place: Path) -> None:
    """On the same redraws: a model is exactly as good as itself, and a difference is surer than its parts."""
    itself = evaluate(place, baseline="mine-1")
    assert itself.baseline is not None
    assert itself.baseline.directions == itself.judged.directions
    assert set(itself.difference) == set(itself.judged.mean)
    assert all(figure.value == 0 for figure in itself.difference.values())
    found = evaluate(place, baseline="idle-1")
    assert found.baseline is not None
    one, other = found.judged.mean["kernel"], found.baseline.mean["kernel"]
    difference = found.difference["kernel"]
    assert difference.value == pytest.approx(one.value - other.value, rel=1e-3)
    assert difference.low is not None
    assert difference.high is not None
    assert difference.low <= difference.value <= difference.high


def test_a_domain_in_only_one_of_two_models(place: Path, tmp_path: Path) -> None:
    """Two in common: compared on those, with a line for the one left out. One in common: refused."""
    three = ("dark", "light", "mid")
    data = data_folder(tmp_path / "three", three)
    network(three).save(tmp_path / "wide")
    found = evaluate(place, "mine-1", str(data), baseline=tmp_path / "wide")
    assert [(d.source, d.target) for d in (found.baseline or found.judged).directions] == [
        ("dark", "light"),
        ("light", "dark"),
    ]
    (line,) = (note for note in found.notes if "'mid'" in note)
    assert "wide" in line
    refused(lambda: evaluate(place, "mine-1", str(data), baseline=place / "other"), "only the domain 'light'", "other")


def test_too_few_pictures(place: Path, tmp_path: Path) -> None:
    data = data_folder(tmp_path / "few", ("dark", "light"), held_out=9)
    refused(lambda: evaluate(place, "mine-1", str(data)), "9 test pictures of 'dark'", "at least 10", "noise")
    fill(tmp_path / "out", 3, 100)
    refused(lambda: evaluate(place, str(tmp_path / "out"), str(place / "mine/test/dark")), "3 pictures", "at least 10")
    refused(lambda: evaluate(place, str(place / "mine/test/dark"), str(tmp_path / "out")), "3 pictures", "at least 10")
    refused(lambda: evaluate(place, most=5), "at least 10", error=UsageError)


def test_an_extractor_without_its_weights(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOMAINXFER_DINOV2", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    refused(lambda: evaluate(place, extractor="dinov2"), "--weights FILE")
    if inception.find_spec("torch_fidelity"):
        refused(lambda: evaluate(place, extractor="inception", offline=True), str(tmp_path), "--weights")
    refused(lambda: evaluate(place, extractor="incepton"), "Did you mean 'inception'", error=UsageError)
    refused(lambda: evaluate(place, weights=tmp_path / "w.pth"), "takes no weights", error=UsageError)


@pytest.mark.parametrize(
    ("what", "options", "said"),
    [
        ("mine-1", {"split": "tset"}, "'test'"),
        ("mine-1", {"size": 31}, "multiple of 4"),
        ("mine-1", {"data": "mine", "against": "mine"}, "once"),
        ("mine", {}, "domainxfer evaluate"),
        ("mine", {"against": "mine", "baseline": "mine-1"}, "for models"),
        ("mine-1", {"baseline": "mine"}, "holds no model"),
        ("mine-2", {}, "Did you mean 'mine-1'"),
        ("noise", {"baseline": "mine-1"}, "makes pictures of noise"),
        ("other", {}, "--data"),
    ],
)  # fmt: skip
def test_words_that_make_no_sense(
    place: Path, monkeypatch: pytest.MonkeyPatch, what: str, options: dict, said: str
) -> None:
    monkeypatch.chdir(place)
    network(("dark", "light"), content="noise").save(place / "noise")
    refused(lambda: evaluate(place, what, **options), said)


def test_the_result_is_kept_once(place: Path, tmp_path: Path) -> None:
    run = run_folder(tmp_path / "runs" / "mine-1", place / "mine", network(("dark", "light")))
    lines: list[str] = []
    found = evaluate(tmp_path, keep_in_run=True, on_event=lines.append)
    file = run / "evaluation-test-colours.json"
    assert lines[-1] == f"written to {file}"
    assert Evaluation.read(file) == found
    refused(lambda: evaluate(tmp_path, keep_in_run=True), str(file), "--overwrite", "--json")
    file.write_text("{}")
    assert evaluate(tmp_path, keep_in_run=True, overwrite=True) == Evaluation.read(file) == found
    other = evaluate(tmp_path, keep_in_run=True, seed=1)
    assert Evaluation.read(run / "evaluation-test-colours-seed-1.json") == other != found
    (run / "evaluation-test-colours-seed-1.json").unlink()
    evaluate(tmp_path, keep_in_run=True, baseline=run / "model", data=str(place / "mine"), most=10)
    beside = run / "evaluation-test-colours-on-mine-beside-model-most-10.json"
    assert Evaluation.read(beside).baseline is not None
    beside.unlink()
    evaluate(tmp_path, str(run / "model"), str(place / "mine"), keep_in_run=True)
    assert {path.name for path in run.glob("*.json")} == {file.name}, "a model alone is no run to keep it in"
    assert "nan" not in file.read_text().lower()
    assert json.loads(file.read_text())["judged"]["directions"][0]["figures"]["kernel"]["nothing"] > 0
    file.write_text("{}")
    refused(lambda: Evaluation.read(file), "no evaluation")


def test_the_same_seed_gives_the_same_result(place: Path) -> None:
    assert evaluate(place, most=10) == evaluate(place, most=10)
    assert evaluate(place, most=10).judged != evaluate(place, most=10, seed=1).judged


def test_a_model_in_a_run_knows_its_recipe(place: Path, tmp_path: Path) -> None:
    subject = find_subject(str(place / "runs/mine-1/model"), place / "runs")
    assert subject is not None
    assert subject.recipe is not None
    assert subject.run is None


def test_pictures_drawn_from_train_are_warned_of(place: Path, tmp_path: Path) -> None:
    """Without a recipe the seed of the split is unknown; with a test folder of its own that does not matter."""
    for domain in ("light", "mid"):
        fill(tmp_path / "plain" / domain, 100, GREYS[domain], prefix=domain)
    found = evaluate(place, str(place / "other"), str(tmp_path / "plain"))
    assert any("seed 0" in note for note in found.notes)
    data = data_folder(tmp_path / "split", ("light", "mid"))
    assert not any("seed 0" in note for note in evaluate(place, str(place / "other"), str(data)).notes)


def test_figures_are_rounded_and_fid_is_the_name_of_one_only() -> None:
    assert Figure(value=1 / 3).value == 0.333333
    assert Figure(value=-123456.789).value == -123457
    assert [heading("frechet", name) for name in ("gabor", "inception")] == ["Frechet distance", "FID"]
    assert not any("FID" in name.heading for name in FIGURES.values())
