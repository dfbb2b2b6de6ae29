"""Options that several commands share mean the same in each."""

import inspect

import pytest

from domainxfer import cli, cli_options
from domainxfer.cli_data import data_app

SHARED = {name: value for name, value in vars(cli_options).items() if hasattr(value, "__metadata__")}


@pytest.mark.parametrize("name", sorted(SHARED))
def test_a_shared_option_is_used_by_several_commands(name: str) -> None:
    functions = [command.callback for app in (cli.app, data_app) for command in app.registered_commands]
    used = [f for f in functions if any(p.annotation is SHARED[name] for p in inspect.signature(f).parameters.values())]
    assert len(used) >= 2
