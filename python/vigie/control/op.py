"""What every operation of the wire is made of: its fields, its message, its row in the table."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Text = Annotated[str, Field(max_length=1024)]
Page = Annotated[int, Field(ge=1, le=1000)]


class Message(BaseModel):
    """Unknown keys are ignored, types are strict."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Nothing(Message):
    """No fields."""


@dataclass(frozen=True)
class Op:
    """`who`: everybody (with a key or local access), agents (what they may know of), administrators.

    `changes`: the state or the engine; such a command counts once by its id.
    """

    name: str
    who: Literal["everybody", "agents", "administrators"]
    journaled: bool
    changes: bool
    request: type[Message]
    reply: type[Message]
    about: str
