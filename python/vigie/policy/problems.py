"""What is wrong with a configuration: file, line, field, what was found and what would be right."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vigie.errors import PolicyFieldError

Path = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """One finding. `line` counts from 1; 0 means the file as a whole. `field` is a dotted path inside the object."""

    file: str
    line: int
    field: str
    what: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.field}: {self.what}" if self.field else f"{place}: {self.what}"


class ConfigurationError(PolicyFieldError):
    """A configuration that cannot be used; `problems` lists all that is wrong with it, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(sorted(set(problems)))
        first = self.problems[0]
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        super().__init__(first.what + more, f"{first.file}:{first.line} {first.field}")

    def __reduce__(self) -> tuple[type["ConfigurationError"], tuple[Sequence[Problem]]]:
        return type(self), (self.problems,)


def dotted(path: Path) -> str:
    """`("spec", "rtsp", 0, "listen")` as `spec.rtsp[0].listen`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def suggestion(name: str, known: Iterable[str]) -> str:
    """The nearest known name, else all of them: the tail of an error about an unknown name."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    if not names:
        return "there are none"
    shown = ", ".join(names[:20])
    return f"known are {shown}{', …' if len(names) > 20 else ''}"
