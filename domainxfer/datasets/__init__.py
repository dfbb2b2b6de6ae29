"""Data sets: known ones by their card's name, or any folder of pictures."""

from domainxfer.datasets.domain_data import DomainData, PictureArray, PictureFiles, Pictures, Truth, without_labels
from domainxfer.datasets.find import fetch_data, open_data

__all__ = [
    "DomainData",
    "PictureArray",
    "PictureFiles",
    "Pictures",
    "Truth",
    "fetch_data",
    "open_data",
    "without_labels",
]
