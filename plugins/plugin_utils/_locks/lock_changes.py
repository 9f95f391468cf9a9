# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What differs between two locks of an environment, in lines for people; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package, changes
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.conda_lock import Lock
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.gpu_builds import gpu_builds

_CONFIGURED = "the configured index"


def lines(before: Lock | None, after: Lock | None) -> list[str]:
    """Return what changes, one line each: variables; of each platform its packages and where pip's are from, the CUDA
    version that is assumed of nodes, and which are builds for GPUs.

    Parameters
    ----------
    before, after
        None where there is no lock.
    """
    old, new = (lock.packages if lock else {} for lock in (before, after))
    found = _variables(*(lock.variables if lock else {} for lock in (before, after)))
    for platform in sorted(old.keys() | new.keys()):
        if platform not in new:
            found.append(f"- {platform}")
            continue
        was, now = old.get(platform, ()), new[platform]
        moved = [
            *_with_places(changes(was, now), now),
            *_moved(was, now),
            *_turned("assumed of nodes: CUDA", *(lock.cuda(platform) if lock else "" for lock in (before, after))),
            *_turned("builds for GPUs:", *(", ".join(one.name for one in gpu_builds(each)) for each in (was, now))),
        ]
        found += [platform, *(f"  {line}" for line in moved)] if moved else []
    return found


def _variables(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that comes, goes or has another value."""
    signs = {name: "-" if name not in now else "+" if name not in was else "~" for name in was.keys() | now.keys()}
    return [f"{signs[name]} variable {name}" for name in sorted(signs) if was.get(name) != now.get(name)]


def _with_places(packages: Iterable[str], now: Iterable[Package]) -> list[str]:
    """Return the lines of new packages with the index of those that are not from the configured one."""
    end = f" ({PIP})"
    places = {f"+ {one.name} {one.version}{end}": one.index for one in now if one.manager == PIP and one.index}
    return [f"{line.removesuffix(')')} from {places[line]})" if line in places else line for line in packages]


def _moved(was: Iterable[Package], now: Iterable[Package]) -> list[str]:
    """Return a line for each of pip's packages that comes from another index than before."""
    before = {one.name: one.index for one in was if one.manager == PIP}
    return [
        f"~ {one.name} from {before[one.name] or _CONFIGURED} -> {one.index or _CONFIGURED}"
        for one in now
        if one.manager == PIP and before.get(one.name, one.index) != one.index
    ]


def _turned(what: str, was: str, now: str) -> list[str]:
    """Return a line of what changes; none when nothing does."""
    if was == now:
        return []
    return [f"~ {what} {was} -> {now}" if was and now else f"+ {what} {now}" if now else f"- {what} {was}"]
