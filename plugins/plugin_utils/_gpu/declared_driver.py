# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The drivers that an inventory declares, and the CUDA version that they have in common, without asking a node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._gpu.cuda_choice import supported_by

#: What declares a driver.
STATE, VERSION, BRANCH, SOURCE, WITHOUT_GPU = (
    f"nvidia_driver_{name}" for name in ("state", "version", "branch", "source", "without_gpu")
)
#: How many nodes are named.
_NAMED = 3


@dataclass(frozen=True)
class Cuda:
    """The CUDA version that all nodes support.

    Attributes
    ----------
    version
        Such as ``13.0``; empty where no driver is declared.
    reason
        The driver that decides, and its nodes, in words.
    """

    version: str = ""
    reason: str = ""


def declared(variables: Mapping[str, Any], default: str) -> str:
    """Return the version or branch of the driver that a node is to have; empty where the inventory does not say.

    Parameters
    ----------
    variables
        Those of the role nvidia_driver that are set for the node.
    default
        The branch that the role installs where nothing is set. A node that gets it only if it has a GPU may have none.
    """
    if variables.get(STATE) == "absent":
        return ""
    if set_ := variables.get(VERSION) or variables.get(BRANCH):
        return str(set_)
    if variables.get(SOURCE) == "distribution" or not boolean(variables.get(WITHOUT_GPU, True), strict=False):
        return ""
    return default


def in_common(drivers: Mapping[str, str]) -> Cuda:
    """Return what the drivers of nodes support, by the oldest of them.

    Parameters
    ----------
    drivers
        Name of the node to the version or branch of its driver, empty for none.

    Raises
    ------
    EvenkeelError
        A driver is no version, or older than all whose CUDA version is known.
    """
    branches = {node: driver.partition(".")[0] for node, driver in drivers.items() if driver}
    for node, branch in branches.items():
        if not branch.isdigit() or not supported_by(branch):
            raise EvenkeelError(
                f"The CUDA version that the driver {drivers[node]} of {node} supports is not known",
                "Set lock_cuda to the CUDA version that all drivers support",
            )
    if not branches:
        return Cuda()
    oldest = min(branches.values(), key=int)
    nodes = [node for node, branch in branches.items() if branch == oldest]
    named = ", ".join(nodes[:_NAMED]) + (f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else "")
    return Cuda(supported_by(oldest), f"driver branch {oldest} of {named}")
