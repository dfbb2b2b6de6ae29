"""A picture's way to the size of training and into a tensor: aspect, no aliasing, the middle, the range."""

import numpy as np
import pytest
from PIL import Image

from domainxfer.datasets.domain_data import PictureArray
from domainxfer.datasets.pixels import centre_crop, held_out_tensor, shrink, to_tensor


@pytest.mark.parametrize(("width", "height"), [(50, 50), (80, 40), (40, 80), (16, 16), (8, 30), (1000, 17)])
def test_shrink_keeps_the_aspect(width: int, height: int) -> None:
    array = shrink(Image.new("RGB", (width, height), (10, 200, 30)), 16)
    assert min(array.shape[:2]) == 16
    assert array.shape[1] / array.shape[0] == pytest.approx(width / height, rel=0.05)
    assert (array == (10, 200, 30)).all()
    assert centre_crop(array, 16).shape == (16, 16, 3)


@pytest.mark.parametrize("across", [True, False])
def test_of_a_very_thin_picture_the_middle_is_taken(across: bool) -> None:
    ramp = np.arange(3000) // 12
    thin = np.repeat(ramp.astype(np.uint8)[None, :, None], 3, 2)
    array = shrink(Image.fromarray(thin if across else thin.transpose(1, 0, 2).copy()), 16)
    assert array.shape == ((16, 64 * 16, 3) if across else (64 * 16, 16, 3))
    assert array.mean() == pytest.approx(ramp[1500 - 32 : 1500 + 32].mean(), abs=1)


def test_shrink_does_not_alias() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(shrink(Image.fromarray(stripes), 16).astype(int)) <= 1


def test_shrink_enlarges_and_leaves_alone() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    assert np.array_equal(shrink(image, 16), np.asarray(image))
    assert shrink(image, 40).shape == (40, 40, 3)


def test_held_out_pictures_are_cropped_in_the_middle() -> None:
    array = np.zeros((2, 16, 32, 3), np.uint8)
    array[:, :, 8:24] = 255
    x = held_out_tensor(PictureArray(array), 16, [1, 0])
    assert x.shape == (2, 3, 16, 16)
    assert (x == 1).all()


def test_pixels_to_tensors() -> None:
    array = np.zeros((1, 2, 2, 3), np.uint8)
    array[0, 0, 0] = (255, 0, 0)
    array[0, 1, 1] = (255, 255, 255)
    x = to_tensor(array)
    assert x[0, :, 0, 0].tolist() == [1, -1, -1]
    assert x[0, :, 1, 0].tolist() == [-1, -1, -1]
    grey = to_tensor(array, channels=1)
    assert grey.shape == (1, 1, 2, 2)
    assert grey[0, 0].flatten().tolist() == pytest.approx([2 * 0.299 - 1, -1, -1, 1], abs=1e-6)
