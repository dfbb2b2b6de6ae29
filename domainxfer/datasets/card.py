"""A card describes one known data set: its domains, where it comes from, and the recipe it is trained with.

The cards are the YAML files in ``cards/``. A source is never trusted further than its digests go.
"""

from collections import Counter
from importlib import resources
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domainxfer.errors import UsageError, did_you_mean
from domainxfer.plain_yaml import read_yaml

Format = Literal["zip", "tar.gz", "idx", "hub-parquet"]
Kind = Literal["folders", "loose", "mnist", "rendered", "parts", "stacked"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Frozen):
    """One place to download a whole data set from.

    Attributes:
        url: the archive; for ``idx`` the folder of the files, for ``hub-parquet`` the address that lists the files.
        format: how it is packed.
        sha256: of the archive; None where the host publishes no fixed archive (then the contents are counted).
        bytes: how large the download is, where known.
        files: ``idx`` only: file name -> sha256 of its *decompressed* contents, since mirrors pack them differently.
    """

    url: str
    format: Format
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    bytes: int | None = Field(default=None, gt=0)
    files: dict[str, str] = {}
    note: str = ""


class Part(_Frozen):
    """What a many-domain card takes from another card: ``domains`` of ``card``, under the names they have there."""

    card: str
    domains: tuple[str, ...]


class Card(_Frozen):
    """One known data set.

    Attributes:
        name: what the user types.
        title: one line for the list of cards.
        mode: what it is mostly used for; decides the recipe.
        kind: how it is read: folders of domains, loose pictures, MNIST's idx files, rendered, parts of other cards,
            or digits of another card, stacked.
        domains: in the order of the labels; empty for unlabelled data.
        names: folder or letter -> domain, e.g. A -> horse.
        sources: where to download it, tried in this order; empty where there is nothing to download.
        counts: folder -> number of pictures in a complete copy; what a source without digest is held to.
        bring: for a set without a source: how to bring it.
        size: the training size in pixels when none is asked for.
        recipe: overrides of the recipe's defaults.
        preset: laid over that where none is named, in the card's own mode.
        discover: the preset that finds labels in it.
        parts: many-domain cards only.
        of: stacked digits only: the card whose pictures it is composed of.
    """

    name: str
    title: str
    mode: Literal["translate", "generate"]
    kind: Kind
    domains: tuple[str, ...] = ()
    names: dict[str, str] = {}
    sources: tuple[Source, ...] = ()
    counts: dict[str, int] = {}
    bring: str = ""
    licence: str
    citation: str
    note: str = ""
    size: int = Field(default=64, ge=8)
    recipe: dict[str, Any] = {}
    preset: str = ""
    discover: str = "discover"
    parts: tuple[Part, ...] = ()
    of: str = ""

    @property
    def origins(self) -> tuple[str, ...]:
        """The cards whose downloads it needs: its own, or those that it is made of."""
        made_of = (self.of,) if self.of else tuple(dict.fromkeys(part.card for part in self.parts))
        return made_of or (self.name,)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.kind == "parts") != bool(self.parts):
            raise ValueError("parts and kind 'parts' go together")
        if (self.kind == "stacked") != bool(self.of):
            raise ValueError("of and kind 'stacked' go together")
        # One domain, one origin: no picture can be in twice, or in train of one part and in test of another.
        taken = Counter(domain for part in self.parts for domain in part.domains)
        if self.parts and (set(taken) != set(self.domains) or max(taken.values()) > 1):
            raise ValueError("every domain must come from exactly one part")
        if not set(self.names.values()) <= set(self.domains):
            raise ValueError("names lead to domains that the card does not have")
        return self


def list_cards() -> list[str]:
    """The names of all cards, sorted."""
    return sorted(
        entry.name.removesuffix(".yaml") for entry in _cards_folder().iterdir() if entry.name.endswith(".yaml")
    )


def load_card(name: str) -> Card:
    """The card of that name.

    Raises:
        UsageError: there is none; the message suggests the nearest.
    """
    known = list_cards()
    if name not in known:
        raise UsageError(f"there is no data set {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}")
    text = _cards_folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return Card.model_validate({"name": name, **read_yaml(text)})


def _cards_folder() -> resources.abc.Traversable:
    return resources.files("domainxfer.datasets").joinpath("cards")
