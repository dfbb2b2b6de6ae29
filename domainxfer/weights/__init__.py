"""Models that come with the package: one model folder each, half precision, with its card (README.md).

`domainxfer translate` falls back on them where no run of the user's knows the domain; `--model NAME` and
`--init-from NAME` take them by name.
"""

from pathlib import Path

HERE = Path(__file__).parent


def shipped_models() -> dict[str, Path]:
    """Name -> model folder, in order of their names."""
    return {folder.parent.name: folder.parent for folder in sorted(HERE.glob("*/config.json"))}
