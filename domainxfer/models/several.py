"""Several critics that judge as one: each has weights of its own, all see the same picture."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from domainxfer.models.config import CriticConfig
from domainxfer.models.critic import Critic, View
from domainxfer.models.layered import LayeredCritic


class Critics(nn.Module):
    """Independent critics of one configuration, which differ in where their weights start.

    Their patch scores stand side by side as further fields of view, so a term judges each critic by itself and the
    results are averaged; so are label logits and estimates of the code. A gradient penalty is that of the mean score.

    Args:
        config: of each; `count` of them.
        critics: at least one, all of one kind.
    """

    def __init__(self, config: CriticConfig, critics: Sequence[Critic | LayeredCritic]) -> None:
        super().__init__()
        self.config = config
        self.critics = nn.ModuleList(critics)

    @property
    def enter(self) -> nn.Module:
        """What pictures enter by; it has no weights and is the same for all."""
        return self.critics[0].enter  # type: ignore[return-value]

    def forward(self, image: Tensor, label: Tensor | None = None) -> View:
        """Judge images (B, C, H, W) in [-1, 1] for labels (B,); see `Critic.forward`."""
        return self.judge(self.enter(image), label)

    def judge(self, seen: Tensor, label: Tensor | None = None) -> View:
        """Judge images as they are seen: as `enter` makes them."""
        views: list[View] = [critic.judge(seen, label) for critic in self.critics]  # type: ignore[operator]
        return View(
            patches=tuple(patches for view in views for patches in view.patches),
            label_logits=torch.stack([view.label_logits for view in views]).mean(0),
            code=torch.stack([view.code for view in views]).mean(0),
            extra_logits=tuple(
                torch.stack(of_a_head).mean(0) for of_a_head in zip(*(view.extra_logits for view in views), strict=True)
            ),
        )

    def encode(self, image: Tensor) -> Tensor:
        """What critics of layers make of images before the score, one after the other: (B, count * S), fp32."""
        return torch.cat([critic.encode(image) for critic in self.critics], dim=1)  # type: ignore[operator]

    def info_parameters(self, *, label: bool = True) -> list[nn.Parameter]:
        """The parameters of all code heads and, unless ``label`` is False, all label heads."""
        return [p for critic in self.critics for p in critic.info_parameters(label=label)]  # type: ignore[operator]
