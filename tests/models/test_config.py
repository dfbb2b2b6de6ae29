"""Settings of the networks: what is refused, and that nothing heavy is imported for them."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig


@pytest.mark.parametrize(
    ("config", "settings", "says"),
    [
        (GeneratorConfig, {"labels": 1}, "at least 2"),
        (GeneratorConfig, {"labels": -1}, "greater than or equal to 0"),
        (GeneratorConfig, {"content": "noise"}, "output"),
        (GeneratorConfig, {"size": 36, "patch": 8}, "multiple of patch"),
        (GeneratorConfig, {"patch": 3}, "2, 4 or 8"),
        (GeneratorConfig, {"norm": "batch"}, "layer"),
        (GeneratorConfig, {"width": 4}, "greater than or equal to 8"),
        (GeneratorConfig, {"blocks": 0}, "greater than or equal to 1"),
        (GeneratorConfig, {"heigth": 4}, "Extra inputs"),
        (CriticConfig, {"fields": ()}, "fields"),
        (CriticConfig, {"fields": (0, 2)}, "between 1 and depth"),
        (CriticConfig, {"fields": (2, 5), "depth": 4}, "between 1 and depth"),
        (GeneratorConfig, {"heads": -1}, "greater than or equal to 0"),
        (CriticConfig, {"count": 0}, "greater than or equal to 1"),
        (CriticConfig, {"depth": 1}, "greater than or equal to 2"),
        (CriticConfig, {"channels": 4}, "1 or 3"),
    ],
)
def test_impossible_networks_are_refused(config, settings: dict, says: str) -> None:  # type: ignore[no-untyped-def, type-arg]
    with pytest.raises(ValidationError, match=says):
        config(**settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        GeneratorConfig().width = 8  # type: ignore[misc]


def test_config_survives_json() -> None:
    config = ModelConfig(
        domains=("horse", "zebra"),
        card="horse2zebra",
        generator=GeneratorConfig(labels=2, code_size=3, norm="instance", patch=8),
        critic=CriticConfig(labels=2, fields=(1, 2, 3), norm="spectral"),
    )
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


def test_settings_import_no_torch() -> None:
    program = "import sys, domainxfer.models.config, domainxfer.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
