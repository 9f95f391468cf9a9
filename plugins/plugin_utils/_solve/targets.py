# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What a solver assumes of nodes that it cannot see, by the distributions that they run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.requirements import optional
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping

with optional():
    from packaging.version import Version

_CUDA = re.compile(r"\d{1,2}(\.\d{1,2}){0,2}")
DATA = Path(__file__).parents[1] / "data" / "targets.yml"


def virtual_packages(targets: Iterable[str], cuda: str | None = None) -> dict[str, str]:
    """Return conda's virtual packages, name to version, on which an environment for all ``targets`` can rely.

    Parameters
    ----------
    targets
        Distributions, such as ``debian-12``; all that are known when empty. The oldest kernel and C library count.
    cuda
        The CUDA version that the nodes' drivers support, such as ``12.4``; None without a driver.

    Raises
    ------
    EvenkeelError
        A distribution is unknown, or the CUDA version is none.
    """
    if cuda and not _CUDA.fullmatch(cuda):
        raise EvenkeelError(
            f"lock_cuda is {cuda!r}, which is not a version of CUDA", "Write one such as '12.4', or '' for no GPUs"
        )
    known = read_mapping(DATA)
    names = list(targets) or list(known)
    for name in names:
        if name not in known:
            raise EvenkeelError(
                f"lock_targets names {name!r}, which is unknown",
                f"Known: {', '.join(known)}; or set lock_virtual_packages by itself",
            )
    found = {package: min((known[name][package] for name in names), key=Version) for package in ("__glibc", "__linux")}
    return {"__unix": "0", **found, **({"__cuda": cuda} if cuda else {})}
