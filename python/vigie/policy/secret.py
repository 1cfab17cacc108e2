"""Secrets by reference: `env:NAME`, `file:PATH`. No text made here holds one.

`state:ID` is what a state folder made of one that was given in clear.
"""

import os
from collections.abc import Mapping

from vigie.policy import texts

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
