"""Masks that the user brings: a picture for each source, white where change is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from domainxfer.datasets.domain_data import Pictures
from domainxfer.datasets.pixels import centre_crop, shrink, to_tensor
from domainxfer.errors import DomainxferError
from domainxfer.pictures import find_pictures, open_picture, to_rgb
from domainxfer.training.held_out import HeldOut


@dataclass(frozen=True)
class Masks:
    """The masks of one domain's held-out pictures."""

    inside: Tensor
    """(N, H, W) bool: where change is wanted."""
    known: Tensor
    """(N,) bool: which pictures have a mask."""


def load_masks(folder: Path, held_out: HeldOut) -> list[Masks | None]:
    """The masks of every domain, from ``folder/DOMAIN``, or else from ``folder`` without those of other domains; None
    for a domain that has none.

    A mask has the file name of its picture (the suffix may differ) and its size.

    Raises:
        DomainxferError: no such folder, no mask for any picture, two for one, or one of another size.
    """
    domains = held_out.data.domains
    found = [
        _of_domain(_by_name(folder, domain, domains), pictures, chosen, held_out.size)
        for domain, pictures, chosen in zip(domains, held_out.data.split(held_out.split), held_out.chosen, strict=True)
    ]
    if not any(found):
        example = Path(held_out.data.split(held_out.split)[0].name(held_out.chosen[0][0])).name
        raise DomainxferError(
            f"no mask in {folder} has the file name of a {held_out.split} picture (e.g. {example}); name masks like "
            "their pictures"
        )
    return found


def _by_name(folder: Path, domain: str, domains: Sequence[str]) -> dict[str, Path]:
    own = folder / domain
    others = [folder / other for other in domains if other != domain]
    paths = find_pictures(own if own.is_dir() else folder)
    named: dict[str, Path] = {}
    for path in paths:
        if any(path.is_relative_to(other) for other in others):
            continue
        if path.stem in named:
            raise DomainxferError(f"{named[path.stem]} and {path} are masks of one name; leave one of them")
        named[path.stem] = path
    return named


def _of_domain(by_name: dict[str, Path], pictures: Pictures, chosen: list[int], size: int) -> Masks | None:
    paths = [by_name.get(Path(pictures.name(index)).stem) for index in chosen]
    if not any(paths):
        return None
    inside = torch.zeros(len(chosen), size, size, dtype=torch.bool)
    for place, (index, path) in enumerate(zip(chosen, paths, strict=True)):
        if path is None:
            continue
        mask = to_rgb(open_picture(path), paper=0)  # where it is transparent, nothing was drawn
        own, wanted = mask.size, pictures[index].size
        if own != wanted:
            raise DomainxferError(
                f"the mask {path} is {own[0]} x {own[1]} px, but its picture {pictures.name(index)} is "
                f"{wanted[0]} x {wanted[1]}; make the mask of the picture's size"
            )
        inside[place] = to_tensor(centre_crop(shrink(mask, size), size)[None], channels=1)[0, 0] > 0
    return Masks(inside, torch.tensor([path is not None for path in paths]))
