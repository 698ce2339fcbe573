"""What the doctor says of a server without a worker; with one: test_service.py."""

from prefect.client.schemas.actions import WorkPoolCreate

from digitflow.cli.doctor import check_service
from digitflow.service.environment import open_client
from digitflow.service.supervisor import POOL, has_pool


def test_a_server_without_a_worker_and_deployments_is_in_trouble(server):
    with open_client(server) as client:
        if not has_pool(client):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        found = {each["what"]: each for each in check_service(client)}
    assert found["worker"]["level"] == found["deployments"]["level"] == "error"
    assert "digitflow up" in found["worker"]["found"]
    assert found["flow runs"]["level"] in ("ok", "warning")
