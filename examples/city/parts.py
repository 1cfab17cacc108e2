"""What all cities are made of: the list of objects, and how a camera, an agent, an order or a convention is written."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from city.places import FIRST, LAST, Commune, slug
from vigie.cli.yaml_text import yaml_of

Body = dict[str, Any]
PURPOSES = ["public-safety", "inquiry", "traffic"]
# How a street looks to its masks: whole facades left and right.
_FACADES = [
    [[0.0, 0.0], [0.18, 0.0], [0.12, 0.45], [0.0, 0.5]],
    [[0.82, 0.0], [1.0, 0.0], [1.0, 0.48], [0.88, 0.42]],
    [[0.4, 0.05], [0.6, 0.05], [0.6, 0.25], [0.4, 0.25]],
]


@dataclass(frozen=True)
class Choice:
    """What can be chosen of any city. `address`, `sub_address`: patterns of the cameras' URLs.

    `administrators`: without any, whoever runs the service may change everything.
    """

    seed: int = 1
    address: str = "rtsp://{ip}/main"
    sub_address: str = "rtsp://{ip}/sub"
    listen: str = "127.0.0.1:8554"
    masked: float = 0.3
    year: int = 2026
    administrators: bool = True


@dataclass
class City:
    """Objects by the file that they go to, in the order in which they were made. `secrets`: passwords by agent."""

    choice: Choice
    files: dict[str, list[Body]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = Random(self.choice.seed)
        self.count = 0
        self._names: dict[str, int] = {}
        self._agents: set[str] = set()

    @property
    def bodies(self) -> list[Body]:
        """All objects."""
        return [body for bodies in self.files.values() for body in bodies]

    @property
    def first_day(self) -> str:
        """From when orders and conventions are."""
        return f"{self.choice.year}-01-01"

    def last_day(self, years: int = 5) -> str:
        """Until when, so many years."""
        return f"{self.choice.year + years - 1}-12-31"

    def add(self, file: str, kind: str, name: str, labels: dict[str, str] | None = None, **spec: Any) -> Body:
        """An object; a trailing _ of a field is dropped, and a field that is None left out."""
        fields = {key.rstrip("_"): value for key, value in spec.items() if value is not None}
        body = {"kind": kind, "name": name, **({"labels": labels} if labels else {}), "spec": fields}
        self.files.setdefault(file, []).append(body)
        return body

    def server(self) -> None:
        """The engine machine: a trusted listener with accounts."""
        self.add("server", "Server", "here", rtsp=[{"listen": self.choice.listen, "access": "digest", "trusted": True}])

    def organisation(self, name: str, kind: str, title: str, **spec: Any) -> str:
        """An organisation; its name."""
        self.add("organisations", "Organisation", name, type=kind, title=title, **spec)
        return name

    def camera(self, owner: str, place: str, commune: Commune, regime: str, **spec: Any) -> str:
        """A camera at a place, with a mask set where its turn has come; its name."""
        r = self.random
        base = slug(f"{commune.slug} {place}")[:52]
        self._names[base] = self._names.get(base, 0) + 1
        name = f"{base}-{self._names[base]:02d}"
        n = self.count
        self.count += 1
        dome = regime == "street" and r.random() < 0.35
        masked = r.random() < self.choice.masked
        where = (r.uniform(-0.008, 0.008), r.uniform(-0.012, 0.012))
        privacy: Body = {"privacy": "masked"}
        if not masked:
            privacy = {"privacy": "clear", "privacy_reason": "no dwelling and no private place is in view"}
        self.add(
            "cameras-street" if regime == "street" else "cameras-buildings",
            "Camera",
            name,
            number=1001 + n,
            title=f"{commune.title}, {place} {self._names[base]}",
            owner=owner,
            commune=commune.code,
            position={"lat": round(commune.lat + where[0], 5), "lon": round(commune.lon + where[1], 5)},
            azimuth=float(r.randrange(0, 360, 5)),
            regime=regime,
            ptz={} if dome else None,
            streams=self._streams(n, name, commune),
            **privacy,
            **spec,
        )
        if masked:
            regions = [
                {"name": f"facade-{k}", "points": points} for k, points in enumerate(_FACADES[: r.randint(1, 3)], 1)
            ]
            self.add("masks", "MaskSet", name, camera=name, reason="windows of dwellings", regions=regions)
        return name

    def _streams(self, n: int, name: str, commune: Commune) -> Body:
        ip = f"10.{n // 62500 + 40}.{n // 250 % 250}.{n % 250 + 2}"
        known = {"n": n, "name": name, "commune": commune.code, "ip": ip}
        streams: Body = {"main": {"url": self.choice.address.format(**known)}}
        if self.choice.sub_address:
            streams["sub"] = {"url": self.choice.sub_address.format(**known), "pull": "on_demand"}
        return streams

    def person(self, organisation: str, roles: Sequence[str], departments: Sequence[str] | str, **spec: Any) -> str:
        """A fictive person with a habilitation; the name of the Agent. `signs_in`: gets a password for viewing."""
        r = self.random
        full = f"{r.choice(FIRST)}.{r.choice(LAST)}".lower()
        name, number = full, 2
        while name in self._agents:
            name, number = f"{full}{number}", number + 1
        return self.agent(name, organisation, roles, departments, **spec)

    def agent(
        self,
        name: str,
        organisation: str,
        roles: Sequence[str],
        departments: Sequence[str] | str,
        *,
        signs_in: bool = True,
        years: int = 3,
        default_purpose: str | None = "public-safety",
        **spec: Any,
    ) -> str:
        """As `person`, of a name."""
        self._agents.add(name)
        held = {
            "reference": f"{self.choice.year}-{len(self._agents):04d}",
            "from": self.first_day,
            "until": self.last_day(years),
            "departments": departments if isinstance(departments, str) else list(departments),
        }
        self.add(
            "agents",
            "Agent",
            name,
            password=self._password(name) if signs_in else None,
            organisation=organisation,
            roles=[role for role in roles if role != "administrator" or self.choice.administrators],
            habilitation=spec.pop("habilitation", held),
            default_purpose=default_purpose,
            **spec,
        )
        return name

    def machine(self, name: str, organisation: str, default_purpose: str = "public-safety", **spec: Any) -> None:
        """A wall decoder or the like."""
        self._agents.add(name)
        self.add(
            "agents",
            "Agent",
            name,
            password=self._password(name),
            organisation=organisation,
            machine=True,
            default_purpose=default_purpose,
            **spec,
        )

    def administrators(self, organisations: Sequence[str]) -> None:
        """The user of the machine, who sets up what belongs to nobody, and one administrator each."""
        if not self.choice.administrators:
            return
        self._agents.add("local")
        self.add(
            "agents", "Agent", "local", password=self._password("local"), cameras=[], roles=["administrator"]
        )  # fmt: skip
        for name in organisations:
            admin = f"admin.{name}"[:64]
            self._agents.add(admin)
            self.add("agents", "Agent", admin, organisation=name, roles=["administrator"])

    def _password(self, name: str) -> str:
        # For play: whoever knows the seed knows them.
        self.secrets[name] = hashlib.sha256(f"{self.choice.seed}/{name}".encode()).hexdigest()[:16]
        return f"file:secrets/{name}"

    def order(self, name: str, holder: str, cameras: Body | None, **spec: Any) -> None:
        """A prefect's order; five years unless it says otherwise."""
        fields = {
            "number": f"{name}-{self.choice.year}",
            "holder": holder,
            "from_": self.first_day,
            "until": self.last_day(5),
            "cameras": cameras,
            "purposes": PURPOSES,
            "retention_days": 30,
        }
        self.add("authorisations", "Authorisation", name, **{**fields, **spec})

    def convention(self, name: str, from_: str, to: str, cameras: Body, rights: Sequence[str], **spec: Any) -> Body:
        """A convention of three years, for public safety and inquiries unless it says otherwise."""
        fields = {
            "from_": from_,
            "to": to,
            "cameras": cameras,
            "rights": list(rights),
            "ptz_rank": {"operator": 60, "supervisor": 80} if "ptz" in rights else None,
            "from_date": self.first_day,
            "until_date": self.last_day(3),
            "purposes": ["public-safety", "inquiry"],
            "default_purpose": "public-safety",
        }
        return self.add("conventions", "Convention", name, **{**fields, **spec})

    def write(self, folder: Path) -> list[Path]:
        """One file a kind, and the passwords beside them; the files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "secrets").mkdir(mode=0o700, exist_ok=True)
        for name, secret in self.secrets.items():
            path = folder / "secrets" / name
            path.touch(mode=0o600)
            path.write_text(secret + "\n", encoding="utf-8")
        written = []
        for name, bodies in self.files.items():
            written.append(folder / f"{name}.yaml")
            written[-1].write_text(yaml_of(bodies), encoding="utf-8")
        return written
