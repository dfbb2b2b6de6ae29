"""Presets by name: settings laid over a card's recipe with ``--preset``, and under whatever ``--set`` says."""

from pathlib import Path
from typing import Any

from domainxfer.errors import UsageError, did_you_mean
from domainxfer.plain_yaml import read_yaml
from domainxfer.recipe import merged

HERE = Path(__file__).parent


def list_presets() -> list[str]:
    """Their names."""
    return sorted(path.stem for path in HERE.glob("*.yaml"))


def load_preset(name: str) -> dict[str, Any]:
    """Nested settings of a preset; one that is ``based_on`` another says only what differs.

    Raises:
        UsageError: there is none of that name.
    """
    known = list_presets()
    if name not in known:
        raise UsageError(
            f"unknown preset {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}; or the name of a known "
            "data set, whose recipe is taken"
        )
    settings: dict[str, Any] = read_yaml((HERE / f"{name}.yaml").read_text(encoding="utf-8"))
    if base := settings.pop("based_on", None):
        return merged(load_preset(base), settings)
    return settings
