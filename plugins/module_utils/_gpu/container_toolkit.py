# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The NVIDIA Container Toolkit of a node: packages, container engines, and the CDI specification."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import cdi, docker_daemon
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, made, services
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import removal, repository_removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted, hold_tools

#: The module that records what is made.
BY = "nvidia_container_toolkit"
ENGINES = {"docker": "dockerd", "podman": "podman"}
#: What the settings of an engine name that starts containers by the toolkit.
RUNTIME = "nvidia-container-runtime"
_ENGINES = (
    "/etc/containerd/config.toml",
    "/etc/containerd/conf.d/*.toml",
    "/etc/containers/containers.conf",
    "/etc/containers/containers.conf.d/*.conf",
    "/etc/crio/crio.conf",
    "/etc/crio/crio.conf.d/*.conf",
)
#: The first podman that takes devices by CDI.
_PODMAN = (4, 1)
#: The name of the repository's files, which the control node gives them.
REPOSITORY = "evenkeel-nvidia-container-toolkit"
_UNITS = "/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"
_CHECK = "%s run --rm --device nvidia.com/gpu=all %sdocker.io/library/ubuntu nvidia-smi -L"


@dataclass(frozen=True)
class Desired:
    """What a node must have; the options of the module ``nvidia_container_toolkit``, which describes them."""

    packages: tuple[Wanted, ...] = ()
    repository: Repository | None = None
    engines: tuple[str, ...] = ("auto",)
    restart_docker: bool = False
    hold: bool = True
    lock_timeout: int = 300


@dataclass(frozen=True)
class Outcome:
    """What the module returns, which describes it."""

    changed: bool
    engines: tuple[str, ...]
    specification: str
    check: tuple[str, ...]
    packages: tuple[str, ...]
    healed: tuple[str, ...]
    left: tuple[str, ...]
    diffs: tuple[Mapping[str, str], ...]
    unknown: tuple[str, ...]


@dataclass
class _Work:
    """What has been done so far, or would be in check mode."""

    check_mode: bool
    diffs: list[Mapping[str, str]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def note(self, what: str, after: str) -> None:
        self.diffs.append({"before_header": what, "after_header": what, "before": "", "after": after + "\n"})


def converge(desired: Desired, *, check_mode: bool) -> Outcome:
    """Bring a node to what is desired.

    Raises
    ------
    EvenkeelError
        A step failed. Unless the message says otherwise, nothing was changed.
    """
    work = _Work(check_mode)
    found = engines(desired.engines, {name for name, program in ENGINES.items() if shutil.which(program)})
    settings = docker_daemon.plan(docker_daemon.read()) if "docker" in found else None
    manager = package_set.manager_of_node(lock_timeout=desired.lock_timeout)
    job = package_set.Job(
        BY, request(desired, manager=manager.name), desired.repository, lock_timeout=desired.lock_timeout
    )
    outcome = package_set.converge(job, check_mode=check_mode)
    work.diffs += outcome.diffs()
    if settings is not None:
        _converge_docker(desired, settings, work)
    if "podman" in found and shutil.which("podman"):
        work.left += podman_problems(command.run(["podman", "--version"]).output)
    _converge_specification(work)
    if not found:
        work.left.append("no container engine was set up: neither Docker nor podman is installed")
    return Outcome(
        changed=bool(work.diffs or outcome.healed or outcome.unknown),
        engines=found,
        specification=cdi.where() if os.path.exists(cdi.where()) else "",
        check=tuple(map(check_command, found)),
        packages=tuple(map(str, outcome.plan.steps)),
        healed=outcome.healed,
        left=tuple(work.left),
        diffs=tuple(work.diffs),
        unknown=outcome.unknown,
    )


def remove(lock_timeout: int, *, check_mode: bool) -> Outcome:
    """Take away what was made for containers; those that run keep the GPUs that they have.

    Raises
    ------
    EvenkeelError
        A step failed; the next run goes on from there.
    """
    work = _Work(check_mode)
    recorded = made.read(BY)
    docker, why = _leave_docker(recorded, work)
    work.left += filter(None, [why])
    done = [one for one in recorded if one.kind in ("file", "setting") and not why]
    gone = removal.Removal()
    needed = users(docker) if any(one.kind == "package" for one in recorded) else []
    if needed:
        work.left.append("the container toolkit: %s names its runtime" % ", ".join(needed))
    else:
        gone, things = _remove_toolkit(recorded, lock_timeout, work)
        done += things
    if not check_mode:
        made.note(BY, (), done)
    return Outcome(
        changed=bool(work.diffs or gone.changed),
        engines=(),
        specification="",
        check=(),
        packages=tuple(map(str, gone.plan.steps)),
        healed=gone.healed,
        left=tuple(work.left),
        diffs=tuple(work.diffs),
        unknown=gone.unknown,
    )


def _leave_docker(recorded: Collection[Thing], work: _Work) -> tuple[str, str]:
    """Take what was added out of Docker's settings; return their text then, and why something stays."""
    file = docker_daemon.read()
    settings, why = None, ""
    for thing in recorded:
        if thing.kind == "file" and thing.name == os.path.realpath(docker_daemon.SETTINGS):
            settings, why = docker_daemon.plan_removal(file, recorded, made=thing.before == made.ABSENT)
    if settings is None:
        return file.text if file else "", why
    work.diffs.append(settings.diff())
    reload = docker_daemon.ask() is not None
    if not work.check_mode:
        kept_files.apply(settings)
        if reload:
            docker_daemon.act("reload")
    return settings.after.text if settings.after else "", why


def users(docker: str) -> list[str]:
    """Return the files of settings that name the toolkit's runtime, without which the engine would start no container.

    Parameters
    ----------
    docker
        Docker's settings, as they are or would be.
    """
    found = [docker_daemon.SETTINGS] if RUNTIME in docker else []
    for path in sorted(path for pattern in _ENGINES for path in glob.glob(pattern)):
        with contextlib.suppress(OSError):
            found += [path] if RUNTIME in (kept_files.text(path) or "") else []
    return found


def _remove_toolkit(
    recorded: Collection[Thing], lock_timeout: int, work: _Work
) -> tuple[removal.Removal, Sequence[Thing]]:
    """Take away packages, specification and repository; return what goes of the packages, and of the rest's record."""
    specification = cdi.where()
    gone = removal.remove([BY], lock_timeout=lock_timeout, check_mode=work.check_mode)
    if gone.plan.remove and not gone.left and os.path.exists(specification):
        work.diffs.append({"before_header": specification, "before": "a specification\n", "after": ""})
        if not work.check_mode:
            os.unlink(specification)
    sources = repository_removal.plan(REPOSITORY)
    work.diffs += [*gone.diffs(), *sources.diffs()]
    if not work.check_mode:
        sources.apply()
    work.left += [*gone.left, *sources.left]
    return gone, [one for one in recorded if one.kind == "service"]


def request(desired: Desired, *, manager: str) -> Request:
    """Return what is asked of the package manager."""
    names = tuple(one.name for one in desired.packages)
    tools = hold_tools(manager) if desired.hold else ()
    return Request(
        wanted=tools + desired.packages,
        hold=names if desired.hold else (),
        release=() if desired.hold else names,
    )


def engines(wanted: Collection[str], installed: Collection[str]) -> tuple[str, ...]:
    """Return the container engines to set up: those that are named, and with ``auto`` those that are installed."""
    return tuple(name for name in ENGINES if name in wanted or ("auto" in wanted and name in installed))


def podman_problems(output: str) -> list[str]:
    """Return what the output of ``podman --version`` shows to be too old."""
    found = re.search(r"(\d+)\.(\d+)", output)
    if found is None or tuple(map(int, found.groups())) >= _PODMAN:
        return []
    first = "%d.%d" % _PODMAN
    return ["podman %s does not take GPUs by their names; podman %s is the first that does" % (found[0], first)]


def check_command(engine: str) -> str:
    """Return the command that shows the GPUs from within a container."""
    return _CHECK % (engine, "--security-opt=label=disable " if engine == "podman" else "")


def _converge_docker(desired: Desired, settings: docker_daemon.Settings, work: _Work) -> None:
    running = docker_daemon.ask()
    step = docker_daemon.step(running, settings, restart=desired.restart_docker)
    if settings.changed:
        work.diffs.append(settings.file.diff())
    if step:
        work.note(docker_daemon.UNIT, {"restart": "restarted", "reload": "reloaded"}[step])
    if not work.check_mode:
        if settings.changed:
            made.note(BY, settings.added)
            kept_files.apply_all([*made.of_files(BY, [settings.file]), settings.file])
        if step:
            docker_daemon.act(step)
            running = docker_daemon.ask()
    if not settings.cdi:
        work.left.append("%s turns CDI off, so Docker can't select GPUs by their CDI names" % docker_daemon.SETTINGS)
    elif running is not None and running.cdi is False and step != "restart":
        work.left.append(
            "Docker can use the GPUs' CDI names only after a restart, which stops its containers: restart it, or set"
            " restart_docker (nvidia_container_toolkit_restart_docker of the role) to true"
        )


def _converge_specification(work: _Work) -> None:
    for name, run in ((cdi.PATH_UNIT, True), (cdi.SERVICE, False)):
        if work.check_mode and not any(os.path.exists(os.path.join(folder, name)) for folder in _UNITS):
            continue
        change = services.change(name, run=run)
        if change is not None:
            work.diffs.append(change.diff())
            if not work.check_mode:
                change.apply(BY)
    version = cdi.loaded()
    found = cdi.specifications(Sysroot())
    why = cdi.why_left(version, cdi.libraries())
    if why:
        work.left.append(why)
    elif not cdi.is_current(version, cdi.read()) or any(one.missing for one in found if cdi.is_services(one)):
        work.note(cdi.where(), "of the driver %s" % version)
        if not work.check_mode:
            cdi.refresh(version)
    work.left += [
        "%s. Container engines read it beside %s: remove it" % (stale, cdi.where())
        for one in found
        if not cdi.is_services(one) and (stale := one.why_stale(version))
    ]
