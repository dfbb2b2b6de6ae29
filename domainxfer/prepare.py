"""From what is said of a new run to its recipe and its pictures."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from domainxfer.datasets.card import Card, list_cards, load_card
from domainxfer.datasets.domain_data import DomainData, with_few_labels
from domainxfer.datasets.find import card_of_folder, open_data
from domainxfer.errors import PictureError, UsageError, did_you_mean
from domainxfer.files import at_home, lasting, legible
from domainxfer.models.model import NetworkModel
from domainxfer.presets import list_presets, load_preset
from domainxfer.recipe import Recipe, SourceSettings, merged, override, read_recipe

if TYPE_CHECKING:
    from domainxfer.datasets.download import OnProgress  # with it come pooch and requests, which take a while


class RunOptions(TypedDict, total=False):
    """What may be said of a new run, beside its data."""

    changes: dict[str, Any]
    """Nested recipe settings, e.g. ``{"data": {"size": 128}}``."""
    preset: str | None
    """Settings by name, laid over the card's recipe: see `domainxfer.presets`. A known data set's name stands for its
    recipe; of several, with commas between them, each is laid over those before it."""
    recipe_file: Path | str | None
    """A recipe.yaml to start from in place of the card's."""
    data_root: Path | str | None
    """Where the card's pictures are looked for first."""
    names: dict[str, str]
    """Folder or letter -> domain name."""
    mode: str | None
    """"translate" or "generate"; None takes the card's."""
    labels: str | int | None
    """"known", "none" or a number to discover; None: known for translation, none for generation."""
    init_from: Path | str | None
    """A model or run to fine-tune; its picture size and those of its networks are taken over."""
    offline: bool
    """Never download."""
    supervise: float
    """Share of the training pictures whose label may be seen, where a number of labels is to be discovered."""


SETTLED = {
    "mode": "say --mode translate or generate",
    "card": "it is the name of the data",
    "source": "say the data itself, --data-root, --names, --labels or --supervise",
    "generator.labels": "say --labels",
    "generator.content": "say --mode translate or generate",
    "generator.size": "say --size",
    "critic.labels": "say --labels",
    "critic.patch_labels": "say --labels",
    "critic.code_size": "set generator.code_size",
    "critic.channels": "set generator.channels",
    "critic.size": "say --size",
}
"""Settings that follow from what else is said of a new run, and how to say it."""

OF_THE_PICTURES = {
    "data": {"augment", "margin", "cache_mb"},
    "generator": {"channels", "bands"},
    "critic": {"bands", "depth"},
    "training": {"extractor"},
}
"""What of a card's recipe follows from its pictures, and holds in both modes; the rest was tuned for the card's own."""


def prepare(
    data: str,
    say: Callable[[str], None],
    tune: NetworkModel | None = None,
    *,
    on_progress: "OnProgress | None" = None,
    **options: Unpack[RunOptions],
) -> tuple[Recipe, DomainData]:
    """The resolved recipe of a run and its pictures.

    Args:
        data: as for `train`.
        say: told what is worth reading.
        tune: the model to begin with, whose picture size and network sizes the recipe then has.
        on_progress: gets (bytes so far, bytes in all or None) while the pictures are downloaded.
        options: `RunOptions`.

    Raises:
        UsageError: an unknown option or preset, a setting that would do nothing, or one that is out of range.
        DomainxferError: the pictures are not to be had.
    """
    _refuse_unknown(options)
    card, file = card_meant(data, say), options.get("recipe_file")
    named = options.get("preset") or _usual_preset(card, options)
    if named is not None and not isinstance(named, str):
        raise UsageError(f"preset is {named!r}; the name of one is wanted, or several with commas between them")
    preset: dict[str, Any] = {}
    for name in named.split(",") if named else []:
        preset = merged(preset, _preset(name))
    asked = options.get("mode") or preset.get("mode")
    base = first = read_recipe(at_home(file)) if file else _recipe_of(card, asked, plain="objective" in preset)
    if preset:
        base = override(base, preset)
    if tune is not None:
        _refuse_other_content(tune, options.get("mode") or base.mode)
        base = override(base, _settings_for(tune))
    changes = nested(options.get("changes"))
    _refuse_settled(changes)
    mode = options.get("mode") or base.mode
    # What a file says of labels says nothing of another kind of run.
    said = first.source if file and first.mode == mode else SourceSettings()
    source = _source_of(data, card, mode, said, options)
    fixed = {"card": card.name if card else _name_of_folder(data), "mode": mode}
    settled = _settled(merged(base.model_dump(mode="python"), changes), mode)
    recipe = override(base, merged(merged(settled, changes), fixed)).model_copy(update={"source": source})
    pictures = open_pictures(recipe, options.get("offline", False), say, on_progress)
    known = source.labels == "known"
    count = len(pictures.domains) if known else 0 if source.labels == "none" else int(source.labels)
    if known and not count:
        raise UsageError(
            f"--labels known: the pictures of {data} have none; put those of a label into a folder of their own"
        )
    if count and not known:
        _check_discovery(count, pictures, recipe.data.size, say)
    recipe.refuse_in_vain(changes, count, known)
    return recipe.resolved(count, labels_known=known), pictures


def nested(changes: object) -> dict[str, Any]:
    """The changes to a recipe that a Python user gave; None is none.

    Raises:
        UsageError: they are no nested settings.
    """
    if changes is None:
        return {}
    if not isinstance(changes, dict):
        raise UsageError(f"changes is {changes!r}; nested settings are wanted, like {{'data': {{'size': 128}}}}")
    return changes


def _refuse_unknown(options: RunOptions) -> None:
    """A setting that is given as an option, ``size=128``, would otherwise be passed over."""
    known = list(RunOptions.__annotations__)
    for name, value in options.items():
        if name in known:
            continue
        parts = [
            part for part, field in Recipe.model_fields.items() if name in getattr(field.annotation, "model_fields", {})
        ]
        if parts:
            raise UsageError(f"{name} is a setting of the recipe: write changes={ {parts[0]: {name: value}} }")
        raise UsageError(f"there is no option {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}")


def _usual_preset(card: Card | None, options: RunOptions) -> str | None:
    """The card's own; none where a recipe is given, or another mode is asked for."""
    if card is None or options.get("recipe_file") or options.get("mode") not in (None, card.mode):
        return None
    return card.preset or None


def _preset(name: str) -> dict[str, Any]:
    """The settings of a preset; or of a known data set's recipe, for pictures of the same kind."""
    if name in list_presets() or name not in list_cards():
        return load_preset(name)
    card = load_card(name)
    settings = merged({"mode": card.mode, "data": {"size": card.size}}, card.recipe)
    if card.preset:
        return merged(settings, load_preset(card.preset))
    return merged(load_preset("generate"), settings) if card.mode == "generate" else settings


def _settled(wished: dict[str, Any], mode: str) -> dict[str, Any]:
    """What of the networks follows from mode and sizes, so that layers of one's own are checked by what they are for.

    How many labels there are the data will say.
    """
    size, channels = (
        part.get(name) if isinstance(part := wished[of], dict) else None
        for of, name in (("data", "size"), ("generator", "channels"))
    )
    content = {"content": "noise", "output": "plain"} if mode == "generate" else {"content": "picture"}
    generator = {"labels": 0, **content, **({} if size is None else {"size": size})}
    critic = {"labels": 0, **({} if size is None else {"size": size})}
    return {"generator": generator, "critic": critic | ({} if channels is None else {"channels": channels})}


def what_is_learned(recipe: Recipe, pictures: DomainData) -> str:
    """In a line: how many pictures of what, at which size, and for how long."""
    counts = pictures.counts()
    name = {"all": "pictures"} if not pictures.domains else {}
    groups = ", ".join(f"{count:,} {name.get(domain, domain)}" for domain, count in counts["train"].items())
    held_out = ", ".join(f"{sum(counts[split].values()):,} for {split}" for split in ("validation", "test"))
    return f"{groups} to learn from ({held_out}), {recipe.data.size} px, {recipe.training.steps:,} steps"


def _refuse_other_content(tune: NetworkModel, mode: str) -> None:
    does, its_mode = "translates", "translate"
    if tune.config.generator.content == "noise":
        does, its_mode = "makes pictures of noise", "generate"
    if its_mode != mode:
        raise UsageError(f"--init-from: that model {does}; add --mode {its_mode}, or begin with another")


def _source_of(data: str, card: Card | None, mode: str, said: SourceSettings, options: RunOptions) -> SourceSettings:
    """Where the pictures come from: the options, then what the recipe's file said, then what the mode takes."""
    root, by_file = options.get("data_root"), said.labels if "labels" in said.model_fields_set else None
    labels = str(options.get("labels") or by_file or ("known" if mode == "translate" else "none"))
    supervise = options.get("supervise")
    if supervise is None and labels == by_file:
        supervise = said.supervise
    source = {
        "data": place_of(data),
        "data_root": str(at_home(root).absolute()) if root else None,
        "names": options.get("names") or (said.names if said.data == place_of(data) else card.names if card else {}),
        "labels": labels,
        "supervise": supervise or 0.0,
        "init_from": None if options.get("init_from") is None else str(options["init_from"]),
    }
    return override(Recipe(), {"source": source}).source


def _refuse_settled(changes: dict[str, Any]) -> None:
    """What follows from the data and the options is no setting of a new run."""
    for path, option in SETTLED.items():
        *folders, last = path.split(".")
        inner: Any = changes
        for folder in folders:
            inner = inner.get(folder) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and last in inner:
            raise UsageError(f"--set {path}: {option}")


def open_pictures(
    recipe: Recipe, offline: bool, say: Callable[[str], None], on_progress: "OnProgress | None" = None
) -> DomainData:
    """The pictures that a recipe was made for; ``on_progress`` as for `prepare`.

    Raises:
        DomainxferError: they are not to be had, or ``labels`` makes no sense.
    """
    source = recipe.source
    if source.labels not in ("known", "none") and not source.labels.isdecimal():
        raise UsageError(f"--labels {source.labels}: write none, known, or a number of labels to discover")
    if source.labels.isdecimal() and int(source.labels) < 2:
        raise UsageError(f"--labels {source.labels}: ask for at least 2, or for none")
    if recipe.mode == "translate" and source.labels != "known":
        raise UsageError("translation needs known labels; with --labels none or a number, add --mode generate")
    data = open_data(
        source.data,
        data_root=Path(source.data_root) if source.data_root else None,
        names=source.names,
        seed=recipe.training.seed,
        validation_share=recipe.data.validation_share,
        offline=offline,
        unlabelled=source.labels != "known",
        allow_single=recipe.mode == "generate",
        size=recipe.data.size,
        on_event=say,
        on_progress=on_progress,
    )
    return _with_few_labels(data, recipe) if source.supervise else data


def _with_few_labels(data: DomainData, recipe: Recipe) -> DomainData:
    source = recipe.source
    supervised = with_few_labels(data, source.supervise, recipe.training.seed)
    if not source.labels.isdecimal():
        raise UsageError("--supervise corrects labels that are discovered; say how many there are with --labels")
    if int(source.labels) < len(data.class_names):
        raise UsageError(
            f"--supervise: {data.name} has {len(data.class_names)} classes, which {source.labels} labels cannot stand "
            f"for; use --labels {len(data.class_names)} or more"
        )
    term = recipe.objective.critic.get("label_known")
    if term is None or not term.weight:
        raise UsageError("--supervise: no term learns from known labels; add --set objective.critic.label_known=1")
    return supervised


def _check_discovery(labels: int, pictures: DomainData, size: int, say: Callable[[str], None]) -> None:
    """Refuse more labels than pictures, and say what becomes of pictures of several sizes."""
    (group,) = pictures.train
    if labels > len(group):
        raise UsageError(
            f"--labels {labels}: there are only {len(group)} training pictures to find them in; ask for fewer"
        )
    sizes: set[tuple[int, int]] = set()
    for index in range(0, len(group), -(-len(group) // 100)):  # a hundred at most, from everywhere in the group
        with suppress(PictureError):  # training leaves out what cannot be read, and names it
            sizes.add(group[index].size)
    if len(sizes) > 1:
        say(
            f"the pictures have several sizes: of each the shorter side becomes {size} px (--size), "
            "and what is longer is cut to a square"
        )


def place_of(data: str) -> str:
    """Data as a recipe names it: a known set by its name, a folder by its place, wherever the user stands."""
    return data if data in list_cards() else lasting(data)


def card_meant(data: str, say: Callable[[str], None]) -> Card | None:
    """The card that a name, or a folder which is a known data set, stands for; None for a folder of the user's."""
    if data in list_cards():
        return load_card(data)
    card = card_of_folder(at_home(data).resolve())
    if card is not None:
        say(f"{data} is the known data set {card.name}: its recipe and the names of its domains are taken")
    return card


def _name_of_folder(data: str) -> str:
    """What a folder of the user's is called; never like a known set, whose title, licence and judge are not its own."""
    name = legible(at_home(data).resolve().name)
    return f"{name}-folder" if name in list_cards() else name


def _settings_for(model: NetworkModel) -> dict[str, Any]:
    config = model.config
    # What small pictures teach first, a trained model knows.
    sizes: dict[str, Any] = {"data": {"size": config.size, "grow": {}}, "generator": config.generator.model_dump()}
    return sizes if config.critic is None else {**sizes, "critic": config.critic.model_dump()}


def _recipe_of(card: Card | None, mode: str | None, *, plain: bool) -> Recipe:
    """The card's recipe, or that for any pictures, for translation or for content from noise.

    A preset that has losses of its own says itself how noise becomes pictures: it is laid over a ``plain`` recipe.
    """
    mode = mode or (card.mode if card else "translate")
    base = override(Recipe(), load_preset("generate") if mode == "generate" and not plain else {"mode": mode})
    if card is None:
        return base
    tuned = card.recipe
    if mode != card.mode:
        tuned = {
            part: {k: v for k, v in tuned.get(part, {}).items() if k in kept} for part, kept in OF_THE_PICTURES.items()
        }
    return override(override(base, {"card": card.name, "data": {"size": card.size}}), tuned)
