"""The Frechet distance against Gaussians whose distance is known, torchmetrics and torch-fidelity."""

import numpy as np
import pytest
import torch
from torch import Tensor

from domainxfer.metrics.frechet import frechet_distance


def normal(count: int, size: int, seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, size)))


def with_moments(count: int, mean: Tensor, root: Tensor, seed: int = 0) -> Tensor:
    """Points whose sample mean is exactly ``mean`` and whose sample covariance is exactly ``root @ root.T``."""
    x = normal(count, len(mean), seed)
    x = x - x.mean(0)
    white = x @ torch.linalg.inv(torch.linalg.cholesky(x.T @ x / (count - 1))).T
    return white @ root.T + mean


def test_one_dimension() -> None:
    """(m1 - m2)^2 + (s1 - s2)^2."""
    x = with_moments(30, torch.tensor([1.0]).double(), torch.tensor([[2.0]]).double())
    y = with_moments(50, torch.tensor([4.0]).double(), torch.tensor([[0.5]]).double(), seed=1)
    assert frechet_distance(x, y) == pytest.approx(9 + 1.5**2)


def test_gaussians_with_covariances_that_commute() -> None:
    """|m|^2 + sum (s_i - t_i)^2, along whatever axes."""
    axes = torch.linalg.qr(normal(4, 4, 7)).Q
    s, t = torch.tensor([1.0, 2.0, 3.0, 0.5]).double(), torch.tensor([2.0, 2.0, 0.1, 1.0]).double()
    mean = torch.tensor([0.3, 0.0, -1.0, 2.0]).double()
    x = with_moments(20, torch.zeros(4).double(), axes @ s.diag())
    y = with_moments(33, mean, axes @ t.diag(), seed=1)
    assert frechet_distance(x, y) == pytest.approx(float(mean.square().sum() + (s - t).square().sum()))


def test_gaussians_with_covariances_that_do_not() -> None:
    """Against the trace of a matrix square root, taken of the product itself."""
    a, b = normal(5, 5, 0), normal(5, 5, 1)
    x = with_moments(40, torch.zeros(5).double(), a)
    y = with_moments(40, torch.ones(5).double(), b, seed=1)
    eigenvalues = torch.linalg.eigvals(a @ a.T @ b @ b.T).real
    expected = 5 + (a @ a.T).trace() + (b @ b.T).trace() - 2 * eigenvalues.sqrt().sum()
    assert frechet_distance(x, y) == pytest.approx(float(expected))


@pytest.mark.parametrize(("m", "n"), [(8, 8), (8, 60), (60, 8), (60, 60), (20, 20), (21, 19)])
def test_few_pictures_or_many(m: int, n: int) -> None:
    """The symmetric route on whole covariances says the same, fewer pictures than features or more."""
    x, y = normal(m, 20, 0), normal(n, 20, 1) * 1.5 + 0.3
    cov_x, cov_y = x.T.cov(), y.T.cov()
    values, vectors = torch.linalg.eigh(cov_x)
    root = vectors @ values.clamp_min(0).sqrt().diag() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_y @ root).clamp_min(0).sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + cov_x.trace() + cov_y.trace() - 2 * cross
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-5)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x))


def test_of_itself_it_is_nothing() -> None:
    x = normal(12, 40, 0)
    assert 0 <= frechet_distance(x, x) < 1e-10
    assert frechet_distance(x, x + 3) == pytest.approx(9 * 40)


def test_it_is_biased_up_with_few_pictures() -> None:
    """Two halves of one distribution: the fewer pictures, the farther apart they seem."""
    values = [frechet_distance(normal(n, 16, 2 * n), normal(n, 16, 2 * n + 1)) for n in (10, 40, 400)]
    assert values[0] > 2 * values[1] > 4 * values[2] > 0


@pytest.mark.filterwarnings("ignore:Metric `Frechet Inception Distance`")
def test_against_torchmetrics_with_an_extractor_of_ours() -> None:
    fid = pytest.importorskip("torchmetrics.image.fid")

    class Pooled(torch.nn.Module):
        """Means over a 2 x 2 grid of each colour."""

        num_features = 12

        def forward(self, x: Tensor) -> Tensor:
            return torch.nn.functional.adaptive_avg_pool2d(x.double() / 128 - 1, 2).flatten(1)

    numbers = torch.Generator().manual_seed(0)
    real = torch.randint(0, 256, (30, 3, 32, 32), generator=numbers, dtype=torch.uint8)
    fake = torch.randint(0, 200, (25, 3, 32, 32), generator=numbers, dtype=torch.uint8)
    metric = fid.FrechetInceptionDistance(feature=Pooled(), input_img_size=(3, 32, 32)).set_dtype(torch.float64)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    assert frechet_distance(Pooled()(real), Pooled()(fake)) == pytest.approx(float(metric.compute()), rel=1e-6)


def test_against_torch_fidelity_on_the_same_features() -> None:
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    x, y = normal(60, 24, 0), normal(50, 24, 1) * 1.2 + 0.1
    theirs = fid.fid_statistics_to_metric(*(fid.fid_features_to_statistics(z) for z in (x, y)), verbose=False)
    assert frechet_distance(x, y) == pytest.approx(theirs[fid.KEY_METRIC_FID], rel=1e-6)


@pytest.mark.parametrize(("m", "n"), [(1, 5), (5, 1)])
def test_too_few_pictures(m: int, n: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        frechet_distance(normal(m, 3, 0), normal(n, 3, 1))
