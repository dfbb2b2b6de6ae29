"""What equal_time.py prints: the figures of each method between "did nothing" and "real", and their table."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from domainxfer.datasets.domain_data import DomainData
from domainxfer.errors import DomainxferError
from domainxfer.metrics.extractors import NamesClasses, features_in_batches, load_extractor
from domainxfer.metrics.kernel_distance import bootstrap_interval, kernel_distance
from domainxfer.training.held_out import LEAST, HeldOut, Translates, translated


def held_out_pictures(data: DomainData, size: int, extractor: str, split: str, seed: int) -> HeldOut:
    """The pictures that judge.

    Raises:
        DomainxferError: too few of them.
    """
    held_out = HeldOut(data, size, load_extractor(extractor), split, seed)
    if not held_out.enough:
        counts = ", ".join(f"{name} {count}" for name, count in data.counts()[split].items())
        raise DomainxferError(f"a kernel distance needs {LEAST} pictures of each domain; {split} has {counts}")
    return held_out


def figures(model: Translates, held_out: HeldOut) -> dict[str, Any]:
    """All figures of a model, as plain types."""
    extractor, domains = held_out.extractor, held_out.data.domains
    return {
        "split": held_out.split,
        "extractor": extractor.name,
        "digest": extractor.digest,
        "pictures": dict(zip(domains, map(len, held_out.pictures), strict=True)),
        "directions": [_direction(model, held_out, s, t) for s, t in held_out.ceilings],
    }


def _direction(model: Translates, held_out: HeldOut, s: int, t: int) -> dict[str, Any]:
    """Each figure with the same of untouched sources (nothing) and of real pictures of the target (real)."""
    source, target = (held_out.data.domains[label] for label in (s, t))
    real = held_out.real
    made = features_in_batches(held_out.extractor, translated(model, held_out.pictures[s], t))
    distance = {
        "value": kernel_distance(made, real[t]),
        "interval": bootstrap_interval(made, real[t], seed=held_out.seed),
        "nothing": held_out.ceilings[s, t],
        "nothing_interval": bootstrap_interval(real[s], real[t], seed=held_out.seed),
        "real": held_out.floors[t],
    }
    called = {
        name: {"value": share, "nothing": nothing, "real": truly}
        for name, share, nothing, truly in _called(held_out, (target, source), made, real[s], real[t])
    }
    return {"source": source, "target": target, "kernel_distance": distance, "called": called}


def _called(held_out: HeldOut, names: Sequence[str], *sets: Tensor) -> list[tuple[str, float, float, float]]:
    """For each domain that the extractor has a class for: which share of each set of features it takes for that."""
    extractor = held_out.extractor
    if not isinstance(extractor, NamesClasses):
        return []
    classes = [extractor.logits_of(features).argmax(1) for features in sets]
    shares = {
        name: [float((found == extractor.classes[name]).double().mean()) for found in classes]
        for name in names
        if name in extractor.classes
    }
    return [(name, *of_sets) for name, of_sets in shares.items()]  # type: ignore[misc]


def table(results: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Rows of the table, the first its head.

    Args:
        results: method -> its "training" record and its "figures".
    """
    directions = next(iter(results.values()))["figures"]["directions"]
    head = ["method", "pairs/s", "steps", "minutes", "weights, M (G + D)"]
    for one in directions:
        way = f"{one['source']} > {one['target']}"
        head += [f"KID {way}", "of nothing", *(f"{way} called {name}" for name in one["called"])]
    nothing, real = ["do nothing", *[""] * 4], ["real", *[""] * 4]
    for one in directions:
        distance, called = one["kernel_distance"], one["called"].values()
        nothing += [_with_interval(distance["nothing"], distance["nothing_interval"]), "100 %"]
        nothing += [_percent(share["nothing"]) for share in called]
        real += [f"{distance['real']:.3f}", _percent(distance["real"] / distance["nothing"])]
        real += [_percent(share["real"]) for share in called]
    return [head, nothing, *(_row(method, result) for method, result in results.items()), real]


def _row(method: str, result: Mapping[str, Any]) -> list[str]:
    record = result["training"]
    row = [method, f"{record['pairs_per_second']:.3g}", str(record["steps"]), f"{record['seconds'] / 60:.1f}"]
    row.append(" + ".join(f"{record[f'{player}_parameters'] / 1e6:.2f}" for player in ("generator", "critic")))
    for one in result["figures"]["directions"]:
        distance = one["kernel_distance"]
        row += [_with_interval(distance["value"], distance["interval"])]
        row += [_percent(distance["value"] / distance["nothing"])]
        row += [_percent(share["value"]) for share in one["called"].values()]
    return row


def in_columns(rows: Sequence[Sequence[str]], markdown: bool) -> str:
    """Rows as text, the first as the head; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    padded = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows]
    if not markdown:
        return "\n".join("  ".join(row).rstrip() for row in padded)
    lines = [f"| {' | '.join(row)} |" for row in padded]
    return "\n".join([lines[0], "|---|" + "---:|" * (len(widths) - 1), *lines[1:]])


def _with_interval(value: float, interval: Sequence[float]) -> str:
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
