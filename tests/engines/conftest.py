# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs Evenkeel in place of ansible-playbook on one control node, with nodes of the lab."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import cache, locks, paths
from lab.images import base_image
from lab.nodes import podman

ROOT = Path(__file__).parents[2]
DEFINITION = ROOT / "execution-environment.yml"
PROGRAMS = Path(sys.executable).parent
#: What the image's builder installs beside the collection's requirements.
OF_THE_BUILDER = ("bindep", "dumb-init==1.2.5", "packaging", "pip", "pyyaml")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection's archive."""
    folder = tmp_path_factory.mktemp("collection")
    run("ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT))
    (built,) = folder.glob("evenkeel-gpu-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def wheels() -> Path:
    """A folder with all wheels of a control node with ansible-runner, which also has those for the nodes."""
    dependencies = yaml.safe_load(DEFINITION.read_text())["dependencies"]
    wanted = [dependencies[name]["package_pip"] for name in ("ansible_core", "ansible_runner")]
    wanted += [*OF_THE_BUILDER, *requirements()]
    return downloaded("engines", wanted)


@pytest.fixture(scope="session")
def image(archive: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The execution environment, built offline from the lab's base image."""
    project = tmp_path_factory.mktemp("definition")
    shutil.copy(DEFINITION, project)
    (project / "build" / "collection").mkdir(parents=True)
    shutil.copy(archive, project / "build" / "collection")
    name = "localhost/evenkeel/execution-environment:latest"
    # Without layers, podman leaves no images of the steps.
    extra = " ".join(["--layers=false", *(f"--volume={volume}" for volume in offline(wheels))])
    builder = ["ansible-builder", "build", "--container-runtime=podman", f"--tag={name}"]
    options = [f"--build-arg=EE_BASE_IMAGE={base_image.build()}", f"--extra-build-cli-args={extra}"]
    run(*builder, *options, cwd=project)
    yield name
    podman.run("image", "rm", "--force", name)


@pytest.fixture(scope="session")
def message_queues() -> None:
    """The folder that ansible-navigator and ansible-runner want of a machine with podman; containers may lack it."""
    Path("/dev/mqueue").mkdir(exist_ok=True)


@pytest.fixture
def project(message_queues: None, tmp_path: Path) -> Path:
    """A project's folder without this clone's collection."""
    shutil.copy(ROOT / "ansible-navigator.yml", tmp_path)
    shutil.copytree(ROOT / "lab" / "environments", tmp_path / "environments")
    return tmp_path


def downloaded(name: str, wanted: Sequence[str]) -> Path:
    """Return a folder with wheels and all that they need, for the base image's Python."""
    folder = paths.CACHE / "wheels" / f"{name}-{cache.key(list(wanted), base_image.PYTHON)}"
    with locks.held(f"wheels-{name}"):
        if not folder.exists():
            stage = cache.staging(folder)
            pip = ["-m", "pip", "download", "--quiet", "--dest", str(stage)]
            tags = ["--only-binary=:all:", f"--python-version={base_image.PYTHON}"]
            run(sys.executable, *pip, *tags, *wanted)
            (stage / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
            stage.rename(folder)
    return folder


def offline(wheels: Path) -> list[str]:
    """Return the volumes with which pip in a container installs from the wheels alone."""
    return [f"{wheels}:/wheels:ro", f"{wheels}/pip.conf:/etc/pip.conf:ro"]


def requirements() -> list[str]:
    """Return what the collection requires."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def run(program: str, *arguments: str, cwd: Path = ROOT, **environment: str) -> str:
    """Run a program of the project's virtual environment that has to succeed; return what it printed."""
    done = attempt(program, *arguments, cwd=cwd, **environment)
    assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout}"
    return done.stdout


def attempt(program: str, *arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program as an operator does: without the settings of this clone and of the test runner."""
    inherited = {name: value for name, value in podman.environment().items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(
        [program, *arguments],
        check=False,
        cwd=cwd,
        env={**inherited, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "COLUMNS": "10000", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="session")
def group() -> Iterator[str]:
    """A group of the lab."""
    name = "engines"
    lab = [sys.executable, "-m", "lab"]
    subprocess.run([*lab, "up", name, "--release", "debian12", "--fresh"], check=True, cwd=ROOT)
    try:
        yield name
    finally:
        subprocess.run([*lab, "down", name], check=True, cwd=ROOT)


def inventory(group: str) -> dict[str, Any]:
    """Return a group of the lab as an inventory that any machine can read."""
    asked = ["--inventory", str(ROOT / "inventories" / "demo"), "--list", "--export"]
    found: Mapping[str, Any] = json.loads(run("ansible-inventory", *asked, EVENKEEL_LAB_GROUP=group))
    hosts = {name: dict(found["_meta"]["hostvars"].get(name, {})) for name in found["debian12"]["hosts"]}
    variables = {name: value for name, value in found["all"]["vars"].items() if name != "conda_environments_directory"}
    return {"gpu_nodes": {"hosts": hosts, "vars": variables}}
