"""How steep a critic under a gradient penalty is between generated and real pictures, where it should have slope 1.

A panel of pictures on the straight way from a generated to a real one, with the critic's mean slope above each column,
and a histogram of the slopes at places drawn at random, as the penalty draws them (WGAN-GP, Gulrajani et al. 2017).
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData
from domainxfer.datasets.pixels import held_out_tensor
from domainxfer.draws import per_position, permutation
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe
from domainxfer.training.samples import noise_of, titled_grid

ROWS, COLUMNS = 4, 7  # of the panel
PLACES = 256  # of the histogram
BINS = 40
PLOT_HEIGHT = 120  # px
CHUNK = 64  # pictures at a time


class SlopeSheet:
    """The panel and the histogram, always of the same held-out pictures, noise (or sources) and places.

    Args:
        model: with its critic; its sizes.
        data: validation pictures are the reals, and in translation those of another domain the sources.
        seed: which of them.
    """

    def __init__(self, model: NetworkModel, data: DomainData, seed: int) -> None:
        config = model.config
        groups = data.validation
        each = [permutation(len(group), seed, "slopes")[: -(-PLACES // len(groups))].tolist() for group in groups]
        reals = [
            held_out_tensor(group, config.size, some, config.generator.channels)
            for group, some in zip(groups, each, strict=True)
        ]
        mixed = permutation(sum(len(x) for x in reals), seed, "order of slopes")[:PLACES]
        self.real = torch.cat(reals)[mixed]
        label = torch.cat([torch.full((len(x),), k) for k, x in enumerate(reals)])[mixed]
        if config.generator.content == "noise":
            self.content = noise_of(model, seed, range(len(self.real)))
        else:  # the pictures of the domain before, as often as it takes
            self.content = torch.cat(
                [reals[k - 1][torch.arange(len(x)) % len(reals[k - 1])] for k, x in enumerate(reals)]
            )[mixed]
        labels = config.generator.labels
        known = config.critic is not None and config.critic.patch_labels
        self.label = None if not labels else label if known else torch.arange(len(label)) % labels
        self.judged_for = label if labels and known else None
        self.places = per_position("uniform", (1, 1, 1), seed, "places of slopes", 0, list(range(len(self.real))))

    def draw(self, model: NetworkModel) -> Image.Image:
        """The sheet of a model as it is."""
        fake = torch.cat([self._made(model, part) for part in torch.arange(len(self.real)).split(CHUNK)])
        rows = slice(0, ROWS)
        columns, titles = [], []
        for a in np.linspace(0, 1, COLUMNS).tolist():
            between = a * self.real[rows] + (1 - a) * fake[rows]
            found = slopes(model, between, self._judged_for(rows))
            columns.append(between)
            titles.append(f"{'made' if a == 0 else 'real' if a == 1 else f'{a:.2f}'}: {float(found.mean()):.2f}")
        between = self.places * self.real + (1 - self.places) * fake
        found = torch.cat(
            [slopes(model, between[part], self._judged_for(part)) for part in torch.arange(len(between)).split(CHUNK)]
        )
        return _below(titled_grid(columns, titles), found.tolist())

    def _made(self, model: NetworkModel, part: Tensor) -> Tensor:
        return model.apply(self.content[part], None if self.label is None else self.label[part]).cpu()

    def _judged_for(self, part: slice | Tensor) -> Tensor | None:
        return None if self.judged_for is None else self.judged_for[part]


def slope_sheet(recipe: Recipe, model: NetworkModel, data: DomainData) -> SlopeSheet | None:
    """What a run draws whose critic is held to slope 1 between fakes and reals; None for others."""
    penalty = recipe.objective.critic.get("gradient_penalty")
    return SlopeSheet(model, data, recipe.training.seed) if penalty is not None and penalty.weight else None


def slopes(model: NetworkModel, images: Tensor, label: Tensor | None) -> Tensor:
    """Norm of the gradient of the critic's mean score for what it sees of images, as the penalty takes it.

    Args:
        model: with its critic.
        images: (B, C, H, W) in [-1, 1].
        label: (B,) each is judged for; None where labels are not known.

    Returns:
        (B,), on the CPU.
    """
    critic = model.critic
    assert critic is not None
    training = critic.training
    critic.eval()  # in training BatchNorm would remember these pictures
    try:
        with torch.enable_grad():
            seen = critic.enter(images.to(model.device)).detach().requires_grad_()
            patches = critic.judge(seen, None if label is None else label.to(model.device)).patches
            score = torch.stack([p.mean(1) for p in patches]).mean(0)
            (gradient,) = torch.autograd.grad(score.sum(), seen)
    finally:
        critic.train(training)
    norms: Tensor = gradient.float().square().flatten(1).sum(1).sqrt().cpu()
    return norms


def _below(panel: Image.Image, found: Sequence[float]) -> Image.Image:
    """The panel above the histogram of the slopes."""
    sheet = Image.new("RGB", (panel.width, panel.height + PLOT_HEIGHT + 52), "white")
    sheet.paste(panel, (0, 0))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    mean, deviation = float(np.mean(found)), float(np.std(found))
    title = f"slope at {len(found)} places between made and real: mean {mean:.2f}, deviation {deviation:.2f}; wanted: 1"
    pen.text((4, panel.height + 6), title, fill="black", font=font)
    left, right, bottom = 8, panel.width - 8, panel.height + PLOT_HEIGHT + 30
    most = max(2.0, max(found))
    counts, edges = np.histogram(found, BINS, (0, most))

    def x_of(value: float) -> float:
        return left + (right - left) * value / most

    for count, start, end in zip(counts.tolist(), edges, edges[1:], strict=False):
        if count:
            top = bottom - (PLOT_HEIGHT - 4) * count / counts.max()
            pen.rectangle((x_of(start), top, x_of(end) - 1, bottom), fill="#0072b2")
    pen.line((left, bottom, right, bottom), fill="black")
    pen.line((x_of(1), bottom - PLOT_HEIGHT + 4, x_of(1), bottom), fill="#d55e00", width=2)
    for value in (0.0, 1.0, most):
        text = f"{value:.3g}"
        place = min(max(x_of(value) - font.getlength(text) / 2, 2), right - font.getlength(text))
        pen.text((place, bottom + 4), text, fill="black", font=font)
    return sheet
