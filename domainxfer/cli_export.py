"""What `domainxfer export` writes, and what is said of it."""

from pathlib import Path

from rich.console import Console

from domainxfer.cli_console import note_unfinished, say, wide_console
from domainxfer.cli_options import output_file
from domainxfer.errors import UsageError, did_you_mean

FORMATS = ["onnx"]


def export_command(model: str, to: str, runs: Path, output: Path | None, *, overwrite: bool) -> None:
    """Write the model as one file, and say on standard output where it lies; notes go to standard error."""
    if to not in FORMATS:
        raise UsageError(f"--to {to}: models are exported to {', '.join(FORMATS)}.{did_you_mean(to, FORMATS)}")
    if output is not None and not output.is_dir() and output.suffix.lower() != f".{to}":
        raise UsageError(f"-o {output}: there is no such folder, and a file for {to} ends in .{to}")
    from domainxfer.export import export_onnx  # imports torch: seconds, which a wrong call need not wait for
    from domainxfer.generate import refuse_existing
    from domainxfer.loaded import find_model
    from domainxfer.training.run_folder import name_of_model

    path, network = find_model(model, None, runs)
    name = name_of_model(path)
    target = output_file(output, f"{name}.{to}")
    refuse_existing([target], overwrite)
    note_unfinished(network.config, name, Console(stderr=True, highlight=False))
    difference = export_onnx(network, target, overwrite=overwrite)
    size = target.stat().st_size / 1e6
    said = f"{target}: {size:.1f} MB; its pictures are those of torch within {difference:.0e} of [-1, 1]"
    say(wide_console(), said)
