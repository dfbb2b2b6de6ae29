"""What the documentation names is there: links, pictures, headings, commands, options, presets and settings."""

import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from domainxfer.cli import app
from domainxfer.datasets.card import list_cards
from domainxfer.presets import list_presets
from domainxfer.recipe import Recipe, override, set_option

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "datasets" / "README.md", *ROOT.glob("docs/*.md")])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"(?:^    .*\n)+", re.M)
INLINE = re.compile(r"`([^`]+)`")
WITHOUT_NAME = "train|translate|generate|discover|evaluate|export|report"
HEADING = re.compile(r"^#+ +(.*)$", re.M)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub makes them."""
    titles = (re.sub(r"[`*]", "", title).strip().lower() for title in HEADING.findall(FENCED.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def commands(text: str) -> list[list[str]]:
    """The words of each `domainxfer ...` and `python benchmarks/...` in a page; in running text `train ...` will do."""
    blocks = [body for _, body in FENCED.findall(text)]
    rest = FENCED.sub("", text)
    blocks += INDENTED.findall(rest)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = [" ".join(code.split()) for code in INLINE.findall(INDENTED.sub("", rest))]
    inline = [re.sub(rf"^({WITHOUT_NAME}) ", r"domainxfer \1 ", code) for code in inline]
    found = []
    for line in (*lines, *inline):
        for part in line.split("&&"):
            if re.match(r"\s*(\w+=\S+ )*(domainxfer|python benchmarks/\w+\.py)( |$)", part):
                words = shlex.split(part, comments=True)
                while "=" in words[0]:
                    words.pop(0)
                found.append(words)
    return found


@cache
def options_of(command: tuple[str, ...]) -> set[str]:
    """The options that `domainxfer COMMAND --help` names."""
    shown = CliRunner(env={"COLUMNS": "300", "TERM": "dumb"}).invoke(app, [*command, "--help"])
    assert shown.exit_code == 0, f"domainxfer {' '.join(command)}: {shown.output}"
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown.output))


def values_of(words: list[str], option: str) -> list[str]:
    """What follows an option in a command, each time that it is given."""
    return [value for name, value in pairwise(words) if name == option]


@pages
def test_links_and_pictures_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        place = page.parent / file if file else page
        assert place.exists(), f"{target} is not there"
        if anchor:
            assert anchor in anchors(place.read_text(encoding="utf-8")), f"{target}: there is no such heading"


@pages
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        said = " ".join(words)
        if words[0] == "python":
            known = set(re.findall(r"--[a-z-]+", (ROOT / words[1]).read_text(encoding="utf-8")))
        else:
            command = tuple(words[1:3] if words[1:2] in (["data"], ["settings"]) else words[1:2])
            known = options_of(command[:1] if command[:1] == ("settings",) else command)
        for word in words[2:]:
            name = word.partition("=")[0]
            if re.fullmatch(r"--?[a-z][a-z-]*", name):
                assert name in known, f"{said}: there is no {name}"


@pages
def test_presets_and_settings_exist(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        for preset in values_of(words, "--preset"):
            for name in preset.split(","):
                assert name in {*list_presets(), *list_cards()} or not name.islower(), f"{name} in {words}"
        for setting in values_of(words, "--set"):
            if ":" not in setting.partition("=")[0] and not re.search(r"[A-Z]", setting):
                changes: dict[str, Any] = {}
                set_option(changes, setting)
                override(Recipe(), changes)


def test_something_is_looked_at() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(LINK.findall(text)) >= 5
    assert len(commands(text)) > 20
