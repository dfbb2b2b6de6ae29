"""Is the run still alive? What the loop watches, and what it says when something is wrong."""

import math
from dataclasses import dataclass, field

from domainxfer.errors import DomainxferError


class NotANumber(DomainxferError):
    """A loss or a weight is no longer finite; nothing after the last checkpoint is worth keeping."""


@dataclass
class Watch:
    """Looks at each row of the log and warns once of each trouble, when it has lasted.

    - a dead critic: its scores hardly differ over real and fake patches, so it teaches nothing
    - a generator that changes nothing: x_fake is x_source
    - a code without effect: from one of its ends to the other pictures hardly move
    """

    patience: int = 8
    """Rows in a row before it says something."""
    lasting: dict[str, int] = field(default_factory=dict)

    def look(self, step: int, row: dict[str, float]) -> list[str]:
        """Warnings that are due now.

        Raises:
            NotANumber: a value of the row is not finite.
        """
        for name, value in row.items():
            if not math.isfinite(value):
                raise NotANumber(f"{name} is {value} at step {step}: training has diverged")
        signs = {
            "the critic is dead: it scores everything alike, so it teaches nothing. "
            "Lower objective.critic's penalties or optimizer.critic_lr": row.get("score/spread", 1.0) < 1e-4,
            "the generator changes nothing: its output is its input. Lower objective.generator.identity and cycle": (
                row.get("change", 1.0) < 2e-3
            ),
            "the code hardly matters: it moves pictures by less than a tenth of what the translation does. Add or "
            "raise objective.generator.code_diversity": row.get("code_response", 1.0) < 0.1 * row.get("change", 0.0),
        }
        due = []
        for warning, there in signs.items():
            self.lasting[warning] = self.lasting.get(warning, 0) + 1 if there else 0
            if self.lasting[warning] == self.patience:
                due.append(f"step {step}: {warning}")
        return due
