"""What the made-up cities are called: communes, streets, first and last names. Persons are fictive."""

import unicodedata
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Commune:
    """A commune: its INSEE code, its name, where its centre lies, and how many cameras of a city it should have."""

    code: str
    title: str
    lat: float
    lon: float
    weight: int = 1

    @property
    def slug(self) -> str:
        """The name as objects carry it."""
        return slug(self.title)


def slug(text: str) -> str:
    """`Le Ban-Saint-Martin` -> `le-ban-saint-martin`."""
    plain = unicodedata.normalize("NFKD", text.replace("œ", "oe")).encode("ascii", "ignore").decode()
    return "-".join("".join(letter if letter.isalnum() else " " for letter in plain.lower()).split())


# Of the metropolis: real names, with codes and places in the form and about as they are; not checked one by one.
METROPOLIS = [
    Commune("57463", "Metz", 49.1193, 6.1757, 190),
    Commune("57480", "Montigny-lès-Metz", 49.1006, 6.1526, 40),
    Commune("57751", "Woippy", 49.1510, 6.1497, 38),
    Commune("57447", "Marly", 49.0622, 6.1518, 18),
    Commune("57049", "Le Ban-Saint-Martin", 49.1219, 6.1503, 12),
    Commune("57412", "Longeville-lès-Metz", 49.1136, 6.1364, 12),
    Commune("57487", "Moulins-lès-Metz", 49.1050, 6.1081, 12),
    Commune("57642", "Scy-Chazelles", 49.1136, 6.1136, 7),
    Commune("57039", "Augny", 49.0614, 6.1186, 8),
    Commune("57616", "Saint-Julien-lès-Metz", 49.1328, 6.2011, 9),
    Commune("57032", "Ars-sur-Moselle", 49.0769, 6.0736, 12),
    Commune("57031", "Ars-Laquenexy", 49.0867, 6.2697, 4),
    Commune("57017", "Amanvillers", 49.1686, 6.0453, 5),
    Commune("57134", "Châtel-Saint-Germain", 49.1233, 6.0806, 5),
    Commune("57545", "Plappeville", 49.1308, 6.1239, 4),
    Commune("57415", "Lorry-lès-Metz", 49.1425, 6.1197, 4),
    Commune("57396", "Lessy", 49.1228, 6.1014, 2),
    Commune("57693", "Vantoux", 49.1278, 6.2303, 4),
    Commune("57694", "Vany", 49.1533, 6.2278, 2),
    Commune("57512", "Nouilly", 49.1361, 6.2539, 2),
    Commune("57510", "Noisseville", 49.1336, 6.2708, 3),
    Commune("57467", "Mey", 49.1286, 6.2242, 2),
    Commune("57534", "Peltre", 49.0742, 6.2253, 6),
    Commune("57351", "Jury", 49.0664, 6.2539, 4),
    Commune("57212", "Féy", 49.0311, 6.1011, 3),
    Commune("57162", "Cuvry", 49.0497, 6.1497, 4),
    Commune("57452", "La Maxe", 49.1664, 6.1903, 5),
]

STREETS = (
    "place de la Mairie|place d'Armes|rue Serpenoise|rue de l'Église|avenue Foch|rue des Clercs|place Saint-Louis|"
    "rue de la Gare|boulevard de Trèves|rue du Moulin|place du Marché|rue de Verdun|rue des Écoles|allée des Tilleuls|"
    "rue Haute|chemin des Vignes|quai Félix Maréchal|rue Taison|pont des Morts|rue de la République|avenue de Nancy|"
    "rue du Stade|place de la Comédie|rue de Strasbourg|rond-point de l'Europe|rue du Cimetière|rue des Jardins|"
    "route de Thionville|rue Pasteur|esplanade|square Boufflers|rue de Metz"
).split("|")
BUILDINGS = (
    "mairie|école Jean-Moulin|gymnase|médiathèque|centre technique|école maternelle|salle des fêtes|piscine|"
    "crèche|maison des associations|cimetière|déchèterie"
).split("|")
FIRST = (
    "Lea Max Ines Hugo Chloe Adam Jade Louis Alma Noe Rose Malo Anna Paul Zoe Yanis Lina Axel Eva Sacha Nora Theo "
    "Mila Samir Agathe Luc Sofia Marc Aicha Jules"
).split()
LAST = (
    "Martin Klein Muller Weber Simon Laurent Thiriet Schmitt Roux Benali Marchal Becker Colin Noel Perrin Hoffmann "
    "Diallo Lambert Wagner Petit Morel Kieffer Costa Henry Schneider Leroy Mangin Nguyen Robert Zimmer"
).split()

_BEGIN = (
    "Bois Mont Val Font Clair Haut Vieux Ville Pont Roche Champ Orme Saulx Fresne Noire Belle Court Moulin Grand Aigue"
).split()
_END = "court ville mont fontaine val roy bourg moutier croix rive pré champ sart lieu".split()
_OF = "|sur-Orne|la-Forêt|les-Bains|en-Plaine|sous-Bois|le-Haut|lès-Marais".split("|")


def streets(r: Random) -> list[str]:
    """Streets of a commune: the square before the town hall first, the others in any order."""
    return [STREETS[0], *r.sample(STREETS[1:], len(STREETS) - 1)]


def invented(r: Random, department: str, count: int) -> list[Commune]:
    """Small communes that do not exist, in a department; a few towns among them have most of the cameras."""
    names = [f"{begin}{end}" + (f"-{of}" if of else "") for of in _OF for begin in _BEGIN for end in _END]
    if count > min(len(names), 900):
        raise ValueError(f"{count} communes; right would be at most {min(len(names), 900)}")
    chosen = r.sample(names, count)
    codes = sorted(r.sample(range(1, 900), count))
    found = []
    for index, (title, code) in enumerate(zip(chosen, codes, strict=True)):
        weight = 160 // (index + 1) + r.randint(4, 14)
        where = (round(47.0 + r.random() * 0.9, 4), round(3.0 + r.random() * 1.1, 4))
        found.append(Commune(f"{department}{code:03d}", title, *where, weight))
    return found


def shares(weights: list[int], total: int) -> list[int]:
    """`total` divided by weights, at least one each, so that the sum is right."""
    if total < len(weights):
        raise ValueError(f"{total} cameras for {len(weights)} places; right would be one each at least")
    rest, whole = total - len(weights), sum(weights)
    given = [1 + rest * weight // whole for weight in weights]
    for index in range(total - sum(given)):
        given[index % len(given)] += 1
    return given
