# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels that are built once for a lock, here or on a builder host: nodes get the files, and build nothing."""

from __future__ import annotations

import base64
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.faults.conftest import Node
from tests.unit.plugins.plugin_utils._wheels.projects import pack, project

NAME = "built"
#: Where the node keeps what it was brought.
KEPT = "/opt/evenkeel/pkgs/wheels"
#: Puts the name of the machine that builds into the wheel.
SAYS_WHERE = "import os\nos.makedirs('content')\nopen('content/built_on', 'w').write(os.uname().nodename)"
#: A web server of the node's own plays the store, of which the lock has another address.
STORE, SERVED = "https://wheels.example/store", "http://127.0.0.1:8097"


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    """Return a folder with an environment that asks for a package of which there is only the source."""
    archive = tmp_path / "tool-1.0.tar.gz"
    sha256 = pack(archive, "tool-1.0", project(during=SAYS_WHERE))
    page = tmp_path / "simple" / "tool" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        f'<!DOCTYPE html><html><body><a href="{archive.as_uri()}#sha256={sha256}">{archive.name}</a></body></html>'
    )
    file = tmp_path / "environments" / NAME / "environment.yml"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"channels": ["defaults"], "dependencies": ["python=3.11", {"pip": ["tool"]}]}))
    return tmp_path / "environments"


@pytest.mark.long
def test_a_wheel_is_built_once_and_nodes_get_the_file(prepared: Node, environments: Path) -> None:
    given = {"conda_environments_directory": str(environments), "conda_environments_list": [{"name": NAME}]}
    asked = {
        **given,
        "lock_env": NAME,
        "lock_targets": ["debian-12"],
        "lock_pip_index": (environments.parent / "simple").as_uri(),
    }
    refused = prepared.play("playbooks/lock.yml", **asked)
    assert refused.failed_saying("only the source of tool 1.0", "lock_build: [tool]")
    assert prepared.play("playbooks/lock.yml", **asked, lock_build=["tool"]).succeeded()
    (wheel,) = (environments / NAME / "wheels").glob("*/*.whl")
    lock = environments / NAME / "conda-lock.yml"
    urls = [package["url"] for package in yaml.safe_load(lock.read_text())["package"] if package["name"] == "tool"]
    assert urls == [str(wheel.relative_to(environments / NAME))]

    aside = environments.parent / "aside"
    shutil.move(environments / NAME / "wheels", aside)
    before = prepared.fingerprint()
    missing = prepared.play(tags="conda_environments", **given)
    assert missing.failed_saying("Wheels that a lock names are missing", str(wheel))
    assert prepared.fingerprint() == before
    shutil.move(aside, environments / NAME / "wheels")

    rehearsed = prepared.play("site.yml", "--check", tags="conda_environments", **given)
    assert rehearsed.succeeded()
    assert not prepared.host.file(KEPT).exists
    assert prepared.play(tags="conda_environments", **given).succeeded()
    shown = "import tool; print(tool.VERSION)"
    assert prepared.host.check_output(f"/opt/evenkeel/envs/{NAME}/bin/python -c '{shown}'") == "1.0"
    assert prepared.host.check_output(f"find {KEPT} -type f -printf %f") == wheel.name
    again = prepared.play(tags="conda_environments", **given)
    assert again.succeeded()
    assert "changed=0" in again.output


@pytest.fixture
def served(prepared: Node) -> Iterator[str]:
    """Return a directory of the node that a web server has, for as long as a test takes."""
    place, unit = "/srv/evenkeel-wheels", "evenkeel-wheels.service"
    prepared.host.check_output(
        f"mkdir {place} && systemd-run --quiet --unit={unit} --working-directory={place} "
        "python3 -m http.server --bind 127.0.0.1 8097"
    )
    yield place
    prepared.host.check_output(f"systemctl stop {unit} && rm -r {place}")


def test_a_builder_host_builds_it_and_a_node_gets_it_from_a_stores_url(
    prepared: Node, environments: Path, served: str
) -> None:
    store = environments.parent / "store"
    builder = prepared.host.check_output("hostname")
    given = {"conda_environments_directory": str(environments)}
    locked = prepared.play(
        "playbooks/lock.yml",
        **given,
        lock_env=NAME,
        lock_targets=["debian-12"],
        lock_pip_index=(environments.parent / "simple").as_uri(),
        lock_build=["tool"],
        lock_build_host={"linux-64": "debian12-1"},
        lock_wheels=str(store),
        lock_wheels_url=STORE,
    )
    assert locked.succeeded()
    (wheel,) = store.glob("*/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("built_on").decode() == builder
    assert not prepared.host.file(f"/home/{prepared.variables['ansible_user']}/.cache/evenkeel").exists
    lock = environments / NAME / "conda-lock.yml"
    urls = [package["url"] for package in yaml.safe_load(lock.read_text())["package"] if package["name"] == "tool"]
    assert urls == [f"{STORE}/{wheel.parent.name}/{wheel.name}"]

    content = base64.b64encode(wheel.read_bytes()).decode()
    prepared.host.check_output(
        f"mkdir {served}/{wheel.parent.name} && "
        f"echo {content} | base64 --decode >{served}/{wheel.parent.name}/{wheel.name}"
    )
    shutil.rmtree(store)  # nodes get nothing from the control node
    mirrors = {"https://repo.anaconda.com": prepared.mirror, STORE: SERVED}
    listed = [{"name": "from-url", "environment": str(lock.with_name("environment.yml"))}]
    assert prepared.play(
        tags="conda_environments", **given, conda_environments_list=listed, conda_environments_mirrors=mirrors
    ).succeeded()
    found = prepared.host.check_output("cat /opt/evenkeel/envs/from-url/lib/python3.11/site-packages/built_on")
    assert found == builder
