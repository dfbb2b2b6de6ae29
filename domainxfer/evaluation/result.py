"""What an evaluation found, and everything that its figures depend on: written as JSON, read back the same."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from domainxfer.errors import DomainxferError
from domainxfer.files import explain_os_error, require_writable, write_text
from domainxfer.metrics.bootstrap import Estimate
from domainxfer.metrics.extractors import Extractor

FORMAT = 1
DIGITS = 6
TO_SIZE = "shorter side to {} px (area, or bicubic to enlarge), centre crop"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Frozen):
    """One number, between what doing nothing scores and what real pictures score."""

    value: float
    low: float | None = None
    """The 95 % interval, where the figure has one: of redrawing the pictures."""
    high: float | None = None
    nothing: float | None = None
    """The same of untouched sources: the ceiling of a distance."""
    real: float | None = None
    """The same of real pictures of the target: the floor of a distance."""

    @field_validator("value", "low", "high", "nothing", "real")
    @classmethod
    def _rounded(cls, value: float | None) -> float | None:
        return None if value is None else float(f"{value:.{DIGITS}g}")

    @classmethod
    def of(cls, estimate: Estimate, nothing: float | None = None, real: float | None = None) -> "Figure":
        """An estimate beside ceiling and floor; with its interval, unless no redraw could differ (0 of all)."""
        low, high = estimate.interval() or (None, None)
        if low == high:
            low = high = None
        return cls(value=estimate.value, low=low, high=high, nothing=nothing, real=real)


class DirectionFigures(_Frozen):
    """All figures of one ordered pair of domains; of folders: of one against another; else of "noise" and the data."""

    source: str
    target: str
    outputs: int
    """Pictures that were judged."""
    reals: int
    """Real pictures of the target that they were held against."""
    figures: dict[str, Figure]


class Classes(_Frozen):
    """What a classifier takes pictures for: class -> how many of them."""

    outputs: dict[str, int]
    real: dict[str, int]
    """The same of as many real training pictures; empty where there are fewer."""


class CodeFigures(_Frozen):
    """What one value of a model's code does, from -1 to 1 with all others 0."""

    place: int
    """Which value, counted from 1."""
    directions: tuple[DirectionFigures, ...]
    mean: dict[str, Figure]
    """Over the directions."""


class Judged(_Frozen):
    """What was found about one model, or about folders of pictures."""

    name: str
    """Folder of the model, or of the pictures."""
    digest: str | None = None
    """16 hex digits of the sha256 of the model's weights."""
    steps: int | None = None
    """Training steps behind them."""
    trained_size: int | None = None
    """Side of its training pictures, px."""
    directions: tuple[DirectionFigures, ...]
    mean: dict[str, Figure]
    """Over the directions."""
    classes: Classes | None = None
    """Of generated digits."""
    codes: tuple[CodeFigures, ...] = ()
    """For each value of the code; empty for a model without one, and for folders."""

    def figure(self, source: str, target: str, name: str) -> Figure:
        """One figure of one direction.

        Raises:
            KeyError: there is no such direction or figure.
        """
        return next(d for d in self.directions if (d.source, d.target) == (source, target)).figures[name]


class Instrument(_Frozen):
    """The extractor, and how pictures came to it."""

    extractor: str
    digest: str
    size: int
    """Side of what it looks at, px."""
    features: int
    resize: str

    @classmethod
    def of(cls, judge: Extractor, features: int, size: int) -> "Instrument":
        """An extractor that makes so many features, of pictures that were brought to ``size`` px first."""
        resize = f"{TO_SIZE.format(size)}; then {judge.resize} to {judge.size} px"
        return cls(extractor=judge.name, digest=judge.digest, size=judge.size, features=features, resize=resize)


class Probe(_Frozen):
    """The linear classifier of the extractor's features that says what a picture is taken for."""

    accuracy: dict[str, float]
    """Domain -> share of its real held-out pictures that it calls by their name."""
    pictures: dict[str, int]
    """Domain -> real training pictures that it was fitted to."""


class Evaluation(_Frozen):
    """The result of `domainxfer.evaluate`."""

    format: int = FORMAT
    version: str
    """domainxfer version that made it."""
    torch: str
    data: str
    split: str | None = None
    """"validation" or "test"; None for folders of pictures."""
    counts: dict[str, dict[str, int]]
    """Domain -> pictures looked at: ``held_out``, ``train``, and ``masks`` where given."""
    instrument: Instrument
    size: int
    """Side at which pictures were translated or made, px."""
    seed: int
    mend: int = 0
    """How often a part of the noise was drawn again, and kept where the critic liked the picture better."""
    neighbours: int
    """k of precision, recall, density and coverage."""
    rounds: int
    """Redraws behind an interval."""
    probe: Probe | None = None
    judged: Judged
    baseline: Judged | None = None
    difference: dict[str, Figure] = {}
    """Mean over the directions, judged minus baseline, where both are of the same pictures."""
    notes: tuple[str, ...] = ()
    unreadable: int = 0
    """Pictures of the data that cannot be read and were passed over."""

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write it as JSON, whole or not at all.

        Raises:
            DomainxferError: the file exists and ``overwrite`` is not set, or it cannot be written.
        """
        refuse_existing(path, overwrite=overwrite)
        write_text(path, self.model_dump_json(indent=2, exclude_none=True) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Evaluation":
        """Read what `save` wrote.

        Raises:
            DomainxferError: no such file, or it holds no evaluation.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise explain_os_error(error, "read", path) from error
        except (ValidationError, UnicodeDecodeError) as error:
            raise DomainxferError(f"{path} holds no evaluation of this version of domainxfer; make it anew") from error


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Stop before work whose result would replace a file, or could not be written.

    Raises:
        DomainxferError: ``path`` exists and ``overwrite`` is not set, it is a folder, or its folder takes no files.
    """
    if path.is_dir():
        raise DomainxferError(f"{path} is a folder; name a file with --json FILE")
    if path.exists() and not overwrite:
        raise DomainxferError(f"{path} exists already; --overwrite replaces it, --json FILE writes elsewhere")
    require_writable(path)
