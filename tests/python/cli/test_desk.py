"""`vigie alarms`, `vigie incident`, `vigie approve` against a service with the real engine."""

import json
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vigie.control import desk_ops
from vigie.control.client import Client

from .conftest import SERVER, camera

pytestmark = pytest.mark.usefixtures("core")
Start = Callable[..., Any]
QUICK = SERVER.replace("}]}", "}], alarms: {silent_s: 1, settle_s: 0}}")
LOST = 'kind: Camera\nname: lost\nspec: {streams: {main: {url: "rtsp://127.0.0.1:1/x"}}, privacy: withheld}\n'


def test_alarms_of_an_engine_are_listed_acknowledged_and_outlive_a_kill(
    serve: Start, vigie_command: Start, vigie: Any, town: Any, state: Path
) -> None:
    running = serve()
    following = vigie_command("events", "-f", "--kind", "alarm_raised", "--state", state)
    following.wait_line("revision 0, 0 objects")
    assert vigie("apply", "-f", town(QUICK, LOST, camera("street")))[0] == 0
    following.wait_line("alarm_raised    camera_silent/lost/main", 40)
    code, text = vigie("alarms", "--json")
    assert code == 0
    found = {(item["kind"], item["object"]): item for item in json.loads(text)["alarms"]}
    assert {("camera_silent", "lost/main"), ("mask_missing", "street")} <= set(found)
    assert ("mask_missing", "lost") not in found, "somebody has decided"
    silent = found["camera_silent", "lost/main"]["id"]
    code, text = vigie("alarms", "ack", silent, "--note", "the mast is down")
    assert code == 0
    assert "acknowledged by local" in text
    assert "the mast is down" in text
    assert vigie("alarms", "ack", "0" * 16)[0] == 1
    code, text = vigie("alarms", "acc", silent)
    assert (code, "right would be nothing, or: ack ID" in text) == (2, True)
    running.process.send_signal(signal.SIGKILL)
    running.wait_end()
    serve()
    code, text = vigie("alarms", "--kind", "camera_silent")
    assert code == 0
    assert silent in text
    assert "acknowledged by local" in text
    show = vigie_command("journal", "show", state / "journal", "--json", "--auditor")
    assert show.wait_end() == 0, show.text()
    steps = [json.loads(line) for line in show.text().splitlines() if '"alarm"' in line]
    assert any("acknowledged" in str(step) for step in steps), show.text()


def test_incidents(serve: Start, vigie: Any, town: Any) -> None:
    serve("-f", town(SERVER, camera("square")))
    at = "2026-06-01T12:00:00+02:00"
    code, text = vigie("incident", "open", "square", "--motive", "a fight", "--at", at, "--before", "60")
    assert code == 0, text
    name = re.match(r"(\S+): 2026-06-01T09:59:00\.000Z to 2026-06-01T10:05:00\.000Z is to be kept", text)
    assert name is not None, text
    assert f"{name[1]}  square: a fight" in vigie("incident", "list")[1]
    code, text = vigie("incident", "close", name[1], "--outcome", "two arrests")
    assert (code, text) == (0, f"{name[1]}: closed")
    assert vigie("incident", "list")[1] == "no incident"
    listed = json.loads(vigie("incident", "list", "--all", "--json")[1])["incidents"]
    assert [(item["closed_by"], item["outcome"]) for item in listed] == [("local", "two arrests")]
    assert vigie("incident", "open", "sqare", "--motive", "x")[0] == 1
    assert vigie("incident", "open", "square", "--motive", "x", "--at", "noon")[0] == 2
    assert vigie("incident", "close", "none", "--outcome", "x")[0] == 1


CITY = [
    SERVER,
    "kind: Organisation\nname: ville\nspec: {type: municipality, communes: ['57463']}\n",
    "kind: Agent\nname: local\nspec: {organisation: ville, roles: [administrator], password: x}\n",
    "kind: Agent\nname: sup\nspec: {organisation: ville, roles: [supervisor], password: hush-hush}\n",
    "kind: IdentityProvider\nname: own\nspec: {local: {}}\n",
    camera("hall", "owner: ville, regime: building, privacy: masked, "),
]


def masks(size: float, more: str = "") -> str:
    region = f"{{name: r, points: [[0, 0], [{size}, 0], [{size}, {size}]]}}"
    return f"kind: MaskSet\nname: m\nspec: {{camera: hall, reason: flats, {more}regions: [{region}]}}\n"


def test_approvals(serve: Start, vigie_command: Start, vigie: Any, town: Any, state: Path) -> None:
    running = serve("-f", town(*CITY, masks(0.5)))
    assert vigie("approve")[1] == "nothing waits"
    code, text = vigie("apply", "-f", town(masks(0.4, "removal_reason: agreed, ")))
    assert code == 1, text
    assert "right would be an Approval (hide-less)" in text
    waiting = json.loads(vigie("approve", "--json")[1])["waiting"]
    assert [(item["name"], item["mine"]) for item in waiting] == [("m", False)]
    print_ = waiting[0]["fingerprint"]
    text = vigie("approve")[1]
    assert f"MaskSet/m  {print_[:12]}  hide-less, asked by local (not yours to approve)" in text
    assert "spec.regions[0].points" in text
    code, text = vigie("approve", "MaskSet/m", print_[:12], "--reason", "the flats are gone")
    assert code == 1
    assert "local has asked for it himself" in text
    assert vigie("approve", "MaskSet/m", "00000000", "--reason", "x")[0] == 2
    assert vigie("approve", "MaskSet/m", print_[:12])[0] == 2
    with Client(f"ipc://{state}/control.sock", timeout_s=20) as second:
        assert second.sign_in(desk_ops.SignIn(user="sup", password="hush-hush")).agent == "sup"
        (mine,) = second.waiting()
        wanted = desk_ops.ApprovalGive(fingerprint=print_, kind="MaskSet", name="m", reason="the flats are gone")
        assert mine.mine
        assert second.approve(wanted).rev == 2
        second.sign_out()
    assert (
        vigie("apply", "-f", town(masks(0.4, "removal_reason: agreed, ")))[1].splitlines()[-1] == "revision 3: 1 change"
    )
    running.process.terminate()
    assert running.wait_end() == 0, running.text()
    verify = vigie_command("journal", "verify", state / "journal", "--key", state / "journal.key.pub")
    assert verify.wait_end() == 0, verify.text()
    show = vigie_command("journal", "show", state / "journal", "--json", "--auditor")
    assert show.wait_end() == 0, show.text()
    kinds = [kind for kind in re.findall(r'"kind": ?"([a-z.]+)"', show.text()) if not kind.startswith("journal.")]
    agreed = ["login", "apply", "approval", "logout"]
    changed = ["apply", "mask.change"]
    assert kinds == ["process", *changed, "refusal", "refusal", *agreed, *changed], show.text()
    assert "hush" not in show.text()
