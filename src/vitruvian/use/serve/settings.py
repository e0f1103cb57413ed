"""What a service is told, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass

from vitruvian.types import UserError


@dataclass(frozen=True)
class Settings:
    """The options of `vitruvian serve`.

    Raises:
        UserError: a value that no service can run with.
    """

    models: tuple[str, ...] = ("default",)  # as `predict.load` takes them, or NAME=MODEL
    host: str = "127.0.0.1"
    port: int = 8000  # 0: any that is free
    workers: int = 1  # processes
    device: str = "auto"
    maps: bool = False  # heatmaps too, which needs torch
    origins: tuple[str, ...] = ()  # of other sites whose pages may read the answers
    batch: int = 16  # persons that a net sees at once
    queue: int = 256  # persons accepted and not answered, of each model
    timeout: float = 10.0  # s to receive a request, and again to answer it
    body: int = 16 << 20  # bytes of a request
    pixels: int = 50_000_000  # of a photograph
    boxes: int = 100  # persons of a request
    photos: int = 32  # of a batch

    def __post_init__(self) -> None:
        least = {"workers": 1, "batch": 1, "queue": 1, "body": 1, "pixels": 1, "boxes": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise UserError(f"{name} is {getattr(self, name)}: give {value} or more")
        if not 0 <= self.port <= 65_535:
            raise UserError(f"port is {self.port}: give 0 to 65535")
        if self.timeout <= 0:
            raise UserError(f"timeout is {self.timeout:g} s: give more than 0")
        if self.boxes > self.queue:
            raise UserError(
                f"a request may have {self.boxes} boxes, more than the queue of {self.queue} ever"
                " holds: give a longer --queue"
            )


class RefusedError(Exception):
    """An answer that is no pose: an HTTP status and one line that says what would be taken."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
