"""The `domainxfer` command: parse, call the library, print. Imports no torch until a command needs it."""

import os
import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from domainxfer import __version__
from domainxfer.cli_data import data_app
from domainxfer.cli_options import (
    Changes,
    Cpu,
    DataRoot,
    MaxTime,
    Mend,
    Names,
    Offline,
    RunName,
    Runs,
    Seed,
    Size,
    Steps,
    names_in,
    numbers_in,
    settings_in,
)
from domainxfer.errors import DomainxferError, UsageError, printable

app = typer.Typer(
    name="domainxfer",
    help="Move pictures between domains with one network, learned from unpaired examples.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would take two thirds of the time that --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")


FULL = (
    "there is not enough memory. End what else is in it; in a new run lower --set data.batch or --size (--dry-run says "
    "how much one takes); where it is that of the GPU, put CUDA_VISIBLE_DEVICES= before the command to do without"
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"domainxfer {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command; `main` reads --debug itself."""


@app.command()
def train(
    data: Annotated[str | None, typer.Argument(help="A known data set (domainxfer data list) or a folder.")] = None,
    run: Annotated[str | None, typer.Argument(help="With --resume: the run; else the latest of DATA.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run: train --resume [RUN].")] = False,
    changes: Changes = None,
    steps: Steps = None,
    size: Size = None,
    seed: Seed = None,
    max_time: MaxTime = None,
    mode: Annotated[str | None, typer.Option(help="translate, or generate (from noise).")] = None,
    labels: Annotated[str | None, typer.Option(help="known, none, or how many to discover.")] = None,
    names: Names = None,
    data_root: DataRoot = None,
    runs: Runs = Path("runs"),
    name: RunName = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.yaml to start from.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Settings by name: original, dcgan-28, ...; a known set's recipe: horse2zebra"),
    ] = None,
    init_from: Annotated[str | None, typer.Option(help="Fine-tune this model or run.")] = None,
    nproc: Annotated[int, typer.Option(min=1, help="Processes that share the batch.")] = 1,
    cpu: Cpu = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Build all, do a few steps, estimate, stop.")] = False,
    offline: Offline = False,
) -> None:
    """Learn to move pictures between the domains of DATA. Try: domainxfer train demo"""
    if data is None and not resume:
        raise UsageError(
            "train what? Name a data set or a folder: domainxfer train demo (domainxfer data list has them)"
        )
    if run is not None and not resume:
        raise UsageError(f"unexpected word {run!r}; a run is named with --resume")
    if nproc > 1 and "RANK" not in os.environ:
        from domainxfer.launch import launch

        raise typer.Exit(launch(nproc, sys.argv[1:]))
    from domainxfer.cli_train import TrainCommand, seconds

    command = TrainCommand(
        changes=settings_in(changes, steps=steps, size=size, seed=seed),
        runs=runs,
        max_seconds=None if max_time is None else seconds(max_time),
        offline=offline,
        cpu=cpu,
    )
    if resume:
        if names or mode or labels or recipe or preset or init_from or dry_run or name:
            raise UsageError(
                "--resume keeps the run's recipe; only --steps, --set, --max-time and --data-root change it"
            )
        if data_root is not None:
            command.changes.setdefault("source", {})["data_root"] = str(data_root.absolute())
        if run is not None and data is not None:
            from domainxfer.api import is_run_of

            if not is_run_of(runs, run, data):
                raise UsageError(f"the run {run} did not learn from {data}; leave one of them out")
        raise typer.Exit(command.resume(run or data))
    arguments: dict[str, Any] = {
        "recipe_file": recipe,
        "data_root": data_root,
        "names": names_in(names),
        "mode": mode,
        "labels": labels,
        "init_from": init_from,
        "preset": preset,
    }
    assert data is not None
    if dry_run:
        raise typer.Exit(command.dry_run(data, **arguments))
    raise typer.Exit(command.train(data, name=name, **arguments))


@app.command()
def discover(
    data: Annotated[
        str, typer.Argument(help="A known data set, a folder, or a run of discover, whose labels are listed anew.")
    ],
    labels: Annotated[int | None, typer.Option(help="How many labels to find, at least 2.")] = None,
    supervise: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of the training pictures whose label may be seen: 0.01")
    ] = None,
    changes: Changes = None,
    steps: Steps = None,
    size: Size = None,
    seed: Seed = None,
    max_time: MaxTime = None,
    data_root: DataRoot = None,
    runs: Runs = Path("runs"),
    name: RunName = None,
    preset: Annotated[str | None, typer.Option(help="Settings by name. [default: the data set's, or discover]")] = None,
    cpu: Cpu = False,
    offline: Offline = False,
) -> None:
    """Find labels in pictures that have none: domainxfer discover mnist --labels 10"""
    from domainxfer.cli_discover import DiscoverCommand
    from domainxfer.cli_train import seconds

    command = DiscoverCommand(
        changes=settings_in(changes, steps=steps, size=size, seed=seed),
        runs=runs,
        max_seconds=None if max_time is None else seconds(max_time),
        offline=offline,
        cpu=cpu,
    )
    if labels is None:
        of_training = {
            "--supervise": supervise,
            "--max-time": max_time,
            "--name": name,
            "--preset": preset,
            "--data-root": data_root,
            "--set, --steps, --size or --seed": command.changes or None,
        }
        for option, value in of_training.items():
            if value is not None:
                raise UsageError(
                    f"{option}: without --labels a run is named again and nothing is trained; say how many labels, "
                    "or leave it out"
                )
        raise typer.Exit(command.name_again(data))
    raise typer.Exit(
        command.discover(data, labels=labels, supervise=supervise, data_root=data_root, name=name, preset=preset)
    )


@app.command()
def translate(
    paths: Annotated[list[str], typer.Argument(help="Pictures, folders, patterns, or - for standard input.")],
    to: Annotated[str, typer.Option(help="Domain to translate to, or all for a contact sheet.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Model or run. [default: latest finished run that knows it, else the model that ships]",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File or folder; - for standard output.")
    ] = None,
    strength: Annotated[float, typer.Option(help="0 none, 1 as learned, up to 2 exaggerated.")] = 1.0,
    code: Annotated[
        str | None, typer.Option(help="Variation within the domain: numbers in [-1, 1], e.g. 0.5,-1.")
    ] = None,
    like: Annotated[Path | None, typer.Option(help="Take the variation from this picture.")] = None,
    sweep_code: Annotated[
        bool, typer.Option("--sweep-code", help="A sheet of what each value of the code does, from -1 to 1.")
    ] = False,
    steps: Annotated[int | None, typer.Option(help="Rows of a sweep. [default: 9]")] = None,
    mask: Annotated[Path | None, typer.Option(help="Picture: white is changed, black is left.")] = None,
    size: Annotated[int | None, typer.Option(min=16, help="Scale (shorter side, px) at which to translate.")] = None,
    tiles: Annotated[bool, typer.Option("--tiles", help="Translate large pictures at native size, in tiles.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    recursive: Annotated[bool, typer.Option(help="Look into subfolders.")] = True,
    runs: Runs = Path("runs"),
) -> None:
    """Move pictures to a domain: domainxfer translate img.jpg --to zebra"""
    from domainxfer.cli_translate import translate_command

    raise typer.Exit(
        translate_command(
            paths,
            to,
            model,
            runs,
            output,
            overwrite=overwrite,
            recursive=recursive,
            mask=mask,
            like=like,
            sweep_code=sweep_code,
            steps=steps,
            strength=strength,
            code=numbers_in(code),
            size=size,
            tiles=tiles,
        )
    )


@app.command()
def generate(
    run: Annotated[str, typer.Argument(help="A run or a model that was trained with --mode generate; or latest.")],
    label: Annotated[
        str | None, typer.Option(help="What to make: a domain or a label's number. [default: every label]")
    ] = None,
    code: Annotated[str | None, typer.Option(help="Variation: numbers in [-1, 1], e.g. 0.5,-1.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise; pictures of a seed are numbered from 0.")] = 0,
    count: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Write so many single pictures into the folder -o.")
    ] = None,
    mend: Mend = 0,
    interpolate: Annotated[
        str | None, typer.Option(metavar="A,B", help="The way from picture A to picture B, along the great circle.")
    ] = None,
    linear: Annotated[bool, typer.Option("--linear", help="Interpolate along the straight line.")] = False,
    steps: Annotated[int | None, typer.Option(help="Of an interpolation or a sweep. [default: 9, of a GIF 33]")] = None,
    gif: Annotated[bool, typer.Option("--gif", help="Interpolate as an animation.")] = False,
    add: Annotated[
        str | None, typer.Option(metavar="A,B", help="Pictures A and B, and that of the sum of their noise.")
    ] = None,
    sweep_code: Annotated[
        bool, typer.Option("--sweep-code", help="What each value of the code does, from -1 to 1.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File or folder. [default: ./RUN_grid.png and the like]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Make pictures of noise, a grid of them unless told otherwise: domainxfer generate latest"""
    from domainxfer.cli_generate import Wish, generate_command, two_numbers

    ends, terms = two_numbers("--interpolate", interpolate), two_numbers("--add", add)
    wish = Wish(count, ends, terms, sweep_code, linear, steps, gif)
    numbers = numbers_in(code)
    generate_command(
        run, runs, wish, label=label, code=numbers, seed=seed, mend=mend, output=output, overwrite=overwrite
    )


@app.command()
def export(
    model: Annotated[
        str, typer.Argument(help="A run, a model, or one that ships: horse2zebra; latest is the latest run.")
    ] = "latest",
    to: Annotated[str, typer.Option(help="onnx: for onnxruntime, in any language, without torch.")] = "onnx",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File or folder. [default: ./RUN.onnx]")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Write a model's generator as one file that needs no torch: domainxfer export latest --to onnx"""
    from domainxfer.cli_export import export_command

    export_command(model, to, runs, output, overwrite=overwrite)


@app.command()
def evaluate(
    what: Annotated[str, typer.Argument(help="A run or a model; or a folder of pictures, to be held against REALS.")],
    against: Annotated[
        str | None,
        typer.Argument(help="For a model: the data, a folder or a known set. Else a folder of real pictures."),
    ] = None,
    split: Annotated[
        str, typer.Option(help="test: the last word, once. validation: for every choice, a run's own too.")
    ] = "test",
    extractor: Annotated[
        str,
        typer.Option(
            help="What judges: efficientnet-lite0, gabor, digits, stacked-digits, maze-counts, inception (FID), "
            "dinov2, auto."
        ),
    ] = "auto",
    weights: Annotated[Path | None, typer.Option(help="Weights file of inception or dinov2.")] = None,
    data: Annotated[
        str | None, typer.Option(help="A known data set or a folder. [default: what the model learned from]")
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="Another model, judged on the same pictures.")] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Folder of masks named like the sources: white where change is wanted.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=8, help="Side at which to translate, px. [default: the model's]")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option(
            min=10, help="Pictures of a domain that are looked at. [default: 1000; 10000 made of noise, up to 32 px]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of pictures, noise and intervals.")] = 0,
    mend: Mend = 0,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Equal file names in all domains are chance, not the same scenes.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the result there. [default: into the run's folder]")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a result that exists.")] = False,
    names: Names = None,
    data_root: DataRoot = None,
    runs: Runs = Path("runs"),
    offline: Offline = False,
) -> None:
    """Figures one can trust: between doing nothing and real pictures. Try: domainxfer evaluate latest"""
    from domainxfer.cli_evaluate import evaluate_command

    raise typer.Exit(
        evaluate_command(
            what,
            against,
            split=split,
            extractor=extractor,
            weights=weights,
            data=data,
            baseline=baseline,
            masks=masks,
            size=size,
            most=most,
            seed=seed,
            mend=mend,
            unpaired=unpaired,
            json_file=json_file,
            keep_in_run=True,
            overwrite=overwrite,
            names=names_in(names),
            data_root=data_root,
            runs=runs,
            offline=offline,
        )
    )


@app.command("runs")
def list_runs(runs: Runs = Path("runs")) -> None:
    """List the runs: how far each is, and its last held-out figure."""
    from domainxfer.cli_show import show_runs

    raise typer.Exit(show_runs(runs))


@app.command()
def settings(
    part: Annotated[str, typer.Argument(help="Only those whose name begins so: data, objective.looks, ...")] = "",
) -> None:
    """List what --set can change: every setting, its default, and what it means."""
    from domainxfer.cli_console import wide_console
    from domainxfer.cli_settings import show_settings

    show_settings(part, wide_console())


@app.command()
def report(
    run: Annotated[str, typer.Argument(help="A run, by its name or folder.")] = "latest",
    runs: Runs = Path("runs"),
) -> None:
    """Write a run's report.html anew: how it went so far, on one page."""
    from domainxfer.report import write_report
    from domainxfer.training.run_folder import find_run

    print(write_report(find_run(runs, run)))


@app.command()
def demo(
    model: Annotated[
        str | None,
        typer.Argument(help="A run or a model. [default: latest finished translator, else the model that ships]"),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="[default: the first free one from 7860]")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser; only say where.")] = False,
    runs: Runs = Path("runs"),
) -> None:
    """Try a model on a web page of this machine: domainxfer demo horse2zebra"""
    from domainxfer.cli_demo import demo_command

    demo_command(model, runs, port, browser=not no_browser)


@app.command()
def doctor(data_root: DataRoot = None) -> None:
    """Say what this machine has: torch, GPU, bf16, optional packages, data sets."""
    from domainxfer.cli_show import show_doctor

    show_doctor(data_root)


def _at_home(argument: str) -> str:
    """``~`` at the beginning of a path, which no shell replaces in quotes, and some not in --runs=~/mine."""
    option, equals, path = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return option + equals + os.path.expanduser(path)


def main() -> None:
    """Run the command line; errors are one line on standard error, with the exit code they ask for."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may hold what the terminal cannot show
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:  # then it ends as Ctrl-C does: what is half-written goes
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    debug = "--debug" in sys.argv  # of every command, so it may stand before its name and behind
    try:
        app([_at_home(argument) for argument in sys.argv[1:] if argument != "--debug"])
    except DomainxferError as error:
        if debug:
            raise
        print(f"domainxfer: {printable(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):  # Typer makes an exit of it
            print("domainxfer: interrupted", file=sys.stderr)
        raise
    except KeyboardInterrupt:  # before a command has begun
        print("domainxfer: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left; nothing more to say
        sys.exit(1)
    except OSError as error:  # a path that is too long, a disk that was pulled out, ...
        if debug:
            raise
        said = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
        print(f"domainxfer: {printable(said)}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if debug or not _is_full(error):
            raise
        print(f"domainxfer: {FULL}", file=sys.stderr)
        sys.exit(1)


def _is_full(error: Exception) -> bool:
    """Whether memory is at an end, of the machine or of its GPU; by name, since torch may not be there yet."""
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
