# SPDX-License-Identifier: GPL-3.0-or-later
"""What Evenkeel builds, with either installer, conda accepts as its own environment."""

from __future__ import annotations

import json
import os
import shlex
import sys
import sysconfig
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    activation,
    environment,
    environment_apply,
    environment_plan,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.build import build
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import Generation
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.linking import CONDA, RATTLER, Job, Tools
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package, from_mapping
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.verification import verify_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lock import held

from tests.contract.world import World

NAMES = ("idna", "pip", "python", "six")
SPECS = ("python=3.11", "idna", "six")
PREFIX = "/srv/envs/ai-dev"


class Silent:
    def update(self, step: str, packages: int, of: int, bytes_: int, of_bytes: int) -> None:
        """Say nothing."""


def packages_of(world: World) -> tuple[Package, ...]:
    """Return the exact packages, as a lock of the world's channel would name them."""
    found = []
    for subdir in ("linux-64", "noarch"):
        index = json.loads((world.mirror / "conda" / "main" / subdir / "repodata.json").read_text())
        for file_name, fields in index["packages.conda"].items():
            if fields["name"] in NAMES:
                found.append(from_mapping({**fields, "url": f"{world.server}/conda/main/{subdir}/{file_name}"}))
    return tuple(found)


def tools_of(world: World) -> Tools:
    """Return the conda that is questioned, as one program, and py-rattler as the private runtime would have it."""
    conda = world.folder / "conda"
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in world.environ().items() if name != "PATH")
    conda.write_text(f'#!/bin/sh\n{settings} CONDA_PKGS_DIRS="$CONDA_PKGS_DIRS" exec {world.command()} "$@"\n')
    conda.chmod(0o755)
    runtime = world.folder / "runtime"
    runtime.mkdir(exist_ok=True)
    (runtime / "site-packages").symlink_to(sysconfig.get_path("purelib"))
    return Tools(str(conda), sys.executable, str(runtime))


@pytest.fixture(params=[RATTLER, CONDA])
def generation(request: pytest.FixtureRequest, world: World) -> Generation:
    """An environment that Evenkeel has built, known to conda as ``/srv/envs/ai-dev``."""
    root, tools = world.folder / "evenkeel", tools_of(world)
    desired = environment_plan.Desired(packages_of(world), {"GREETING": "hello"}, {"packages": list(SPECS)})
    with held(str(root / "locks" / "pkgs"), 0) as lock:

        def made(target: Generation) -> str:
            job = Job("ai-dev", target.path, target.packages, SPECS, f"{root}/pkgs", lock, 60, "", Silent())
            build(job, request.param, tools)
            return str(request.param)

        plan = environment_plan.plan(
            environment.read(str(root), "ai-dev"), str(root), "ai-dev", desired, environment_plan.Policy()
        )
        environment_apply.apply(plan, str(root), "ai-dev", made)
    assert plan.target
    (world.envs / "ai-dev").symlink_to(plan.target.path)
    found = generations.read(plan.target.path)
    assert found
    return found


def test_conda_lists_just_what_was_asked_for(world: World, generation: Generation) -> None:
    listed = world.run("list", "--json", "-p", PREFIX).json
    assert {(one["name"], one["version"], one["build_string"]) for one in listed} == {
        (package.name, package.version, package.build) for package in packages_of(world)
    }


def test_conda_tells_the_hashes_of_the_lock(world: World, generation: Generation) -> None:
    lines = world.run("list", "--explicit", "--sha256", "-p", PREFIX).stdout.splitlines()
    assert {line.rpartition("#")[2].removeprefix("sha256:") for line in lines if "://" in line} == {
        package.sha256 for package in packages_of(world)
    }


def test_conda_runs_it_with_its_variables(world: World, generation: Generation) -> None:
    answer = world.run("run", "-p", PREFIX, "sh", "-c", "echo $GREETING $CONDA_PREFIX")
    assert (answer.status, answer.stdout.split()[0]) == (0, "hello")


def test_conda_exports_what_was_asked_for(world: World, generation: Generation) -> None:
    exported = world.run("env", "export", "--from-history", "-p", PREFIX)
    assert exported.status == 0
    for spec in SPECS:
        assert f"  - {spec}\n" in exported.stdout


def test_conda_refuses_to_change_it_and_says_how_to(world: World, generation: Generation) -> None:
    answer = world.run("install", "--json", "-y", "-p", PREFIX, "certifi")
    assert answer.status == 1
    assert answer.json["exception_name"] == "EnvironmentIsFrozenError"
    assert "conda create --name mine --clone ai-dev" in answer.stdout


def test_both_installers_give_one_digest_and_leave_nothing_odd(world: World, generation: Generation) -> None:
    assert generation.digest == environment_plan.Desired(packages_of(world), {"GREETING": "hello"}).digest
    assert generations.intact(generation, generations.inspect(generation))
    report = verify_files(generation.path)
    assert (report.lines(), report.user_files) == ([], ())


def test_what_conda_changes_is_seen(world: World, generation: Generation) -> None:
    channel = ("--override-channels", "-c", "http://mirror.example/conda/main")
    changed = world.run("install", "--json", "-y", "-p", PREFIX, "--override-frozen", *channel, "certifi")
    assert changed.status == 0, changed
    contents = generations.inspect(generation)
    assert "certifi" in {package.name for package in contents.packages}
    assert not generations.intact(generation, contents)


def test_an_environment_that_conda_made_is_understood(world: World, generation: Generation) -> None:
    explicit = world.folder / "explicit.txt"
    explicit.write_text("@EXPLICIT\n" + "".join(f"{package.url}#{package.md5}\n" for package in packages_of(world)))
    assert world.run("create", "--json", "-y", "-p", "/srv/envs/theirs", "--file", str(explicit)).status == 0
    theirs = str(world.envs / "theirs")
    assert {package.stem for package in generations.foreign(theirs)} == {package.stem for package in packages_of(world)}
    report = verify_files(theirs)
    assert (report.lines(), report.user_files) == ([], ())
    os.truncate(Path(theirs, "lib", "python3.11", "site-packages", "idna-3.20.dist-info", "METADATA"), 0)
    assert len(verify_files(theirs).edited) == 1


def test_a_clone_is_isolated_too_and_lets_pip_install(world: World, generation: Generation) -> None:
    library = Path(generation.path, "lib", "python3.11")
    (library / "os.py").touch()
    activation.apply(generation.path, activation.plan(generation.path, generation.path, user_site=False))
    assert (library / activation.MANAGED).is_file()
    answer = world.run("create", "--yes", "-p", "/srv/envs/mine", "--clone", PREFIX)
    assert answer.status == 0, answer
    mine = world.envs / "mine"
    assert activation.isolates(str(mine))
    assert (mine / "lib" / "python3.11" / activation.MANAGED).is_symlink()
    assert not (mine / "lib" / "python3.11" / activation.MANAGED).exists()
    assert not (mine / generations.FROZEN).exists()
    assert {package.stem for package in generations.foreign(str(mine))} == {
        package.stem for package in generation.packages
    }
