"""DINOv2's vision transformer, from a weights file that the user brings."""

import math
import os
import re
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from domainxfer.errors import DomainxferError
from domainxfer.metrics.extractors.base import BICUBIC, file_digest, read_weights, resized

VARIABLE = "DOMAINXFER_DINOV2"
HEAD = 64  # channels of an attention head, in every size of the network
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours, which it was trained with
EPSILON = 1e-6

# The names in the model hub's files, and those of the authors' own files, which are used here.
_HUB_NAMES = (
    (r"^(dinov2\.)?embeddings\.", ""),
    (r"^dinov2\.", ""),
    (r"^position_embeddings$", "pos_embed"),
    (r"^patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^encoder\.layer\.", "blocks."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.attention\.attention\.", ".attn."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)


class DinoV2:
    """The class token (384 numbers for ViT-S/14) of DINOv2 (Oquab et al. 2023), which learned without labels.

    The forward is written out below. Any size of the network without registers and with plain MLPs will do: S, B or L.

    Args:
        weights: ``.pth`` as its authors publish it (dinov2_vits14_pretrain.pth), or ``.safetensors`` in their names or
            the model hub's; None takes $DOMAINXFER_DINOV2.
        offline: nothing is fetched anyway.

    Raises:
        DomainxferError: no file named, or it is of another network.
    """

    name, size, resize = "dinov2", 224, BICUBIC

    def __init__(self, weights: Path | None = None, *, offline: bool = True) -> None:
        named = weights or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
        if named is None:
            raise DomainxferError(
                "the extractor dinov2 brings no weights: download dinov2_vits14_pretrain.pth from the DINOv2 project "
                f"and name it with --weights FILE or ${VARIABLE}"
            )
        self.digest = file_digest(named)[:16]
        self.weights = _in_authors_names(read_weights(named))
        self.depth = 1 + max(
            (int(m[1]) for name in self.weights if (m := re.match(r"blocks\.(\d+)\.", name))), default=-1
        )
        shapes = {name: tuple(tensor.shape) for name, tensor in self.weights.items()}
        self.width = shapes.get("pos_embed", (0,))[-1]
        if not (self.depth and self.width) or shapes != _shapes(self.width, self.depth, shapes):
            raise DomainxferError(f"{named} is not a DINOv2 network with patches of 14 px, plain MLPs and no registers")

    @torch.inference_mode()
    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, width): the class token after the last normalisation."""
        w = self.weights
        mean, deviation = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in (MEAN, DEVIATION))
        x = ((resized(x.float().cpu(), self.size) + 1) / 2 - mean) / deviation
        patches = F.conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=14)
        tokens = torch.cat([w["cls_token"].expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)], dim=1)
        tokens = tokens + positions(w["pos_embed"], self.size // 14)
        for number in range(self.depth):
            tokens = self._block(tokens, f"blocks.{number}.")
        return self._norm(tokens[:, 0], "norm")

    def _block(self, x: Tensor, block: str) -> Tensor:
        """x + ls1 * attention(norm1(x)), then x + ls2 * mlp(norm2(x))."""
        x = x + self.weights[block + "ls1.gamma"] * self._attention(self._norm(x, block + "norm1"), block + "attn.")
        hidden = F.gelu(self._linear(self._norm(x, block + "norm2"), block + "mlp.fc1"))
        return x + self.weights[block + "ls2.gamma"] * self._linear(hidden, block + "mlp.fc2")

    def _attention(self, x: Tensor, layer: str) -> Tensor:
        count, length, width = x.shape
        heads = self._linear(x, layer + "qkv").view(count, length, 3, width // HEAD, HEAD).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2])
        return self._linear(mixed.transpose(1, 2).reshape(count, length, width), layer + "proj")

    def _linear(self, x: Tensor, layer: str) -> Tensor:
        return F.linear(x, self.weights[layer + ".weight"], self.weights[layer + ".bias"])

    def _norm(self, x: Tensor, layer: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weights[layer + ".weight"], self.weights[layer + ".bias"], EPSILON)


def positions(learned: Tensor, side: int) -> Tensor:
    """The position embedding (1, 1 + n^2, width) for a grid of another side: (1, 1 + side^2, width).

    Bicubic, and as the authors do it: the scale is taken a tenth of a place too large.
    """
    grid = math.isqrt(learned.shape[1] - 1)
    if grid == side:
        return learned
    square = learned[:, 1:].view(1, grid, grid, -1).permute(0, 3, 1, 2)
    square = F.interpolate(square, scale_factor=(side + 0.1) / grid, mode="bicubic", align_corners=False)
    return torch.cat([learned[:, :1], square.flatten(2).transpose(1, 2)], dim=1)


def _in_authors_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names in the authors' files, in fp32, without what only training needs."""
    named: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        for pattern, replacement in _HUB_NAMES:
            name = re.sub(pattern, replacement, name)
        named[name] = tensor.float()
    for name in [name for name in named if ".attn.query." in name]:  # the hub keeps the three maps apart
        parts = [named.pop(name.replace("query", part), torch.empty(0)) for part in ("query", "key", "value")]
        named[name.replace("query", "qkv")] = torch.cat(parts)
    named.pop("mask_token", None)
    return named


def _shapes(width: int, depth: int, seen: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every weight that the forward uses; the side of the position grid is as seen."""
    wide = 4 * width
    block = {
        "norm1": (width,), "norm2": (width,), "attn.qkv": (3 * width, width), "attn.proj": (width, width),
        "mlp.fc1": (wide, width), "mlp.fc2": (width, wide),
    }  # fmt: skip
    found: dict[str, tuple[int, ...]] = {"cls_token": (1, 1, width), "pos_embed": seen["pos_embed"]}
    layers = {f"blocks.{n}.{name}": shape for n in range(depth) for name, shape in block.items()}
    for name, shape in (layers | {"norm": (width,), "patch_embed.proj": (width, 3, 14, 14)}).items():
        found |= {name + ".weight": shape, name + ".bias": shape[:1]}
    return found | {f"blocks.{n}.ls{k}.gamma": (width,) for n in range(depth) for k in (1, 2)}
