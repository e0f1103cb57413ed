"""vitruvian demo"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    photos: Annotated[
        list[Path] | None, typer.Option(help="Photographs or folders; without: the bundled ones.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for what is made.")] = Path("demo"),
) -> None:
    """Poses in the bundled photographs with the bundled model."""
    from vitruvian.use.gallery import PHOTOS, predict_to_folder
    from vitruvian.use.given import Request

    predict_to_folder(Request("default", tuple(photos or [PHOTOS]), out))
