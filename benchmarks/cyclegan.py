"""A plain CycleGAN, written from its paper: the opponent of our one network.

Zhu, Park, Isola, Efros: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, ICCV 2017
(sections 3 and 4, appendix 7.2). Two domains, two generators, two critics; here s is a domain and t the other one:

    x[s] -> generator t -> fake[t] -> generator s -> cycle[s]          generator t (x[t]) = same[t]

    critic t       1/2 E (D_t(x[t]) - 1)^2 + 1/2 E D_t(an earlier fake[t])^2
    generators     sum over t of  E (D_t(fake[t]) - 1)^2 + 10 |cycle[t] - x[t]| + 5 |same[t] - x[t]|

As the paper has it: one picture of each domain a step, Adam at 2e-4 held, then lowered to 0 in a straight line, fp32.
``fast`` gives it the number format and memory layout of our own engine: the fairer opponent, the same mathematics.
In both a generator translates x[s] and repeats x[t] in one call, which changes nothing: normalisation is of each
picture.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from domainxfer.datasets.batches import Batch
from domainxfer.errors import UsageError
from domainxfer.models.blocks import instance_normalised
from domainxfer.models.model import load_network, save_network
from domainxfer.models.precision import autocast, pays_bf16

CYCLE, IDENTITY = 10.0, 5.0
RATE, BETAS = 2e-4, (0.5, 0.999)
POOL = 50

Norm = Callable[[int], nn.Module]
Pictures = Sequence[Tensor]  # of domain 0 and of domain 1, each (B, 3, H, W)


class PictureNorm(nn.Module):
    """Instance normalisation as our own engine does it; without scale and shift, as `nn.InstanceNorm2d` has it."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape; each channel of each picture has mean 0 and variance 1."""
        return instance_normalised(x)


class ResNetGenerator(nn.Sequential):
    """c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3 (Zhu et al. 2017, appendix; after Johnson et al. 2016).

    Args:
        width: channels of the first layer.
        blocks: residual blocks; the paper takes 9 from 256 px on, 6 at 128 px.
        norm: makes the normalisation of so many channels.
    """

    def __init__(self, width: int = 64, blocks: int = 9, norm: Norm = nn.InstanceNorm2d) -> None:
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), norm(width), nn.ReLU(True)]
        for wide in (width, 2 * width):
            layers += [nn.Conv2d(wide, 2 * wide, 3, stride=2, padding=1), norm(2 * wide), nn.ReLU(True)]
        layers += [Residual(4 * width, norm) for _ in range(blocks)]
        for wide in (4 * width, 2 * width):
            up = nn.ConvTranspose2d(wide, wide // 2, 3, stride=2, padding=1, output_padding=1)
            layers += [up, norm(wide // 2), nn.ReLU(True)]
        super().__init__(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1], H and W multiples of 4 -> the same shape, fp32."""
        for layer in self:
            x = layer(x)
        return x.float()


class Residual(nn.Module):
    """Two 3x3 convolutions beside a plain way through; nothing after the sum."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), norm(channels), nn.ReLU(True)),
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), norm(channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        changed: Tensor = x + self.change(x)
        return changed


class PatchCritic(nn.Sequential):
    """C64-C128-C256-C512 and a layer to one channel: each score looks at 70 x 70 px (Isola et al. 2017)."""

    def __init__(self, width: int = 64, norm: Norm = nn.InstanceNorm2d) -> None:
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, True)]
        for wide, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
            layers += [nn.Conv2d(wide, 2 * wide, 4, stride, padding=1), norm(2 * wide), nn.LeakyReLU(0.2, True)]
        super().__init__(*layers, nn.Conv2d(8 * width, 1, 4, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) -> scores (B, 1, H / 8 - 2, W / 8 - 2), fp32."""
        for layer in self:
            x = layer(x)
        return x.float()


class ReplayPool:
    """Shows the critic earlier fakes too, so that it does not forget them (Shrivastava et al. 2017).

    Until the pool is full each fake is kept and shown. Then half of them, by chance, change places with a kept one.

    Args:
        size: fakes that are kept.
        numbers: the draws.
    """

    def __init__(self, size: int, numbers: torch.Generator) -> None:
        self.size, self.numbers, self.kept = size, numbers, list[Tensor]()

    def exchange(self, fakes: Tensor) -> Tensor:
        """What the critic sees in place of these fakes (B, 3, H, W)."""
        return torch.cat([self._exchange(fake) for fake in torch.split(fakes.detach(), 1)])

    def _exchange(self, fake: Tensor) -> Tensor:
        if len(self.kept) < self.size:
            self.kept.append(fake)
            return fake
        if torch.rand((), generator=self.numbers) < 0.5:
            return fake
        place = int(torch.randint(self.size, (), generator=self.numbers))
        shown, self.kept[place] = self.kept[place], fake
        return shown


class Pair:
    """The two generators, behind what the judges of our models ask for: ``apply(content, label)``.

    Args:
        width: channels of the first layers.
        blocks: residual blocks of a generator.
        fast: channels_last, and bf16 where the hardware is faster with it.
        device: where it computes.
    """

    def __init__(
        self, width: int = 64, blocks: int = 9, *, fast: bool = False, device: str | torch.device = "cpu"
    ) -> None:
        self.device, self.bf16 = torch.device(device), fast and pays_bf16(torch.device(device))
        self.norm: Norm = PictureNorm if fast else nn.InstanceNorm2d
        self.layout = torch.channels_last if fast else torch.contiguous_format
        self.generators = self.placed(nn.ModuleList(ResNetGenerator(width, blocks, self.norm) for _ in range(2)))

    def placed(self, networks: nn.ModuleList) -> nn.ModuleList:
        """Networks on the device, in the layout."""
        return networks.to(device=self.device, memory_format=self.layout)  # type: ignore[call-overload, no-any-return]

    @torch.inference_mode()
    def apply(self, content: Tensor, label: Tensor | None, code: Tensor | None = None) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1], each moved to the domain (0 or 1) of its label (B,); there is no code."""
        assert label is not None
        content = content.to(self.device)
        image = torch.empty_like(content)
        for domain in set(label.tolist()):
            chosen = (label == domain).to(self.device)
            with autocast(self.device, self.bf16):
                image[chosen] = self.generators[domain](content[chosen].contiguous(memory_format=self.layout))
        return image

    def save(self, path: Path) -> None:
        """Write the generators' weights as safetensors."""
        save_network(self.generators, path)

    def load(self, path: Path) -> None:
        """Read what `save` wrote.

        Raises:
            DomainxferError: the file is missing, damaged, or of other sizes.
        """
        load_network(self.generators, path)


class CycleGAN:
    """A pair in training, with its critics, pools and optimizers.

    Args:
        pair: the generators; they begin anew.
        width: channels of the critics' first layers.
        seed: of the weights and of the pools.
    """

    def __init__(self, pair: Pair, width: int = 64, *, seed: int = 0) -> None:
        self.pair, self.generators = pair, pair.generators
        self.critics = pair.placed(nn.ModuleList(PatchCritic(width, pair.norm) for _ in range(2)))
        numbers = torch.Generator().manual_seed(seed)
        self.pools = [ReplayPool(POOL, numbers) for _ in range(2)]
        for network in (self.generators, self.critics):
            start_weights(network, numbers)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), RATE, BETAS, fused=True)
            for network in (self.generators, self.critics)
        ]

    def step(self, x: Pictures) -> dict[str, Tensor]:
        """Train on one picture of each domain, or several: first the generators, then the critics.

        Returns:
            The parts of the losses, by name.
        """
        self.critics.requires_grad_(False)
        with autocast(self.pair.device, self.pair.bf16):
            fake, same, cycle = self.translate(x)
            scores = [self.critics[t](fake[t]) for t in (0, 1)]
        parts = generator_parts(x, same, cycle, scores)
        self._update(0, parts["adversarial"] + CYCLE * parts["cycle"] + IDENTITY * parts["identity"])
        self.critics.requires_grad_(True)
        shown = [self.pools[t].exchange(fake[t]) for t in (0, 1)]
        with autocast(self.pair.device, self.pair.bf16):
            losses = [critic_loss(self.critics[t](x[t]), self.critics[t](shown[t])) for t in (0, 1)]
        parts["critic"] = losses[0] + losses[1]  # each critic's gradients are of its own loss
        self._update(1, parts["critic"])
        return {name: part.detach() for name, part in parts.items()}

    def translate(self, x: Pictures) -> tuple[Pictures, Pictures, Pictures]:
        """fake, same and cycle, each of domain 0 and of domain 1."""
        both = [self.generators[t](torch.cat([x[1 - t], x[t]])).split([len(x[1 - t]), len(x[t])]) for t in (0, 1)]
        fake, same = [made[0] for made in both], [made[1] for made in both]
        return fake, same, [self.generators[s](fake[1 - s]) for s in (0, 1)]

    def set_rate(self, passed: float) -> None:
        """Set the learning rate when this share of the training, 0 to 1, has passed: held for half, then down to 0."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1.0, 2 * (1 - passed))

    def _update(self, player: int, loss: Tensor) -> None:
        self.optimizers[player].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[player].step()


def generator_parts(x: Pictures, same: Pictures, cycle: Pictures, scores: Pictures) -> dict[str, Tensor]:
    """The generators' losses, each summed over the two domains and not yet weighted (eqs. 1 to 3; 5.2 for identity)."""
    terms = {
        "adversarial": [(score - 1).square().mean() for score in scores],
        "cycle": [(back - real).abs().mean() for back, real in zip(cycle, x, strict=True)],
        "identity": [(kept - real).abs().mean() for kept, real in zip(same, x, strict=True)],
    }
    return {name: torch.stack(of_domains).sum() for name, of_domains in terms.items()}


def critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Least squares, halved: the critic learns at half the generators' pace (appendix 7.1)."""
    return 0.5 * ((real_scores - 1).square().mean() + fake_scores.square().mean())


def start_weights(network: nn.Module, numbers: torch.Generator) -> None:
    """Weights from N(0, .02^2), biases 0."""
    for name, parameter in network.named_parameters():
        with torch.no_grad():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=numbers))


def pictures_of(batch: Batch) -> Pictures:
    """The reals of a batch by domain.

    Raises:
        UsageError: it has other domains than two.
    """
    if set(batch.y_real.tolist()) != {0, 1}:
        raise UsageError("a CycleGAN moves pictures between two domains, no fewer and no more")
    return [batch.x_real[batch.y_real == domain] for domain in (0, 1)]
