"""Which pictures to translate, and where each goes: decided for all before the first is written."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from domainxfer.errors import DomainxferError, UsageError
from domainxfer.files import explain_os_error
from domainxfer.pictures import find_pictures, is_picture_name
from domainxfer.save_picture import format_of

EVERY_DOMAIN = "all"
"""Translate to this and get a contact sheet of all domains."""

SWEPT = "codes"
"""Part of the name of a sheet that sweeps over the code: img_zebra-codes.jpg."""

STREAM = "-"


class Problem(NamedTuple):
    """An input that could not be translated, and why: one line that names it."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Job:
    """One picture to translate."""

    source: Path | None  # None: standard input
    target: Path | None  # None: standard output


@dataclass
class Plan:
    """All that is to be done."""

    jobs: list[Job] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)  # inputs that are not there, or hold no picture
    own: list[Path] = field(default_factory=list)  # passed over, being translations themselves


@dataclass(frozen=True)
class _Found:
    path: Path
    base: Path  # the folder whose subfolders are kept in an output folder
    named: bool  # by the user, not found in a folder or by a pattern


def make_plan(
    inputs: Sequence[str], to: str, domains: Sequence[str], output: Path | None = None, *, recursive: bool = True
) -> Plan:
    """Decide what is translated and where it goes.

    ``img.jpg`` becomes ``img_zebra.jpg`` beside it, or in the output folder, where the subfolders of an input folder
    are kept. The format stays, unless it cannot be written (then PNG) or the output is a single file with a suffix of
    its own. Earlier translations that lie among the inputs are passed over.

    Args:
        inputs: files, folders, patterns like ``photos/*.jpg``, or ``-`` alone for standard input.
        to: the domain, or `EVERY_DOMAIN`; becomes part of the name. With a space and `SWEPT` for a sheet of codes.
        domains: those that the model knows, to tell earlier translations from pictures.
        output: a folder, a file (for exactly one picture), ``-`` for standard output, or None.
        recursive: look into subfolders of input folders.

    Raises:
        UsageError: nothing to do, two pictures would go to one file, or the output does not fit the inputs.
    """
    if not inputs:
        raise UsageError("no picture given; name files, folders or patterns, or - for standard input")
    if not all(text.strip() for text in inputs):
        raise UsageError("an empty name is no picture and no folder; for the folder that you are in write .")
    if STREAM in inputs:
        if len(inputs) > 1:
            raise UsageError("- (standard input) must be the only input")
        if output is not None and output.is_dir():
            raise UsageError(f"a picture from standard input has no name to use in {output}; name a file with -o")
        return Plan([Job(None, None if output is None or str(output) == STREAM else output)])
    plan = Plan()
    found = _find(inputs, recursive, plan.problems)
    if output is not None and not _is_folder(output, found, inputs):
        if len(found) > 1:
            raise UsageError(f"-o {output} names one file, but there are {len(found)} pictures; give a folder instead")
        plan.jobs = [Job(item.path, None if str(output) == STREAM else output) for item in found]
        return plan
    targets = {item: _target(item, to, output) for item in found}
    made = {os.path.abspath(target) for target in targets.values()}
    earlier = _EarlierTranslations((*domains, EVERY_DOMAIN), output)
    taken: dict[str, Path] = {}
    for item, target in targets.items():
        if os.path.abspath(item.path) in made or (not item.named and earlier.holds(item)):
            plan.own.append(item.path)
            continue
        other = taken.setdefault(os.path.abspath(target), item.path)
        if other != item.path:
            raise UsageError(f"{other} and {item.path} would both become {target}; translate them into two folders")
        plan.jobs.append(Job(item.path, target))
    return plan


def _find(inputs: Sequence[str], recursive: bool, problems: list[Problem]) -> list[_Found]:
    """The pictures behind the inputs, each once; what cannot be found goes to ``problems``."""
    found: dict[str, _Found] = {}
    for text in inputs:
        path = Path(text)
        try:
            if path.is_dir():
                items = [_Found(picture, path, False) for picture in find_pictures(path, recursive)]
            elif os.path.lexists(path):
                items = [_Found(path, path.parent, True)]
            elif glob.has_magic(text):
                items = _match(text, recursive)
            else:
                raise DomainxferError(f"{path}: there is no such file or folder")
            if not items:
                raise DomainxferError(f"{path}: no picture found there")
        except DomainxferError as error:
            problems.append(Problem(path, str(error)))
            continue
        except OSError as error:  # a name that is too long, ...
            problems.append(Problem(path, str(explain_os_error(error, "read", path))))
            continue
        for item in items:
            found.setdefault(os.path.abspath(item.path), item)
    return list(found.values())


def _match(pattern: str, recursive: bool) -> list[_Found]:
    """The pictures that a pattern matches, those in matching folders included."""
    fixed = Path(pattern)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    pictures: list[Path] = []
    for match in sorted(glob.glob(pattern, recursive=True)):
        path = Path(match)
        if path.is_dir():
            pictures += find_pictures(path) if recursive else []
        elif is_picture_name(path.name):
            pictures.append(path)
    return [_Found(picture, fixed, False) for picture in pictures]


def _is_folder(output: Path, found: list[_Found], inputs: Sequence[str]) -> bool:
    """Whether the output is meant as a folder: it is one, or its name is not that of a picture file."""
    if output.is_dir():
        return True
    if str(output) == STREAM or output.exists():
        return False
    if not output.suffix:
        return True
    if format_of(output.suffix) is not None:
        return False
    if len(inputs) == 1 and all(item.named for item in found):
        raise UsageError(
            f"-o {output}: pictures cannot be written as {output.suffix}; end the name in .png or .jpg, or make that "
            "folder first"
        )
    return True


def _target(item: _Found, to: str, output: Path | None) -> Path:
    suffix = item.path.suffix if format_of(item.path.suffix) else ".png"
    name = f"{item.path.stem}_{in_name(to)}{suffix}"
    if output is None:
        return item.path.with_name(name)
    return output / item.path.parent.relative_to(item.base) / name


def in_name(domain: str) -> str:
    """A domain's name as a part of file names."""
    return re.sub(r'[\\/:*?"<>|\s]+', "-", domain)


class _EarlierTranslations:
    """Tells translations made earlier, ``img_zebra.jpg`` beside ``img.jpg`` or in an output folder, from pictures."""

    def __init__(self, domains: Sequence[str], output: Path | None) -> None:
        names = [name for domain in domains for name in (domain, f"{domain} {SWEPT}")]
        self.endings = tuple(f"_{in_name(name)}" for name in names)
        self.output = None if output is None else Path(os.path.abspath(output))
        self.stems: dict[Path, frozenset[str]] = {}

    def holds(self, item: _Found) -> bool:
        path = item.path
        ending = next((ending for ending in self.endings if path.stem.endswith(ending)), None)
        if ending is None:
            return False
        original = path.stem.removesuffix(ending)
        return self._in_output(item) or any(original in self._stems_in(folder) for folder in _mirrored(item))

    def _in_output(self, item: _Found) -> bool:
        """Whether it lies in the output folder, that one being a folder inside the input folder."""
        base = Path(os.path.abspath(item.base))
        if self.output is None or self.output == base or not self.output.is_relative_to(base):
            return False
        return Path(os.path.abspath(item.path)).is_relative_to(self.output)

    def _stems_in(self, folder: Path) -> frozenset[str]:
        if folder not in self.stems:
            names = os.listdir(folder) if folder.is_dir() else []
            self.stems[folder] = frozenset(Path(name).stem for name in names if is_picture_name(name))
        return self.stems[folder]


def _mirrored(item: _Found) -> Iterator[Path]:
    """Folders of which the picture's own may be an output folder: itself, and base/a of base/zebras/a."""
    below = item.path.parent.relative_to(item.base).parts
    for outer in range(len(below) + 1):
        yield item.base.joinpath(*below[outer:])
