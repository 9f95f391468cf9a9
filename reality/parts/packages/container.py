# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of distributions, each with all questions of a platform in it; names are ours, and all go in the end."""

from __future__ import annotations

import atexit
import json
import os
import platform as machine
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.nvidia_repositories import Platform

from reality.claims import SkippedError
from reality.parts.packages import inside
from reality.parts.packages.sets import name_of
from reality.reach import TroubleError
from reality.world import ROOT, World

TOOLS = ("podman", "docker")
LABEL = "io.evenkeel.reality"
#: As container tools name them.
_ARCHITECTURES = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
#: One that nobody waits for any more ends by itself.
_MOST_SECONDS = 5400
_HERE = Path(__file__).parent
_REMOVE = ("rm", "--force", "--volumes")
_REMOVE_SECONDS = 30.0
_FOREIGN = "xec format error"
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def answers(world: World, platform: Platform, image: str, asked: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the answers to what is asked of a platform, by key; those of a stopped run that asked the same stand.

    Raises
    ------
    SkippedError
        This machine has no container tool, or can't run programs of the architecture.
    TroubleError
        The image, or its distribution's repositories, can't be had.
    """
    folder = world.folder / "packages" / name_of(platform)
    folder.mkdir(parents=True, exist_ok=True)
    request, wanted = folder / "asked.json", json.dumps(asked)
    listed = folder / "answers" / "answers.jsonl"
    listed.parent.mkdir(exist_ok=True)
    if not request.exists() or request.read_text(encoding="utf-8") != wanted:
        listed.unlink(missing_ok=True)
        request.write_text(wanted, encoding="utf-8")
    tool, environment = tool_of(world)
    found = inside.read(listed)
    if inside.keys(asked) <= {key for key, one in found.items() if not one["problem"]}:
        return found
    foreign = ["--platform", _ARCHITECTURES[platform.architecture]]
    if not world.is_lab:
        _require(world.run([tool, "pull", "--quiet", *foreign, image]), platform, f"{image} can't be fetched")
    mounts = {
        f"{ROOT}/plugins": "/srv/evenkeel/ansible_collections/evenkeel/gpu/plugins:ro",
        str(_HERE): "/srv/reality:ro",
        str(request): "/srv/asked.json:ro",
        str(listed.parent): "/srv/answers",
    }
    argv = [
        # The host's own way to the world, with its proxies.
        "--network=host",
        *(f"--volume={here}:{there}" for here, there in mounts.items()),
        *(f"--env={name}" for one in _PROXIES for name in (one, one.upper()) if name in os.environ),
        *([] if world.is_lab else foreign),
        image,
        *("timeout", str(_MOST_SECONDS), "sh", "/srv/reality/prepare.sh"),
    ]
    name = f"evenkeel-reality-{name_of(platform).lower()}-{os.getpid()}"
    _remove_left(tool, environment, world)
    with _removed(tool, name, environment):
        begun = world.run([tool, "run", "--detach", f"--name={name}", f"--label={LABEL}", *argv], env=environment)
        _require(begun, platform, f"{image} does not run")
        # Interrupted, this ends at once, and what it waits for is removed.
        status = world.run([tool, "wait", name], env=environment, apart=True)
        said = world.run([tool, "logs", name], env=environment)
    (folder / "output.log").write_text(said.stdout, encoding="utf-8")
    found = inside.read(listed)
    if status.stdout.strip() != "0":
        said.returncode = said.returncode or 1
        _require(said, platform, f"in {image}")
    return found


def tool_of(world: World) -> tuple[str, dict[str, str]]:
    """Return the container tool, and its environment.

    Raises
    ------
    SkippedError
        This machine has none.
    """
    if world.is_lab:
        from lab.nodes import podman

        return world.tool("podman", "install podman"), podman.environment()
    for name in TOOLS:
        try:
            return world.tool(name, ""), {}
        except SkippedError:
            continue
    raise SkippedError("this machine has no podman or docker: install podman")


def _require(done: subprocess.CompletedProcess[str], platform: Platform, what: str) -> None:
    if done.returncode == 0:
        return
    said = " ".join(done.stdout.split())[-300:]
    if _FOREIGN in said and platform.architecture != machine.machine():
        raise SkippedError(
            f"this machine does not run programs of {platform.architecture}: install qemu-user-static, or run this part"
            f" on {platform.architecture} too, and merge the reports"
        )
    raise TroubleError(f"{what}: {said}")


@contextmanager
def _removed(tool: str, name: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Remove a container in the end, also when the program ends before the thread that waits."""

    def remove() -> None:
        # No part of the run, which may have ended; a tool that hangs does not keep it from its end.
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [tool, *_REMOVE, name],
                env={**os.environ, **environment},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                process_group=0,
                timeout=_REMOVE_SECONDS,
                check=False,
            )

    atexit.register(remove)
    try:
        yield
    finally:
        remove()
        atexit.unregister(remove)


def _remove_left(tool: str, environment: Mapping[str, str], world: World) -> None:
    """Remove the containers of runs that were killed."""
    argv = [tool, "ps", "--all", f"--filter=label={LABEL}", "--format={{.Names}}"]
    for name in left(world.run(argv, env=environment, apart=True).stdout.split()):
        world.run([tool, *_REMOVE, name], env=environment)


def left(names: Sequence[str]) -> list[str]:
    """Return those containers whose run, by the number at the end of their names, has ended."""
    return [name for name in names if not Path("/proc", name.rpartition("-")[2]).exists()]
