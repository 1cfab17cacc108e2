"""A table of cameras: objects, or every mistake with its line and column."""

from typing import Any

import pytest

from vigie.policy.csv_cameras import COLUMNS, cameras_of_csv
from vigie.policy.objects import Camera

HEAD = "name,url,number,title,commune,lat,lon,ptz,username,password,sub_url,label.zone"
ROW = 'place-01,rtsp://10.1.0.7/main,101,"Place, north",57463,49.12,6.17,yes,ops,env:CAM,rtsp://10.1.0.7/sub,centre'


def said(text: str) -> list[tuple[int, str, str]]:
    _, problems = cameras_of_csv(text, "cameras.csv")
    return [(problem.line, problem.field, problem.what) for problem in problems]


def test_a_row_is_a_camera() -> None:
    bodies, problems = cameras_of_csv(f"{HEAD}\r\n{ROW}\r\n", "cameras.csv")
    assert not problems
    login = {"username": "ops", "password": "env:CAM"}
    assert bodies == [
        {
            "kind": "Camera",
            "name": "place-01",
            "labels": {"zone": "centre"},
            "spec": {
                "number": 101,
                "title": "Place, north",
                "commune": "57463",
                "position": {"lat": 49.12, "lon": 6.17},
                "ptz": {},
                "streams": {
                    "main": {"url": "rtsp://10.1.0.7/main", **login},
                    "sub": {"url": "rtsp://10.1.0.7/sub", "pull": "on_demand", **login},
                },
            },
        }
    ]
    camera = Camera.model_validate(bodies[0])
    assert camera.spec.privacy == "withheld"


def test_semicolons_a_byte_order_mark_and_decimal_commas() -> None:
    text = "\ufeffname;url;lat;lon;ptz\na;rtsp://h/1;49,12;6,17;no\n\nb;rtsp://h/2;;;\n"
    bodies, problems = cameras_of_csv(text, "cameras.csv")
    assert not problems
    assert bodies[0]["spec"]["position"] == {"lat": 49.12, "lon": 6.17}
    assert [sorted(body["spec"]) for body in bodies] == [["position", "streams"], ["streams"]]


def test_lines_are_those_of_the_file_also_behind_cells_of_several() -> None:
    text = 'name,url,title\na,rtsp://h/1,"two\nlines"\nb,ftp://h/2,t\n'
    assert [(line, field) for line, field, _ in said(text)] == [(2, "a column title"), (4, "b column url")]


@pytest.mark.parametrize(
    ("text", "line", "field", "what"),
    [
        ("", 1, "", "empty; right would be a first line"),
        ("name,title\na,b\n", 1, "column url", "missing"),
        ("name,url,nme\n", 1, "column nme", 'did you mean "name"?'),
        ("name,url,url\n", 1, "column url", "stands twice"),
        ("name,url,\n", 1, "column 3", "has no name"),
        ("name,url\na,rtsp://h/1\nb,rtsp://h/2,c\n", 3, "", "3 cells; right would be 2"),
        ("name,url\n,rtsp://h/1\n", 2, "column name", "empty"),
        ("name,url\na/b,rtsp://h/1\n", 2, "a/b column name", "not a name"),
        ("name,url,number\na,rtsp://h/1,1x\n", 2, "column number", 'found "1x"; right would be a whole number'),
        ("name,url,number\na,rtsp://h/1,-4\n", 2, "a column number", "right would be the operator's number"),
        ("name,url,lat\na,rtsp://h/1,north\n", 2, "column lat", "right would be a number such as 49.1203"),
        ("name,url,lat\na,rtsp://h/1,49\n", 2, "a column lon", "missing"),
        ("name,url,ptz\na,rtsp://h/1,perhaps\n", 2, "column ptz", "right would be true or false"),
        ("name,url,regime\na,rtsp://h/1,road\n", 2, "a column regime", "right would be street, building or partner"),
        ("name,url,commune\na,rtsp://h/1,Metz\n", 2, "a column commune", "INSEE"),
        ("name,url,privacy\na,rtsp://h/1,clear\n", 2, "a column privacy_reason", "missing"),
        ("name,url\na,rtsp://h/1\na,rtsp://h/2\n", 3, "column name", "the same as in line 2"),
        ("name,url,number\na,rtsp://h/1,7\nb,rtsp://h/2,7\n", 3, "column number", "the same as in line 2"),
        ("name,url\na,rtsp://h/1\nb,rtsp://h/1\n", 3, "column url", "the same as in line 2"),
        ('name,url\na,"rtsp://h/1\n', 2, "", "not well-formed CSV"),
    ],
)
def test_every_mistake_has_its_line(text: str, line: int, field: str, what: str) -> None:
    found = said(text)
    assert len(found) == 1, found
    assert found[0][:2] == (line, field), found
    assert what in found[0][2]


def test_all_mistakes_are_said_at_once() -> None:
    text = "name,url,number\na,ftp://h/1,x\nb,ftp://h/2,2\nc,rtsp://h/3,2\n"
    assert [line for line, _, _ in said(text)] == [2, 3, 4]


def test_columns_lead_to_fields_of_a_camera() -> None:
    from vigie.policy.load import has_field

    for column, (path, _) in COLUMNS.items():
        where: Any = ("spec", "streams", "x", path[-1]) if "streams" in path else path
        assert has_field(Camera, where), column
