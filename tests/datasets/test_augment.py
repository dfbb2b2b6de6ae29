"""Augmentation: every draw a function of (seed, step, position)."""

from typing import Any

import numpy as np
import pytest

from domainxfer.datasets.augment import Augmentation
from domainxfer.errors import UsageError
from domainxfer.recipe import Transform


def transforms(*names: str, **arguments: Any) -> tuple[Transform, ...]:
    return tuple(Transform.model_validate({"name": name, **arguments}) for name in names)


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_the_same_place_gives_the_same_picture(picture: np.ndarray) -> None:
    chosen = transforms("HorizontalFlip", "ColorJitter", p=0.5)
    one, other = Augmentation(32, chosen, seed=1), Augmentation(32, chosen, seed=1)
    for _ in range(7):
        other(picture, 99, 3)  # what was drawn before does not matter
    for step, position in ((0, 0), (0, 1), (5, 0)):
        first = one(picture, step, position)
        assert first.shape == (32, 32, 3)
        assert first.dtype == np.uint8
        assert np.array_equal(first, other(picture, step, position))
        assert np.array_equal(first, one(picture, step, position))


def test_positions_steps_and_seeds_differ(picture: np.ndarray) -> None:
    chosen = transforms("ColorJitter", p=1.0)
    augmentation = Augmentation(32, chosen, seed=1)
    seen = {augmentation(picture, step, position).tobytes() for step in range(4) for position in range(4)}
    assert len(seen) == 16
    other = Augmentation(32, chosen, seed=2)
    assert not {other(picture, step, 0).tobytes() for step in range(4)} & seen


def test_the_crop_moves_over_the_whole_picture() -> None:
    place = np.zeros((40, 50, 3), np.uint8)
    place[..., 0], place[..., 1] = np.arange(40)[:, None], np.arange(50)
    augmentation = Augmentation(32, (), seed=0)
    corners = [tuple(augmentation(place, step, 0)[0, 0, :2].tolist()) for step in range(400)]
    assert {top for top, _ in corners} == set(range(9))
    assert {left for _, left in corners} == set(range(19))


def test_a_picture_that_fits_and_has_no_transforms_stays_as_it_is(picture: np.ndarray) -> None:
    square = picture[:32, :32]
    assert np.array_equal(Augmentation(32, (), seed=0)(square, 3, 1), square)


def test_a_flip_of_probability_a_half_flips_half(picture: np.ndarray) -> None:
    square = picture[:32, :32]
    augmentation = Augmentation(32, transforms("HorizontalFlip", p=0.5), seed=0)
    flipped = sum(np.array_equal(augmentation(square, step, 0), square[:, ::-1]) for step in range(400))
    assert 150 < flipped < 250


def test_the_picture_itself_is_left_alone(picture: np.ndarray) -> None:
    before = picture.copy()
    Augmentation(32, transforms("ColorJitter", "VerticalFlip", p=1.0), seed=0)(picture, 0, 0)
    assert np.array_equal(picture, before)


@pytest.mark.parametrize(
    "transform",
    [
        Transform(name="Resize", height=10, width=10),
        Transform(name="RandomScale", scale_limit=0.5, p=1.0),
        Transform(name="ToFloat"),
        Transform(name="CenterCrop", height=8, width=8),
    ],
)
def test_pictures_of_another_size_or_kind_are_refused_before_a_run(transform: Transform) -> None:
    with pytest.raises(UsageError, match=r"data\.augment: it makes pictures .*training takes \(32, 32, 3\) of uint8"):
        Augmentation(32, (transform,), 0)


def test_what_is_wrong_with_an_argument_is_said() -> None:
    with pytest.raises(UsageError, match=r"HorizontalFlip: p: .*less than or equal to 1"):
        Augmentation(32, (Transform(name="HorizontalFlip", p=7),), 0)


def test_an_unknown_transform() -> None:
    with pytest.raises(UsageError, match=r"HorizontalFlipp.*Did you mean 'HorizontalFlip'"):
        Augmentation(32, transforms("HorizontalFlipp"), seed=0)


@pytest.mark.parametrize("arguments", [{"p": 2.0}, {"scale": "big"}, {"nonsense": 1}])
def test_an_argument_that_the_transform_refuses(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"data\.augment: Affine") as caught:
        Augmentation(32, transforms("Affine", **arguments), seed=0)
    assert "\n" not in str(caught.value)
