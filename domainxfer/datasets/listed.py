"""A table of pictures as a data set: which file, in which split, of which domain.

`domainxfer discover` writes one, RUN/discovered/labels.csv. What it found in a mixed folder can be trained on as it
is, or after labels were renamed or corrected by hand.
"""

import csv
from collections import defaultdict
from pathlib import Path

from domainxfer.datasets.domain_data import SPLITS, DomainData, PictureFiles
from domainxfer.errors import DomainxferError, UsageError, did_you_mean
from domainxfer.files import explain_os_error

TABLE = "labels.csv"
COLUMNS = ("split", "picture", "label")


def table_of(path: Path) -> Path | None:
    """The table that a path means: a CSV file, or a folder with a labels.csv in it; None for any other."""
    if path.suffix.lower() == ".csv" and path.is_file():
        return path
    return path / TABLE if (path / TABLE).is_file() else None


def load_listed(table: Path, *, names: dict[str, str] | None = None) -> DomainData:
    """The pictures of a table, in its splits. Files that are gone are skipped and named.

    Args:
        table: CSV with a head line and the columns split (train, validation, test), picture (a path; relative ones
            start at the table's folder) and label. Further columns do not count.
        names: label -> domain, e.g. ``{"0": "apple"}``; a label that is a number n is otherwise called ``label n``.

    Raises:
        DomainxferError: the table cannot be read or says nothing of two domains' training pictures.
        UsageError: ``names`` speaks of a label that is not there.
    """
    paths, gone = _read(table)
    labels = sorted({label for _, label in paths}, key=lambda label: (not label.isdigit(), label.zfill(9)))
    for name in names or {}:
        if name not in labels:
            raise UsageError(f"--names {name}=...: {table} has no label {name!r}.{did_you_mean(name, labels)}")
    trained = [label for label in labels if paths.get(("train", label))]
    if len(trained) < 2:
        raise DomainxferError(
            f"{table} has training pictures of {len(trained)} label{'s' * (len(trained) != 1)}; two are needed"
        )
    called = {label: (names or {}).get(label) or (f"label {label}" if label.isdigit() else label) for label in trained}
    train, validation, test = (
        tuple(PictureFiles(paths.get((split, label), ())) for label in trained) for split in SPLITS
    )
    return DomainData(
        name=table.parent.name,
        domains=tuple(called.values()),
        train=train,
        validation=validation,
        test=test,
        skipped=tuple((path, "the file is gone") for path in gone),
    )


def _read(table: Path) -> tuple[dict[tuple[str, str], list[Path]], list[Path]]:
    """(split, label) -> files; and the files that are not there."""
    paths: dict[tuple[str, str], list[Path]] = defaultdict(list)
    gone = []
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise DomainxferError(f"{table} lacks the column {missing[0]}; it needs {', '.join(COLUMNS)}")
            for row in rows:
                if row["split"] not in SPLITS or not row["picture"] or not row["label"]:
                    needed = f"a split ({', '.join(SPLITS)}), a picture and a label are needed"
                    raise DomainxferError(f"{table}, line {rows.line_num}: {needed}")
                path = table.parent / row["picture"]
                if path.is_file():
                    paths[row["split"], row["label"].strip()].append(path)
                else:
                    gone.append(path)
    except OSError as error:
        raise explain_os_error(error, "read", table) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DomainxferError(f"{table} is no CSV table: {error}") from error
    if not paths:
        example = f", e.g. {gone[0]}" if gone else ""
        raise DomainxferError(
            f"no file that {table} lists is there{example}; are the labels those of pictures in files?"
        )
    return paths, gone
