"""What the doctor says of a server without a worker; with one: test_service.py."""

from digitflow.service.health import check_service
from digitflow.service.server_api import call_api, is_there
from digitflow.service.supervisor import POOL


def test_a_server_without_a_worker_and_deployments_is_in_trouble(server):
    if not is_there(server, f"/work_pools/{POOL}"):
        call_api(server, "/work_pools/", {"name": POOL, "type": "process"})
    found = {what: (level, said) for level, what, said in check_service(server)}
    assert found["worker"][0] == found["deployments"][0] == "error"
    assert "make up" in found["worker"][1]
    assert found["flow runs"][0] in ("ok", "warning")
