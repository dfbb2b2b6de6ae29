"""Noise that is mended: what is drawn again, what is kept, and that a picture's draws are its own."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from domainxfer.draws import draw
from domainxfer.errors import UsageError
from domainxfer.generate import AT_ONCE, PictureMaker
from domainxfer.loaded import Model
from domainxfer.mend import SHARE, _part, mended
from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.critic import View
from domainxfer.models.networks import new_critic, new_generator

PLACES = [
    {"kind": "places", "out": 8, "side": 8, "maps": 2},
    {"kind": "up", "out": 1, "kernel": 4, "stride": 2, "pad": 1, "act": "tanh"},
]
OWN, EVERYWHERE = 2 * 8 * 8, 5
SIZE = OWN + EVERYWHERE


def config(**settings: Any) -> GeneratorConfig:
    of_places = {"layers": PLACES, "size": 16, "channels": 1, "noise_size": SIZE}
    return GeneratorConfig.model_validate({"content": "noise", "output": "plain", **of_places, **settings})


class Likes(nn.Module):
    """A critic that likes light pictures as wholes, and each of whose patches likes dark ones."""

    def forward(self, image: Tensor, label: Tensor | None = None) -> View:
        light = image.mean((1, 2, 3))
        nothing = image.new_zeros(len(image), 0)
        return View((-9 * light[:, None].expand(-1, 4), light[:, None]), nothing, nothing, ())


def model(critic: nn.Module | None = None, **settings: Any) -> Model:
    torch.manual_seed(3)
    c = config(**settings)
    return Model(ModelConfig(size=16, generator=c), new_generator(c), critic or Likes())  # type: ignore[arg-type]


def parts(c: GeneratorConfig, count: int = 2000) -> np.ndarray:
    drawn = np.random.default_rng(0)
    return np.stack([_part(c.noise_size, c, drawn) for _ in range(count)])


def test_a_square_of_places_is_drawn_again_or_what_all_places_hear() -> None:
    found = parts(config())
    everywhere = found[:, OWN:].all(1)
    assert everywhere.mean() == pytest.approx(0.1, abs=0.03)
    assert not found[everywhere, :OWN].any()
    assert not found[~everywhere, OWN:].any()
    squares = found[~everywhere, :OWN].reshape(-1, 2, 8, 8)
    assert (squares[:, 0] == squares[:, 1]).all(), "a place's numbers are drawn together"
    for square in squares[:200, 0]:
        rows, columns = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
        assert square.sum() == len(rows) * len(columns), "a block without gaps"
        assert 2 <= len(rows) <= 3
        assert np.ptp(rows) == len(rows) - 1
    assert squares.any(axis=(0, 1)).all(), "each place has its turn"


def test_without_noise_that_all_hear_places_are_all_there_is() -> None:
    assert parts(config(noise_size=OWN), 300).any(1).all()


def test_noise_of_no_place_is_drawn_again_number_by_number() -> None:
    plain = config(layers=[], noise_size=64, width=8, blocks=1)
    found = parts(plain)
    assert found.mean() == pytest.approx(SHARE, abs=0.02)
    assert parts(config(layers=[], noise_size=1, width=8, blocks=1), 50).all(), "one at least"


@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_what_the_critic_likes_better_as_a_whole_is_kept(noise: str) -> None:
    made_by = model(noise=noise)
    start = PictureMaker(made_by).noise(range(6))

    def light(z: Tensor) -> Tensor:
        return made_by.apply(z, None).mean((1, 2, 3))

    few, many = (mended(made_by, start, None, None, seed=0, numbers=range(6), times=times) for times in (5, 60))
    assert (light(few) >= light(start)).all()
    assert (light(many) >= light(few)).all()
    assert light(many).mean() > light(start).mean() + 0.1
    assert (many.abs().max() <= 1) == (noise == "uniform")
    assert torch.equal(mended(made_by, start, None, None, seed=0, numbers=range(6), times=0), start)


def test_what_is_drawn_is_noise_like_any_other() -> None:
    class Changes(Likes):  # each picture it sees is better than all before
        seen = 0

        def forward(self, image: Tensor, label: Tensor | None = None) -> View:
            self.seen += 1
            score = image.new_full((len(image), 1), float(self.seen))
            return View((score,), score[:, :0], score[:, :0], ())

    made_by = model(Changes())
    fresh = mended(made_by, torch.zeros(40, SIZE), None, None, seed=0, numbers=range(40), times=200)
    assert float(fresh.mean()) == pytest.approx(0, abs=0.05)
    assert float(fresh.std()) == pytest.approx(1, abs=0.05)


def test_a_picture_is_the_same_whatever_the_count_and_the_seed_decides() -> None:
    made_by = model()
    many = PictureMaker(made_by, seed=2, mend=8).as_trained(range(AT_ONCE + 3))
    alone = PictureMaker(made_by, seed=2, mend=8).as_trained([AT_ONCE + 1])
    torch.testing.assert_close(many[AT_ONCE + 1], alone[0])
    assert not torch.equal(many, PictureMaker(made_by, seed=3, mend=8).as_trained(range(AT_ONCE + 3)))
    assert not torch.equal(many, PictureMaker(made_by, seed=2).as_trained(range(AT_ONCE + 3)))


def test_the_draws_of_mending_are_not_those_of_the_noise() -> None:
    first = torch.from_numpy(draw(0, "mend", 0).standard_normal(SIZE, np.float32))
    assert not torch.equal(PictureMaker(model()).noise([0])[0], first)


def test_single_pictures_and_grids_are_mended() -> None:
    made_by = model()
    picture = made_by.generate(1, mend=30)[0]
    assert np.asarray(picture).mean() > np.asarray(made_by.generate(1)[0]).mean() + 5
    mended_grid, plain = (np.asarray(PictureMaker(made_by, mend=m).grid()).mean() for m in (30, 0))
    assert mended_grid > plain + 5


def test_each_label_is_mended_for_itself() -> None:
    torch.manual_seed(0)
    c = config(layers=[], labels=2, noise_size=8, width=8, blocks=1)
    judge = CriticConfig(labels=2, channels=1, width=8, depth=2, fields=(1,), size=16)
    made_by = Model(
        ModelConfig(domains=("a", "b"), size=16, generator=c, critic=judge), new_generator(c), new_critic(judge)
    )

    def liked(maker: PictureMaker, label: int) -> Tensor:
        return made_by.whole_score(maker.as_trained(range(8)), torch.full((8,), label))

    for label, name in enumerate("ab"):
        better, plain = (liked(PictureMaker(made_by, label=name, mend=mend), label) for mend in (25, 0))
        assert (better >= plain - 1e-4).all()
        assert better.mean() > plain.mean() + 1e-3
    assert PictureMaker(made_by, mend=2).grid().size == PictureMaker(made_by).grid().size


def test_it_takes_a_critic_and_a_number() -> None:
    c = config()
    with pytest.raises(UsageError, match="no critic"):
        Model(ModelConfig(size=16, generator=c), new_generator(c)).generate(1, mend=3)
    with pytest.raises(UsageError, match="mend is -1"):
        model().generate(1, mend=-1)
