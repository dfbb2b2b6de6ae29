"""From the word the user typed to a data set: a card's name, a folder or a table; found, fetched or rendered."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from domainxfer.datasets.card import Card, list_cards, load_card
from domainxfer.datasets.domain_data import SPLITS, DomainData, Pictures, without_labels
from domainxfer.datasets.folders import folder_domains, is_filled, load_folder, load_mixed_folder
from domainxfer.datasets.listed import load_listed, table_of
from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import at_home, nearest_folder

OnEvent = Callable[[str], None]
OnProgress = Callable[[int, int | None], None]


def _say_nothing(event: str) -> None:
    pass


@dataclass(frozen=True)
class _Wish:
    """How a card is to be opened: the arguments of ``open_data``."""

    data_root: Path | None
    names: dict[str, str]
    seed: int
    validation_share: float
    offline: bool
    size: int | None
    on_event: OnEvent
    on_progress: OnProgress | None


def open_data(
    data: str,
    *,
    data_root: Path | None = None,
    names: dict[str, str] | None = None,
    seed: int = 0,
    validation_share: float = 0.1,
    offline: bool = False,
    unlabelled: bool = False,
    allow_single: bool = False,
    size: int | None = None,
    on_event: OnEvent = _say_nothing,
    on_progress: OnProgress | None = None,
) -> DomainData:
    """Open a data set by its card's name, a folder, or a table; download or render it where needed.

    Args:
        data: a card's name, a folder (``./NAME`` where both exist), or a table of pictures, itself or its folder.
        data_root: where to look first, and where downloads land.
        names: folder or letter -> domain.
        seed: decides what is held out, and what is rendered.
        validation_share: part of the training pictures that is held out, where the data itself holds out none.
        offline: never use the network.
        unlabelled: put the labels aside: one group of pictures, for discovery and unconditional generation.
        allow_single: one domain is enough (it is not, for translation).
        size: the training size in px, None for the card's. Rendered sets are made at it; digits are padded to it.
        on_event: gets lines to show, e.g. what is about to be downloaded.
        on_progress: gets (bytes so far, bytes in all or None) while downloading.

    Raises:
        UsageError: no such data set.
        DomainxferError: the data is not there and cannot be fetched, or the folder is not usable.
    """
    folder = _folder_meant(data, data_root)
    table = table_of(folder) if folder is not None else None
    if table is not None:
        opened = load_listed(table, names=names, seed=seed, validation_share=validation_share)
    elif folder is not None:
        single = allow_single or unlabelled
        opened = load_folder(folder, names=names, seed=seed, validation_share=validation_share, allow_single=single)
    else:
        if Path(data).is_dir():
            on_event(f"{data} is taken as the known data set of that name; for the folder here write ./{data}")
        wish = _Wish(data_root, names or {}, seed, validation_share, offline, size, on_event, on_progress)
        opened = _open_card(load_card(data), wish)
    return without_labels(opened) if unlabelled else opened


def fetch_data(
    name: str,
    *,
    data_root: Path | None = None,
    offline: bool = False,
    on_event: OnEvent = _say_nothing,
    on_progress: OnProgress | None = None,
) -> list[Path]:
    """The folders of a card's data set, downloaded where they are not here yet; empty for rendered sets.

    Raises:
        UsageError: no such card.
        DomainxferError: it is not here and cannot be fetched.
    """
    card = load_card(name)
    if card.kind == "rendered":
        on_event(f"{name} is rendered when it is needed; there is nothing to download")
        return []
    wish = _Wish(data_root, {}, 0, 0.1, offline, None, on_event, on_progress)
    return [_folder_of(load_card(origin), wish) for origin in card.origins]


def data_roots(data_root: Path | None) -> list[Path]:
    """Where data sets are looked for: ``data_root``, $DOMAINXFER_DATA, ./datasets if it exists, the user's cache."""
    roots = [data_root] if data_root is not None else []
    if from_environment := os.environ.get("DOMAINXFER_DATA"):
        roots.append(Path(from_environment).absolute())  # names of pictures are written down, and read elsewhere
    if (here := Path("datasets").absolute()).is_dir():
        roots.append(here)
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    roots.append(Path(cache) / "domainxfer")
    return roots


def find_card_folder(card: Card, data_root: Path | None) -> Path | None:
    """The folder that holds the card's pictures already, or None."""
    places = (root / card.name for root in data_roots(data_root))
    return next((place for place in places if is_filled(place)), None)


def card_of_folder(folder: Path) -> Card | None:
    """The card whose data set a folder is, wherever it lies: it has the card's name and all of its domains."""
    if folder.name not in list_cards():
        return None
    card = load_card(folder.name)
    if card.kind != "folders" or not card.domains:
        return None

    def is_there(domain: str) -> bool:
        letters = [f"train{letter}" for letter, name in card.names.items() if name == domain]
        return any((folder / place).is_dir() for place in (domain, f"train/{domain}", *letters))

    return card if all(map(is_there, card.domains)) else None


def _folder_meant(data: str, data_root: Path | None) -> Path | None:
    """The folder or table that ``data`` names, or None if it is the name of a card."""
    if not data.strip():
        raise UsageError("an empty name is no data set; for the folder that you are in write .")
    if data.startswith((".", "~")) or "/" in data or os.sep in data:
        return at_home(data)
    known = list_cards()
    if data in known:
        return None
    for place in (Path(data), *(root / data for root in data_roots(data_root))):
        if place.is_dir() or table_of(place) is not None:
            return place
    raise UsageError(
        f"there is no data set and no folder {data!r}.{did_you_mean(data, known)} Known data sets: {', '.join(known)}"
    )


def _folder_of(card: Card, wish: _Wish) -> Path:
    folder = find_card_folder(card, wish.data_root)
    if folder is not None:
        return folder
    from domainxfer.datasets.fetch import fetch_card  # late: pooch and requests take a while to import

    roots = data_roots(wish.data_root)
    into = wish.data_root or next((root for root in roots if _may_write(root)), roots[0])
    return fetch_card(
        card, roots, into=into, offline=wish.offline, on_event=wish.on_event, on_progress=wish.on_progress
    )


def _may_write(folder: Path) -> bool:
    try:
        return os.access(nearest_folder(folder), os.W_OK)
    except FileNotFoundError:
        return False


def _open_card(card: Card, wish: _Wish) -> DomainData:
    if wish.names and card.kind != "folders":
        raise UsageError(f"--names is for folders of domains; the domains of {card.name} have their names already")
    match card.kind:
        case "rendered":
            return _render(card, wish.seed, wish.size or card.size)
        case "parts":
            return _combine(card, {part.card: _open_card(load_card(part.card), wish) for part in card.parts})
        case "mnist":
            from domainxfer.datasets.mnist import load_mnist

            side, share = wish.size or card.size, wish.validation_share
            return load_mnist(_folder_of(card, wish), seed=wish.seed, size=side, validation_share=share)
        case "stacked":
            from domainxfer.datasets.stacked import stacked_digits

            digits = _open_card(load_card(card.of), replace(wish, size=wish.size or card.size))
            return stacked_digits(digits, card.name, seed=wish.seed)
        case "loose":
            share = wish.validation_share
            return replace(
                load_mixed_folder(_folder_of(card, wish), seed=wish.seed, validation_share=share), name=card.name
            )
        case "folders":
            return _open_folders(card, _folder_of(card, wish), wish)


def _open_folders(card: Card, folder: Path, wish: _Wish) -> DomainData:
    """A card's folder: with the letters that the card explains, or with the domains' own names."""
    letters = card.names if set(card.names) & set(folder_domains(folder)) else {}
    names, share = {**letters, **wish.names}, wish.validation_share
    opened = load_folder(folder, names=names, seed=wish.seed, validation_share=share)
    letter_of = {domain: letter for letter, domain in letters.items()}
    wanted = tuple(wish.names.get(letter_of.get(domain, domain), domain) for domain in card.domains)
    if set(opened.domains) != set(wanted):
        raise DomainxferError(
            f"{folder} has the domains {', '.join(opened.domains)}, but {card.name} has {', '.join(wanted)}; "
            f"if it is a data set of your own, rename the folder or write ./{card.name}"
        )
    order = [opened.domains.index(domain) for domain in wanted]
    train, validation, test = (tuple(opened.split(split)[label] for label in order) for split in SPLITS)
    return replace(opened, name=card.name, domains=wanted, train=train, validation=validation, test=test)


def _render(card: Card, seed: int, size: int) -> DomainData:
    if card.name == "mazes":
        from domainxfer.datasets.rendered.mazes import mazes_data

        return mazes_data(seed=seed)
    if card.name == "coloured-mazes":
        from domainxfer.datasets.rendered.coloured_mazes import coloured_mazes_data

        return coloured_mazes_data(seed=seed)
    from domainxfer.datasets.rendered.demo import demo_data

    return demo_data(size=size, seed=seed)


def _combine(card: Card, parts: dict[str, DomainData]) -> DomainData:
    """One data set from domains of several; each domain, so each picture, comes from one of them only."""
    origin = {domain: parts[part.card] for part in card.parts for domain in part.domains}

    def collect(split: str) -> tuple[Pictures, ...]:
        return tuple(origin[domain].split(split)[origin[domain].domains.index(domain)] for domain in card.domains)

    return DomainData(
        name=card.name,
        domains=card.domains,
        train=collect("train"),
        validation=collect("validation"),
        test=collect("test"),
        skipped=tuple(skip for part in parts.values() for skip in part.skipped),
    )
