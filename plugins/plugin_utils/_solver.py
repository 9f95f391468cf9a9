# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Solve a list of packages on the control node, once for all nodes that are alike."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._environment import Package
from ansible_collections.evenkeel.gpu.plugins.module_utils._errors import EvenkeelError


@dataclass(frozen=True)
class Problem:
    """What the solver is asked; equal problems have equal answers within one run."""

    packages: tuple[str, ...]
    channels: tuple[str, ...]
    platform: str
    #: Name and version.
    virtual_packages: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def solve_once(problem: Problem, run_directory: Path, solve: Callable[[Problem], list[Package]]) -> list[Package]:
    """Return the answer to ``problem``; the first of Ansible's workers to ask computes it, the others wait for it.

    Parameters
    ----------
    problem
        What to solve.
    run_directory
        A directory that all workers of this run share and that goes with the run.
    solve
        The solver.
    """
    with (run_directory / f"solve-{problem.key}.json").open("a+") as answer:
        fcntl.flock(answer, fcntl.LOCK_EX)
        answer.seek(0)
        if text := answer.read():
            known = json.loads(text)
            if "error" in known:
                raise EvenkeelError(*known["error"])
            return [Package(**package) for package in known["packages"]]
        try:
            packages = solve(problem)
        except EvenkeelError as error:
            json.dump({"error": [error.what, error.mend]}, answer)
            raise
        json.dump({"packages": [asdict(package) for package in packages]}, answer)
        return packages


def solve_with_rattler(problem: Problem) -> list[Package]:
    """Solve with py-rattler, the solver of pixi."""
    try:
        from rattler import (
            BuildString,
            ChannelPriority,
            Gateway,
            GenericVirtualPackage,
            MatchSpec,
            PackageName,
            RepoDataRecord,
            Subdir,
            Version,
            solve,
        )
        from rattler.exceptions import (
            GatewayError,
            InvalidChannelError,
            InvalidMatchSpecError,
            InvalidUrlError,
            SolverError,
        )
    except ImportError as error:
        raise EvenkeelError(
            f"The control node's Python has no py-rattler ({error})",
            "Install it beside ansible-core: python -m pip install py-rattler",
        ) from error
    specs = []
    for text in problem.packages:
        try:
            specs.append(MatchSpec(text))
        except InvalidMatchSpecError as error:
            raise EvenkeelError(
                f"{text!r} is no package specification: {error}",
                "Write it like conda does, such as numpy>=2 or python=3.11",
            ) from error
    virtual_packages = [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString("0"))
        for name, version in problem.virtual_packages
    ]

    def answer(gateway: Gateway) -> list[RepoDataRecord]:
        return asyncio.run(
            solve(
                sources=list(problem.channels),
                specs=specs,
                gateway=gateway,
                platforms=[Subdir(problem.platform), Subdir("noarch")],
                virtual_packages=virtual_packages,
                channel_priority=ChannelPriority.Strict,
                add_pip_as_python_dependency=True,
            )
        )

    try:
        try:
            records = answer(Gateway())
        except GatewayError:
            # A cached index that the server's answers no longer fit fails for good; an empty cache does not.
            with tempfile.TemporaryDirectory() as empty:
                records = answer(Gateway(cache_dir=Path(empty)))
    except (InvalidChannelError, InvalidUrlError) as error:
        raise EvenkeelError(
            f"Not all of the channels {', '.join(problem.channels)} can be understood: {error}",
            "Write each as a URL or as the name of a channel",
        ) from error
    except SolverError as error:
        raise EvenkeelError(
            f"The channels {', '.join(problem.channels)} cannot provide {', '.join(problem.packages)}: {error}",
            "Change the environment's packages or its channels",
        ) from error
    except GatewayError as error:
        raise EvenkeelError(
            f"The index of {', '.join(problem.channels)} could not be read: {error}",
            "Check the channels' URLs and that the control node reaches them",
        ) from error
    unhashed = sorted(record.file_name for record in records if record.sha256 is None)
    if unhashed:
        raise EvenkeelError(
            f"The index of {', '.join(problem.channels)} has no SHA-256 for {', '.join(unhashed)}",
            "Choose a mirror with a complete index; packages without a hash can't be verified",
        )
    return [
        Package(
            name=record.name.normalized,
            version=str(record.version),
            build=str(record.build),
            sha256=record.sha256.hex(),
            url=record.url,
        )
        for record in records
        if record.sha256
    ]
