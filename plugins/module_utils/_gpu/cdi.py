# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The CDI specification, which describes the GPUs to container engines. The toolkit's nvidia-cdi-refresh makes it.

Source of what the service does: github.com/NVIDIA/nvidia-container-toolkit, deployments/systemd.
"""

from __future__ import annotations

import glob
import os
import re
import shlex
from collections.abc import Collection

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

SERVICE = "nvidia-cdi-refresh.service"
#: Starts the service when modules are installed.
PATH_UNIT = "nvidia-cdi-refresh.path"
DEFAULT = "/var/run/cdi/nvidia.yaml"
#: Where an administrator may configure another place.
SERVICE_SETTINGS = "/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env"
_PLACE = "NVIDIA_CTK_CDI_OUTPUT_FILE_PATH"
_LIBRARY = re.compile(r"libcuda\.so\.(\d+(?:\.\d+)+)")
_LIBRARIES = ("/usr/lib64", "/usr/lib/*-linux-gnu", "/usr/lib/*-linux-gnu/nvidia/current")


def place(settings: str) -> str:
    """Return where the service puts the specification, by the text of its settings."""
    for line in reversed(settings.splitlines()):
        name, _unused, value = line.strip().partition("=")
        if name == _PLACE and value:
            return (shlex.split(value) or [DEFAULT])[0]
    return DEFAULT


def versions(text: str) -> set[str]:
    """Return the versions of the driver whose libraries a specification, or a list of files, names."""
    return set(_LIBRARY.findall(text))


def why_left(loaded: str, libraries: Collection[str]) -> str:
    """Return why no specification can be created now, or an empty string.

    Parameters
    ----------
    loaded
        The version of the loaded driver; empty when there is none.
    libraries
        The versions of the driver's libraries on disk.
    """
    if not loaded:
        return "no CDI specification was created: no driver is loaded; the boot that loads one creates it"
    if not libraries:
        return "no CDI specification was created: the driver's libraries are not installed"
    if loaded not in libraries:
        return "the CDI specification waits for a reboot: the driver %s is loaded, and %s is installed" % (
            loaded,
            ", ".join(sorted(libraries)),
        )
    return ""


def is_current(loaded: str, specification: str) -> bool:
    """Return whether a specification is of the loaded driver."""
    return loaded in versions(specification)


def loaded() -> str:
    """Return the version of the loaded driver, or an empty string."""
    return (kept_files.text("/sys/module/nvidia/version") or "").strip()


def libraries() -> set[str]:
    """Return the versions of the driver's libraries on disk."""
    return versions(
        "\n".join(name for folder in _LIBRARIES for name in glob.glob(os.path.join(folder, "libcuda.so.*")))
    )


def where() -> str:
    """Return where the specification is to be on this node."""
    return place(kept_files.text(SERVICE_SETTINGS) or "")


def read() -> str:
    """Return the specification's text, empty when there is none."""
    return kept_files.text(where()) or ""


def refresh(version: str) -> None:
    """Have the service create the specification of this version of the driver.

    Raises
    ------
    EvenkeelError
        The service failed, or created another one.
    """
    remedy = "Find the reason in `journalctl --unit %s`, then run again" % SERVICE
    command.require(["systemctl", "restart", SERVICE], remedy)
    if not is_current(version, read()):
        raise EvenkeelError("%s created no specification of the driver %s in %s" % (SERVICE, version, where()), remedy)
