"""Sample grids: always the same pictures, in columns with titles."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from domainxfer.datasets.domain_data import DomainData
from domainxfer.errors import DomainxferError
from domainxfer.models.config import GeneratorConfig, ModelConfig
from domainxfer.models.generator import Generator
from domainxfer.models.model import NetworkModel
from domainxfer.training.samples import (
    NoiseSamples,
    RebuiltSamples,
    TranslationSamples,
    of_noise,
    save_picture,
    titled_grid,
)


def model(domains: tuple[str, ...] = (), **settings: object) -> NetworkModel:
    torch.manual_seed(0)
    config = GeneratorConfig.model_validate({"width": 8, "blocks": 1, "size": 32, "noise_size": 4, **settings})
    return NetworkModel(ModelConfig(domains=domains, generator=config), Generator(config)).to("cpu")


def colour_at(grid: Image.Image, column: int, row: int, side: int, title: int) -> tuple[float, ...]:
    x, y = column * (side + 2) + 2 + side // 2, row * (side + 2) + 2 + side // 2 + title
    pixel = grid.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel


def test_columns_become_columns() -> None:
    columns = [torch.full((2, 3, 100, 100), value) for value in (-1.0, 0.0, 1.0)]
    columns[0][1] = 3.0
    grid = titled_grid(columns, None)
    assert grid.size == (3 * 102 + 2, 2 * 102 + 2)
    assert [colour_at(grid, column, 0, 100, 0)[0] for column in range(3)] == [0, 128, 255]
    assert colour_at(grid, 0, 1, 100, 0)[0] == 255, "clamped"


def test_titles_and_enlarged_small_pictures() -> None:
    columns = [torch.zeros(1, 1, 28, 28)] * 2
    plain, titled = titled_grid(columns, None), titled_grid(columns, ["one", "two"])
    assert plain.size == (2 * 86 + 2, 88), "28 px three times as large"
    assert titled.size == (plain.width, plain.height + 16)
    head = np.asarray(titled)[:16]
    assert (head[:, :86] < 128).any()
    assert (head[:, 88:] < 128).any()


@pytest.mark.parametrize("sizes", [(7, 5), (7, 5, 6)])
def test_each_domain_and_what_becomes_of_it(tiny_data: Callable[..., DomainData], sizes: tuple[int, ...]) -> None:
    data = tiny_data(sizes)
    samples = TranslationSamples(data, 32, seed=0)
    grid = samples.draw(model(data.domains, labels=len(sizes)))
    assert grid.size == (len(sizes) ** 2 * 98 + 2, 3 * 98 + 2 + 16), "three held-out pictures each"
    again = TranslationSamples(data, 32, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(samples.pictures, again.pictures, strict=True))
    assert grid.tobytes() == again.draw(model(data.domains, labels=len(sizes))).tobytes()


def test_the_source_columns_are_the_held_out_pictures(tiny_data: Callable[..., DomainData]) -> None:
    data = tiny_data((7, 5), side=32)
    samples = TranslationSamples(data, 32, seed=0, rows=2)
    held_out = [np.asarray(picture) for picture in data.validation[0]]
    for x in samples.pictures[0]:
        pixels = ((x + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        assert sum(np.array_equal(pixels, picture) for picture in held_out) == 1


@pytest.mark.parametrize(("labels", "columns"), [(0, 8), (3, 3)])
def test_noise(labels: int, columns: int) -> None:
    network = model(content="noise", output="plain", labels=labels)
    grid = NoiseSamples(network, seed=0).draw(network)
    assert grid.size == (columns * 98 + 2, 8 * 98 + 2 + (16 if labels else 0))
    assert grid.tobytes() == NoiseSamples(network, seed=0).draw(network).tobytes()
    assert grid.tobytes() != NoiseSamples(network, seed=1).draw(network).tobytes()


def test_a_row_is_one_noise_vector() -> None:
    network = model(content="noise", output="plain", labels=2)
    with torch.no_grad():
        network.generator.condition.of_label.weight.zero_()  # type: ignore[union-attr]
    pixels = np.asarray(NoiseSamples(network, seed=0).draw(network))[16:]
    assert np.array_equal(pixels[2:, 2:98], pixels[2:, 100:196]), "without its label a column is like the other"


ENCODER = ({"kind": "linear", "out": 8},)


@pytest.mark.parametrize(("sizes", "labelled"), [((7, 5, 6), True), ((7,), False)])
def test_held_out_pictures_stand_above_what_is_rebuilt_of_them(
    tiny_data: Callable[..., DomainData], sizes: tuple[int, ...], labelled: bool
) -> None:
    data = tiny_data(sizes, side=32, labelled=labelled)
    network = model(data.domains, content="noise", output="plain", labels=len(data.domains), encoder=ENCODER)
    samples = of_noise(network, data, seed=0)
    assert isinstance(samples, RebuiltSamples)
    assert len(samples.columns) == 3, "a domain each, or the three held-out pictures side by side"
    sheet = np.asarray(samples.draw(network))
    top = NoiseSamples(network, seed=0).draw(network)
    assert np.array_equal(sheet[: top.height, : top.width], np.asarray(top))
    below = sheet[top.height + 16 :]
    for k, x in enumerate(samples.columns):
        rebuilt = network.rebuild(x, torch.full((len(x),), k) if labelled else None)
        for row, shown in enumerate(torch.stack([x, rebuilt], dim=1).flatten(0, 1)):
            pixels = below[2 + 98 * row :, 2 + 98 * k :][:96:3, :96:3] / 127.5 - 1
            assert np.abs(pixels - shown.permute(1, 2, 0).numpy()).max() < 0.01


def test_without_an_encoder_there_is_nothing_to_rebuild(tiny_data: Callable[..., DomainData]) -> None:
    network = model(content="noise", output="plain")
    assert isinstance(of_noise(network, tiny_data((7,), labelled=False), seed=0), NoiseSamples)
    with pytest.raises(DomainxferError, match="no encoder"):
        network.rebuild(torch.zeros(1, 3, 32, 32))


def test_pictures_are_written_whole(tmp_path: Path) -> None:
    save_picture(Image.new("RGB", (5, 4), "red"), tmp_path / "samples" / "step_000000.png")
    assert [p.name for p in (tmp_path / "samples").iterdir()] == ["step_000000.png"]
    assert Image.open(tmp_path / "samples" / "step_000000.png").size == (5, 4)


def test_a_title_wider_than_its_column_is_cut_short() -> None:
    columns = [torch.ones(1, 3, 96, 96)] * 2
    long, short = titled_grid(columns, ["an endless title, " * 3, ""]), titled_grid(columns, ["title", ""])
    ink = 255 - np.asarray(long.convert("L"))[:16].astype(int)
    assert ink[:, :98].any()
    assert not ink[:, 98:].any(), "nothing reaches the next column"
    whole = 255 - np.asarray(short.convert("L"))[:16].astype(int)
    assert whole.sum() < ink.sum(), "as much as fits"


def test_a_single_title_may_take_all_columns() -> None:
    columns = [torch.full((1, 3, 64, 64), -1.0)] * 4
    head = np.asarray(titled_grid(columns, ["real, below each: rebuilt"]).convert("L"))[:16]
    inked = np.flatnonzero((head < 128).any(0))
    assert inked.max() > 2 * 64
    one_more = np.asarray(titled_grid(columns, ["real, below each: rebuilt", ""]).convert("L"))[:16]
    assert np.flatnonzero((one_more < 128).any(0)).max() < 64, "the next title begins there"
