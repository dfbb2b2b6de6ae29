"""What is judged: a model and the data it is judged on, as far as both know the same domains."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from domainxfer.datasets.card import list_cards
from domainxfer.datasets.domain_data import DomainData
from domainxfer.datasets.find import OnEvent, open_data
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.files import refuse_lost
from domainxfer.metrics.extractors import file_digest
from domainxfer.models.model import NetworkModel
from domainxfer.recipe import Recipe, read_recipe
from domainxfer.training.run_folder import RunFolder, named_model


@dataclass(frozen=True)
class Subject:
    """A model, and the recipe it was trained by, where that lies beside it."""

    path: Path
    network: NetworkModel
    recipe: Recipe | None
    run: RunFolder | None
    """The run, if it was named as a run, not by one of the models in it."""
    digest: str
    """16 hex digits of the sha256 of its weights, as they were when they were read: a run may go on meanwhile."""

    @property
    def domains(self) -> tuple[str, ...]:
        """What it can make."""
        return self.network.domains

    @property
    def generates(self) -> bool:
        """Whether it makes pictures of noise; else it translates them."""
        return self.network.config.generator.content == "noise"


def find_subject(what: str, runs: Path, *, critic: bool = False) -> Subject | None:
    """A model by the path of its folder or run, by a run's name, or one that ships; None for any other folder.

    With its ``critic`` only where that is asked for: figures of what it makes need none.

    Raises:
        DomainxferError: there is nothing of that name, or the model is damaged.
    """
    try:
        path = named_model(what, runs)
    except DomainxferError as error:
        raise DomainxferError(f"{what} is no folder and no run: {error}") from error
    if not any((path / name).exists() for name in ("config.json", "model/config.json", "recipe.yaml")):
        return None
    network = NetworkModel.load(path, critic=critic)
    beside = next((folder for folder in (path, path.parent) if (folder / "recipe.yaml").exists()), None)
    return Subject(
        path=path,
        network=network,
        recipe=read_recipe(beside / "recipe.yaml") if beside else None,
        run=RunFolder(path) if beside == path else None,
        digest=file_digest((path if (path / "config.json").exists() else path / "model") / "model.safetensors")[:16],
    )


def name_of_data(subject: Subject, data: str | None) -> str:
    """The data that was named, else that of the model's recipe, else the card it learned.

    Raises:
        UsageError: no data was named, and the model does not say which it learned.
    """
    if data is not None:
        return data
    if subject.recipe is not None:
        return subject.recipe.source.data
    if subject.network.config.card not in list_cards():
        raise UsageError(f"{subject.path} does not say what it learned from; name the data: --data NAME or FOLDER")
    return subject.network.config.card


def open_for(
    subject: Subject,
    data: str | None,
    *,
    data_root: Path | None,
    names: dict[str, str] | None,
    offline: bool,
    size: int,
    on_event: OnEvent,
) -> DomainData:
    """The data of `name_of_data`; for a model that makes pictures of noise as one group, whatever its labels.

    What is held out is drawn with the seed of its training, so that nothing it has seen is among it.

    Raises:
        UsageError: no data was named, and the model does not say which it learned.
        DomainxferError: the data is not to be had.
    """
    source = subject.recipe.source if subject.recipe else None
    named, data = data, name_of_data(subject, data)
    if named is None:
        names = names or (source.names if source else None)
        refuse_lost(data, "say where to: --data FOLDER")
    if data_root is None and source is not None and source.data_root:
        data_root = Path(source.data_root)
    recipe = subject.recipe or Recipe()
    return open_data(
        data,
        data_root=data_root,
        names=names,
        seed=recipe.training.seed,
        validation_share=recipe.data.validation_share,
        offline=offline,
        unlabelled=subject.generates,
        size=size,
        on_event=on_event,
    )


def shared_domains(data: DomainData, subjects: list[Subject]) -> tuple[tuple[str, ...], list[str]]:
    """The domains that the data and every model know, in the data's order; and a line for each that is left out.

    Raises:
        DomainxferError: fewer than two.
    """
    known = {str(subject.path): subject.domains for subject in subjects} | {f"the data {data.name}": data.domains}
    shared = tuple(domain for domain in data.domains if all(domain in domains for domains in known.values()))
    if len(shared) < 2:
        listed = "; ".join(f"{who} knows {', '.join(domains) or 'none'}" for who, domains in known.items())
        only = f"only the domain {shared[0]!r} in common" if shared else "no domain in common"
        raise DomainxferError(
            f"{only}, two are needed: {listed}. Rename with --names FOLDER=DOMAIN, or take other data"
        )
    left_out = []
    for domain in dict.fromkeys(domain for domains in known.values() for domain in domains):
        if domain not in shared:
            having, lacking = (
                [who for who, domains in known.items() if (domain in domains) == has] for has in (True, False)
            )
            left_out.append(f"domain {domain!r} is left out: {', '.join(having)} has it, {', '.join(lacking)} does not")
    return shared, left_out


def restricted(data: DomainData, domains: tuple[str, ...]) -> DomainData:
    """The data with some of its domains only."""
    if domains == data.domains:
        return data
    places = [data.domains.index(domain) for domain in domains]
    train, validation, test = (
        tuple(data.split(split)[place] for place in places) for split in ("train", "validation", "test")
    )
    return replace(data, domains=domains, train=train, validation=validation, test=test, truth=None)


class InOrderOf:
    """A model whose labels are those of the data: label k means ``domains[k]``."""

    def __init__(self, network: NetworkModel, domains: tuple[str, ...]) -> None:
        self.network, self.labels = network, torch.tensor([network.label_of(domain) for domain in domains])

    def apply(self, content: Tensor, label: Tensor | None, code: Tensor | None = None) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] as they look in the domains of labels (B,)."""
        return self.network.apply(content, None if label is None else self.labels[label], code)
