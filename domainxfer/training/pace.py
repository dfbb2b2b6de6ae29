"""How fast a run goes."""

import time


class Pace:
    """Speed over the last steps, and the total time; figures and samples count in the total only."""

    def __init__(self) -> None:
        self.began = self.last = time.monotonic()
        self.recent: list[float] = []

    def tick(self) -> None:
        """A step is done."""
        now = time.monotonic()
        self.recent = [*self.recent[-99:], now - self.last]
        self.last = now

    @property
    def steps_per_second(self) -> float:
        """Of the last hundred steps; at least one must be done."""
        middle = sorted(self.recent)[len(self.recent) // 2]  # the median forgives a pause for a figure
        return 1 / max(middle, 1e-6)

    @property
    def total(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self.began
