"""The web page: what it makes is what the model makes, errors are told on it, and nobody else can open it."""

import importlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio
import numpy as np
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from domainxfer import demo_app
from domainxfer.errors import DomainxferError, MissingExtra
from domainxfer.generate import PictureMaker
from domainxfer.loaded import Model
from domainxfer.models.config import CriticConfig, GeneratorConfig, ModelConfig
from domainxfer.models.networks import new_critic, new_generator

Call = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[1]


def model(domains: tuple[str, ...], **settings: Any) -> Model:
    """A model of random weights with a critic."""
    torch.manual_seed(0)
    config = GeneratorConfig.model_validate(
        {"size": 16, "width": 8, "blocks": 1, "labels": len(domains), "code_size": 1, **settings}
    )
    critic = CriticConfig(width=8, depth=2, size=16, labels=len(domains), code_size=1, fields=(1,))
    about = ModelConfig(domains=domains, size=16, finished=True, generator=config, critic=critic)
    return Model(about, new_generator(config), new_critic(critic).eval())


HORSES = model(("horse", "zebra"))
DIGITS = model(("one", "two"), content="noise", output="plain", noise_size=6)


@pytest.fixture
def ask(request: pytest.FixtureRequest) -> Iterator[Client]:
    """The page of a model, asked as the browser asks it."""
    page = demo_app.demo_page(request.param, "mine-1")
    _, address, _ = page.launch(server_name=demo_app.HERE, prevent_thread_lock=True, quiet=True)
    yield Client(address, verbose=False)
    page.close(verbose=False)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a horse.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)).save(path)
    return path


def shows(path: str, expected: Image.Image) -> bool:
    with Image.open(path) as written:
        return np.array_equal(np.asarray(written.convert("RGB")), np.asarray(expected.convert("RGB")))


@pytest.mark.parametrize("ask", [HORSES], indirect=True)
def test_a_translator(ask: Client, picture: Path) -> None:
    with Image.open(picture) as source:
        for to, strength, code in (("zebra", 1.0, 0.0), ("horse", 2.0, 0.5)):
            made = ask.predict(handle_file(str(picture)), to, strength, code, api_name="/translate")
            assert shows(made, HORSES.translate(source, to=to, strength=strength, code=[code]))
        told = ask.predict(handle_file(str(picture)), api_name="/classify")
        likely = HORSES.classify(source)
    assert {each["label"]: each["confidence"] for each in told["confidences"]} == pytest.approx(likely)


@pytest.mark.parametrize("ask", [HORSES], indirect=True)
def test_what_is_wrong_is_told_in_its_one_line(ask: Client, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(AppError, match=r"^broken\.png cannot be read as a picture; convert it"):
        ask.predict(handle_file(str(tmp_path / "broken.png")), "zebra", 1.0, 0.0, api_name="/translate")


@pytest.mark.parametrize("ask", [DIGITS], indirect=True)
def test_a_model_of_noise(ask: Client, picture: Path) -> None:
    for label, seed, mended, code in (("all", 0, 0, 0.0), ("two", 3, 10, -0.5)):
        made = ask.predict(label, seed, mended, code, api_name="/generate")
        wanted = PictureMaker(DIGITS, label=None if label == "all" else label, code=[code], seed=seed, mend=mended)
        assert shows(made, wanted.grid())
    assert ask.predict(handle_file(str(picture)), api_name="/classify")["label"] in ("one", "two")


def test_pages_have_what_their_model_has() -> None:
    def labels(page: gradio.Blocks) -> list[str]:
        shown = (block for block in page.blocks.values() if getattr(block, "visible", False))
        return [block.label for block in shown if getattr(block, "label", None)]

    unlabelled = model((), content="noise", output="plain", noise_size=6, code_size=0)
    unlabelled.critic = None
    assert labels(demo_app.demo_page(unlabelled, "a")) == ["Seed", "Pictures of noise"]
    assert "To the critic this is" in labels(demo_app.demo_page(HORSES, "a"))
    mute = Model(HORSES.config, HORSES.generator)
    assert labels(demo_app.demo_page(mute, "a")) == ["Picture", "To", "Strength", "Code 1", "Translation"]


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server((demo_app.HERE, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(DomainxferError, match=f"port {port} is taken or may not be used; choose another"):
            demo_app.serve(demo_app.demo_page(HORSES, "a"), port, browser=False, say=print)


def test_without_gradio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(MissingExtra, match=r"pip install 'domainxfer\[demo\]'"):
        importlib.reload(demo_app)


def test_a_model_that_is_not_there_is_one_line(run: Call) -> None:
    code, out, err = run("demo", "nothing", "--no-browser")
    assert (code, out) == (1, "")
    assert err.startswith("domainxfer: no run 'nothing'")
    assert err.count("\n") == 1


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_as_a_user_calls_it(ending: signal.Signals, picture: Path, tmp_path: Path) -> None:
    HORSES.save(tmp_path / "mine")
    command = [sys.executable, "-m", "domainxfer", "demo", str(tmp_path / "mine"), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.getenv("PYTHONPATH")])])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **pipes) as server:  # type: ignore[call-overload]
        try:
            name, address, *_ = server.stdout.readline().split()
            assert name == "mine:"
            ask = Client(address, verbose=False)
            made = ask.predict(handle_file(str(picture)), "zebra", 1.0, 0.0, api_name="/translate")
            with Image.open(picture) as source:
                assert shows(made, HORSES.translate(source, to="zebra"))
            port = int(address.rstrip("/").removeprefix("http://127.0.0.1:"))
            with socket.socket() as elsewhere, pytest.raises(OSError, match="refused"):
                elsewhere.connect(("127.0.0.2", port))  # of this machine, too, but not where it listens
            server.send_signal(ending)
            out, err = server.communicate(timeout=60)
        finally:
            server.kill()
    assert (server.returncode, out, err) == (0, "", "")
