"""The log book: losses and figures as CSV, one row at a time, cut back to the checkpoint on resume."""

import csv
import io
from pathlib import Path
from typing import Any

from domainxfer.files import explain_os_error, write_text


class LogBook:
    """A CSV file with a ``step`` column, appended to as the run goes.

    Args:
        path: the file; made with its header when missing.
        columns: after ``step``; those that earlier rows have beyond them come behind.
        step: rows after this step are dropped: they belong to steps that will be done again.
    """

    def __init__(self, path: Path, columns: list[str], step: int) -> None:
        kept = [row for row in read_log(path) if int(row["step"]) <= step]
        self.path, self.columns = path, list(dict.fromkeys(["step", *columns, *(kept[0] if kept else ())]))
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        write_text(path, text.getvalue())

    def add(self, step: int, **values: Any) -> None:
        """Append a row; columns without a value stay empty."""
        row = {name: f"{v:.6g}" if isinstance(v, float) else v for name, v in values.items()}
        try:
            with self.path.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
                csv.DictWriter(file, self.columns, extrasaction="ignore", lineterminator="\n").writerow(
                    {"step": step, **row}
                )
        except OSError as error:
            raise explain_os_error(error, "write", self.path) from error


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a log; a last line cut short by a crash is left out. Empty when there is no file."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    whole = text[: text.rfind("\n") + 1]
    return [
        row for row in csv.DictReader(io.StringIO(whole)) if row.get("step", "").isdigit() and None not in row.values()
    ]
