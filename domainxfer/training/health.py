"""Is the run still alive? What the loop watches, and what it says when something is wrong.

What is looked at: each row of the log, each held-out figure of pictures made of noise, and what the critic of a
translation says of held-out pictures. What is remembered in between is plain data (`dataclasses.asdict`) and lies in
the checkpoint, so a resumed run says what an uninterrupted one would have said. No label is needed for any of it, but
for the domains of a translation.
"""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from domainxfer.errors import DomainxferError

if TYPE_CHECKING:  # the report reads a bound here, and should not wait for torch
    from domainxfer.metrics.cells import CellFigures

DEAD = (
    "the critic is dead: it scores everything alike, so it teaches nothing. "
    "Lower objective.critic's penalties or optimizer.critic_lr"
)
MORE_KINDS = (
    "Go back to best/; raise objective.critic_input.noise, add objective.generator.mode_seeking, or take a Wasserstein "
    "critic (preset wgan-gp-28)"
)
STRONGER = "Raise optimizer.critic_lr or objective.critic_steps, widen the critic, or lower its noise and penalties"
CALMER = "Lower optimizer.generator_lr and critic_lr, or take optimizer.betas [0.5, 0.999]"
UNCHANGED = "the generator changes nothing: its output is its input. Lower objective.generator.identity and cycle"
IDLE = (
    "the code hardly matters: it moves pictures by less than a tenth of what the translation does. Add or raise "
    "objective.generator.code_diversity"
)
SILENT = (
    "the latent says nothing of the picture (posterior collapse). Let objective.generator.kl_to_normal grow from 0 by "
    "a schedule, or lower it"
)

BY_HEART = 0.6
"""Scored so far on the way from training pictures to generated ones, held-out ones are strangers to a critic."""

VANISHED = 0.05
"""A gradient of less than this part of what it was in the first rows has vanished, ..."""
PERFECT = 0.99
"""... if the critic tells so many of all pairs of a real and a generated picture apart."""
CHANCE = 0.1
"""The critic is at chance, if the pairs that it tells apart are one half give or take this."""

LONG = 1000
"""Steps before it is said that a generator does not learn: before, it is young."""
FIGURES = 3
"""Figures in a row before that is said; a collapse, which makes itself felt at once, takes two."""
BETTER = 0.8
"""A figure below this part of the best so far is progress."""
GROWN = 0.5
"""A generator has had kinds of pictures to lose once it covers so much of the real ones ..."""
ALIKE = 0.1
"""Pictures with less than this part of the spread of real ones hardly differ from each other. Where they look real that
is a collapse; else they are the blobs of a generator that learns."""
MISSING = 0.4
"""So much of the real pictures without any like them is a collapse too, if those that are made look real."""
CROWDED = 1 / 3
"""So much more of the generated pictures than of the real ones being of a single kind is one, on the same terms."""


class NotANumber(DomainxferError):
    """A loss or a weight is no longer finite; nothing after the last checkpoint is worth keeping."""


@dataclass
class Watch:
    """Looks at the log and the figures, and warns once a run of each trouble, when it has lasted.

    In each row:

    - a dead critic: its scores hardly differ over real and fake patches, so it teaches nothing
    - a generator that changes nothing: x_fake is x_source
    - a latent that says nothing: the encoder answers N(0, 1) to every picture (posterior collapse)
    - a code without effect: from one of its ends to the other pictures hardly move
    - a vanishing gradient: the generator's has all but gone, while the critic tells real from fake without an error

    In each figure of translated pictures:

    - a critic that knows its training pictures by heart: it scores held-out ones like generated ones

    In each figure of pictures made of noise:

    - mode collapse: kinds of real pictures that the generator made are lost, its pictures hardly differ from each
      other, one kind takes the place of others, or they look real while many kinds are not among them. A class that is
      down to a third of its share is no collapse; one that is down to a tenth is
    - no convergence: pictures farther from the real ones than a single kind of these is, and for long no nearer
    """

    patience: int = 8
    """Rows in a row before it says something."""
    lasting: dict[str, int] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    """What has been said, by the name of the trouble."""
    rows: int = 0
    """In which the generator had a gradient."""
    strongest: float = 0.0
    """The largest gradient of the generator in the first rows."""
    told_apart: float | None = None
    """Share of the pairs that the critic told apart, over about the last ten rows."""
    judge: str = ""
    """Digest of the extractor of the figures so far: those of another do not compare."""
    nearest: float = math.inf
    """The last figure that was progress, ..."""
    nearest_step: int = 0
    """... and its step."""
    had: list[bool] = field(default_factory=list)
    """Which groups of cells the generator has made."""

    def look(self, step: int, row: dict[str, float]) -> list[str]:
        """Warnings that are due after a row of the log.

        Raises:
            NotANumber: a value of the row is not finite.
        """
        for name, value in row.items():
            if not math.isfinite(value):
                raise NotANumber(f"{name} is {value} at step {step}: training has diverged")
        apart, gradient = row.get("told_apart"), row.get("gradient/generator", math.inf)
        if apart is not None:
            self.told_apart = apart if self.told_apart is None else 0.9 * self.told_apart + 0.1 * apart
        if gradient < math.inf:  # a generator may begin later than its critic
            if self.rows < self.patience:
                self.strongest = max(self.strongest, gradient)
            self.rows += 1
        idle = row.get("code_response", 1.0) < 0.1 * row.get("change", 0.0)
        silent = abs(row.get("generator/kl_to_normal", 1.0)) < 1e-2
        vanished = gradient < VANISHED * self.strongest and (apart or 0.0) > PERFECT
        return [
            *self._due(step, "dead critic", DEAD, row.get("score/spread", 1.0) < 1e-4, self.patience),
            *self._due(step, "no change", UNCHANGED, row.get("change", 1.0) < 2e-3, self.patience),
            *self._due(step, "idle code", IDLE, idle, self.patience),
            *self._due(step, "silent latent", SILENT, silent, self.patience),
            *self._due(step, "vanishing gradient", self._vanishing(gradient), vanished, self.patience),
        ]

    def look_at_critic(self, step: int, by_heart: dict[str, float]) -> list[str]:
        """Warnings that are due after a held-out figure, by how much of a domain's pictures the critic knows by heart.

        Args:
            step: of the figure.
            by_heart: domain -> share, see `training/by_heart.py`.
        """
        domain, share = max(by_heart.items(), key=lambda item: item[1], default=("", 0.0))
        text = (
            f"the critic knows its training pictures by heart: pictures of {domain} that it never saw are to it "
            f"{share:.0%} of the way to generated ones. From here on it may teach for the worse; best/ keeps the best "
            "model. More pictures help, objective.critic_input.augment=[shift,cutout], or a critic of smaller "
            "views and fewer levels (critic.fields, critic.depth)"
        )
        return self._due(step, "by heart", text, share >= BY_HEART, 2)

    def look_at_figure(self, step: int, judge: str, distance: float, cells: "CellFigures") -> list[str]:
        """Warnings that are due after a held-out figure.

        Args:
            step: of the figure.
            judge: digest of the extractor.
            distance: from generated pictures to real ones.
            cells: where the generated pictures lie.
        """
        if judge != self.judge or len(self.had) != len(cells.made):
            self.judge, self.nearest, self.had = judge, math.inf, [False] * len(cells.made)
        return [
            *self._due(step, "lost kinds", *self._lost_kinds(cells), 2),
            *self._due(step, "all alike", *self._all_alike(step, cells), FIGURES),
            *self._due(step, "crowded kind", *self._crowded_kind(step, cells), 2),
            *self._due(step, "few kinds", *self._few_kinds(step, cells), FIGURES),
            *self._due(step, "no convergence", *self._no_nearer(step, distance, cells.one_kind), FIGURES),
        ]

    # --- the troubles ------------------------------------------------------------------------------------------------

    def _vanishing(self, gradient: float) -> str:
        return (
            f"vanishing gradient: that of the generator is {gradient:.1e}, was {self.strongest:.1e} at the start, and "
            "the critic tells every real picture from every generated one. Take objective.generator.nonsaturating, not "
            "minimax; lower optimizer.critic_lr or objective.critic_steps, or raise objective.critic_input.noise"
        )

    def _lost_kinds(self, cells: "CellFigures") -> tuple[str, bool]:
        """Groups of cells that were made and get nearly nothing now."""
        if cells.covered >= GROWN:
            self.had = [before or now for before, now in zip(self.had, cells.made, strict=True)]
        lost = [share for share, had, gone in zip(cells.groups, self.had, cells.gone, strict=True) if had and gone]
        text = (
            f"mode collapse: a kind of pictures that was made before, {max(lost, default=0):.0%} of the real ones, is "
            f"hardly made any more; {cells.missing:.0%} of the real ones have hardly any like them. {MORE_KINDS}"
        )
        return text, bool(lost)

    def _all_alike(self, step: int, cells: "CellFigures") -> tuple[str, bool]:
        """The pictures look real, but they are nearly the same one."""
        alike = cells.spread < ALIKE and cells.look_real
        text = (
            f"mode collapse: the spread of generated pictures is {cells.spread:.0%} of that of real ones, so they "
            f"hardly differ from each other. {MORE_KINDS}"
        )
        return text, alike and step >= LONG and "lost kinds" not in self.said

    def _crowded_kind(self, step: int, cells: "CellFigures") -> tuple[str, bool]:
        """The pictures look real, and one kind is made far more often than it is met: it takes the place of others."""
        text = (
            f"mode collapse: {cells.crowded:.0%} more of the generated pictures than of the real ones are of one kind, "
            f"and {cells.missing:.0%} of the real ones have hardly any like them. {MORE_KINDS}"
        )
        crowds = cells.crowded >= CROWDED and cells.look_real
        return text, crowds and step >= LONG and not {"lost kinds", "all alike"} & self.said.keys()

    def _few_kinds(self, step: int, cells: "CellFigures") -> tuple[str, bool]:
        """The pictures look real, and many of the real ones have none like them: few kinds took the place of all."""
        few = cells.missing >= MISSING and cells.look_real
        text = (
            f"mode collapse: generated pictures look real, and {cells.missing:.0%} of the real ones have hardly any "
            f"like them. {MORE_KINDS}"
        )
        return text, few and step >= LONG and not {"lost kinds", "all alike", "crowded kind"} & self.said.keys()

    def _no_nearer(self, step: int, distance: float, one_kind: float) -> tuple[str, bool]:
        """The figure does not come down; a trouble that explains it has been said, if it has a name of its own."""
        if distance < BETTER * self.nearest:
            self.nearest, self.nearest_step = distance, step
        explained = {"vanishing gradient", "lost kinds", "all alike", "crowded kind", "few kinds"} & self.said.keys()
        stuck = distance > one_kind and step - self.nearest_step >= LONG and not explained
        apart = self.told_apart
        at_chance = apart is not None and abs(apart - 0.5) < CHANCE
        told = "" if apart is None else f"; the critic tells {apart:.0%} of all pairs apart"
        text = (
            f"no convergence: the distance to real pictures is {distance:.3g}, no nearer since step "
            f"{self.nearest_step}, and that of a single kind of real ones is {one_kind:.3g}"
            f"{told}{', chance is 50%' if at_chance else ''}. {STRONGER if at_chance else CALMER}"
        )
        return text, stuck

    def _due(self, step: int, name: str, text: str, there: bool, patience: int) -> list[str]:
        """The warning, if the trouble has lasted and was not said before."""
        self.lasting[name] = self.lasting.get(name, 0) + 1 if there else 0
        if self.lasting[name] < patience or name in self.said:
            return []
        self.said[name] = f"step {step}: {text}"
        return [self.said[name]]
