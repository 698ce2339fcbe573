"""What the doctor says of a server without a worker; with one: test_service.py."""

from prefect.client.schemas.actions import WorkPoolCreate

from digitflow.cli.doctor import check_service
from digitflow.service.environment import open_client
from digitflow.service.supervisor import POOL, limit_queue


def test_a_server_without_a_worker_and_deployments_is_in_trouble(server):
    with open_client(server) as client:
        if not limit_queue(client):
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
            assert limit_queue(client)
        found = {each["what"]: each for each in check_service(client)}
    assert found["worker"]["level"] == found["deployments"]["level"] == "error"
    assert "digitflow up" in found["worker"]["found"]
    assert found["flow runs"]["level"] in ("ok", "warning")
