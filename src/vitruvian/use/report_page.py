"""The page of a report: sections of tables and pictures in one HTML file."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --card: #f4f4f2; --ink: #1b1b1b; --quiet: #565656;
  --line: #d5d5d0 }
@media (prefers-color-scheme: dark) { :root { --ground: #161616; --card: #222; --ink: #ededea;
  --quiet: #b0b0ab; --line: #3c3c3a } }
body { margin: 0 auto; max-width: 104rem; padding: 1.5rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.6rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
code { background: var(--card); padding: .1rem .3rem; overflow-wrap: anywhere }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums }
th, td { padding: .2rem .5rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap }
th:first-child, td:first-child { text-align: left }
p { color: var(--quiet); margin: .3rem 0; overflow-wrap: anywhere }
.pictures, .plots { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(18rem, 100%), 1fr)) }
.plots { align-items: start; grid-template-columns: repeat(auto-fill, minmax(min(30rem, 100%), 1fr)) }
figure { margin: 0; padding: .75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem }
figure img { display: block; width: 100%; height: auto }
.plots figure { background: #fff }
.plots img { width: auto; max-width: 100% }
figcaption { margin-top: .3rem; color: var(--quiet); overflow-wrap: anywhere }
.plots figcaption { color: #565656 }
"""


@dataclass(frozen=True)
class Section:
    """A heading with a table, pictures, or both, and lines of text."""

    title: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    pictures: Mapping[str, str] = field(default_factory=dict)  # caption -> file beside the page
    lines: Sequence[str] = ()


def page(title: str, command: str, sections: Sequence[Section]) -> str:
    """The whole page; pictures are linked relative to its folder."""
    name = html.escape(title)
    body = "\n".join(_section(section) for section in sections)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{name}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style>\n<h1>{name}</h1>\n"
        f"<p>Written by <code>{html.escape(command)}</code></p>\n{body}\n</html>\n"
    )


def _section(section: Section) -> str:
    parts = [f"<h2>{html.escape(section.title)}</h2>"]
    if section.rows:
        parts.append(_table(section.head, section.rows))
    parts += [f"<p>{html.escape(line)}</p>" for line in section.lines]
    if section.pictures:
        kind = (
            "plots"
            if all(file.endswith(".svg") for file in section.pictures.values())
            else "pictures"
        )
        figures = "\n".join(
            f'<figure><img loading="lazy" src="{quote(file)}" alt="{html.escape(caption)}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
            for caption, file in section.pictures.items()
        )
        parts.append(f'<div class="{kind}">\n{figures}\n</div>')
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    body = "\n".join(
        "<tr>"
        + f'<th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>'
