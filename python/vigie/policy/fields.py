"""What the fields of every kind share: strict models, names, texts, and the errors of checks between fields."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from vigie.policy import texts
from vigie.policy.problems import Path


def at_field(field: str | Path, what: str, near: str | None = None) -> PydanticCustomError:
    """The error of a check between fields, laid at one of them; `near` is where to look if that is missing.

    A path leads to something inside a field.
    """
    path = (field,) if isinstance(field, str) else field
    return PydanticCustomError("between_fields", "{what}", {"path": path, "what": what, "near": near or path[0]})


class Spec(BaseModel):
    """Strict, closed and frozen: a misspelt field is an error, and 1 is not true."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _one_line(text: str) -> str:
    if texts.CONTROL.search(text):
        raise ValueError("a control character; right would be text of one line")
    return text


def _check_name(name: str) -> str:
    if problem := texts.name_problem(name):
        raise ValueError(problem)
    return name


def _check_agent_name(name: str) -> str:
    if problem := texts.name_problem(name, texts.AGENT_NAME):
        raise ValueError(problem)
    return name


def _check_site_name(name: str) -> str:
    if "." in name or len(name) > 40:
        raise ValueError("not a site's name; right would be at most 40 characters without a dot")
    return _check_name(name)


Line = Annotated[str, AfterValidator(_one_line)]
Name = Annotated[str, AfterValidator(_check_name)]
SiteName = Annotated[str, AfterValidator(_check_site_name)]
AgentName = Annotated[str, AfterValidator(_check_agent_name)]
FilePath = Annotated[Line, Field(min_length=1, max_length=4096)]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=4096)]
SECRET_HELP = "env:NAME, file:PATH or the password itself in quotes"
Reason = Annotated[Line, Field(max_length=1024)]


class DeclaredObject(Spec):
    """What every kind has."""

    kind: str
    name: Name = Field(description="a name of its own")
    labels: dict[str, str] = Field(default_factory=dict, description="a mapping of texts")
