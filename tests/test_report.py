"""Reports of hand-made run folders: what is in them, well-formed, and nothing of the user unescaped."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from domainxfer.errors import UsageError
from domainxfer.presets import load_preset
from domainxfer.recipe import Recipe, override, write_recipe
from domainxfer.report import write_report
from domainxfer.report_html import LONGEST_SIDE, picture
from domainxfer.training.run_folder import RunFolder

VOID = {"meta", "img", "br", "link"}
FIGURES = (
    "step,split,source,target,extractor,digest,pictures,kid,ceiling,floor,"
    "psnr_inside,psnr_inside_nothing,change_outside,change_inside"
)
METRICS = "step,critic/lsgan,generator/lsgan,generator/cycle,score/spread,change,pictures_per_second,seconds"


class Outline(HTMLParser):
    """Checks that every tag is closed where it should be, and collects what a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.seen.append(data)

    @property
    def text(self) -> str:
        return " | ".join(self.seen)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def outline(page: Path) -> Outline:
    found = Outline()
    found.feed(page.read_text(encoding="utf-8"))
    found.close()
    assert not found.open, f"never closed: {found.open}"
    return found


def make_run(
    path: Path, *, domains=("horse", "zebra"), steps=2000, metrics=(), figures=(), samples=(), **model
) -> RunFolder:
    folder = RunFolder(path)
    path.mkdir()
    recipe = Recipe.model_validate({"card": "mine", "training": {"steps": steps}})
    folder.recipe.write_text(write_recipe(recipe.resolved(len(domains))))
    counts = {split: [7] * len(domains) for split in ("train", "validation", "test")}
    environment = {
        "processor": "Abacus 3000",
        "command": ["domainxfer", "train", "a b"],
        "gpu": None,
        "packages": {"torch": "2.9"},
    }
    folder.environment.write_text(json.dumps({**environment, "data": {"name": "mine", "domains": domains, **counts}}))
    folder.metrics.write_text("\n".join([METRICS, *metrics]) + "\n")
    folder.figures.write_text("\n".join([FIGURES, *figures]) + "\n")
    folder.samples.mkdir()
    for step in samples:
        Image.new("RGB", (20, 10), (step % 256, 9, 9)).save(folder.samples / f"step_{step:06d}.png")
    if model:
        folder.model.mkdir()
        (folder.model / "config.json").write_text(json.dumps(model))
    return folder


@pytest.fixture
def finished(tmp_path):
    return make_run(
        tmp_path / "mine-1",
        metrics=[f"{step},{1 / step},0.3,,0.2,0.05,12.5,{3.6 * step}" for step in range(25, 2001, 25)],
        figures=[
            "1000,validation,horse,zebra,gabor,d1,40,0.1811,0.2,0.0101,,,,",
            "1000,validation,zebra,horse,gabor,d1,40,0.1911,0.2,0.0102,,,,",
            "2000,validation,horse,zebra,gabor,d1,40,0.1411,0.2,0.0101,21.25,16.5,0.0123,0.2",
            "2000,validation,zebra,horse,gabor,d1,40,0.1511,0.2,0.0102,,,,",
            "2000,test,horse,zebra,gabor,d1,50,0.1234,0.2468,0.0104,,,,",
        ],
        samples=(0, 500, 2000),
        steps=2000,
        finished=True,
    )


def test_the_response_to_a_code_is_drawn_beside_the_change(finished):
    said = "from one end of the code to the other"
    assert said not in outline(write_report(finished)).text
    rows = [f"{METRICS},code_response", *(f"{step},1,0.3,,0.2,0.05,12.5,9,0.03" for step in (25, 50))]
    finished.metrics.write_text("\n".join(rows) + "\n")
    assert said in outline(write_report(finished)).text


def test_the_page_shows_what_the_folder_holds(finished):
    path = write_report(finished)
    assert path == finished.path / "report.html"
    page = outline(path)
    for figure in ("0.1234", "0.2468", "0.0104", "50%", "0.1411", "71%", "21.25", "16.50", "+4.75", "0.0123"):
        assert figure in page.text, figure
    assert "0.1811" not in page.text  # not the last one
    for fact in (
        "mine-1",
        "step 2,000 of 2,000",
        "2.0 hours",
        "Abacus 3000",
        "domainxfer train 'a b'",
        "torch 2.9",
        "cycle 5",
    ):
        assert fact in page.text, fact
    assert f"domainxfer translate PICTURE --to zebra --model {finished.path}" in page.text
    assert "--resume" not in page.text
    assert "Warnings" not in page.text


def test_the_page_stands_alone(finished):
    text = write_report(finished).read_text(encoding="utf-8")
    page = outline(finished.path / "report.html")
    assert not page.all("script")
    assert not page.all("link")
    assert not re.search(r"https?://|url\(|@import", text)
    sources = [image["src"] for image in page.all("img")]
    assert len(sources) == 2, "the first grid and the last"
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "prefers-color-scheme: dark" in text


def test_curves_have_a_point_a_row_and_the_ceiling_and_floor_beside_them(finished):
    text = write_report(finished).read_text(encoding="utf-8")
    chart = text[text.index("KID to zebra") : text.index("</figure>", text.index("KID to zebra"))]
    assert "horse untouched (ceiling): 0.2<" in chart
    assert "real zebra (floor): 0.0101<" in chart
    points = re.search(r'points="([^"]*)"', chart)[1].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert len(points) == 2
    assert heights[1] > heights[0], "a lower figure is drawn lower, and y grows downwards"


def test_only_figures_of_the_last_extractor_share_a_curve(tmp_path):
    figures = [
        "100,validation,a,b,gabor,old,40,0.9,1,0,,,,",
        "200,validation,a,b,net,new,40,0.1,0.2,0,,,,",
        "300,validation,a,b,net,new,40,0.1,0.2,0,,,,",
    ]
    text = write_report(make_run(tmp_path / "run", figures=figures)).read_text(encoding="utf-8")
    chart = text[text.index("KID to b") :]
    assert len(re.search(r'points="([^"]*)"', chart)[1].split()) == 2


def test_nothing_of_the_user_is_taken_for_html(tmp_path):
    evil = "<b>bold</b>\"'&"
    cell = '"' + evil.replace('"', '""') + '"'
    figures = [f"{step},validation,horse,{cell},{cell},d,40,0.1,0.2,0,,,," for step in (1, 2)]
    path = write_report(make_run(tmp_path / "<i>run", domains=("horse", evil), figures=figures, steps=9, finished=True))
    page = outline(path)
    assert not page.all("b")
    assert not page.all("i")
    assert evil in page.text
    assert "<i>run" in page.text
    assert f"horse > {evil}" in page.text


@pytest.mark.parametrize("rows", [0, 1])
def test_a_run_that_has_hardly_begun(tmp_path, rows):
    metrics = ["25,0.5,nan,0.1,0.2,0.05,12.5,30"][:rows]
    figures = ["25,validation,horse,zebra,gabor,d,40,0.1500,0.2,0.01,,,,"][:rows]
    folder = make_run(tmp_path / "new", metrics=metrics, figures=figures)
    folder.checkpoints.mkdir()
    page = outline(write_report(folder))
    assert f"step {25 * rows} of 2,000" in page.text
    assert f"domainxfer train --resume {folder.path}" in page.text
    assert "domainxfer translate" not in page.text  # there is no model yet
    assert bool(page.all("circle")) == bool(rows)  # a single point is a dot
    assert ("0.1500" in page.text) == bool(rows)


def test_files_that_are_missing_or_damaged_are_left_out(tmp_path):
    folder = make_run(tmp_path / "run", samples=(0, 5))
    (folder.samples / "step_000005.png").write_bytes(b"no picture")
    folder.environment.write_text("{")
    folder.metrics.unlink()
    assert len(outline(write_report(folder)).all("img")) == 1
    folder.recipe.unlink()
    with pytest.raises(UsageError, match=r"recipe\.yaml"):
        write_report(folder)


def test_warnings_of_the_training_and_of_the_figures(tmp_path):
    metrics = [f"{step},0.5,0.5,0.1,0.00001,0.05,12,30" for step in range(1, 20)]
    figures = [
        "19,validation,horse,zebra,gabor,d,40,0.21,0.2,0.01,,,,",
        "19,validation,zebra,horse,gabor,d,40,0.1,0.2,0.01,,,,",
    ]
    folder = make_run(tmp_path / "run", metrics=metrics, figures=figures)
    folder.warnings.write_text("step 8: the critic is dead: it scores everything alike\n")
    page = outline(write_report(folder))
    warnings = [attrs for attrs in page.all("p") if attrs.get("class") == "warning"]
    assert len(warnings) == 3
    assert "the critic is dead" in page.text
    assert "only 19 of the 2,000 planned steps are done" in page.text
    assert "horse > zebra, validation pictures: no nearer to zebra than doing nothing" in page.text


def test_six_directions_get_a_chart_a_target(tmp_path):
    names = ("plain", "striped", "spotted")
    figures = [f"5,validation,{a},{b},gabor,d,40,0.1,0.2,0.01,,,," for a in names for b in names if a != b]
    page = outline(write_report(make_run(tmp_path / "run", domains=names, figures=figures)))
    charts = [svg["aria-label"] for svg in page.all("svg") if svg.get("role") == "img"]
    assert charts == [f"KID to {name}, lower is better" for name in ("striped", "spotted", "plain")]


def test_what_the_critic_knows_by_heart_has_a_line_a_domain(tmp_path):
    folder = make_run(tmp_path / "run", steps=400, finished=True)
    head = "step,split,source,target,extractor,digest,pictures,kid,ceiling,floor,psnr_inside,by_heart"
    rows = [
        f"{step},validation,{a},{b},d,d1,90,0.1,0.2,0.01,,{share}"
        for step in (200, 400)
        for a, b, share in (("cat", "dog", 0.3), ("cow", "dog", 0.3), ("dog", "cat", step / 1000), ("dog", "cow", 0.1))
    ]
    folder.figures.write_text("\n".join([head, *rows]) + "\n")
    text = write_report(folder).read_text(encoding="utf-8")
    start = text.index("What the critic knows of its training pictures by heart")
    chart = text[start : text.index("</figure>", start)]
    assert "warned of: 0.6<" in chart
    curves = [points.split() for points in re.findall(r'points="([^"]*)"', chart)]
    assert [len(points) for points in curves] == [2, 2, 2]
    heights = [[float(point.split(",")[1]) for point in points] for points in curves]
    assert heights[0][0] == heights[0][1], "dog stays at .3"
    assert heights[1][0] > heights[1][1], "cat grows from .2 to .4, and y grows downwards"


def test_a_huge_grid_is_shrunk(tmp_path):
    Image.effect_noise((2 * LONGEST_SIDE, 100), 50).save(tmp_path / "wide.png")
    assert len(picture(tmp_path / "wide.png", "wide")) < 0.6 * (tmp_path / "wide.png").stat().st_size


def test_a_run_that_generates_has_no_ceiling_but_kinds(tmp_path):
    folder = make_run(tmp_path / "run", steps=400, finished=True)
    head = "step,split,source,target,extractor,digest,pictures,kid,ceiling,floor,psnr_inside,rare,missing,spread"
    rows = [f"{step},validation,noise,digits,d,d1,900,0.{step},,0.0021,,0.24,0.11,0.87" for step in (200, 400)]
    folder.figures.write_text("\n".join([head, *rows]) + "\n")
    folder.metrics.write_text("step,told_apart,gradient/generator\n25,0.75,3.5\n50,0.8,2.5\n")
    page = outline(write_report(folder))
    for figure in ("0.4000", "0.0021", "24%", "11%", "87%", "kinds too rare", "missing"):
        assert figure in page.text, figure
    assert "do nothing" not in page.text
    charts = [svg["aria-label"] for svg in page.all("svg") if svg.get("role") == "img"]
    assert charts == [
        "KID to digits, lower is better",
        "Kinds of real pictures that are not made, share",
        "Pairs of real and generated that the critic tells apart",
        "Norm of the generator's gradient",
    ]
    assert "real digits (floor)" in page.text


def test_networks_of_layers_growing_pictures_and_a_run_without_a_critic(tmp_path):
    folder = make_run(tmp_path / "run")
    vae = override(Recipe(), load_preset("vae-28"))
    folder.recipe.write_text(write_recipe(vae))
    page = outline(write_report(folder))
    assert "4 layers, the last of 1 channels, code of 0" in page.text
    assert page.seen[page.seen.index("critic") + 1] == "none"
    gan = override(Recipe(), load_preset("dcgan-28"))
    folder.recipe.write_text(write_recipe(gan))
    page = outline(write_report(folder))
    assert page.seen[page.seen.index("critic") + 1] == "4 layers, the last of 1 channels"
    grows = override(Recipe(), {"data": {"size": 128, "grow": {2000: 64, 3000: 96}}})
    folder.recipe.write_text(write_recipe(grows))
    page = outline(write_report(folder))
    assert "64 (to step 2,000), 96 (to step 3,000), 128 px, batches of 8" in page.text
    assert "5 blocks of 64 channels, code of 0" in page.text
