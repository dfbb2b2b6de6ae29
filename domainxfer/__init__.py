"""domainxfer: moves pictures between domains with one network, learned from unpaired examples.

import domainxfer
model = domainxfer.load("runs/horse2zebra-1")
model.translate(image, to="zebra").save("zebra.png")
"""

from typing import TYPE_CHECKING

from domainxfer.errors import DomainxferError

if TYPE_CHECKING:
    from domainxfer.api import discover, evaluate, resume, train
    from domainxfer.loaded import Model, load

__version__ = "0.1.0"
__all__ = ["DomainxferError", "Model", "__version__", "discover", "evaluate", "load", "resume", "train"]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    """Import torch only when it is needed: the command line answers --help without it."""
    if name in ("Model", "load"):  # these need nothing that only training does
        from domainxfer import loaded

        return getattr(loaded, name)
    if name in ("discover", "evaluate", "resume", "train"):
        from domainxfer import api

        return getattr(api, name)
    raise AttributeError(f"module 'domainxfer' has no attribute {name!r}")
