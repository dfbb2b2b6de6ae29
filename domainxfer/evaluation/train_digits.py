"""The recipe of the digit network behind the extractor ``digits``; its weights come with the package.

    python -m domainxfer.evaluation.train_digits [--data-root DIR] [-o digits.safetensors]

MNIST's training digits without those held out for validation, turned, moved and scaled a little; AdamW, one cycle. The
test digits are counted once, at the end.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from domainxfer.datasets.domain_data import DomainData, Pictures, Split
from domainxfer.datasets.find import open_data
from domainxfer.draws import draw
from domainxfer.metrics.extractors.digits import WEIGHTS, DigitNetwork
from domainxfer.models.model import save_network
from domainxfer.models.precision import autocast, pays_bf16

EPOCHS, BATCH, RATE, DECAY = 5, 128, 3e-3, 1e-4


def main() -> None:
    """Train, print the shares of right answers, write the weights."""
    parser = argparse.ArgumentParser(description="Train the digit network of the extractor `digits`.")
    parser.add_argument("--data-root", type=Path, help="where to look for MNIST first")
    parser.add_argument("-o", "--output", type=Path, default=WEIGHTS, help="file to write")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    data = open_data("mnist", data_root=options.data_root, size=28)
    network = train_digit_network(*digits_of(data, "train"), epochs=options.epochs)
    parts: tuple[Split, ...] = ("validation", "test")
    for split in parts:
        print(f"{split}: {accuracy(network, *digits_of(data, split)):.4f} right")
    save_network(network, options.output, half=True)
    print(options.output)


def digits_of(data: DomainData, split: Split) -> tuple[Tensor, Tensor]:
    """Pictures (N, 1, 28, 28) in [-1, 1] and digits (N,) of a part."""
    of_digit: tuple[Pictures, ...] = getattr(data, split)
    parts = [np.stack([np.asarray(pictures[i].convert("L")) for i in range(len(pictures))]) for pictures in of_digit]
    x = torch.from_numpy(np.concatenate(parts))[:, None].float() / 127.5 - 1
    y = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor([len(part) for part in parts]))
    return x, y


def train_digit_network(x: Tensor, y: Tensor, *, epochs: int = EPOCHS, seed: int = 0) -> DigitNetwork:
    """Train on pictures (N, 1, 28, 28) in [-1, 1] and digits (N,).

    Args:
        x: pictures.
        y: which digit each is.
        epochs: how often each is seen.
        seed: of the start, the order and the distortions.
    """
    torch.manual_seed(seed)
    network = DigitNetwork().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    steps = math.ceil(len(x) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, epochs=epochs, steps_per_epoch=steps)
    for epoch in range(epochs):
        for chosen in np.array_split(draw(seed, "digits", epoch).permutation(len(x)), steps):
            seen = distorted(x[chosen], draw(seed, "distortion", schedule.last_epoch))
            optimizer.zero_grad()
            with autocast(x.device, pays_bf16(x.device)):
                logits = network(seen.contiguous(memory_format=torch.channels_last))
            F.cross_entropy(logits.float(), y[chosen], label_smoothing=0.05).backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def distorted(x: Tensor, numbers: np.random.Generator) -> Tensor:
    """Each picture turned by up to 12 degrees, moved by up to 2.5 px and scaled by up to 12 %, black around."""
    turn, scale = numbers.uniform(-0.21, 0.21, len(x)), numbers.uniform(0.88, 1.12, len(x))
    shift = numbers.uniform(-5 / 28, 5 / 28, (len(x), 2))  # of 2, the side of affine_grid's square
    rows = [
        np.stack([scale * np.cos(turn), -scale * np.sin(turn), shift[:, 0]], axis=1),
        np.stack([scale * np.sin(turn), scale * np.cos(turn), shift[:, 1]], axis=1),
    ]
    grid = F.affine_grid(torch.from_numpy(np.stack(rows, axis=1)).float(), list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, grid, align_corners=False) - 1


@torch.inference_mode()
def accuracy(network: DigitNetwork, x: Tensor, y: Tensor) -> float:
    """Share of right answers."""
    right = [network(a).argmax(1) == b for a, b in zip(x.split(1000), y.split(1000), strict=True)]
    return float(torch.cat(right).float().mean())


if __name__ == "__main__":
    main()
