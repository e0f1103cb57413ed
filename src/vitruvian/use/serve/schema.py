"""The shapes of answers, as the OpenAPI description shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

_BOX = "x, y, width, height in px as in COCO: x, y is the first pixel"


class Joint(BaseModel):
    """Where a joint was found."""

    name: str
    x: float = Field(description="px of the photograph; whole numbers are pixel centres")
    y: float
    score: float = Field(ge=0, le=1, description="a confidence, not a calibrated probability")


class Maps(BaseModel):
    """A set of heatmaps of one person."""

    name: str
    height: int = Field(description="cells of one map")
    width: int
    box: list[float] = Field(description=f"the part of the photograph that a map covers: {_BOX}")
    peaks: list[float] = Field(description="of each joint's map the value that 255 stands for")
    png: str = Field(
        description="base64 of a grey PNG, `width` wide, the maps of all joints from top to bottom"
    )


class Person(BaseModel):
    """A pose."""

    box: list[float] = Field(description=f"where the person was looked for: {_BOX}")
    source: str = Field(
        description="where the box is from: user, image, face; +pass2: looked again"
    )
    score: float = Field(description="mean of the joints' scores")
    joints: list[Joint]
    maps: list[Maps] | None = Field(None, description="with maps=1")


class Prediction(BaseModel):
    """What is answered about a photograph."""

    model: str
    width: int = Field(description="px of the photograph")
    height: int
    persons: list[Person]


class Problem(BaseModel):
    """Why there is no answer, in one line."""

    error: str


class Batch(BaseModel):
    """A prediction or a problem for each photograph, in their order."""

    photographs: list[Prediction | Problem]


class JointShown(BaseModel):
    """A joint of a model."""

    name: str
    side: Literal["left", "right", "middle"]


class ModelShown(BaseModel):
    """A model that is served."""

    name: str
    recipe: str
    joints: list[JointShown]
    limbs: list[list[str]]
    convention: str = Field(description="PC: left is the person's own; OC: the observer's")
    threshold: float = Field(description="of a score, below which a joint is not sure")
    passes: int = Field(description="how often it looks at most when it is not told")
    crop: list[int] = Field(description="height, width in px of what the net sees of a person")
    parameters: int
    flip: bool = Field(description="whether it knows the flip test")
    maps: bool = Field(description="whether it gives heatmaps")
    no_maps: str = Field(description="why it gives none")
    colours: dict[str, list[int]] = Field(description="RGB of the sides")


class Limits(BaseModel):
    """What a request may be."""

    bytes: int
    pixels: int
    boxes: int
    photographs: int
    seconds: float


class Models(BaseModel):
    """What is served, and within which limits."""

    version: str
    models: list[ModelShown]
    limits: Limits


class Health(BaseModel):
    """Whether the service answers."""

    status: Literal["ok", "broken"]
    models: list[str]
    waiting: int = Field(description="persons that were accepted and not answered")
