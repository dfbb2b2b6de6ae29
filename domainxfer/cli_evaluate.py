"""What `domainxfer evaluate` prints: the figures as tables, and what each of them means."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domainxfer.cli_console import say, wide_console
from domainxfer.evaluation.evaluate import evaluate
from domainxfer.evaluation.names import FIGURES, heading
from domainxfer.evaluation.result import CodeFigures, DirectionFigures, Evaluation, Figure, Judged
from domainxfer.evaluation.wish import NotKept

TITLES = {
    "likeness": "Are the outputs like real pictures of the target?",
    "change": "What became of the picture?",
    "answer": "How near is the right answer?",
    "variety": "Is everything made, and nothing copied?",
    "mazes": "Are they mazes?",
}

Tabled = Judged | CodeFigures
"""What has figures of directions, and their means."""


def evaluate_command(what: str, against: str | None, **options: Any) -> int:
    """Evaluate and print; what is being done goes to standard error."""
    progress = Console(stderr=True, highlight=False)
    try:
        found = evaluate(what, against, on_event=lambda text: say(progress, text), **options)
    except NotKept as lost:  # what took long to compute is seen at least
        show(lost.evaluation, wide_console())
        raise
    show(found, wide_console())
    return 1 if found.unreadable else 0


def show(found: Evaluation, console: Console) -> None:
    """Print an evaluation: how it was made, the tables, the meaning of their columns, and what to know about it."""
    for line in head(found):
        say(console, line)
    for group, title in TITLES.items():
        names = _names(found.judged, group)
        if names:
            table = _table(title, names, found, found.judged, found.baseline)
            if found.difference:
                table.add_row("difference", "of the means", *_cells(names, found.difference, "value"))
                table.add_row("", "95 %", *_cells(names, found.difference, "interval"))
            _explained(table, names, found, console)
    if found.judged.classes:
        console.print()
        console.print(_class_table(found))
    _show_codes(found, console)
    console.print()
    for note in found.notes:
        say(console, f"note: {note}")


def head(found: Evaluation) -> list[str]:
    """What was judged, on what and by whom."""
    models = [
        f"{one.name}{f' (step {one.steps})' if one.steps else ''}" for one in (found.judged, found.baseline) if one
    ]
    counts = [
        f"{domain} {of['held_out']}" + (f" (train {of['train']})" if "train" in of else "")
        for domain, of in found.counts.items()
    ]
    split = f"{found.split} pictures of {found.data}" if found.split else f"against {found.data}"
    by = found.instrument
    lines = [
        f"{' and '.join(models)}: {split}: {', '.join(counts)}",
        f"judged by {by.extractor} (sha256 {by.digest}, {by.features} features): {by.resize}; seed {found.seed}",
    ]
    if found.probe:
        right = ", ".join(f"{domain} {100 * share:.0f} %" for domain, share in found.probe.accuracy.items())
        lines.append(f"the classifier calls real held-out pictures by their name: {right}")
    return lines


def _show_codes(found: Evaluation, console: Console) -> None:
    """A table for each value of the code, and once what its columns mean."""
    of_baseline = {one.place: one for one in found.baseline.codes} if found.baseline else {}
    for one in found.judged.codes:
        names = _names(one, "code")
        title = "Does the code matter?"
        if len(found.judged.codes) > 1:
            title = f"Does value {one.place} of the code matter?"
        table = _table(title, names, found, one, of_baseline.get(one.place))
        _explained(table, names if one is found.judged.codes[-1] else [], found, console)


def _table(title: str, names: list[str], found: Evaluation, judged: Tabled, baseline: Tabled | None) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    table.add_column("")
    for name in names:
        table.add_column(heading(name, found.instrument.extractor), justify="right")
    for number, direction in enumerate(judged.directions):
        other = baseline.directions[number].figures if baseline else None
        _rows(table, _direction(direction), direction.figures, other, names)
    if len(judged.directions) > 1:
        _rows(table, f"mean of {len(judged.directions)}", judged.mean, baseline.mean if baseline else None, names)
    return table


def _class_table(found: Evaluation) -> Table:
    """Which digits are made, as shares of the pictures."""
    classes, baseline = found.judged.classes, found.baseline.classes if found.baseline else None
    assert classes is not None
    table = Table(title="Which digits are made?", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for digit in classes.outputs:
        table.add_column(digit, justify="right")
    rows = {"outputs": classes.outputs, "baseline": baseline.outputs if baseline else {}, "real": classes.real}
    for label, counts in rows.items():
        if counts:
            table.add_row(label, *(f"{100 * count / sum(counts.values()):.1f} %" for count in counts.values()))
    return table


def _explained(table: Table, names: list[str], found: Evaluation, console: Console) -> None:
    """Print a table, and below it what these of its columns mean."""
    console.print()
    console.print(table)
    for name in names:
        meaning = f"{heading(name, found.instrument.extractor)}: {FIGURES[name].meaning}"
        console.print(meaning, style="dim", markup=False)


def _rows(
    table: Table, where: str, figures: dict[str, Figure], baseline: dict[str, Figure] | None, names: list[str]
) -> None:
    """What was found, its interval, what doing nothing and real pictures score; rows without a number are left out."""
    table.add_row(where, "outputs", *_cells(names, figures, "value"))
    rows = [("95 %", _cells(names, figures, "interval"))]
    if baseline is not None:
        rows += [("baseline", _cells(names, baseline, "value")), ("95 %", _cells(names, baseline, "interval"))]
    rows += [("do nothing", _cells(names, figures, "nothing")), ("real", _cells(names, figures, "real"))]
    for label, cells in rows:
        if any(cells):
            table.add_row("", label, *cells, style="dim" if label == "95 %" else None)
    table.add_row()


def _cells(names: list[str], figures: dict[str, Figure], side: str) -> list[str]:
    return [_cell(name, figures[name], side) if name in figures else "" for name in names]


def _cell(name: str, figure: Figure, side: str) -> str:
    show = FIGURES[name].show
    if side != "interval":
        value = getattr(figure, side)
        return "" if value is None else show(value)
    if figure.low is None or figure.high is None:
        return ""
    return f"{show(figure.low).removesuffix(' %')} to {show(figure.high)}"


def _direction(direction: DirectionFigures) -> str:
    return escape(f"{direction.source} > {direction.target}")


def _names(judged: Tabled, group: str) -> list[str]:
    """The figures of a group that occur."""
    occurring = {name for direction in judged.directions for name in direction.figures}
    return [name for name, known in FIGURES.items() if known.group == group and name in occurring]
