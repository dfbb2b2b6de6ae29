"""What a resumed run may change, and what it may not."""

from typing import Any

import pytest

from domainxfer.errors import UsageError
from domainxfer.presets import load_preset
from domainxfer.recipe import Recipe, override
from domainxfer.training.resumable import refuse_another_run


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"card": "demo"}, "card: that is another run"),
        ({"generator": {"width": 32}}, "generator: that is another run"),
        ({"critic": {"depth": 3}}, "critic: that is another run"),
        ({"data": {"batch": 6}}, "data.batch: that is another run"),
        ({"data": {"validation_share": 0.2}}, "data.validation_share: that is another run"),
        ({"source": {"names": {"a": "cats"}}}, "source.names: that is another run"),
        ({"source": {"labels": "4"}}, "source.labels: that is another run"),
        ({"source": {"supervise": 0.1}}, "source.supervise: that is another run"),
        ({"source": {"init_from": "other-1"}}, "source.init_from: that is another run"),
        ({"training": {"seed": 1}}, "training.seed: what was held out would be trained on"),
        ({"training": {"extractor": "gabor"}}, "training.extractor: figures of two judges do not compare"),
        ({"optimizer": {"kind": "rmsprop"}}, "optimizer.kind: what one kind remembers"),
        ({"optimizer": {"info_lr": 1e-4}}, "whether optimizer.info_lr is set: there would be an optimizer more"),
    ],
)
def test_what_would_be_another_run_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=f"--resume cannot change {reason}"):
        refuse_another_run(Recipe(), override(Recipe(), changes))


def test_a_vae_cannot_get_a_critic_on_the_way() -> None:
    plain = {"mode": "generate", "generator": {"labels": 0, "code_size": 0}}
    vae = override(override(Recipe(), plain), load_preset("vae-28"))
    gan = override(vae, {"objective": {"critic": {"hinge": 1.0}, "generator": {"hinge": 1.0}}})
    with pytest.raises(UsageError, match="whether there is a critic: it was not trained so far"):
        refuse_another_run(vae, gan)
    with pytest.raises(UsageError, match="whether there is a critic: it was trained so far"):
        refuse_another_run(gan, vae)


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"steps": 30000, "log_every": 5, "ema": 0.9, "keep": 5}},
        {"optimizer": {"generator_lr": 1e-5, "betas": [0.0, 0.9], "clip": 2.0}},
        {"objective": {"generator": {"cycle": 1.0}, "critic": {"hinge": 1.0}, "critic_steps": 2}},
        {"source": {"data": "moved", "data_root": "elsewhere"}},
        {"data": {"workers": 2, "cache_mb": 10}},
    ],
)
def test_what_training_goes_by_may_change(changes: dict[str, Any]) -> None:
    refuse_another_run(Recipe(), override(Recipe(), changes))
