"""A small city: one town, its police station and a rail company. Enough to see a convention open and close."""

from city.parts import City
from city.places import METROPOLIS, STREETS

TOWN, STATION, RAIL = "ville-de-metz", "commissariat-metz", "rail-gares"


def build(city: City, cameras: int = 10, windows: tuple[str, ...] = ("Mo-Fr 07:00-19:00",)) -> City:
    """Four of five cameras are the town's, the others the rail company's. `windows`: when the police may look."""
    if cameras < 2:
        raise ValueError(f"{cameras} cameras; right would be at least 2")
    metz = METROPOLIS[0]
    city.server()
    city.organisation(TOWN, "municipality", "Ville de Metz", communes=[metz.code])
    city.organisation("police-nationale", "police", "Police nationale")
    city.organisation(STATION, "police", "Commissariat de Metz", parent="police-nationale")
    city.organisation(RAIL, "rail", "Gares et connexions")
    rail = max(1, cameras // 5)
    for index in range(cameras - rail):
        city.camera(TOWN, STREETS[index % len(STREETS)], metz, "street", operated_by=TOWN)
    for index in range(rail):
        city.camera(RAIL, ("gare hall", "gare quai 1")[index % 2], metz, "partner")
    city.order("metz-street", TOWN, {"owner": TOWN, "regime": "street"}, recipients=["police-nationale"])
    rights = ["live", "ptz", "playback"]
    city.convention("town-police", TOWN, "police-nationale", {"owner": TOWN}, rights, windows=list(windows))
    opened = {"trigger": "opening", "max_opening_h": 4.0}
    city.convention("rail-police", RAIL, "police-nationale", {"owner": RAIL}, ["live"], **opened)
    city.convention("rail-town", RAIL, TOWN, {"owner": RAIL}, ["live"])
    city.agent("ines", TOWN, ["operator"], ["57"])
    city.agent("max", TOWN, ["supervisor", "administrator"], ["57"])
    city.agent("lea", STATION, ["operator"], "*")
    city.agent("hugo", RAIL, ["operator", "administrator"], ["57"])
    city.agent("eva", "police-nationale", ["supervisor", "administrator"], "*")
    city.machine("police-wall", STATION)
    city.administrators([])
    city.add("posts", "Post", "csu-desk", organisation=TOWN, addresses=["10.20.0.1"])
    city.add("posts", "Post", "station-desk", organisation=STATION, addresses=["10.21.0.1"])
    return city
