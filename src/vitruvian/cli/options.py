"""Options that several verbs share, each worded once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitruvian.types import UserError

if TYPE_CHECKING:
    from vitruvian.use.occluders import Occluders

STOPPED = 130  # the exit code of what Ctrl-C ended, as shells have it
TERMINATED = 143  # and of what SIGTERM ended

ProtocolName = Annotated[str | None, typer.Option(help="A name of `vitruvian protocols`.")]
Subset = Annotated[
    str | None,
    typer.Option(help="Rows to score; without: those of published figures, of own data all."),
]
Published = Annotated[
    str | None, typer.Option(help="The papers' rows beside them: lsp-pc, lsp-oc, mpii-val ...")
]
SkeletonName = Annotated[
    str | None, typer.Option(help="Joints of the predictions, where a file does not say.")
]
Base = Annotated[
    int | None, typer.Option(min=0, max=1, help="Number of the first pixel in the predictions.")
]
Flip = Annotated[bool, typer.Option("--flip", help="Flip test of the models.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps")]
Workers = Annotated[int, typer.Option(min=0)]
Boxes = Annotated[
    Path | None,
    typer.Option(
        help="Look in the boxes of this file (COCO detection results, or as for predict) instead of "
        "the data set's."
    ),
]
Full = Annotated[
    bool,
    typer.Option(
        "--full",
        help="Learn from all that a data set's authors train on (train_full), with nothing left to "
        "tune on but what --hold-out takes.",
    ),
]
OccludersCount = Annotated[
    int | None,
    typer.Option(
        "--occluders",
        min=1,
        help="Paste so many shapes on each person; what is under one is hidden.",
    ),
]
OccludersSeed = Annotated[
    int | None, typer.Option(min=0, help="Other shapes in other places; without: 0.")
]


def folder_of(text: str) -> Path:
    """The folder that an option names.

    Raises:
        UserError: the text is empty, which pathlib takes for the folder one is in.
    """
    if not text:
        raise UserError("--out is empty, maybe an unset variable: name a folder, or . for this one")
    return Path(text)


def occluders_of(count: int | None, seed: int | None) -> Occluders | None:
    """What --occluders and --occluders-seed ask for; None: nothing is pasted.

    Raises:
        UserError: a seed of nothing.
    """
    from vitruvian.use.occluders import Occluders

    if count is None:
        if seed is not None:
            raise UserError("--occluders-seed says where shapes lie: give --occluders N with it")
        return None
    return Occluders(count, seed or 0)
