# SPDX-License-Identifier: GPL-3.0-or-later
"""The file for controllers with AWX's API, imported by AWX's own client as its documentation says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lab import cache, locks, paths
from tests.engines import awx_api
from tests.engines.conftest import ROOT, run
from tests.engines.loopback import served

#: The client needs what newer releases of setuptools have no more.
CLIENT = ("awxkit==24.6.1", "setuptools<81")
GUIDE = (ROOT / "docs" / "engines.md").read_text()


@pytest.fixture(scope="module")
def client() -> Path:
    """The program awx in a virtual environment."""
    folder = paths.CACHE / f"awx-{cache.key(CLIENT)}"
    with locks.held("awx"):
        if not (folder / "ready").exists():
            run(sys.executable, "-m", "venv", "--clear", str(folder))
            run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *CLIENT)
            (folder / "ready").touch()
    return folder / "bin"


def test_the_file_is_imported_twice(client: Path) -> None:
    command = re.search(r"^awx import .*$", GUIDE, re.MULTILINE)
    assert command
    declared = yaml.safe_load((ROOT / "engines" / "awx.yml").read_text())
    api = awx_api.Api()
    with served(api.answer, awx_api.HEADERS) as url:
        environment = {"PATH": f"{client}:/usr/bin:/bin", "CONTROLLER_HOST": url, "CONTROLLER_OAUTH_TOKEN": "token"}
        for _time in range(2):
            done = subprocess.run(
                ["sh", "-c", command[0]], check=False, cwd=ROOT, env=environment, capture_output=True, text=True
            )
            assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr

    for name, kind in awx_api.KINDS.items():
        wanted = [one["name"] for one in declared.get(name, ())]
        if wanted:
            assert [one["name"] for one in api.kinds[kind].values()] == wanted
    (source,) = api.kinds["inventory_sources"].values()
    assert source["source_project"] == api.one("projects", "Evenkeel")["id"]
    assert source["inventory"] == api.one("inventories", "GPU nodes")["id"]
    for template in declared["job_templates"]:
        made = api.one("job_templates", template["name"])
        assert made["execution_environment"] == api.one("execution_environments", "Evenkeel")["id"]
        assert api.related[f"{made['id']}/credentials"] == [api.one("credentials", "Evenkeel nodes")["id"]]
        assert api.related.get(f"{made['id']}/survey_spec") == template["related"].get("survey_spec")
    (schedule,) = api.kinds["schedules"].values()
    assert schedule["unified_job_template"] == api.one("job_templates", "Evenkeel drift")["id"]
    assert schedule["rrule"].endswith("RRULE:FREQ=DAILY;INTERVAL=1")
