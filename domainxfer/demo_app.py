"""A local web page to try a model: a picture in, its translation out; or pictures of noise, whatever the model makes.

Only this machine can open it: the server listens on 127.0.0.1. What is uploaded is deleted after an hour.
"""

import functools
import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from domainxfer.errors import DomainxferError, MissingExtra, PictureError
from domainxfer.generate import PictureMaker
from domainxfer.launch import stop_signals
from domainxfer.loaded import Model
from domainxfer.pictures import open_picture
from domainxfer.translate import MOST_STRENGTH

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # it would tell its makers of each start
try:
    import gradio as gr
except ImportError as missing:
    raise MissingExtra("The web page", "demo") from missing

HERE = "127.0.0.1"
HOUR = 3600
ALL = "all"
MOST_MENDED = 100
BUTTONS = ["download", "fullscreen"]
"""On a picture that was made; gradio's third one would share it with the world."""


def demo_page(model: Model, name: str) -> gr.Blocks:
    """The page of a model.

    Args:
        model: of pictures or of noise.
        name: what stands above it.
    """
    with gr.Blocks(title=f"{name} - domainxfer", analytics_enabled=False, delete_cache=(HOUR, HOUR)) as page:
        gr.Markdown(f"# {name}")
        if model.config.generator.content == "picture":
            _translation(model)
        else:
            _generation(model, page)
            if _can_classify(model):
                _classification(model, _upload("Which label has this?"))
    return page


def serve(page: gr.Blocks, port: int | None, *, browser: bool, say: Callable[[str], None]) -> None:
    """Show the page until Ctrl-C, a signal to end, or the terminal closes.

    Args:
        page: of `demo_page`.
        port: where; None takes the first that is free from 7860 on.
        browser: open it there, too.
        say: is told the address.

    Raises:
        DomainxferError: the port is taken.
    """
    try:
        _, address, _ = page.launch(
            server_name=HERE,
            server_port=port,
            share=False,
            inbrowser=browser,
            prevent_thread_lock=True,
            quiet=True,
            footer_links=[],
            ssr_mode=False,
        )
    except OSError as error:
        taken = "ports 7860 to 7959 are" if port is None else f"port {port} is"
        raise DomainxferError(f"{taken} taken or may not be used; choose another with --port") from error
    over = threading.Event()
    before = {number: signal.signal(number, lambda *_: over.set()) for number in stop_signals()}
    say(address)
    try:
        over.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        page.close(verbose=False)


def _translation(model: Model) -> None:
    code_size = model.config.generator.code_size
    with gr.Row():
        with gr.Column():
            picture = _upload("Picture")
            to = gr.Radio(list(model.domains), value=model.domains[-1], label="To")
            strength = gr.Slider(0, MOST_STRENGTH, value=1, step=0.1, label="Strength")
            code = _code_sliders(code_size)
        made = gr.Image(format="png", label="Translation", interactive=False, buttons=BUTTONS)

    def translate(path: str | None, domain: str, strong: float, *numbers: float) -> Image.Image | None:
        if path is None:
            return None
        return model.translate(_opened(path), to=domain, strength=strong, code=numbers or None)

    _whenever(
        [picture.change, to.change, *(slider.release for slider in (strength, *code))],
        translate,
        [picture, to, strength, *code],
        made,
    )
    if _can_classify(model):
        _classification(model, picture)


def _generation(model: Model, page: gr.Blocks) -> None:
    config = model.config.generator
    names = PictureMaker(model).names
    with gr.Row():
        with gr.Column():
            label = gr.Radio([ALL, *names], value=ALL, label="Label", visible=len(names) > 0)
            seed = gr.Number(0, precision=0, minimum=0, label="Seed")
            another = gr.Button("Other pictures")
            mend = gr.Slider(0, MOST_MENDED, value=0, step=10, label="Mended", visible=model.critic is not None)
            code = _code_sliders(config.code_size)
        made = gr.Image(format="png", label="Pictures of noise", interactive=False, scale=2, buttons=BUTTONS)

    def generate(name: str, number: int, times: float, *numbers: float) -> Image.Image:
        wanted = None if name == ALL else name
        return PictureMaker(model, label=wanted, code=numbers or None, seed=number, mend=int(times)).grid()

    inputs = [label, seed, mend, *code]
    _whenever([label.change, seed.change, *(slider.release for slider in (mend, *code))], generate, inputs, made)
    another.click(lambda number: number + 1, seed, seed, api_visibility="private")
    page.load(_told(generate), inputs, made, api_visibility="private")


def _classification(model: Model, picture: gr.Image) -> None:
    likely = gr.Label(label="To the critic this is")

    def classify(path: str | None) -> dict[str, float] | None:
        return None if path is None else model.classify(_opened(path))

    _whenever([picture.change], classify, [picture], likely)


def _upload(label: str) -> gr.Image:
    """Where a picture is put in; `_opened` reads it from its file as it is."""
    image = gr.Image(type="filepath", image_mode=None, label=label)
    image.preprocess = lambda file: file and file.path  # gradio's own answers a broken picture with a traceback
    return image


def _opened(path: str) -> Image.Image:
    try:
        return open_picture(Path(path))
    except PictureError as error:  # nobody knows the folder that uploads lie in
        raise PictureError(str(error).replace(path, Path(path).name)) from error


def _code_sliders(size: int) -> list[gr.Slider]:
    return [gr.Slider(-1, 1, value=0, step=0.1, label=f"Code {number}") for number in range(1, size + 1)]


def _can_classify(model: Model) -> bool:
    return model.config.generator.labels > 0 and model.critic is not None


def _whenever(triggers: Sequence[Any], do: Callable[..., Any], inputs: list[Any], output: Any) -> None:
    """Whenever one of these happens; of what happens in the meantime only the last counts."""
    gr.on(triggers, _told(do), inputs, output, trigger_mode="always_last", api_name=do.__name__)


def _told(do: Callable[..., Any]) -> Callable[..., Any]:
    """What can be mended is told on the page, in its one line."""

    @functools.wraps(do)
    def doing(*inputs: Any) -> Any:
        try:
            return do(*inputs)
        except DomainxferError as error:
            raise gr.Error(str(error), print_exception=False) from error

    return doing
