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

CUDA, GLIBC = "__cuda", "__glibc"
#: How many of the builds that are there are named.
_NAMED = 5
_NONE_FOUND = ", for which no candidates were found"


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
    unmet = [spec for spec in specs if not any(spec.matches(record) for record in records)]
    otherwise = {spec: found for spec in unmet if (found := _of_another_hash(spec, records))}
    lacking = [_lack(spec, records) for spec in unmet if spec not in otherwise]
    where = f"The channels are {', '.join(problem.channels)}"
    if lacking:
        return EvenkeelError(
            _by_own_names(
                f"No candidates were found for {'; '.join(lacking)}, on {problem.platform}. {where}", problem
            ),
            "Correct the names and versions, or add the channels that have them"
            + "".join(_with_its_releases(spec, records) for spec in unmet)
            + _configured(problem),
        )
    if otherwise:
        there = "; ".join(_there(spec, record, problem) for spec, record in otherwise.items())
        return EvenkeelError(
            f"A package is there with another hash than the one that is asked for, on {problem.platform}: {there}. "
            "Somebody may have replaced it",
            "Find out why the hashes differ; if the channel's package is the right one, correct the hash or remove it",
        )
    why = report(_by_own_names(_with_both_sides(explanation, specs, records), problem), problem.key)
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
    """Return a specification that nothing fits, and what else the channels have."""
    of_name = [record for record in records if record.name.normalized == spec.name.normalized]
    there = [f"{record.version} {record.build}" if spec.build else str(record.version) for record in _newest(of_name)]
    named = ", ".join(list(dict.fromkeys(there))[:_NAMED])
    return f"{spec} ({f'the newest are {named}' if named else 'no channel has it'})"


def _with_its_releases(spec: MatchSpec, records: Iterable[RepoDataRecord]) -> str:
    """Return how to write a version whose releases fit, where a build makes it exact; empty elsewhere."""
    from rattler import MatchSpec

    exact = re.fullmatch(r"==(\d+(?:\.\d+)*)", str(spec.version or ""))
    if not exact or not spec.build:
        return ""
    name, build = spec.name.normalized, spec.build
    wider = f"{name}={exact[1]}.*={build}"
    if not any(MatchSpec(wider).matches(record) for record in records):
        return ""
    return f"; with a build, {name}={exact[1]} is this very version, so write {wider} for its releases"


def _newest(records: Iterable[RepoDataRecord]) -> list[RepoDataRecord]:
    return sorted(records, key=lambda record: (record.version, record.build_number), reverse=True)


def _of_another_hash(spec: MatchSpec, records: Iterable[RepoDataRecord]) -> RepoDataRecord | None:
    """Return the newest package that a specification would fit without its hash; None where it has none."""
    from rattler import MatchSpec

    if not spec.md5 and not spec.sha256:
        return None
    without = MatchSpec(re.sub(r"\[(, )?\]", "", re.sub(r'(, )?(md5|sha256)="\w+"', "", str(spec))).replace("[, ", "["))
    return next(iter(_newest(record for record in records if without.matches(record))), None)


def _there(spec: MatchSpec, record: RepoDataRecord, problem: Problem) -> str:
    kind, found = ("SHA-256", record.sha256) if spec.sha256 else ("MD5", record.md5)
    asked = (spec.sha256 or spec.md5 or b"").hex()
    has = f"the {kind} {found.hex()}" if found else f"no {kind}"
    return f"{problem.mirrors.original(record.url)} has {has}, not {asked}"


def _by_own_names(text: str, problem: Problem) -> str:
    """Return a text in which channels have their own URLs, not those of their mirrors."""
    names = {problem.mirrors.mirrored(channel): channel for channel in problem.channels}
    if not names:
        return text
    return re.sub(rf"({'|'.join(map(re.escape, names))})(?![\w-]|\.\w)", lambda found: names[found[0]], text)


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
    is_too_old = re.search(rf"{GLIBC} .+{_NONE_FOUND}", why) is not None
    if problem.seen_on_node and (is_too_old or CUDA in why or (wants_gpu and CUDA not in known)):
        has = [f"glibc {known.get(GLIBC, 'unknown')}", f"CUDA {known[CUDA]}" if CUDA in known else "no CUDA driver"]
        return f"The node has {' and '.join(has)}: ask for builds for these, or bring the node to what is needed first"
    if is_too_old:
        return (
            f"The oldest distribution that the lock is for (lock_targets) has glibc {known.get(GLIBC, 'unknown')}."
            " If the nodes' distributions are newer, name them in lock_targets, such as [ubuntu-24.04]"
        )
    if wants_gpu and CUDA not in known:
        return (
            "It needs a GPU, and no CUDA version of the nodes is known. Declare their driver (nvidia_driver_branch), or"
            " set lock_cuda to the CUDA version that it supports, such as 12.8"
        )
    if CUDA in why:
        return f"The nodes support CUDA {known[CUDA]} (lock_cuda); ask for a build for it, or for a newer driver"
    return "Change the environment's packages or its channels"
