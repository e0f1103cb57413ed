"""One HTML page that shows what a model answered; it needs no other file than the pictures."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Self
from urllib.parse import quote

import numpy as np

from vitruvian.draw import SIDE_COLOURS
from vitruvian.skeleton import Skeleton
from vitruvian.types import Poses
from vitruvian.use.files import WholeFile
from vitruvian.use.poses import box_score, person_score

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --card: #f4f4f2; --ink: #1b1b1b; --quiet: #565656;
  --line: #d5d5d0; --wrong: #a3000f }
@media (prefers-color-scheme: dark) { :root { --ground: #161616; --card: #222; --ink: #ededea;
  --quiet: #b0b0ab; --line: #3c3c3a; --wrong: #ff9c9c } }
body { margin: 0 auto; max-width: 80rem; padding: 1.5rem; background: var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
h1 { margin: 0; font-size: 1.6rem } h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0 }
dt, .quiet { color: var(--quiet) } dd { margin: 0; overflow-wrap: anywhere }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; padding: 0; list-style: none }
.legend svg { vertical-align: middle }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr));
  gap: 1rem; align-items: start }
figure { margin: 0; padding: .75rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem }
figure img, figure video { display: block; width: 100%; height: auto; border-radius: .25rem }
figcaption { margin-top: .5rem; overflow-wrap: anywhere }
figcaption ul { margin: 0; padding: 0 0 0 1.2rem }
.wide { grid-column: 1 / -1 }
.wrong { color: var(--wrong) }
footer { margin-top: 1.5rem; color: var(--quiet) }
"""


class Page:
    """A page that grows with the photographs and is put in its place when closed.

    As a context it is closed also when interrupted; memory does not grow with the photographs.

    Args:
        path: the page; pictures are linked relative to its folder.
        title: its heading.
        skeleton: names the joints.
        threshold: below it a joint is not sure and drawn hollow.
        made: how it was made, e.g. {"Model": "resnet_fcn/compact", "Command": "vitruvian ..."}.

    Raises:
        UserError: the page cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        title: str,
        skeleton: Skeleton,
        threshold: float,
        made: dict[str, str],
    ):
        self._folder = Path(path).parent
        self._skeleton, self._threshold = skeleton, threshold
        self._photos = self._persons = self._unread = self._maps = 0
        self._file: WholeFile | None = WholeFile(path)
        self._file.write(_head(title, made, threshold))

    def photo(self, name: str, overlay: Path | str | None, found: Poses) -> None:
        """Appends a photograph by name, with the picture that its poses are drawn on."""
        self._persons += len(found)
        lines = _persons(found, self._skeleton, self._threshold)
        self._figure(name, self._picture(name, overlay, found), lines)

    def video(self, name: str, overlay: Path | str | None, frames: int, persons: int) -> None:
        """Appends a video, with the overlay video to play."""
        shown = ""
        if overlay is not None:
            words = html.escape(f"{name} with poses drawn on it", quote=True)
            link = self._link(overlay)
            shown = f'<video controls preload="none" src="{link}" aria-label="{words}"></video>'
        self._persons += persons
        told = f"{_count(frames, 'frame')}, {_count(persons, 'person')}"
        self._figure(name, shown, f'<p class="quiet">{told}</p>')

    def maps(self, name: str, picture: Path | str, arrays: Path | str | None = None) -> None:
        """Appends a picture of heatmaps; with the file of its arrays, that of one person, it is wide."""
        words = '<span class="quiet">all joints at once</span>'
        if arrays is not None:
            self._maps += 1
            words = f'<a href="{self._link(arrays)}">the heatmaps as arrays</a>'
        shown = self._linked(picture, f"heatmaps of {name}")
        self._write(shown, f"<strong>{html.escape(name)}</strong> {words}", arrays is not None)

    def error(self, name: str, why: str) -> None:
        """Appends a photograph that could not be read."""
        self._unread += 1
        self._figure(name, "", f'<p class="wrong">Not read: {html.escape(why)}</p>')

    def close(self) -> None:
        """Ends the page and puts it in its place; closing again does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            unread = f", {self._unread} not read" if self._unread else ""
            photos = f"{_count(self._photos, 'photograph')}, {_count(self._persons, 'person')}"
            maps = f"heatmaps of {_count(self._maps, 'person')}"
            told = ([photos] if self._photos or not self._maps else []) + [maps] * bool(self._maps)
            file.write(f"</main>\n<footer>{', '.join(told)}{unread}.</footer>\n</body>\n</html>\n")
            file.close()

    def discard(self) -> None:
        """Leaves the earlier page in its place; closing then does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            file.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _figure(self, name: str, picture: str, lines: str) -> None:
        self._photos += 1
        self._write(picture, f"<strong>{html.escape(name)}</strong>{lines}")

    def _write(self, picture: str, caption: str, wide: bool = False) -> None:
        assert self._file is not None, "closed"
        kind = ' class="wide"' if wide else ""
        words = f"<figcaption>{caption}</figcaption>"
        self._file.write(f"<figure{kind}>{picture}{words}</figure>\n")

    def _picture(self, name: str, overlay: Path | str | None, found: Poses) -> str:
        if overlay is None:
            return ""
        return self._linked(overlay, f"{name} with {_count(len(found), 'pose')} drawn on it")

    def _linked(self, picture: Path | str, what: str) -> str:
        link, words = self._link(picture), html.escape(what, quote=True)
        return f'<a href="{link}"><img loading="lazy" src="{link}" alt="{words}"></a>'

    def _link(self, file: Path | str) -> str:
        relative = Path(os.path.relpath(file, self._folder)).as_posix()
        return quote(os.fsencode(relative))  # the name's bytes, which may not be UTF-8


def _head(title: str, made: dict[str, str], threshold: float) -> str:
    rows = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in made.items()
    )
    sides = "".join(
        f"<li>{_dot(colour, hollow=False)} the person's {side}</li>"
        for side, colour in SIDE_COLOURS.items()
    )
    grey = (150, 150, 150)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{html.escape(title)}</h1>
<h2>How it was made</h2>
<dl>{rows}</dl>
<h2>How to read it</h2>
<ul class="legend">
<li>{_dot(grey, hollow=False)} filled: sure, score of {threshold:g} or more</li>
<li>{_dot(grey, hollow=True)} hollow, with dashed limbs: below {threshold:g}</li>
{sides}
</ul>
</header>
<main>
"""


def _dot(colour: tuple[int, int, int], hollow: bool) -> str:
    name = "#{:02x}{:02x}{:02x}".format(*colour)
    inside = f'fill="none" stroke="{name}" stroke-width="3"' if hollow else f'fill="{name}"'
    rim = '<circle cx="9" cy="9" r="7" fill="none" stroke="#141414" stroke-width="1.5"/>'
    ring = f'<circle cx="9" cy="9" r="5" {inside}/>' if hollow else ""
    disk = f'<circle cx="9" cy="9" r="7" {inside}/>' if not hollow else ""
    return f'<svg width="18" height="18" aria-hidden="true">{disk}{ring}{rim}</svg>'


def _persons(found: Poses, skeleton: Skeleton, threshold: float) -> str:
    """A line for each person: its score, what that is made of, and the joints that are not sure."""
    if not len(found):
        return '<p class="quiet">No person.</p>'
    lines = []
    for person, score in enumerate(found.score):
        unsure = [skeleton.joint_names[j] for j in np.flatnonzero(score < threshold)]
        names = html.escape(", ".join(unsure).replace("_", " "))
        hollow = f' <span class="quiet">hollow: {names}</span>' if unsure else ""
        box = box_score(found, person)
        parts = "" if np.isnan(box) else f" (joints {score.mean():.2f}, box {box:.2f})"
        lines.append(f"<li>score {person_score(found, person):.2f}{parts}{hollow}</li>")
    return f"<ul>{''.join(lines)}</ul>"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
