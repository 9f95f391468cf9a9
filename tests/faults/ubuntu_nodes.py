# SPDX-License-Identifier: GPL-3.0-or-later
"""What nodes that pass for Ubuntu 24.04 have of the driver, and how they lose it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.faults.conftest import Answer, Node

PREPARE, PLAYBOOK = "molecule/nvidia_driver/prepare.yml", "molecule/nvidia_driver/converge.yml"
OLD, NEW, LEFT = "580.159.03", "580.178.04", "595.91.07"
REVISION = "1ubuntu1"
KERNEL = "6.8.0-90-generic"
OF_DRIVER = re.compile("nvidia|^libnvsdm|^cuda-drivers")
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
_FILES = (
    *("/etc/apt/sources.list.d/*nvidia*", "/etc/apt/sources.list.d/*cuda*", "/etc/apt/keyrings/evenkeel-nvidia*"),
    *("/etc/apt/preferences.d/*", "/etc/apt/apt.conf.d/52evenkeel-nvidia-driver", "/usr/src/nvidia-*"),
    *("/etc/modprobe.d/evenkeel-nvidia-driver.conf", "/var/lib/dkms/nvidia", "/lib/modules/*/updates"),
)


def strip(node: Node) -> None:
    """Remove everything of NVIDIA's and of CUDA's."""
    listed = "dpkg-query --show --showformat '${Package}\\n' '*nvidia*' 'libnvsdm*' 'cuda-*' 2>/dev/null"
    purge = f"{listed} | xargs --no-run-if-empty dpkg --purge --force-all"
    node.host.check_output(f"apt-mark showhold | xargs --no-run-if-empty apt-mark unhold; {purge}")
    node.host.check_output(f"rm -rf {' '.join(_FILES)}; apt-get update")


def play(node: Node, *options: str, **variables: Any) -> Answer:
    """Run the role nvidia_driver."""
    return node.play(PLAYBOOK, *options, **variables)


def versions(node: Node) -> set[str]:
    """Return the versions of all installed packages of the driver."""
    listed = node.host.check_output("dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version}\\n'")
    rows = [line.split() for line in listed.splitlines()]
    return {row[2] for row in rows if row[0] in ("ii", "hi") and OF_DRIVER.search(row[1])}


def built(node: Node) -> str:
    """Return the version of the module that the kernel would load."""
    return str(node.host.check_output(f"modinfo -k {KERNEL} -F version nvidia"))
