"""The image and the compose file keep what the docs promise of them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[1] / "containers"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = [name for name, each in SERVICES.items() if "digitflow" in each["image"]]


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_published_is_for_this_machine_alone(name):
    for port in SERVICES[name].get("ports", ()):
        assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)


@pytest.mark.parametrize("name", OURS)
def test_what_runs_our_code_has_no_rights_and_writes_to_its_volume_alone(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert not service["user"].startswith(("0", "root"))
    assert all(each.split(":")[0] in COMPOSE["volumes"] for each in service["volumes"])


def test_no_password_stands_in_a_file():
    """Each comes from the environment, and what lacks one isn't started."""
    text = (FOLDER / "compose.yaml").read_text()
    secrets = re.findall(r"^ *\w*(?:PASSWORD|AUTH_STRING): *(.*)$", text, re.MULTILINE)
    secrets += re.findall(r"://\w+:(.*?)@", text)
    assert len(secrets) >= 7
    assert all(re.fullmatch(r"\$\{\w+:\?[^}]+\}", each) for each in secrets)


# They end, or nobody waits for them.
WITHOUT_A_CHECK = ("certificates", "dask-worker", "deploy", "worker")


@pytest.mark.parametrize("name", [name for name in SERVICES if name not in WITHOUT_A_CHECK])
def test_whoever_waits_for_a_server_can_tell_that_it_is_ready(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_what_is_waited_for_is_there():
    for service in SERVICES.values():
        assert SERVICES.keys() >= service.get("depends_on", {}).keys()


def test_the_image_holds_what_pyproject_and_the_constraints_name():
    assert "--constraint constraints.txt" in DOCKERFILE
    assert re.search(r"^FROM python:3\.1[123]-slim$", DOCKERFILE, re.MULTILINE)
    assert re.search(r"^USER \d+$", DOCKERFILE, re.MULTILINE)


def test_its_requirements_are_the_projects_own_with_the_extras_that_it_names():
    extras = re.search(r"^ARG EXTRAS=(\S+)$", DOCKERFILE, re.MULTILINE)[1]
    command = [sys.executable, FOLDER / "list_requirements.py", extras]
    listed = subprocess.check_output(command, cwd=FOLDER.parent, text=True).splitlines()
    assert "prefect==3.8.8" in listed
    assert any(line.startswith("streamlit>") for line in listed)
    assert not any(line.startswith("pytest") for line in listed)
