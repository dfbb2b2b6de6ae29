"""A trained generator as one ONNX file: its pictures without torch, in any language that has onnxruntime.

    picture (N, C, H, W) in [-1, 1], label (N,), code (N, D)  ->  image (N, C, H, W) in [-1, 1]
    noise   (N, Z),                  label (N,), code (N, D)  ->  image (N, C, size, size)

A model without labels or without a code lacks that input. N is free, and so are the sides of a picture, in steps of
``multiple`` px. What a caller must know beside that lies in the file's metadata: ``description``.

Before a file gets its name onnxruntime makes pictures by it, and torch the same ones.
"""

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from domainxfer import __version__
from domainxfer.draws import per_position
from domainxfer.errors import DomainxferError, MissingExtra
from domainxfer.files import written_whole
from domainxfer.models.model import NetworkModel

OPSET = 20
"""Version of ONNX's operators: onnxruntime has it since 1.17 (January 2024)."""

TOLERANCE = 1 / 255
"""Half a step of 8 bits, in [-1, 1]: so far no value of a picture may be from the one that torch makes."""

Inputs = dict[str, Tensor]
"""Name of an input -> a batch of it."""


def export_onnx(model: NetworkModel, path: Path, *, overwrite: bool = False) -> float:
    """Write a model's generator as an ONNX file, in fp32, weights and all.

    Args:
        model: of pictures or of noise.
        path: the file.
        overwrite: replace a file that is there.

    Returns:
        The largest difference, in [-1, 1], between what the file and torch make of the same inputs.

    Raises:
        MissingExtra: onnx, onnxscript or onnxruntime is not installed.
        ExistsError: there is a file, and it may not be replaced.
        DomainxferError: the file makes other pictures than torch, by half a step of 8 bits or more; none is written.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (torch's exporter wants it)
    except ImportError as error:
        raise MissingExtra("The export to ONNX", "onnx") from error
    exported = _Exported(model)
    examples = list(_examples(model))
    with _quiet():
        program = torch.onnx.export(
            exported,
            tuple(examples[0].values()),
            input_names=list(examples[0]),
            output_names=["image"],
            dynamic_shapes=(_free_sides(model, examples[0]),),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props.update(description(model))
    with written_whole(path, overwrite=overwrite) as part:
        program.save(part)
        session = onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
        difference = max(_difference(exported, session, inputs) for inputs in examples)
        if not difference < TOLERANCE:
            raise DomainxferError(
                f"{path} would make other pictures than torch (by {difference:.2g} of [-1, 1]), so it was not written; "
                "another version of torch, onnxscript or onnxruntime may do better"
            )
    return difference


def description(model: NetworkModel) -> dict[str, str]:
    """What lies in the file's metadata, by name.

    ``domains`` is a list in JSON, in the order of the labels; it is empty where labels have no names, and ``labels``
    says how many there are. ``size`` is the side of the training pictures, px. Of ``multiple`` both sides of a picture
    must be multiples. ``noise`` is ``normal`` for N(0, 1) and ``symmetric`` for U(-1, 1).
    """
    c = model.config.generator
    told = {"domains": json.dumps(list(model.domains)), "labels": str(c.labels), "size": str(model.config.size)}
    told |= {"multiple": str(model.multiple)} if c.content == "picture" else {"noise": c.noise_kind}
    return {**told, "range": "-1 to 1", "made_by": f"domainxfer {__version__}"}


class _Exported(nn.Module):
    """The generator on the CPU in fp32, its inputs those that it has, one after the other."""

    def __init__(self, model: NetworkModel) -> None:
        super().__init__()
        self.generator = copy.deepcopy(model.generator).cpu().float().to(memory_format=torch.contiguous_format)
        self.eval()
        c = model.config.generator
        self.has_label, self.has_code = c.labels > 0, c.code_size > 0

    def forward(self, *inputs: Tensor) -> Tensor:
        content, *rest = inputs
        label = rest.pop(0) if self.has_label else None
        code = rest.pop(0) if self.has_code else None
        image: Tensor = self.generator(content, label, code)
        return image.clamp(-1, 1)


def _examples(model: NetworkModel) -> Iterator[Inputs]:
    """Batches to trace by and to compare on: of two, of one and of several; of pictures at training size and others."""
    c, unit = model.config.generator, model.multiple
    square = -(-model.config.size // unit) * unit
    for number, (batch, height, width) in enumerate(
        ((2, square, square + unit), (1, square, square), (max(3, c.labels), square + 2 * unit, 2 * square))
    ):
        sides = (c.channels, height, width) if c.content == "picture" else (c.noise_size,)
        kind = "symmetric" if c.content == "picture" else c.noise_kind
        places = list(range(batch))
        inputs = {_content(model): per_position(kind, sides, 0, "export", number, places)}
        if c.labels:
            inputs["label"] = torch.arange(batch) % c.labels
        if c.code_size:
            inputs["code"] = per_position("symmetric", (c.code_size,), 0, "export, code", number, places)
        yield inputs


def _free_sides(model: NetworkModel, example: Inputs) -> tuple[dict[int, object], ...]:
    """Which sides of each input are free: the number of pictures, and what is tall and wide of a picture."""
    batch = torch.export.Dim("N", min=1)
    free: list[dict[int, object]] = [{0: batch} for _ in example]
    if model.config.generator.content == "picture":
        unit = model.multiple
        free[0] |= {2: unit * torch.export.Dim("H", min=1), 3: unit * torch.export.Dim("W", min=1)}
    return tuple(free)


def _content(model: NetworkModel) -> str:
    return model.config.generator.content


def _difference(exported: _Exported, session: Any, inputs: Inputs) -> float:
    with torch.inference_mode():
        wanted = exported(*inputs.values()).numpy()
    made = session.run(None, {name: batch.numpy() for name, batch in inputs.items()})[0]
    return float(np.abs(made - wanted).max()) if made.shape == wanted.shape else float("inf")


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter says much of itself, and nothing that a user could mend."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
