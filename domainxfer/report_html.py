"""The few pieces of HTML that a report is made of. Text goes in as it is and comes out escaped."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from domainxfer import __version__
from domainxfer.chart import STYLE as CHART_STYLE
from domainxfer.errors import PictureError
from domainxfer.pictures import open_picture

LONGEST_SIDE = 1600  # px; larger pictures are shrunk to keep the page small

STYLE = """
:root { color-scheme: light dark; --back: #fff; --ink: #1c1e21; --soft: #5b6068; --line: #dcdfe3; --panel: #f5f6f8; }
@media (prefers-color-scheme: dark) { :root { --back: #17191c; --ink: #e4e6e9; --soft: #a0a6ae; --line: #34373c;
  --panel: #202327; } }
body { background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { margin: 0; } h2 { margin: 2.2rem 0 .6rem; font-size: 1.25rem; }
.soft, caption, footer { color: var(--soft); }
.side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); gap: 1.5rem; }
table { border-collapse: collapse; margin-bottom: 1rem; } caption { text-align: left; }
th, td { padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.numbers th:not(:first-child), .numbers td:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
figure { margin: 0; } figure img { max-width: 100%; height: auto; border: 1px solid var(--line); }
pre { background: var(--panel); padding: .7rem; overflow-x: auto; }
.warning { border-left: 4px solid var(--c1); background: var(--panel); padding: .5rem .8rem; margin: .4rem 0; }
"""


def page(title: str, subtitle: str, sections: Mapping[str, str]) -> str:
    """A whole page, on its own: no script, no network.

    Args:
        title: of the page.
        subtitle: one line under it.
        sections: heading -> HTML; those without content are left out.
    """
    body = "".join(f"<section><h2>{escape(name)}</h2>{html}</section>" for name, html in sections.items() if html)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} - domainxfer</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{CHART_STYLE}</style></head>"
        f'<body><header><h1>{escape(title)}</h1><p class="soft">{escape(subtitle)}</p></header><main>{body}</main>'
        f"<footer><p>domainxfer {escape(__version__)}</p></footer></body></html>\n"
    )


def table(rows: Iterable[Iterable[Any]], head: Sequence[str] = (), caption: str = "", *, numbers: bool = False) -> str:
    """A table; the first cell of a row is its title. Empty without rows.

    Args:
        rows: the cells.
        head: titles of the columns.
        caption: above the table.
        numbers: columns after the first are aligned to the right.
    """
    titles = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = [[escape(str(cell)) for cell in row] for row in rows]
    body = "".join(f'<tr><th scope="row">{a}</th>{"".join(f"<td>{b}</td>" for b in rest)}</tr>' for a, *rest in lines)
    if not body:
        return ""
    above = (f"<caption>{escape(caption)}</caption>" if caption else "") + (f"<tr>{titles}</tr>" if head else "")
    return f'<div class="scroll"><table class="{"numbers" if numbers else "facts"}">{above}{body}</table></div>'


def side_by_side(parts: Iterable[str]) -> str:
    """Parts beside each other where the window is wide enough; empty where all are."""
    there = [part for part in parts if part]
    return f'<div class="side">{"".join(there)}</div>' if there else ""


def warning(text: str) -> str:
    """A line that asks for attention."""
    return f'<p class="warning">{escape(text)}</p>'


def preformatted(text: str) -> str:
    """Commands or a file, as they are; empty for empty text."""
    return f"<pre>{escape(text)}</pre>" if text else ""


def picture(path: Path, name: str) -> str:
    """A PNG with its name above it, embedded in the page; empty where the file cannot be read."""
    try:
        image = open_picture(path)
    except PictureError:
        return ""
    data = path.read_bytes()
    if max(image.size) > LONGEST_SIDE:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        shrunk = io.BytesIO()
        image.save(shrunk, "PNG")
        data = shrunk.getvalue()
    source = f"data:image/png;base64,{base64.b64encode(data).decode('ascii')}"
    return f'<figure><figcaption>{escape(name)}</figcaption><img alt="{escape(name)}" src="{source}"></figure>'
