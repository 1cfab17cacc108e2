"""A metropolis: street cameras of 27 communes behind one shared centre, and cameras in public buildings of many owners.

What each part is there for is said in the README.
"""

from city.parts import City
from city.places import BUILDINGS, METROPOLIS, STREETS, Commune, shares, streets
from vigie.policy.fingerprint import fingerprint
from vigie.policy.objects import KINDS

CENTRE = "csu-metropole"
POLICE = "police-nationale"
GENDARMERIE = "gendarmerie-57"
DEPARTMENT = "57"
LANDLORDS = ("batigere-habitat", "habitat-moselle", "logis-est")
STATIONS = ("commissariat-metz", "commissariat-woippy")
BRIGADES = ("brigade-ars", "brigade-vigy")
# Communes where the gendarmerie is competent and not the police; the last three have not joined the centre's service.
_OF_POLICE = {"57463", "57480", "57751", "57447", "57049", "57412", "57487", "57642", "57616"}
# Of the cameras in buildings: who has how many of a hundred.
_BUILDINGS = {
    "municipal": 25,
    "rail-gares": 14,
    "transit-tram-bus": 18,
    "landlords": 22,
    "mall-waves": 9,
    "stadium-saint-symphorien": 12,
}


def town_of(commune: Commune) -> str:
    """The name of a commune's Organisation."""
    return f"ville-{commune.slug}"


def own_street_service(communes: list[Commune]) -> list[Commune]:
    """The communes that look at their street cameras themselves."""
    return communes[-3:] if len(communes) > 6 else []


def build(city: City, communes: int = 27, street: int = 430, buildings: int = 336) -> City:
    """Everything, in an order in which it can be read."""
    if not 1 <= communes <= len(METROPOLIS):
        raise ValueError(f"{communes} communes; right would be 1 to {len(METROPOLIS)}")
    chosen = METROPOLIS[:communes]
    city.server()
    _organisations(city, chosen)
    _street(city, chosen, street)
    _in_buildings(city, chosen, buildings)
    _orders(city, chosen)
    _conventions(city, chosen)
    _people(city, chosen)
    _posts(city)
    _events(city)
    return city


def _organisations(city: City, communes: list[Commune]) -> None:
    for commune in communes:
        # The centre's people give the second yes for communes that have too few of their own.
        by = None if commune.weight >= 30 else CENTRE
        name = town_of(commune)
        city.organisation(name, "municipality", f"Ville de {commune.title}", communes=[commune.code], approvals_by=by)
    codes = [commune.code for commune in communes]
    city.organisation(CENTRE, "shared-centre", "Centre de supervision urbain de la métropole", communes=codes)
    for name, kind, title in (
        ("rail-gares", "rail", "Gares et connexions"),
        ("transit-tram-bus", "transit", "Transports de la métropole"),
        ("mall-waves", "venue", "Centre commercial"),
        ("stadium-saint-symphorien", "venue", "Stade"),
        ("prefecture-57", "prefecture", "Préfecture"),
        ("parquet-metz", "justice", "Parquet"),
        ("sdis-57", "fire", "Service d'incendie et de secours"),
        (POLICE, "police", "Police nationale"),
        (GENDARMERIE, "gendarmerie", "Groupement de gendarmerie"),
    ):
        city.organisation(name, kind, title)
    for name in LANDLORDS:
        city.organisation(name, "landlord", name.replace("-", " ").title())
    for name in STATIONS:
        city.organisation(name, "police", name.replace("-", " ").title(), parent=POLICE)
    for name in BRIGADES:
        city.organisation(name, "gendarmerie", name.replace("-", " ").title(), parent=GENDARMERIE)


def _street(city: City, communes: list[Commune], count: int) -> None:
    own = own_street_service(communes)
    for commune, number in zip(communes, shares([one.weight for one in communes], count), strict=True):
        operated_by = town_of(commune) if commune in own else CENTRE
        places = streets(city.random)
        for index in range(number):
            ticketing = city.random.random() < 0.15
            city.camera(
                town_of(commune),
                places[index % len(places)],
                commune,
                "street",
                operated_by=operated_by,
                ticketing=ticketing or None,
            )


def _in_buildings(city: City, communes: list[Commune], count: int) -> None:
    numbers = dict(zip(_BUILDINGS, shares(list(_BUILDINGS.values()), count), strict=True))
    largest = communes[: max(1, len(communes) // 3)]
    for index in range(numbers.pop("municipal")):
        commune = largest[index % len(largest)]
        city.camera(town_of(commune), BUILDINGS[index // len(largest) % len(BUILDINGS)], commune, "building")
    for index in range(numbers.pop("landlords")):
        commune = largest[index % min(3, len(largest))]
        city.camera(
            LANDLORDS[index % len(LANDLORDS)], f"résidence {STREETS[index % len(STREETS)]}", commune, "building"
        )
    parts = {
        "rail-gares": ("gare hall", "gare quai 1", "gare quai 3", "gare parvis", "gare parking"),
        "transit-tram-bus": ("dépôt", "pôle d'échange", "station République", "station Université", "parking relais"),
        "mall-waves": ("galerie nord", "galerie sud", "parking", "entrée est"),
        "stadium-saint-symphorien": ("tribune nord", "tribune sud", "parvis", "vestiaires couloir", "billetterie"),
    }
    for owner, number in numbers.items():
        # Rail and transit are partners: their cameras stand under their own rules.
        regime = "partner" if owner in ("rail-gares", "transit-tram-bus") else "building"
        for index in range(number):
            city.camera(owner, parts[owner][index % len(parts[owner])], communes[0], regime)
    # What the police see of the stadium hides the changing rooms' corridor further.
    for body in [body for body in city.files["cameras-buildings"] if body["spec"]["owner"].startswith("stadium")]:
        region = {"name": "corridor", "points": [[0.0, 0.6], [0.35, 0.6], [0.35, 1.0], [0.0, 1.0]]}
        name = f"{body['name']}-police"
        fields = {"camera": body["name"], "version": "police", "reason": "changing rooms, by convention"}
        city.add("masks", "MaskSet", name, regions=[region], **fields)


def _orders(city: City, communes: list[Commune]) -> None:
    year = city.choice.year
    for index, commune in enumerate(communes):
        owner = town_of(commune)
        recipients = [POLICE if commune.code in _OF_POLICE else GENDARMERIE]
        more = {}
        if index == 5:  # late renewal: a provisional order for this year
            more = {"provisional": True, "until": f"{year}-12-31"}
        if index == 6:  # its order ended in spring, and somebody decided that the summer could not wait
            reason = "renewal lies at the prefecture; decided by the mayor"
            glass = {"reason": reason, "from": f"{year}-07-01T00:00:00+02:00", "until": f"{year}-07-31T00:00:00+02:00"}
            more = {"until": f"{year}-05-31", "break_glass": glass}
        cameras = {"owner": owner, "regime": "street"}
        purposes = ["public-safety", "inquiry", "traffic", "ticketing"]
        city.order(f"street-{commune.slug}", owner, cameras, recipients=recipients, purposes=purposes, **more)
    for commune in communes[: max(1, len(communes) // 3)]:
        owner = town_of(commune)
        city.order(f"buildings-{commune.slug}", owner, {"owner": owner, "regime": "building"}, retention_days=15)
    for owner in (*LANDLORDS, "mall-waves"):
        city.order(f"order-{owner}", owner, {"owner": owner}, retention_days=15)
    # By the place itself: what is inside the stadium's fence.
    centre = communes[0]
    box = [[centre.lon - 0.02, centre.lat - 0.02], [centre.lon + 0.02, centre.lat - 0.02]]
    box += [[centre.lon + 0.02, centre.lat + 0.02], [centre.lon - 0.02, centre.lat + 0.02]]
    perimeter = [[round(x, 5), round(y, 5)] for x, y in box]
    city.order("stadium-perimeter", "stadium-saint-symphorien", None, perimeter=perimeter, recipients=[POLICE])


def _conventions(city: City, communes: list[Commune]) -> None:
    for index, commune in enumerate(communes):
        owner, of = town_of(commune), commune.slug
        state = POLICE if commune.code in _OF_POLICE else GENDARMERIE
        street = {"owner": owner, "regime": "street"}
        # Towns share day and night, villages share the nights, and from Friday to Sunday.
        windows = ["24/7"] if index < 4 else ["Mo-Th 20:00-06:00", "Fr-Su 00:00-24:00"]
        city.convention(f"{of}-state", owner, state, street, ["live", "playback", "export", "ptz"], windows=windows)
        city.convention(
            f"{of}-firefighters", owner, "sdis-57", street, ["live"],
            trigger="opening", max_opening_h=6.0, purposes=["public-safety"],
        )  # fmt: skip
    if len(communes) > 1:
        neighbours = {"commune": communes[1].code, "regime": "street"}
        rights, hours = ["live", "ptz"], ["Mo-Fr 07:00-19:00"]
        ranks = {"ptz_rank": {"operator": 20, "supervisor": 30}, "windows": hours}
        city.convention("neighbours", town_of(communes[1]), town_of(communes[0]), neighbours, rights, **ranks)
    station = {"owner": "rail-gares"}
    city.convention("rail-police", "rail-gares", POLICE, station, ["live", "playback"], windows=["05:00-01:00"])
    city.convention("rail-centre", "rail-gares", CENTRE, {"owner": "rail-gares", "regime": "partner"}, ["live"])
    city.convention(
        "transit-police", "transit-tram-bus", POLICE, {"owner": "transit-tram-bus"}, ["live", "playback", "export"]
    )
    city.convention(
        "transit-centre", "transit-tram-bus", CENTRE, {"owner": "transit-tram-bus"}, ["live"],
        purposes=["traffic", "public-safety"], default_purpose="traffic",
    )  # fmt: skip
    for name in LANDLORDS:
        city.convention(f"{name}-police", name, POLICE, {"owner": name}, ["live"], trigger="opening", max_opening_h=4.0)
    city.convention(
        "mall-police", "mall-waves", STATIONS[1], {"owner": "mall-waves"}, ["live"], posts=["police-room"],
        windows=["Mo-Sa 08:00-21:00"],
    )  # fmt: skip
    stadium = {"owner": "stadium-saint-symphorien"}
    city.convention(
        "stadium-police", "stadium-saint-symphorien", POLICE, stadium, ["live", "playback", "ptz"],
        trigger="opening", max_opening_h=12.0, extra_masks="police", ptz_rank=90,
    )  # fmt: skip
    first = town_of(communes[0])
    city.convention(
        "prefecture-crisis", first, "prefecture-57", {"owner": first}, ["live"],
        trigger="opening", max_opening_h=72.0, purposes=["public-safety"],
    )  # fmt: skip
    # Cut by the owner, with the second person's yes that the order's recipient makes necessary.
    last = communes[-1]
    since = f"{city.choice.year}-09-01T00:00:00+02:00"
    cut = city.convention(
        "cut-by-the-owner", town_of(last), GENDARMERIE, {"owner": town_of(last), "regime": "street"}, ["playback"],
        cut={"since": since, "reason": "decided by the council on 3 July"},
    )  # fmt: skip
    if not city.choice.administrators:
        return
    city.add(
        "events", "Approval", "yes-to-the-cut",
        kind_="Convention", name_="cut-by-the-owner", change="cut",
        fingerprint=fingerprint(KINDS["Convention"].model_validate(cut)),
        requested_by=f"admin.{town_of(last)}", given_by=f"admin.{CENTRE}",
        given_at=f"{city.choice.year}-08-01T10:00:00+02:00", reason="the council has decided",
    )  # fmt: skip


def _people(city: City, communes: list[Commune]) -> None:
    served = [commune for commune in communes if commune not in own_street_service(communes)]
    towns = [town_of(commune) for commune in served]
    for number in range(24):
        role = "supervisor" if number < 4 else "operator"
        # Half of them look after all communes, the others after the largest ones.
        lent = towns if number % 2 == 0 else towns[:6]
        city.agent(f"csu-{number + 1:02d}", CENTRE, [role], [DEPARTMENT], made_available_to=lent)
    city.machine("csu-wall", CENTRE, made_available_to=towns)
    for commune in communes:
        people = 3 if commune.weight >= 30 else 1
        for _ in range(people):
            city.person(town_of(commune), ["operator"], [DEPARTMENT])
    city.agent("metz-tickets", town_of(communes[0]), ["ticket"], [DEPARTMENT], default_purpose="ticketing")
    city.agent("metz-requisitions", town_of(communes[0]), ["requisition"], [DEPARTMENT], default_purpose="inquiry")
    city.agent("metropole-auditor", CENTRE, ["auditor"], [DEPARTMENT], signs_in=False)
    for station in (*STATIONS, POLICE):
        for number in range(6):
            roles = ["supervisor"] if number == 0 else ["operator"]
            city.agent(f"{station}-{number + 1}", station, roles, "*", default_purpose="inquiry")
    for brigade in (*BRIGADES, GENDARMERIE):
        for number in range(3):
            city.agent(f"{brigade}-{number + 1}", brigade, ["operator"], "*", default_purpose="inquiry")
    city.machine("police-wall", POLICE)
    for organisation in ("rail-gares", "transit-tram-bus", "mall-waves", "stadium-saint-symphorien", *LANDLORDS):
        city.person(organisation, ["operator"], [DEPARTMENT])
    city.agent("fire-officer", "sdis-57", ["operator"], "*")
    city.agent("prefect-duty", "prefecture-57", ["supervisor"], "*")
    suspended = {
        "reference": f"{city.choice.year}-9001",
        "from": city.first_day,
        "until": city.last_day(3),
        "departments": [DEPARTMENT],
        "suspended": True,
    }
    city.agent("csu-suspended", CENTRE, ["operator"], [DEPARTMENT], habilitation=suspended, made_available_to=towns)
    city.administrators(
        [*(town_of(commune) for commune in communes), CENTRE, POLICE, GENDARMERIE, "rail-gares", "transit-tram-bus",
         *LANDLORDS, "mall-waves", "stadium-saint-symphorien"]
    )  # fmt: skip


def _posts(city: City) -> None:
    for number in range(1, 7):
        addresses = [f"10.20.0.{number}", f"10.20.1.{number * 16}/28"]
        city.add("posts", "Post", f"csu-desk-{number}", organisation=CENTRE, addresses=addresses)
    city.add("posts", "Post", "police-room", organisation=POLICE, addresses=["10.21.0.0/28"])
    for index, name in enumerate((*STATIONS, *BRIGADES)):
        city.add("posts", "Post", f"desk-{name}", organisation=name, addresses=[f"10.22.{index}.7"])


def _events(city: City) -> None:
    year = city.choice.year
    for round_, day in enumerate(("08-15", "08-29", "09-12", "09-26"), 1):
        city.add(
            "events", "Opening", f"match-{round_}", conventions=["stadium-police"], event=f"match of {year}-{day}",
            motive="match of the first division", from_=f"{year}-{day}T16:00:00+02:00",
            until=f"{year}-{day}T23:30:00+02:00",
        )  # fmt: skip
    city.add(
        "events", "Opening", "fire-rue-haute", conventions=[f"{LANDLORDS[0]}-police", "metz-firefighters"],
        event="fire, rue Haute 12", motive="people on the stairs", from_=f"{year}-06-01T11:00:00+02:00",
    )  # fmt: skip
    watched = [body["name"] for body in city.files["cameras-buildings"] if body["spec"]["owner"] == "rail-gares"][:2]
    city.add(
        "events", "WatchOrder", "order-7", organisation=POLICE, reference=f"JI 7/{year}",
        persons=[f"{POLICE}-1", f"{POLICE}-2"], cameras=watched, sector=[-60, 60, -45, 10],
        from_=f"{year}-06-08T00:00:00+02:00", until=f"{year}-06-22T00:00:00+02:00",
    )  # fmt: skip
