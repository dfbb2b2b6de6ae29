"""What a run writes down while it lasts: its recipe, rows of the log, warnings, sample grids, and held-out figures."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from domainxfer.datasets.domain_data import DomainData
from domainxfer.files import write_text
from domainxfer.metrics.extractors import load_extractor
from domainxfer.metrics.truth import TruthFigure
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe, write_recipe
from domainxfer.training import samples
from domainxfer.training.by_heart import known_by_heart
from domainxfer.training.generated import CELL_COLUMNS, HeldOutGenerated, extractor_of
from domainxfer.training.held_out import Direction, HeldOut
from domainxfer.training.listener import Listener
from domainxfer.training.logbook import LogBook
from domainxfer.training.run_folder import RunFolder
from domainxfer.training.slopes import slope_sheet
from domainxfer.training.terms import scores_reals_higher

HEALTH = ("score/real", "score/fake", "score/fake_after", "score/spread", "told_apart", "gradient/generator", "change")
PACE = ("learning_rate", "pictures_per_second", "seconds")
FIGURE = ("split", "source", "target", "extractor", "digest", "pictures", "kid", "ceiling", "floor")
TRUTH = ("psnr_inside", "psnr_inside_nothing", "change_outside", "change_inside")
BY_HEART = ("by_heart",)

Figures = tuple[list[Direction], dict[tuple[str, str], TruthFigure]]
"""A figure each direction, and what is told by a known truth."""


class Books:
    """The open books of a run; only the main process has any.

    What the files hold beyond the steps done is cut off: a resumed run reaches it anew.

    Args:
        folder: of the run.
        recipe: as it is now.
        data: whose held-out pictures are drawn and measured.
        listener: told of figures as they come.
        parts: names of the parts of the loss, columns of the log.
        step: steps done.
        model: gives the run's model as it is.
    """

    def __init__(
        self,
        folder: RunFolder,
        recipe: Recipe,
        data: DomainData,
        listener: Listener,
        parts: Iterable[str],
        step: int,
        model: Callable[[], NetworkModel],
    ) -> None:
        self.folder, self.recipe, self.data, self.listener, self.model = folder, recipe, data, listener, model
        response = ["code_response"] if recipe.generator.code_size else []
        self.log = LogBook(folder.metrics, [*parts, *HEALTH, *response, *PACE], step)
        own = CELL_COLUMNS if recipe.mode == "generate" else BY_HEART
        # The figures of the last step belong to the end of the run, which a resumed one reaches anew.
        measured = min(step, recipe.training.steps - 1)
        self._figures = LogBook(folder.figures, [*FIGURE, *TRUTH, *own], measured)
        write_text(folder.recipe, write_recipe(recipe))
        self.validation = self._judging("validation")
        size, seed = recipe.data.size, recipe.training.seed
        self._samples: Any = (
            samples.TranslationSamples(data, size, seed)
            if recipe.mode == "translate"
            else samples.of_noise(model(), data, seed)
        )
        self._slopes = slope_sheet(recipe, model(), data)

    def warned(self, said: Iterable[str]) -> None:
        """The file says what was said so far, and what a resumed run has not said yet is gone from it."""
        lines = "".join(f"{line}\n" for line in said)
        if lines or self.folder.warnings.exists():
            write_text(self.folder.warnings, lines)

    def sample(self, step: int) -> None:
        """Draw the grid of a step, and the critic's slopes where a penalty holds them."""
        model, place = self.model(), self.folder.samples
        samples.save_picture(self._samples.draw(model), place / f"step_{step:06d}.png")
        if self._slopes is not None:
            samples.save_picture(self._slopes.draw(model), place / f"slopes_{step:06d}.png")

    def measure(self, step: int, split: str = "validation") -> Figures:
        """Measure the model on held-out pictures, note it and tell the listener; empty where these are too few."""
        held_out = self.validation if split == "validation" else self._judging(split)
        model = self.model()
        directions, truth = held_out.distances(model), held_out.against_truth(model)
        if split == "validation" and isinstance(held_out, HeldOut) and scores_reals_higher(self.recipe):
            shares = known_by_heart(model, held_out)
            directions = [replace(d, by_heart=shares.get(d.target)) for d in directions]
        of = {(d.source, d.target): d for d in directions}
        for source, target in of or truth:
            row: dict[str, Any] = {"split": split, "source": source, "target": target}
            if (source, target) in of:
                d = of[source, target]
                row |= {"extractor": held_out.extractor.name, "digest": held_out.extractor.digest}
                row |= {"pictures": held_out.count, "kid": d.distance, "ceiling": d.ceiling, "floor": d.floor}
                row |= {"by_heart": d.by_heart}
                row |= {} if d.cells is None else {name: getattr(d.cells, name) for name in CELL_COLUMNS}
            if (source, target) in truth:
                row |= vars(truth[source, target])
            self._figures.add(step, **row)
        self.listener.figures(step, split, directions, truth)
        return directions, truth

    def _judging(self, split: str) -> HeldOut | HeldOutGenerated:
        size, seed = self.recipe.data.size, self.recipe.training.seed
        extractor = load_extractor(extractor_of(self.recipe))
        if self.recipe.mode == "translate":
            return HeldOut(self.data, size, extractor, split, seed)
        return HeldOutGenerated(self.data, size, extractor, split, seed, self.recipe.generator.channels)
