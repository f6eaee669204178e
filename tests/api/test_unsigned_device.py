"""A gateway that signs nothing: what it sent over plain MQTT is kept and shown as such, and never judged as signed."""

from __future__ import annotations

from pathlib import Path

from api.tokens import Role
from deploy.local.mosquitto import MosquittoBroker
from ingest.database import connect
from ingest.gateway import read as gateway_read
from ingest.read import points
from tests.api.conftest import Served, new_project
from tests.api.plant import ENTERPRISE
from tests.ingest.builders import until
from tests.ingest.test_gateway import Hall
from verification.model import Grade


def test_readings_that_nobody_signed_cannot_become_a_project(
    served: Served, uplink_broker: MosquittoBroker, tmp_path: Path
) -> None:
    with connect(served.db) as conn:
        hall = Hall(tmp_path, served.db, uplink_broker, conn)
        try:
            hall.start()
            hall.publish("heat", b"21.5")
            until(lambda: hall.values("heat") == [21.5])
        finally:
            hall.stop()
        assert gateway_read.load_window(conn, hall.name, ["heat"])["heat"].grade is Grade.TRANSPORT
        assert {point.grade for point in points(conn, hall.name)} == {Grade.TRANSPORT}
    with served.as_role(Role.ENTERPRISE) as client:
        refused = client.post("/api/v1/projects", json=new_project(device=hall.name))
        assert (refused.status_code, refused.json()["error"]) == (422, "unsigned_device")
        assert "let an edge agent read the same points" in refused.json()["message"]
    with served.as_role(Role.ENTERPRISE, f"not-{ENTERPRISE}") as other:
        asked = other.post("/api/v1/projects", json=new_project(enterprise=f"not-{ENTERPRISE}", device=hall.name))
        assert asked.json()["error"] == "unknown_device"  # another's gateway is no more known than another's agent
