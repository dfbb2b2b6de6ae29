"""Translate files, folders, patterns and streams: never overwrites unasked, and goes on past what cannot be read."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from itertools import chain, zip_longest
from pathlib import Path
from typing import BinaryIO, Unpack

import torch
from PIL import Image
from torch import Tensor

from domainxfer.contact_sheet import contact_sheet, fit_for_sheet
from domainxfer.errors import DomainxferError, PictureError
from domainxfer.files import ExistsError, explain_os_error
from domainxfer.latent import code_sweep
from domainxfer.pictures import BROKEN_DATA, open_picture, pixel_limit
from domainxfer.save_picture import format_like, format_of, has_alpha, write_picture
from domainxfer.translate import TranslationModel, TranslationOptions, Translator
from domainxfer.translate_plan import EVERY_DOMAIN, STREAM, SWEPT, Job, Problem, make_plan

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
    sweep_steps: int | None = None,
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
        sweep_steps: make a sheet that sweeps over the code instead, so many rows for each of its values.
        options: strength, code, like, size, tiles; see `Translator`.

    Raises:
        UsageError: unknown domain, a setting out of range, two pictures that would go to one file, ...; nothing has
            been written then.
    """
    every = to == EVERY_DOMAIN and to not in model.domains
    shown = model.domains if every else (to,)
    if sweep_steps is not None:
        make_picture: MakePicture = _SweepMaker(model, shown, mask, sweep_steps, options)
    elif every:
        make_picture = _SheetMaker(model, mask, options)
    else:
        make_picture = partial(Translator(model, to, **options).translate, mask=mask)
    name = to if sweep_steps is None else f"{to} {SWEPT}"
    plan = make_plan(inputs, name, model.domains, output, recursive=recursive)
    report = Report(own=plan.own)
    total = len(plan.problems) + len(plan.jobs)
    missing = (FileResult(path, problem=reason) for path, reason in plan.problems)
    works = [_Work(job, overwrite, stdin, stdout) for job in plan.jobs]
    translated = _results(works, make_picture)
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


class _SweepMaker:
    """Makes a contact sheet with a row for each code of a sweep: the input, titled with the code, and each domain."""

    def __init__(
        self,
        model: TranslationModel,
        domains: Sequence[str],
        mask: Image.Image | None,
        steps: int,
        options: TranslationOptions,
    ) -> None:
        given = Translator(model, domains[0], **options).code  # that of a picture to be like, where one is given
        code = torch.zeros(model.config.generator.code_size) if given is None else given[0]
        self.rows = [
            (row.title, {domain: self._translator(model, domain, row.code, options) for domain in domains})
            for row in code_sweep(code, steps)
        ]
        self.mask = mask

    def __call__(self, image: Image.Image) -> Image.Image:
        shown, views = fit_for_sheet(image), []
        for title, translators in self.rows:
            views.append((title, shown))
            for domain, translator in translators.items():
                views.append((domain, fit_for_sheet(translator.translate(image, self.mask))))
        return contact_sheet(views, columns=len(views) // len(self.rows))

    @staticmethod
    def _translator(model: TranslationModel, domain: str, code: Tensor, options: TranslationOptions) -> Translator:
        swept: TranslationOptions = {**options, "code": code.tolist(), "like": None}
        return Translator(model, domain, **swept)


def _results(works: Sequence["_Work"], make_picture: MakePicture) -> Iterator[FileResult]:
    """Do the works, in their order. While one picture is translated, the next is read and the last one is written."""
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
        coming = reader.submit(works[0].read) if works else None
        leaving: Future[FileResult] | None = None
        for work, following in zip_longest(works, works[1:]):
            assert coming is not None  # as many are read as there are works
            coming.result()
            coming = reader.submit(following.read) if following else None
            work.translate(make_picture)
            if leaving is not None:
                yield leaving.result()
            leaving = writer.submit(work.write)
        if leaving is not None:
            yield leaving.result()


class _Work:
    """One job, done in three steps. Whatever is wrong with its picture ends in the result and is not raised."""

    def __init__(self, job: Job, overwrite: bool, stdin: BinaryIO | None, stdout: BinaryIO | None) -> None:
        self.job, self.overwrite, self.stdin, self.stdout = job, overwrite, stdin, stdout
        self.source, self.target = (Path(STREAM) if path is None else path for path in (job.source, job.target))
        self.files = ExitStack()
        self.original: Image.Image | None = None
        self.picture: Image.Image | None = None
        self.keeps_metadata = True
        self.result: FileResult | None = None

    def read(self) -> None:
        """Open and decode the picture, unless its target is there already."""
        if self.job.target is not None and os.path.lexists(self.target) and not self.overwrite:
            self._leave_alone()
            return
        with self._noting_problems():
            stream = self.files.enter_context(_opened(self.job.source, self.stdin))
            self.original = open_picture(stream)

    def translate(self, make_picture: MakePicture) -> None:
        """Make the new picture."""
        if self.original is not None:
            self.keeps_metadata = not isinstance(make_picture, _SheetMaker | _SweepMaker)
            with self._noting_problems():
                self.picture = make_picture(self.original)

    def write(self) -> FileResult:
        """Encode and write the new picture; what became of it all."""
        if self.original is not None and self.picture is not None:
            with self.files, self._noting_problems():
                self.result = self._written(self.original, self.picture)
        assert self.result is not None  # no picture only where there was a problem
        self.original = self.picture = None  # many works wait in a list, their pictures must not
        return self.result

    def _written(self, original: Image.Image, picture: Image.Image) -> FileResult:
        notes = []
        format_name = format_of(self.target.suffix) or format_like(original)
        destination = self.target if self.job.target is not None else self.stdout or sys.stdout.buffer
        exif_from = original if self.keeps_metadata else None
        write_picture(picture, destination, format_name, exif_from, overwrite=self.overwrite)
        if picture.mode == "RGBA" and not has_alpha(format_name):
            notes.append(f"transparent parts are white now, since {format_name} has no transparency")
        if original.mode == "F" or original.mode.startswith("I"):
            notes.append("it has 8 bits a channel now")
        if _has_frames(original):  # asked last, since asking may move Pillow on to the next frame
            notes.append("it has several frames; only the first was translated")
        return FileResult(self.source, self.target, note="; ".join(notes))

    def _leave_alone(self) -> None:
        problem = f"{self.target} exists already; replace it with --overwrite or choose another place with -o"
        self.result = FileResult(self.source, problem=problem, exists=True)

    @contextmanager
    def _noting_problems(self) -> Iterator[None]:
        try:
            yield
        except ExistsError:  # it was not there when the work began
            self._leave_alone()
        except DomainxferError as error:
            self.result = FileResult(self.source, problem=str(error))
        except (MemoryError, torch.OutOfMemoryError):
            problem = f"{self.source} needs more memory than there is; make the picture smaller"
            self.result = FileResult(self.source, problem=problem)
        if self.result is not None:
            self.files.close()


@contextmanager
def _opened(path: Path | None, stdin: BinaryIO | None) -> Iterator[BinaryIO]:
    """The picture's bytes as a stream in which one can seek."""
    if path is None:
        if stdin is None and sys.stdin is None:
            raise PictureError("standard input is closed; pipe a picture into it")
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
    except BROKEN_DATA:
        return False  # the first frame was read; what follows is broken
