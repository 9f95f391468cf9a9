# SPDX-License-Identifier: GPL-3.0-or-later
"""One lock is one environment wherever it is built: the same digest, and each file as its package brought it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.progress import Progress

from lab.images import base_image
from lab.nodes import nodes, playbooks, podman
from lab.people import forge
from lab.upstream import mirror
from tests.engines import ci_site, conftest
from tests.engines.ci_site import Site

pytestmark = pytest.mark.long

GROUP = "onedigest"
IMAGE = "localhost/evenkeel/one-digest:latest"
NAME = "ai-dev"


@dataclass(frozen=True)
class Held:
    """What a place has."""

    digest: str
    #: What its files have that their packages did not bring, or lack.
    differences: list[str]


@pytest.fixture(scope="module")
def site(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = ci_site.made(tmp_path_factory.mktemp("site"), wheels)
    made.git("checkout", "--quiet", "good")
    return made


def evenkeel(*arguments: object, home: Path) -> Any:
    """Run ``evenkeel env`` on this machine with a home of its own, and return its answer."""
    sources = ["--mirror", f"{mirror.url()}/anaconda", "--pip-index", f"{mirror.url()}/pypi/simple/"]
    done = subprocess.run(
        [conftest.ROOT / "bin" / "evenkeel", "env", *arguments, *(sources if arguments[0] == "sync" else []), "--json"],
        check=True,
        capture_output=True,
        text=True,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "no_proxy": "*"},
    )
    return json.loads(done.stdout)


def of_difference(found: Any) -> Held:
    return Held(found["digest"], [*found["missing"], *found["extra"], *found["changed"], *found["files"]])


def on_a_laptop(site: Site, folder: Path) -> Held:
    evenkeel("sync", "--lock", site.lock, home=folder)
    return of_difference(evenkeel("diff", "--lock", site.lock, "--files", home=folder))


def at_a_long_prefix(site: Site, folder: Path) -> Held:
    prefix = folder / "/".join(["a rather long name"] * 12) / NAME
    assert len(str(prefix)) > 200
    evenkeel("sync", "--lock", site.lock, "--prefix", prefix, home=folder)
    return of_difference(evenkeel("diff", "--lock", site.lock, "--prefix", prefix, "--files", home=folder))


def in_ci(site: Site, folder: Path) -> Held:
    """By the steps of GitHub's template, and one more that looks into each file."""
    workflow = ci_site.workflow()
    look = {"name": "Compare", "run": 'evenkeel env diff --lock "$LOCK" --files --json'}
    job = {**workflow["jobs"]["tests"], "steps": [*workflow["jobs"]["tests"]["steps"], look]}
    with forge.served() as comments:
        steps = site.runner(folder, comments).run({**workflow, "jobs": {"tests": job}}, "tests", "good")
    assert steps[-1].status == 0, steps
    return of_difference(json.loads(steps[-1].output))


def of_nodes(site: Site) -> dict[str, Any]:
    """Return the variables with which roles build the environment."""
    return {"conda_environments_list": [{"name": NAME, "lock": str(site.lock)}], "conda_environments_verify": "files"}


def on(release: str) -> Callable[[Site, Path], Held]:
    """Return what builds the environment by the roles on a node of the lab."""

    def build(site: Site, folder: Path) -> Held:
        roles = [{"role": f"evenkeel.gpu.{name}"} for name in ("miniconda", "condarc", "conda_environments")]
        look = [
            {"evenkeel.gpu.conda_environment_info": {"name": NAME, "verify": "files"}, "register": "found"},
            {
                "ansible.builtin.copy": {"content": "{{ found.environments }}", "dest": str(folder / "found.json")},
                "delegate_to": "localhost",
                "become": False,
                "vars": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            },
        ]
        play = {"hosts": "gpu_nodes", "become": True, "roles": roles, "post_tasks": look}
        (folder / "play.yml").write_text(yaml.safe_dump([play]))
        group = f"{GROUP}-{release}"
        try:
            with Progress() as progress:
                nodes.up(group, [release], progress)
            playbooks.play(str(folder / "play.yml"), group, **of_nodes(site)).well()
        finally:
            nodes.down(group)
        (found,) = json.loads((folder / "found.json").read_text())
        return Held(found["digest"], [*found["drift"]])

    return build


def in_an_image(site: Site, folder: Path) -> Held:
    """By image.yml; this machine's command looks into the image's files."""
    given = {"image_base": base_image.build(), "image_name": IMAGE, "image_directory": str(folder / "images")}
    try:
        playbooks.play("playbooks/image.yml", GROUP, **given, **of_nodes(site)).well()
        podman.run("create", f"--name=evenkeel-{GROUP}", IMAGE)
        (folder / "root").mkdir()
        podman.run("cp", f"evenkeel-{GROUP}:/opt/evenkeel", str(folder / "root"))
        prefix = folder / "root" / "evenkeel" / "envs" / NAME
        return of_difference(evenkeel("diff", "--lock", site.lock, "--prefix", prefix, "--files", home=folder))
    finally:
        podman.run("rm", "--force", "--ignore", f"evenkeel-{GROUP}")
        for image in set(podman.run("images", "--quiet", "--no-trunc", IMAGE).split()):
            podman.run("image", "rm", "--force", image)


#: A further place is one more line.
PLACES: dict[str, Callable[[Site, Path], Held]] = {
    "laptop": on_a_laptop,
    "long prefix": at_a_long_prefix,
    "CI": in_ci,
    "node": on("debian12"),
    "image": in_an_image,
    "virtual machine": on("debian12vm"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_place_has_the_digest_of_the_lock_and_the_files_of_its_packages(
    place: str, site: Site, tmp_path: Path
) -> None:
    assert PLACES[place](site, tmp_path) == Held(site.digest, [])
