# SPDX-License-Identifier: GPL-3.0-or-later
"""The container toolkit's packages, and which container engines are set up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cdi, container_toolkit, docker_daemon
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.cdi import Specification
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.container_toolkit import Desired
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu.docker_daemon import Running
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made, services
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Wanted
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu import container_choice

from tests.unit.plugins.module_utils._os_packages.fakes import FakeManager

PACKAGES = (Wanted("nvidia-container-toolkit", "1.20.1"), Wanted("libnvidia-container1", "1.20.1"))
NAMES = ("nvidia-container-toolkit", "libnvidia-container1")


@pytest.mark.parametrize(
    ("wanted", "installed", "expected"),
    [
        (["auto"], {"podman", "docker"}, ("docker", "podman")),
        (["auto"], {"podman"}, ("podman",)),
        (["auto"], set(), ()),
        (["docker"], {"podman"}, ("docker",)),
        (["auto", "docker"], {"podman"}, ("docker", "podman")),
        ([], {"podman", "docker"}, ()),
    ],
)
def test_engines(wanted: list[str], installed: set[str], expected: tuple[str, ...]) -> None:
    assert container_toolkit.engines(wanted, installed) == expected


@pytest.mark.parametrize(
    ("hold", "manager", "held", "released", "more"),
    [
        (True, "apt", NAMES, (), []),
        (False, "apt", (), NAMES, []),
        (True, "dnf", NAMES, (), ["python3-dnf-plugin-versionlock"]),
        (False, "dnf", (), NAMES, []),
    ],
)
def test_packages_are_held_or_released(
    hold: bool, manager: str, held: tuple[str, ...], released: tuple[str, ...], more: list[str]
) -> None:
    request = container_toolkit.request(Desired(PACKAGES, hold=hold), manager=manager)
    assert (request.hold, request.release) == (held, released)
    assert [one.name for one in request.wanted] == [*more, *NAMES]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("podman version 3.4.4", "podman 3.4 does not take GPUs by their names; podman 4.1 is the first"),
        ("podman version 4.0.2", "podman 4.0 does not"),
        ("podman version 4.1.0", ""),
        ("podman version 5.10.1", ""),
        ("", ""),
    ],
)
def test_an_old_podman_is_told(said: str, problem: str) -> None:
    problems = container_toolkit.podman_problems(said)
    assert bool(problems) is bool(problem)
    assert problem in "".join(problems)


def test_each_engine_has_its_check() -> None:
    assert container_toolkit.check_command("docker").startswith(
        "docker run --rm --device nvidia.com/gpu=all docker.io/"
    )
    assert "--security-opt=label=disable docker.io" in container_toolkit.check_command("podman")


@dataclass
class Node:
    """A node with Docker, whose driver is loaded; ``done`` lists what a run has done to it, in order."""

    manager: FakeManager
    docker: Running | None = field(default_factory=Running)
    loaded: str = "580.178.04"
    specification: str = ""
    podman: str = "podman version 5.4.2"
    done: list[str] = field(default_factory=list)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    """A node with the toolkit's packages, and without settings of Docker and a CDI specification."""
    found = Node(FakeManager(dict.fromkeys(NAMES, "1.20.1-1"), holds={*NAMES}))
    found.manager.serve(monkeypatch)

    def act(step: str) -> None:
        found.done.append(step)
        found.docker = Running(("nvidia",), step == "restart")

    def refresh(version: str) -> None:
        found.done.append(f"specification of {version}")
        found.specification = f"libcuda.so.{version}"

    def run(argv: Sequence[str]) -> Done:
        return Done(0, found.podman, "")

    monkeypatch.setattr(container_toolkit.shutil, "which", lambda program: program if program == "dockerd" else None)
    monkeypatch.setattr(container_toolkit.command, "run", run)
    monkeypatch.setattr(docker_daemon, "read", lambda: None)
    monkeypatch.setattr(docker_daemon, "ask", lambda: found.docker)
    monkeypatch.setattr(docker_daemon, "act", act)
    monkeypatch.setattr(kept_files, "apply_all", lambda changes: found.done.extend(one.path for one in changes))
    monkeypatch.setattr(services, "change", lambda name, run: None)
    monkeypatch.setattr(cdi, "loaded", lambda: found.loaded)
    monkeypatch.setattr(cdi, "libraries", lambda: {"580.178.04"})
    monkeypatch.setattr(cdi, "read", lambda: found.specification)
    monkeypatch.setattr(cdi, "refresh", refresh)
    monkeypatch.setattr(cdi, "specifications", lambda system: [])
    monkeypatch.setattr(cdi, "where", lambda: str(tmp_path / "nvidia.yaml"))
    return found


def test_docker_is_set_up_and_the_specification_is_created(node: Node) -> None:
    outcome = container_toolkit.converge(Desired(PACKAGES), check_mode=False)
    assert [step for step in node.done if step == docker_daemon.SETTINGS or "/" not in step] == [
        docker_daemon.SETTINGS,
        "reload",
        "specification of 580.178.04",
    ]
    assert outcome.changed
    assert outcome.engines == ("docker",)
    assert any("after a restart, which stops its containers" in text for text in outcome.left)


def test_a_check_reports_the_same_and_changes_nothing(node: Node) -> None:
    checked = container_toolkit.converge(Desired(PACKAGES), check_mode=True)
    assert node.done == []
    assert checked.diffs == container_toolkit.converge(Desired(PACKAGES), check_mode=False).diffs


def test_what_could_not_be_rehearsed_is_something_to_do(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_set, "converge", lambda job, check_mode: package_set.Outcome(unknown=("it is locked",)))
    monkeypatch.setattr(container_toolkit, "engines", lambda wanted, installed: ())
    node.specification = "libcuda.so.580.178.04"
    outcome = container_toolkit.converge(Desired(PACKAGES), check_mode=True)
    assert (outcome.changed, outcome.unknown, outcome.diffs) == (True, ("it is locked",), ())


def test_docker_that_may_be_restarted_has_cdi_at_once(node: Node) -> None:
    outcome = container_toolkit.converge(Desired(PACKAGES, restart_docker=True), check_mode=False)
    assert "restart" in node.done
    assert outcome.left == ()


def test_a_node_that_is_as_it_should_be_is_left_alone(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"runtimes": {"nvidia": {}}, "features": {"cdi": true}}'
    monkeypatch.setattr(docker_daemon, "read", lambda: kept_files.Kept(text))
    node.docker, node.specification = Running(("nvidia",), True), "libcuda.so.580.178.04"
    outcome = container_toolkit.converge(Desired(PACKAGES), check_mode=False)
    assert (outcome.changed, node.done, node.manager.calls, outcome.left) == (False, [], [], ())


@pytest.mark.parametrize(
    ("engines", "podman", "left"),
    [
        (("podman",), "podman version 5.4.2", ""),
        (("podman",), "podman version 3.4.4", "podman 3.4 does not take GPUs"),
        ((), "", "neither Docker nor podman is installed"),
    ],
)
def test_podman_needs_no_settings(
    engines: tuple[str, ...], podman: str, left: str, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_toolkit.shutil, "which", lambda program: program if program in engines else None)
    node.podman, node.specification = podman, "libcuda.so.580.178.04"
    outcome = container_toolkit.converge(Desired(PACKAGES), check_mode=False)
    assert (outcome.engines, node.done) == (engines, [])
    assert left in "".join(outcome.left)
    assert bool(outcome.left) is bool(left)


def test_without_a_driver_the_specification_is_left_to_the_boot_that_loads_one(node: Node) -> None:
    node.loaded = ""
    outcome = container_toolkit.converge(Desired(PACKAGES), check_mode=False)
    assert not any(step.startswith("specification") for step in node.done)
    assert any("no driver is loaded" in text for text in outcome.left)


def test_a_specification_that_names_files_that_are_gone_is_created_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.specification = "libcuda.so.580.178.04"
    stale = Specification(cdi.where(), ("580.178.04",), ("/usr/bin/gone",))
    monkeypatch.setattr(cdi, "specifications", lambda system: [stale])
    outcome = container_toolkit.converge(Desired(PACKAGES), check_mode=False)
    assert "specification of 580.178.04" in node.done
    assert not any("gone" in text for text in outcome.left)


def test_a_stale_specification_of_somebody_else_is_left_and_named(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.specification = "libcuda.so.580.178.04"
    others = [Specification("/etc/cdi/nvidia.yaml", ("535.274.02",)), Specification("/etc/cdi/b.json", ("580.178.04",))]
    monkeypatch.setattr(cdi, "specifications", lambda system: others)
    outcome = container_toolkit.converge(Desired(PACKAGES), check_mode=False)
    assert not any(step.startswith("specification") for step in node.done)
    (text,) = [text for text in outcome.left if "/etc/cdi" in text]
    assert text.startswith("/etc/cdi/nvidia.yaml names the driver 535.274.02, and 580.178.04 is loaded.")
    assert text.endswith("remove it")


@pytest.fixture
def made_by_us(node: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The node's specification, and a record of all packages and of Docker's settings."""
    specification = tmp_path / "nvidia.yaml"
    specification.touch()
    monkeypatch.setattr(cdi, "where", lambda: str(specification))
    monkeypatch.setattr(repository, "removal", lambda name: [])
    packages = [Thing(kind, name) for kind in ("package", "hold") for name in NAMES]
    made.note("nvidia_container_toolkit", [*packages, Thing("file", docker_daemon.SETTINGS)])
    settings = docker_daemon.plan(None).file.after
    monkeypatch.setattr(docker_daemon, "read", lambda: settings)
    apply = kept_files.apply

    def apply_others(change: kept_files.Change) -> None:
        if change.path == docker_daemon.SETTINGS:
            node.done.append(f"{change.path} {change.after}")
        else:
            apply(change)

    monkeypatch.setattr(kept_files, "apply", apply_others)
    return specification


def test_the_toolkit_goes_with_what_was_made_for_it(node: Node, made_by_us: Path) -> None:
    rehearsed = container_toolkit.remove(7, check_mode=True)
    assert (rehearsed.changed, node.done, made_by_us.exists()) == (True, [], True)
    node.done.clear()
    assert container_toolkit.remove(7, check_mode=False).diffs == rehearsed.diffs
    assert (node.manager.packages, node.manager.holds, made_by_us.exists()) == ({}, set(), False)
    assert node.done[:2] == [f"{docker_daemon.SETTINGS} None", "reload"]
    assert made.read("nvidia_container_toolkit") == []
    assert not container_toolkit.remove(7, check_mode=False).changed


def test_a_toolkit_that_others_have_installed_stays(node: Node, made_by_us: Path) -> None:
    made.note("nvidia_container_toolkit", (), made.read("nvidia_container_toolkit"))
    assert not container_toolkit.remove(7, check_mode=False).changed
    assert (set(node.manager.packages), made_by_us.exists(), node.done) == ({*NAMES}, True, [])


def test_the_specification_of_a_toolkit_that_others_have_installed_stays(node: Node, made_by_us: Path) -> None:
    made.note(
        "nvidia_container_toolkit",
        (),
        [thing for thing in made.read("nvidia_container_toolkit") if thing.kind == "package"],
    )
    assert container_toolkit.remove(7, check_mode=False).changed
    assert (set(node.manager.packages), made_by_us.exists()) == ({*NAMES}, True)


@pytest.mark.parametrize("settings", ["docker", "containerd"])
def test_a_toolkit_that_an_engine_names_stays_with_all_of_it(
    settings: str, node: Node, made_by_us: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if settings == "docker":
        monkeypatch.setattr(docker_daemon, "read", lambda: Kept(OURS[:-1] + ', "default-runtime": "nvidia"}'))
        path = docker_daemon.SETTINGS
    else:
        path = str(tmp_path / "config.toml")
        Path(path).write_text('BinaryName = "/usr/bin/nvidia-container-runtime"\n')
        monkeypatch.setattr(container_toolkit, "_ENGINES", (path,))
    outcome = container_toolkit.remove(7, check_mode=False)
    assert outcome.left[-1] == f"the container toolkit: {path} names its runtime"
    assert (set(node.manager.packages), made_by_us.exists()) == ({*NAMES}, True)
    assert {thing.name for thing in made.read("nvidia_container_toolkit") if thing.kind == "package"} == {*NAMES}
    assert not container_toolkit.remove(7, check_mode=False).changed


def test_the_control_node_names_the_repository_so() -> None:
    assert container_toolkit.REPOSITORY == container_choice.NAME


OURS = '{"runtimes": {"nvidia": {"path": "nvidia-container-runtime", "args": []}}, "features": {"cdi": true}}'


@pytest.mark.parametrize(
    ("text", "before", "after", "why"),
    [
        (OURS, None, None, ""),
        (OURS, "{}", "{}", ""),
        (OURS, '{"debug": true}', "{}", ""),
        (OURS, '{"runtimes": {"nvidia": {}}}', OURS.partition(', "features"')[0] + "}", ""),
        (OURS, '{"features": {"cdi": true}}', '{"features": {"cdi": true}}', ""),
        (OURS, OURS, "", ""),
        (OURS[:-1] + ', "debug": true}', None, '{"debug": true}', ""),
        (OURS[:-1] + ', "default-runtime": "nvidia"}', None, "", "default-runtime is nvidia"),
        ('{"runtimes": {"nvidia": {"path": "/opt/own"}}}', None, "", ""),
        ("{}", None, "", ""),
    ],
)
def test_what_goes_of_dockers_settings(text: str, before: str | None, after: str | None, why: str) -> None:
    added = docker_daemon.plan(Kept(before) if before else None).added
    change, reason = docker_daemon.plan_removal(Kept(text), added, made=before is None)
    assert why in reason
    assert bool(reason) is bool(why)
    if after == "":
        assert change is None
    else:
        assert change is not None
        assert (change.after and change.after.text) == after
    assert docker_daemon.plan_removal(None, added, made=True) == (None, "")


@pytest.mark.parametrize(
    "before",
    ['{\n  "dns": ["1.1.1.1", "9.9.9.9"],\n  "features": {"x": true}\n}', '{"debug":true,\n"runtimes":{ "k":{} }}'],
)
def test_dockers_settings_are_afterwards_as_people_have_written_them(before: str) -> None:
    settings = docker_daemon.plan(Kept(before))
    assert settings.file.after is not None
    change, _reason = docker_daemon.plan_removal(settings.file.after, settings.added, made=False)
    assert change is not None
    assert change.after is not None
    assert change.after.text == before
