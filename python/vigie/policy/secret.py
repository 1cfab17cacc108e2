"""Secrets by reference: `env:NAME`, `file:PATH`. No text made here holds one.

`state:ID` is what a state folder made of one that was given in clear.
"""

import os
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, SecretStr

from vigie.policy import texts
from vigie.policy.problems import Path

MAX_SECRET_BYTES = 4096


def reference_problem(given: str) -> str | None:
    """What is wrong with a password on a command line, which everybody on the machine can read."""
    if given.startswith(("env:", "file:")):
        return None
    return "this would stand in the process list; right would be env:NAME or file:PATH"


def fetch_secret(reference: str, folder: str, environ: Mapping[str, str]) -> str:
    """The secret behind a reference. Raises ValueError; its text never holds the secret."""
    where = "the password"
    secret = reference
    if reference.startswith("state:"):
        raise ValueError(
            f"{where} is kept in a state folder; right would be env:NAME, file:PATH or the password itself"
        )
    if reference.startswith("env:"):
        name = reference[4:]
        where = f"the environment variable {name[:64]}"
        if name not in environ:
            raise ValueError(f"{where} is not set")
        secret = environ[name]
    elif reference.startswith("file:"):
        path = os.path.join(folder, reference[5:])
        where = f"the file {path}"
        try:
            with open(path, encoding="utf-8") as stream:
                secret = stream.read(MAX_SECRET_BYTES).rstrip("\r\n")
        except OSError as error:
            raise ValueError(f"{where} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"{where} is not UTF-8") from None
    if not secret:
        raise ValueError(f"{where} is empty")
    if len(secret) > 256 or texts.CONTROL.search(secret):
        raise ValueError(f"{where} does not hold a password; right would be one line of at most 256 characters")
    return secret


def secret_fields(value: Any, path: Path = ()) -> Iterator[tuple[Path, SecretStr]]:
    """Every secret of an object, as it was given: a reference or the secret itself."""
    if isinstance(value, SecretStr):
        yield path, value
    elif isinstance(value, BaseModel):
        for name in _holding(type(value)):
            yield from secret_fields(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from secret_fields(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from secret_fields(child, (*path, index))


@cache
def _holding(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields of a model in which a secret may be: most have none, and there are thousands of objects."""
    return tuple(name for name, info in model.model_fields.items() if _may_hold(info.annotation))


def _may_hold(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bool(_holding(annotation))
    return annotation is SecretStr or any(_may_hold(part) for part in typing.get_args(annotation))
