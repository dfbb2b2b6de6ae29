"""What `domainxfer discover` prints, and its exit code."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domainxfer.api import discover, name_discovered
from domainxfer.cli_console import say
from domainxfer.cli_train import TrainCommand
from domainxfer.discovered import Discovered
from domainxfer.errors import DomainxferError, UsageError
from domainxfer.training.run_folder import find_run


class DiscoverCommand(TrainCommand):
    """One call of `domainxfer discover`: a training, then what it found."""

    def discover(self, data: str, **arguments: Any) -> int:
        """Train without labels and name what was found; the exit code."""
        found: list[Discovered] = []

        def train_then_name(subject: str, **options: Any) -> Any:
            done, named = discover(subject, **options)
            if named is not None:
                found.append(named)
            return done

        code = self._close(self._watched(train_then_name, data, **arguments), are_named=bool(found))
        for named in found:
            show_discovered(named, self.console)
        return code

    def name_again(self, run: str) -> int:
        """Name what a finished run found; the exit code."""
        try:
            folder = find_run(self.runs, run)
        except DomainxferError as error:
            raise UsageError(
                f"how many labels? domainxfer discover {run} --labels 10; or name a run: {error}"
            ) from error
        found = name_discovered(folder.path, offline=self.offline)
        show_discovered(found, self.console)
        self._say_left_out(found.unreadable)
        return 1 if found.unreadable else 0


def show_discovered(found: Discovered, console: Console) -> None:
    """A row for each label, then the figures."""
    split = "test" if "test" in found.counts else "train"
    table = Table(title=f"labels found, {split} pictures", title_justify="left")
    table.add_column("label", justify="right")
    table.add_column("pictures", justify="right")
    truth = found.tables.get(split)
    if truth is not None:
        table.add_column("mostly")
    for label, count in enumerate(found.counts[split]):
        row = [str(label), str(count)]
        if truth is not None and label < len(truth) and count:
            best = int(truth[label].argmax())
            row.append(f"{escape(found.class_names[best])}, {truth[label][best] / count:.1%}")
        table.add_row(*row)
    console.print(table)
    for name, figures in found.figures.items():
        console.print(
            f"{name}: one-to-one accuracy {figures.accuracy:.4f}  purity {figures.purity:.4f}  "
            f"NMI {figures.nmi:.4f}  ARI {figures.ari:.4f}",
            markup=False,
        )
    say(console, f"written to {found.folder}")
    if found.kept is not None:
        say(console, f"labels.csv was another; what it said is in {found.kept}")
