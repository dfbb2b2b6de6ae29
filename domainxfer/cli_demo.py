"""What `domainxfer demo` shows and says."""

from pathlib import Path

from rich.console import Console

from domainxfer.cli_console import note_unfinished


def demo_command(model: str | None, runs: Path, port: int | None, *, browser: bool) -> None:
    """Serve the page of a model until Ctrl-C; its address goes to standard output, notes to standard error."""
    from domainxfer.demo_app import demo_page, serve
    from domainxfer.loaded import find_model
    from domainxfer.training.run_folder import name_of_model

    path, network = find_model(model, None, runs)
    name = name_of_model(path)
    note_unfinished(network.config, name, Console(stderr=True, highlight=False))

    def say(address: str) -> None:
        print(f"{name}: {address} (only from this machine; Ctrl-C ends it)", flush=True)

    serve(demo_page(network, name), port, browser=browser, say=say)
