"""A table of pictures as a data set: which file, in which split, of which domain.

`domainxfer discover` writes one, RUN/discovered/labels.csv. What it found in a mixed folder can be trained on as it
is, or after labels were renamed or corrected by hand.
"""

import csv
from collections import defaultdict
from math import inf
from pathlib import Path

from domainxfer.datasets.domain_data import SPLITS, DomainData, PictureFiles
from domainxfer.datasets.folders import Found, drop_unreadable, hold_out
from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import explain_os_error, legible

TABLE = "labels.csv"
COLUMNS = ("split", "picture", "label")


def table_of(path: Path) -> Path | None:
    """The table that a path means: a CSV file, or a folder with a labels.csv in it; None for any other."""
    if path.suffix.lower() == ".csv" and path.is_file():
        return path
    return path / TABLE if (path / TABLE).is_file() else None


def load_listed(
    table: Path, *, names: dict[str, str] | None = None, seed: int = 0, validation_share: float = 0.1
) -> DomainData:
    """The pictures of a table, in its splits. What cannot be used is skipped and named: files that are gone or broken,
    and held-out ones of a label that has none to train with.

    A split of which the table has no picture of a label is held out of that label's training pictures, as in folders.

    Args:
        table: CSV with a head line and the columns split (train, validation, test), picture (a path; relative ones
            start at the table's folder) and label. Further columns do not count.
        names: label -> domain, e.g. ``{"0": "apple"}``; labels of the same name become one domain. A label that is a
            number n is otherwise called ``label n``.
        seed: decides, with each picture's name, what is held out.
        validation_share: how much of a label's training pictures, where the table holds out none.

    Raises:
        DomainxferError: the table cannot be read, or has too few pictures of two domains.
        UsageError: ``names`` speaks of a label that is not there.
    """
    paths, gone = _read(table)
    labels = sorted({label for _, label in paths}, key=lambda label: (int(label) if label.isdecimal() else inf, label))
    for name in names or {}:
        if name not in labels:
            raise UsageError(f"--names {name}=...: {table} has no label {name!r}.{did_you_mean(name, labels)}")
    found: dict[str, Found] = {}
    for label in labels:
        domain = (names or {}).get(label) or (f"label {label}" if label.isdecimal() else legible(label))
        for split in SPLITS:
            pictures: list[Path] = getattr(found.setdefault(domain, Found(table.parent)), split)
            pictures += paths.get((split, label), [])
    skipped = [(path, f"{path} is gone; the table still names it") for path in gone] + drop_unreadable(found.values())
    for domain in [domain for domain, one in found.items() if not one.train]:
        alone = found.pop(domain)
        why = f"{domain} has no pictures to train with"
        skipped += [(path, f"{path}: {why}") for path in (*alone.validation, *alone.test)]
    if len(found) < 2:
        raise DomainxferError(
            f"{table} has training pictures of {len(found)} label{'s' * (len(found) != 1)}; two are needed"
        )
    for domain, one in found.items():
        hold_out(one, domain, skipped, seed, validation_share)
    train, validation, test = (tuple(PictureFiles(getattr(one, split)) for one in found.values()) for split in SPLITS)
    return DomainData(
        name=legible(table.parent.name),
        domains=tuple(found),
        train=train,
        validation=validation,
        test=test,
        skipped=tuple(skipped),
    )


def _read(table: Path) -> tuple[dict[tuple[str, str], list[Path]], list[Path]]:
    """(split, label) -> files; and the files that are not there."""
    paths: dict[tuple[str, str], list[Path]] = defaultdict(list)
    gone = []
    try:
        with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            rows = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise DomainxferError(f"{table} lacks the column {missing[0]}; it needs {', '.join(COLUMNS)}")
            for row in rows:
                picture, label = row["picture"] or "", (row["label"] or "").strip()
                if row["split"] not in SPLITS or not picture.strip() or not label:
                    needed = f"a split ({', '.join(SPLITS)}), a picture and a label are needed"
                    raise DomainxferError(f"{table}, line {rows.line_num}: {needed}")
                path = table.parent / picture
                if path.is_file():
                    paths[row["split"], label].append(path)
                else:
                    gone.append(path)
    except OSError as error:
        raise explain_os_error(error, "read", table) from error
    except csv.Error as error:
        raise DomainxferError(f"{table} is no CSV table: {error}") from error
    if not paths:
        example = f", e.g. {gone[0]}" if gone else ""
        raise DomainxferError(
            f"no file that {table} lists is there{example}; are the labels those of pictures in files?"
        )
    return paths, gone
