# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Why conda's packages of a problem can't be had: what the channels lack, or what conflicts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import CONFIGURED, has_configured
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.gpu_builds import asks_for_gpu
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.problem import Problem
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.solver_report import MISSING, report

if TYPE_CHECKING:
    from rattler import Gateway, MatchSpec, RepoDataRecord, Subdir

CUDA = "__cuda"
#: How many of the builds that are there are named.
_NAMED = 5


async def unsolvable(
    explanation: str,
    problem: Problem,
    specs: Sequence[MatchSpec],
    gateway: Gateway,
    channels: list[str],
    platforms: list[Subdir],
) -> EvenkeelError:
    """Return the error of a problem that the solver has no answer to.

    Parameters
    ----------
    explanation
        What the solver says. It ends at the first specification that nothing fits; all of them are named here.
    specs
        Those of ``problem``.
    gateway, channels, platforms
        What was asked for packages, and where.
    """
    names = sorted({spec.name.normalized for spec in specs})
    answers = await gateway.query(channels, platforms, names, recursive=False)
    records = [record for of_channel in answers for record in of_channel]
    lacking = [lack for spec in specs if (lack := _lack(spec, records))]
    where = f"The channels are {', '.join(problem.channels)}"
    if lacking:
        return EvenkeelError(
            f"No candidates were found for {'; '.join(lacking)}, on {problem.platform}. {where}",
            "Correct the names and versions, or add the channels that have them" + _configured(problem),
        )
    why = report(_with_both_sides(explanation, specs, records), problem.key)
    return EvenkeelError(
        f"Not all that is asked for fits together on {problem.platform}: {why}\n{where}", _remedy(problem, specs, why)
    )


def _with_both_sides(explanation: str, specs: Iterable[MatchSpec], records: Sequence[RepoDataRecord]) -> str:
    """Return an explanation in which packages that the channels have, and the request excludes, are not missing."""
    asked = {spec.name.normalized: spec for spec in specs}

    def named(missing: re.Match[str]) -> str:
        spec = asked.get(missing["name"])
        if spec is None or not any(_fits(missing["name"], missing["asked"], record) for record in records):
            return missing[0]
        return f"{missing['name']} {missing['asked']}, which {spec} excludes."

    return re.sub(rf"(?<=─ ){MISSING.pattern}$", named, explanation, flags=re.MULTILINE)


def _fits(name: str, asked: str, record: RepoDataRecord) -> bool:
    from rattler import MatchSpec
    from rattler.exceptions import InvalidMatchSpecError

    if record.name.normalized != name:
        return False
    try:
        return MatchSpec(f"{name} {asked}").matches(record)
    except InvalidMatchSpecError:
        return False


def _lack(spec: MatchSpec, records: Iterable[RepoDataRecord]) -> str:
    """Return a specification that nothing fits, and what else the channels have; empty when something fits."""
    of_name = [record for record in records if record.name.normalized == spec.name.normalized]
    if any(spec.matches(record) for record in of_name):
        return ""
    newest = sorted(of_name, key=lambda record: (record.version, record.build_number), reverse=True)
    there = [f"{record.version} {record.build}" if spec.build else str(record.version) for record in newest]
    named = ", ".join(list(dict.fromkeys(there))[:_NAMED])
    return f"{spec} ({f'the newest are {named}' if named else 'no channel has it'})"


def _configured(problem: Problem) -> str:
    """Return which channels conda would ask besides those of the problem; empty when one of them is there."""
    return (
        ""
        if has_configured(problem.channels)
        else f"; conda would ask those that it is configured with too: {CONFIGURED}"
    )


def _remedy(problem: Problem, specs: Iterable[MatchSpec], why: str) -> str:
    known = dict(problem.virtual_packages)
    wants_gpu = CUDA in why or any(asks_for_gpu(spec.name.normalized, spec.build or "") for spec in specs)
    if wants_gpu and CUDA not in known:
        return (
            "It needs a GPU, and no CUDA version of the nodes is known. Declare their driver (nvidia_driver_branch), or"
            " set lock_cuda to the CUDA version that it supports, such as 12.8"
        )
    if CUDA in why:
        return f"The nodes support CUDA {known[CUDA]} (lock_cuda); ask for a build for it, or for a newer driver"
    return "Change the environment's packages or its channels"
