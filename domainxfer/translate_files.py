"""Translate files, folders, patterns and streams: never overwrites unasked, and goes on past what cannot be read."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Unpack

import torch
from PIL import Image

from domainxfer.contact_sheet import contact_sheet, fit_for_sheet
from domainxfer.errors import DomainxferError, PictureError
from domainxfer.files import explain_os_error
from domainxfer.pictures import open_picture, pixel_limit
from domainxfer.save_picture import format_like, format_of, has_alpha, write_picture
from domainxfer.translate import TranslationModel, TranslationOptions, Translator
from domainxfer.translate_plan import EVERY_DOMAIN, STREAM, Job, Problem, make_plan

_ANIMATED_FORMATS = frozenset({"GIF", "PNG", "WEBP", "AVIF", "TIFF"})
_BYTES_A_PIXEL = 8  # no format needs more for a picture within the pixel limit

MakePicture = Callable[[Image.Image], Image.Image]


@dataclass(frozen=True)
class FileResult:
    """What became of one picture."""

    source: Path  # "-" is standard input
    target: Path | None = None  # where it went, "-" being standard output; None if nowhere
    problem: str = ""  # one line that names the picture and says why it went nowhere
    exists: bool = False  # that is because the target is there already
    note: str = ""  # what the user should know although it went well
    number: int = 1  # its place in the order, from 1
    total: int = 1  # pictures in all


@dataclass
class Report:
    """What became of all pictures."""

    done: list[FileResult] = field(default_factory=list)
    failed: list[Problem] = field(default_factory=list)
    skipped: list[Problem] = field(default_factory=list)  # their output was there already
    own: list[Path] = field(default_factory=list)  # earlier translations among the inputs, passed over

    @property
    def ok(self) -> bool:
        """Whether every picture was translated."""
        return not self.failed and not self.skipped

    def add(self, result: FileResult) -> None:
        """Enter a picture's result into the list where it belongs."""
        if not result.problem:
            self.done.append(result)
        else:
            (self.skipped if result.exists else self.failed).append(Problem(result.source, result.problem))


def translate_files(
    model: TranslationModel,
    inputs: Sequence[str],
    to: str,
    output: Path | None = None,
    *,
    overwrite: bool = False,
    recursive: bool = True,
    on_result: Callable[[FileResult], None] = lambda result: None,
    mask: Image.Image | None = None,
    stdin: BinaryIO | None = None,
    stdout: BinaryIO | None = None,
    **options: Unpack[TranslationOptions],
) -> Report:
    """Translate pictures from files into files; `make_plan` says what goes where.

    Args:
        model: the trained model.
        inputs: files, folders, patterns, or ``-`` alone for standard input.
        to: a domain; or ``"all"``, unless a domain has that name: a contact sheet of the picture and all domains.
        output: a folder, a file for exactly one picture, ``-`` for standard output, or None: beside the picture.
        overwrite: replace files that are there already.
        recursive: look into subfolders of input folders.
        on_result: called after each picture.
        mask: white = change, black = leave; applied to every picture.
        stdin: stream to read in place of standard input.
        stdout: stream to write in place of standard output.
        options: strength, code, like, size, tiles; see `Translator`.

    Raises:
        UsageError: unknown domain, a setting out of range, two pictures that would go to one file, ...; nothing has
            been written then.
    """
    if to == EVERY_DOMAIN and to not in model.domains:
        make_picture: MakePicture = _SheetMaker(model, mask, options)
    else:
        make_picture = partial(Translator(model, to, **options).translate, mask=mask)
    plan = make_plan(inputs, to, model.domains, output, recursive=recursive)
    report = Report(own=plan.own)
    total = len(plan.problems) + len(plan.jobs)
    missing = (FileResult(path, problem=reason) for path, reason in plan.problems)
    translated = (_translated(job, make_picture, overwrite, stdin, stdout) for job in plan.jobs)
    for number, result in enumerate(chain(missing, translated), start=1):
        result = replace(result, number=number, total=total)
        report.add(result)
        on_result(result)
    return report


class _SheetMaker:
    """Makes a contact sheet of a picture and its translations to every domain."""

    def __init__(self, model: TranslationModel, mask: Image.Image | None, options: TranslationOptions) -> None:
        self.translators = {domain: Translator(model, domain, **options) for domain in model.domains}
        self.mask = mask

    def __call__(self, image: Image.Image) -> Image.Image:
        views = [("input", fit_for_sheet(image))]
        for domain, translator in self.translators.items():
            views.append((domain, fit_for_sheet(translator.translate(image, self.mask))))
        return contact_sheet(views)


def _translated(
    job: Job, make_picture: MakePicture, overwrite: bool, stdin: BinaryIO | None, stdout: BinaryIO | None
) -> FileResult:
    """Do one job; whatever is wrong with this picture is in the result, not raised."""
    source, target = (Path(STREAM) if path is None else path for path in (job.source, job.target))
    if job.target is not None and os.path.lexists(target) and not overwrite:
        problem = f"{target} exists already; replace it with --overwrite or choose another place with -o"
        return FileResult(source, problem=problem, exists=True)
    notes = []
    try:
        with _opened(job.source, stdin) as stream:
            original = open_picture(stream)
            picture = make_picture(original)
            format_name = format_of(target.suffix) or format_like(original)
            destination = target if job.target is not None else stdout or sys.stdout.buffer
            keep = None if isinstance(make_picture, _SheetMaker) else original
            write_picture(picture, destination, format_name, keep)
            if picture.mode == "RGBA" and not has_alpha(format_name):
                notes.append(f"transparent parts are white now, since {format_name} has no transparency")
            if _has_frames(original):  # asked last, since asking may move Pillow on to the next frame
                notes.append("it has several frames; only the first was translated")
    except DomainxferError as error:
        return FileResult(source, problem=str(error))
    except (MemoryError, torch.OutOfMemoryError):
        return FileResult(source, problem=f"{source} needs more memory than there is; make the picture smaller")
    return FileResult(source, target, note="; ".join(notes))


@contextmanager
def _opened(path: Path | None, stdin: BinaryIO | None) -> Iterator[BinaryIO]:
    """The picture's bytes as a stream in which one can seek."""
    if path is None:
        most = _BYTES_A_PIXEL * pixel_limit()
        data = (stdin or sys.stdin.buffer).read(most + 1)
        if len(data) > most:
            raise PictureError(f"standard input is too large (above {most:,} bytes); give a file of a smaller picture")
        if not data:
            raise PictureError("standard input is empty; pipe a picture into it")
        yield BytesIO(data)
        return
    try:
        stream = path.open("rb")
    except OSError as error:
        raise PictureError(str(explain_os_error(error, "read the picture", path))) from error
    with stream:
        yield stream


def _has_frames(image: Image.Image) -> bool:
    """Whether a picture is animated or has several pages; its file must still be open."""
    try:
        return image.format in _ANIMATED_FORMATS and bool(getattr(image, "is_animated", False))
    except (OSError, EOFError, ValueError, SyntaxError):
        return False  # the first frame was read; what follows is broken
