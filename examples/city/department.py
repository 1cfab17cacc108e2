"""A department: many small communes served by one shared centre. Each commune sees its own cameras and no other's."""

from city.parts import City
from city.places import Commune, invented, shares, streets

CENTRE = "centre-departemental"
DEPARTMENT = "58"
GENDARMERIE = "gendarmerie-58"
POLICE = "police-nationale"
COMPANIES = 6


def town_of(commune: Commune) -> str:
    """The name of a commune's Organisation."""
    return f"commune-{commune.slug}"


def build(city: City, communes: int = 150, cameras: int = 3000, teams: int = 5, operators: int = 40) -> City:
    """Everything. `teams`: the centre's operators look after a part of the communes each, the first team after all."""
    found = invented(city.random, DEPARTMENT, communes)
    city.server()
    for commune in found:
        title = f"Commune de {commune.title}"
        name = town_of(commune)
        city.organisation(name, "municipality", title, communes=[commune.code], approvals_by=CENTRE)
    codes = [commune.code for commune in found]
    title = "Centre départemental de supervision"
    city.organisation(CENTRE, "shared-centre", title, communes=codes, departments=[DEPARTMENT])
    for name, kind in (("prefecture-58", "prefecture"), ("sdis-58", "fire"), (POLICE, "police")):
        city.organisation(name, kind, name)
    city.organisation(GENDARMERIE, "gendarmerie", "Groupement de gendarmerie")
    for number in range(1, COMPANIES + 1):
        city.organisation(f"compagnie-{number}", "gendarmerie", f"Compagnie {number}", parent=GENDARMERIE)
    for index, (commune, number) in enumerate(zip(found, shares([one.weight for one in found], cameras), strict=True)):
        _commune(city, index, commune, number)
    _people(city, found, teams, operators)
    return city


def _commune(city: City, index: int, commune: Commune, number: int) -> None:
    owner = town_of(commune)
    places = streets(city.random)
    for camera in range(number):
        building = camera % 10 == 9
        city.camera(
            owner,
            places[camera % len(places)],
            commune,
            "building" if building else "street",
            operated_by=CENTRE,
        )
    city.order(f"order-{commune.slug}", owner, {"owner": owner}, recipients=[GENDARMERIE])
    company = f"compagnie-{index % COMPANIES + 1}"
    windows = [["24/7"], ["Mo-Su 20:00-06:00"], ["Fr-Mo 18:00-08:00"], ["08:00-20:00"]][index % 4]
    street = {"commune": commune.code, "regime": "street"}
    city.convention(f"{commune.slug}-gendarmerie", owner, company, street, ["live", "ptz", "playback"], windows=windows)
    if index < 5:
        city.convention(f"{commune.slug}-police", owner, POLICE, {"owner": owner}, ["live", "playback"])
    if index < 4:
        crisis = {"trigger": "opening", "max_opening_h": 72.0}
        city.convention(f"{commune.slug}-prefecture", owner, "prefecture-58", {"owner": owner}, ["live"], **crisis)
        city.convention(f"{commune.slug}-fire", owner, "sdis-58", street, ["live"], trigger="opening")


def _people(city: City, communes: list[Commune], teams: int, operators: int) -> None:
    towns = [town_of(commune) for commune in communes]
    for number in range(operators):
        team = number % teams
        lent = towns if team == 0 else towns[team - 1 :: teams - 1]
        roles = ["supervisor"] if number < teams else ["operator"]
        city.agent(f"centre-{number + 1:02d}", CENTRE, roles, [DEPARTMENT], made_available_to=lent)
    city.machine("centre-wall", CENTRE, made_available_to=towns)
    for town in towns:
        city.person(town, ["operator"], [DEPARTMENT])
        # The commune's own register: its auditor asks the journal for it (L-35), and sees no picture.
        city.agent(f"auditor.{town}"[:64], town, ["auditor"], [DEPARTMENT], signs_in=False)
    for number in range(1, COMPANIES + 1):
        for _ in range(3):
            city.person(f"compagnie-{number}", ["operator"], "*")
    city.person(GENDARMERIE, ["supervisor"], "*")
    city.person(POLICE, ["operator"], "*")
    city.person("prefecture-58", ["supervisor"], "*")
    city.person("sdis-58", ["operator"], "*")
    city.administrators([*towns, CENTRE, GENDARMERIE, POLICE])
    for number in range(1, 9):
        city.add("posts", "Post", f"desk-{number}", organisation=CENTRE, addresses=[f"10.30.0.{number}"])
