"""The report of a run: one HTML page that needs nothing else, to read, to keep, to send.

It shows what the run folder holds, and works out nothing that is not there. Imports no torch.
"""

import json
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from domainxfer.chart import Level, Line, line_chart
from domainxfer.datasets.card import Card, list_cards, load_card
from domainxfer.files import write_text
from domainxfer.models.config import Layer
from domainxfer.objective import TermSettings
from domainxfer.recipe import Recipe, read_recipe
from domainxfer.report_html import page, picture, preformatted, side_by_side, table, warning
from domainxfer.training.health import BY_HEART
from domainxfer.training.logbook import read_log
from domainxfer.training.run_folder import RunFolder
from domainxfer.training.share_left import share_left

Row = dict[str, str]


def write_report(folder: RunFolder) -> Path:
    """Write ``report.html`` into a run's folder, in the place of an older one.

    Args:
        folder: a run that has a ``recipe.yaml``; everything else may still be missing.

    Returns:
        The path of the page.

    Raises:
        DomainxferError: the recipe cannot be read, or the page cannot be written.
    """
    recipe, rows, figures = read_recipe(folder.recipe), read_log(folder.metrics), read_log(folder.figures)
    environment, model = _read_json(folder.environment), _read_json(folder.model / "config.json")
    card = load_card(recipe.card) if recipe.card in list_cards() else None
    data = environment.pop("data", {})
    domains = [str(name) for name in data.get("domains", ())] or _in_order(row["target"] for row in figures)
    # A figure is there before the checkpoint of its step, with which the model comes.
    step = max([int(model.get("steps") or 0), *(int(log[-1]["step"]) for log in (rows, figures) if log)])
    sections = {
        "Warnings": _warnings(recipe, step, folder, figures),
        "Held-out figures": _figure_tables(figures),
        "Samples": _first_and_last(folder.samples, "step"),
        "The critic's slope between made and real": _first_and_last(folder.samples, "slopes"),
        "Held-out figures over the run": _figure_charts(figures),
        "Losses": _loss_charts(rows),
        "Use it": _use(recipe, folder, domains, model),
        "Data": _data(recipe, card, domains, data),
        "Recipe": _recipe(recipe, folder.recipe),
        "Environment": table(_facts(environment)),
    }
    path = folder.path / "report.html"
    write_text(path, page(folder.path.name, _headline(recipe, card, domains, step, rows), sections))
    return path


# --- sections, top to bottom -----------------------------------------------------------------------------------------


def _headline(recipe: Recipe, card: Card | None, domains: Sequence[str], step: int, rows: Sequence[Row]) -> str:
    seconds, speed = (_number(rows[-1], name) if rows else None for name in ("seconds", "pictures_per_second"))
    facts = [
        card.title if card else recipe.card,
        ", ".join(domains),
        f"step {step:,} of {recipe.training.steps:,}",
        f"{seconds / 3600:.1f} hours" if seconds is not None else "",
        f"{speed:.1f} pictures a second" if speed is not None else "",
    ]
    return " · ".join(fact for fact in facts if fact)


def _warnings(recipe: Recipe, step: int, folder: RunFolder, figures: Sequence[Row]) -> str:
    """What training warned of, and figures that say it did not help."""
    found = folder.warnings.read_text(encoding="utf-8").splitlines() if folder.warnings.exists() else []
    if step < recipe.training.steps:
        found.append(f"only {step:,} of the {recipe.training.steps:,} planned steps are done")
    for row in _last(figures):
        share = _share(row)
        if share is not None and share >= 1:
            found.append(f"{_direction(row)}, {row['split']} pictures: no nearer to {row['target']} than doing nothing")
    return "".join(warning(text) for text in found)


def _figure_tables(figures: Sequence[Row]) -> str:
    tables = []
    for split in ("test", "validation"):
        last = [row for row in _last(figures) if row["split"] == split]
        if not last:
            continue
        caption = f"{split} pictures after {int(last[0]['step']):,} steps"
        head, cells = ["from > to"], [[_direction(row)] for row in last]
        if any(row["kid"] for row in last):
            caption += f", {last[0]['pictures']} a domain; KID on {last[0]['extractor']} features, lower is better"
            head += ["KID", "floor: real"]
            for row, line in zip(last, cells, strict=True):
                line += [_shown(_number(row, name), ".4f") for name in ("kid", "floor")]
        if any(row["ceiling"] for row in last):
            head += ["ceiling: do nothing", "left of do nothing"]
            for row, line in zip(last, cells, strict=True):
                line += [_shown(_number(row, "ceiling"), ".4f"), _shown(_share(row), "z.0%")]
        if any(row.get("rare") for row in last):
            head += ["kinds too rare", "missing", "spread"]
            for row, line in zip(last, cells, strict=True):
                line += [_shown(_number(row, name), ".0%") for name in ("rare", "missing", "spread")]
        if any(row["psnr_inside"] for row in last):
            caption += "; PSNR to the known answer inside the figure, higher is better"
            head += ["PSNR inside, dB", "do nothing", "gain", "change outside"]
            for row, line in zip(last, cells, strict=True):
                line += [_shown(_number(row, name), ".2f") for name in ("psnr_inside", "psnr_inside_nothing")]
                line += [_shown(_gain(row), "+.2f"), _shown(_number(row, "change_outside"), ".4f")]
        tables.append(table(cells, head, caption, numbers=True))
    return "".join(tables)


def _first_and_last(folder: Path, kind: str) -> str:
    """The first picture of a kind beside the last."""
    paths = sorted(folder.glob(f"{kind}_*.png"), key=lambda path: (len(path.name), path.name))
    grids = {path.stem.removeprefix(f"{kind}_").lstrip("0") or "0": path for path in paths}
    shown = dict.fromkeys(list(grids)[:1] + list(grids)[-1:])
    return side_by_side(picture(grids[step], f"after {step} steps") for step in shown)


def _figure_charts(figures: Sequence[Row]) -> str:
    """A chart a target domain: a line a source between its ceiling and the floor."""
    rows = [row for row in figures if row["split"] == "validation"]
    rows = [row for row in rows if row["digest"] == rows[-1]["digest"]]  # those of another extractor do not compare
    sources, charts = _in_order(row["source"] for row in rows), []
    for target in _in_order(row["target"] for row in rows):
        lines, gains, levels, floor = [], [], [], None
        for colour, source in enumerate(sources):
            those = [row for row in rows if (row["source"], row["target"]) == (source, target)]
            lines.append(Line(f"from {source}", _points(those, "kid"), colour))
            points = [(int(row["step"]), gain) for row in those if (gain := _gain(row)) is not None]
            gains.append(Line(f"from {source}", points, colour))
            if those and (ceiling := _number(those[-1], "ceiling")) is not None:
                levels.append(Level(f"{source} untouched (ceiling)", ceiling, colour, "dashed"))
            if those:
                floor = _number(those[-1], "floor")
        if floor is not None:
            levels.append(Level(f"real {target} (floor)", floor, dash="dotted"))
        charts.append(line_chart(f"KID to {target}, lower is better", lines, levels))
        nothing = Level("do nothing", 0.0, dash="dotted")
        charts.append(line_chart(f"PSNR gain inside, to {target}, dB, higher is better", gains, [nothing]))
        kinds = [
            Line("kinds made too rarely", _points(rows, "rare"), 0),
            Line("real pictures of kinds hardly made", _points(rows, "missing"), 1),
        ]
        charts.append(line_chart("Kinds of real pictures that are not made, share", kinds))
    charts.append(_by_heart_chart(rows))
    return side_by_side(charts)


def _by_heart_chart(rows: Sequence[Row]) -> str:
    """A line a domain; each step has the same figure in the rows of all sources."""
    lines = []
    for colour, target in enumerate(_in_order(row["target"] for row in rows)):
        of_step = {row["step"]: row for row in rows if row["target"] == target}
        lines.append(Line(target, _points(list(of_step.values()), "by_heart"), colour))
    title = "What the critic knows of its training pictures by heart, 0 to 1, lower is better"
    return line_chart(title, lines, [Level("warned of", BY_HEART, dash="dotted")])


def _loss_charts(rows: Sequence[Row]) -> str:
    """A chart a phase: its terms, unweighted."""
    names, charts = list(rows[0]) if rows else [], []
    for phase in ("critic", "generator", "info", "score"):
        terms = [name for name in names if name.startswith(f"{phase}/")]
        lines = [Line(name.partition("/")[2], _points(rows, name), i) for i, name in enumerate(terms)]
        title = "Critic's mean score" if phase == "score" else f"{phase.capitalize()} phase, unweighted terms"
        charts.append(line_chart(title, lines, log=True))
    apart, gradient = Line("told apart", _points(rows, "told_apart")), _points(rows, "gradient/generator")
    charts.append(
        line_chart("Pairs of real and generated that the critic tells apart", [apart], [Level("chance", 0.5)])
    )
    charts.append(line_chart("Norm of the generator's gradient", [Line("gradient", gradient)], log=True))
    change = Line("change", _points(rows, "change"))
    response = Line("from one end of the code to the other", _points(rows, "code_response"), 1)
    charts.append(line_chart("Mean change of a picture's values, which lie in [-1, 1]", [change, response]))
    return side_by_side(charts)


def _use(recipe: Recipe, folder: RunFolder, domains: Sequence[str], model: dict[str, Any]) -> str:
    place = shlex.quote(str(folder.path))
    commands = []
    if recipe.mode == "translate" and domains and model:
        commands.append(f"domainxfer translate PICTURE --to {shlex.quote(domains[-1])} --model {place}")
    if not model.get("finished", False) and folder.checkpoints.is_dir():
        commands.append(f"domainxfer train --resume {place}")
    return preformatted("\n".join(commands))


def _data(recipe: Recipe, card: Card | None, domains: Sequence[str], data: dict[str, Any]) -> str:
    about = {"data": recipe.source.data or recipe.card}
    if card:
        about |= {"what": card.title, "licence": card.licence, "citation": card.citation}
    splits = [split for split in ("train", "validation", "test") if isinstance(data.get(split), list)]
    columns = [domains or ["pictures"], *(data[split] for split in splits)]
    counts = table(zip(*columns, strict=False), ("domain", *splits), "pictures", numbers=True) if splits else ""
    return table(about.items()) + counts


def _recipe(recipe: Recipe, path: Path) -> str:
    training, optimizer, generator = recipe.training, recipe.optimizer, recipe.generator
    body = _layers(generator.layers) or f"{generator.blocks} blocks of {generator.width} channels"
    shown = {
        "pictures": f"{_sides(recipe)} px, batches of {recipe.data.batch}",
        "steps, seed": f"{training.steps:,}, seed {training.seed}",
        "begun with": recipe.source.init_from or "fresh weights",
        "generator": f"{body}, code of {generator.code_size}",
        "critic": _critic(recipe),
        "learning rates": f"generator {optimizer.generator_lr:g}, critic {optimizer.critic_lr:g}",
        "moving average": f"{training.ema:g}",
        "critic phase": _terms(recipe.objective.critic),
        "generator phase": _terms(recipe.objective.generator),
        "info phase": _terms(recipe.objective.info),
    }
    whole = preformatted(path.read_text(encoding="utf-8"))
    return table(shown.items()) + f"<details><summary>Every setting</summary>{whole}</details>"


# --- their parts -----------------------------------------------------------------------------------------------------


def _sides(recipe: Recipe) -> str:
    data = recipe.data
    smaller = [(until, side) for until, side in sorted(data.grow.items()) if side < data.size]
    return "".join(f"{side} (to step {until:,}), " for until, side in smaller) + str(data.size)


def _critic(recipe: Recipe) -> str:
    if not any(term.weight for term in recipe.objective.critic.values()):
        return "none"
    return _layers(recipe.critic.layers) or f"{recipe.critic.depth} halvings from {recipe.critic.width} channels"


def _layers(layers: tuple[Layer, ...]) -> str:
    return f"{len(layers)} layers, the last of {layers[-1].out} channels" if layers else ""


def _terms(terms: dict[str, TermSettings]) -> str:
    lazy = {name: f" every {term.every} steps" if term.every > 1 else "" for name, term in terms.items()}
    return ", ".join(f"{name} {_weight(term)}{lazy[name]}" for name, term in terms.items()) or "nothing"


def _weight(term: TermSettings) -> str:
    if not isinstance(term.weight, dict):
        return f"{term.weight:g}"
    points = sorted(term.weight.items())
    return " to ".join(f"{weight:g} (step {step:,})" for step, weight in points)


def _last(figures: Sequence[Row]) -> list[Row]:
    """The rows of each split's last figures."""
    newest = {row["split"]: row["step"] for row in figures}
    return [row for row in figures if row["step"] == newest[row["split"]]]


def _direction(row: Row) -> str:
    return f"{row['source']} > {row['target']}"


def _share(row: Row) -> float | None:
    kid, ceiling = _number(row, "kid"), _number(row, "ceiling")
    return share_left([kid], [ceiling]) if kid is not None and ceiling is not None else None


def _gain(row: Row) -> float | None:
    inside, nothing = _number(row, "psnr_inside"), _number(row, "psnr_inside_nothing")
    return inside - nothing if inside is not None and nothing is not None else None


def _points(rows: Iterable[Row], name: str) -> list[tuple[float, float]]:
    return [(int(row["step"]), value) for row in rows if (value := _number(row, name)) is not None]


def _number(row: Row, name: str) -> float | None:
    """A value of a log; None where the cell is empty, no number, or not finite."""
    try:
        value = float(row.get(name, ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _facts(environment: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of each fact of the environment; those that are not there left out."""
    facts = []
    for name, value in environment.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {v}" for key, v in value.items() if v is not None)
        elif isinstance(value, list):
            value = shlex.join(map(str, value))  # the command line
        if value is not None:
            facts.append((name.replace("_", " "), str(value)))
    return facts


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
