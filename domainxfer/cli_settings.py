"""What `domainxfer settings` prints: each setting of a recipe, its default, and what it means."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, get_args

from pydantic.fields import FieldInfo
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domainxfer.errors import UsageError, did_you_mean
from domainxfer.models.config import Settings
from domainxfer.prepare import SETTLED
from domainxfer.recipe import Recipe
from domainxfer.training.terms import TERMS


@dataclass(frozen=True)
class Setting:
    """One setting, by the name that ``--set`` takes."""

    name: str
    default: Any
    meaning: str


def show_settings(prefix: str, console: Console) -> None:
    """A row for each setting whose name begins so.

    Raises:
        UsageError: there is none.
    """
    settings = list(settings_of(Recipe))
    chosen = [setting for setting in settings if f"{setting.name}.".startswith(f"{prefix}." if prefix else "")]
    if not chosen:
        names = [setting.name for setting in settings]
        parts = {name.rpartition(".")[0] for name in names} - {""}
        raise UsageError(f"there is no setting {prefix!r}.{did_you_mean(prefix, [*parts, *names])}")
    table = Table("setting", "default", "what it is", title_justify="left")
    for setting in chosen:
        table.add_row(escape(setting.name), escape(_shown(setting.default)), escape(setting.meaning))
    console.print(table)


def settings_of(kind: type[Settings], path: str = "") -> Iterator[Setting]:
    """All settings of a kind and of those in it, in their order; what follows from other options is left out."""
    for name, field in kind.model_fields.items():
        where, inner = f"{path}{name}", _kind_within(field)
        if where in SETTLED:
            continue
        if name in TERMS and kind is not Recipe:  # objective.critic and the like
            default = ", ".join(f"{term} {settings.weight:g}" for term, settings in _default(field).items())
            yield Setting(where, default, f"weights of terms: {', '.join(TERMS[name])}; or module:function")
        elif inner is None or field.default is None:
            yield Setting(where, _default(field), field.description or "")
        if inner is not None:
            yield from settings_of(inner, f"{where}.")


def _kind_within(field: FieldInfo) -> type[Settings] | None:
    """The settings that a setting is made of, also where it may be left out."""
    kinds = get_args(field.annotation) if NoneType in get_args(field.annotation) else [field.annotation]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Settings)), None)


def _default(field: FieldInfo) -> Any:
    return "(none)" if field.is_required() else field.get_default(call_default_factory=True)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Settings():
            return ", ".join(f"{name}: {part}" for name, part in value.model_dump().items())
        case tuple() | list():
            return f"[{', '.join(f'{{{_shown(one)}}}' if isinstance(one, Settings) else _shown(one) for one in value)}]"
        case _:
            return str(value)
