"""What `domainxfer settings` lists: everything that `--set` takes, and nothing else."""

import io

import pytest
from rich.console import Console

from domainxfer.cli_settings import settings_of, show_settings
from domainxfer.errors import UsageError
from domainxfer.prepare import SETTLED
from domainxfer.recipe import Recipe, override, set_option
from domainxfer.training.terms import TERMS


def listed(prefix: str) -> str:
    text = io.StringIO()
    show_settings(prefix, Console(file=text, width=300))
    return text.getvalue()


def test_each_has_a_meaning_and_can_be_set() -> None:
    settings = list(settings_of(Recipe))
    assert len(settings) > 80
    assert len({setting.name for setting in settings}) == len(settings)
    for setting in settings:
        assert setting.meaning, setting.name
        assert setting.name not in SETTLED
        is_term = setting.name.rpartition(".")[2] in TERMS
        if setting.default != "(none)" and isinstance(setting.default, str | int | float) and not is_term:
            changes = {"objective": {"labels_from_neighbours": {"at": 9}}} if "neighbours." in setting.name else {}
            set_option(changes, f"{setting.name}={setting.default}")
            override(Recipe(), changes)


def test_a_part_of_them() -> None:
    text = listed("objective.looks")
    assert "objective.looks.turn" in text
    assert "25.0" in text
    assert "objective.critic" not in text
    assert "data.augment" in listed("data.augment")
    assert "{name: HorizontalFlip, p: 0.5}" in listed("data")
    assert "nonsaturating 1, label_real 1, r1 1" in listed("objective.critic")
    assert all(name in listed("objective.generator") for name in TERMS["generator"])
    assert "critic.labels" not in listed("critic")


def test_an_unknown_part_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no setting 'optimiser'. Did you mean 'optimizer'"):
        listed("optimiser")
