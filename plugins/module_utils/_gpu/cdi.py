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
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

SERVICE = "nvidia-cdi-refresh.service"
#: Starts the service when modules are installed.
PATH_UNIT = "nvidia-cdi-refresh.path"
DEFAULT = "/var/run/cdi/nvidia.yaml"
#: Where an administrator may configure another place.
SERVICE_SETTINGS = "/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env"
_PLACE = "NVIDIA_CTK_CDI_OUTPUT_FILE_PATH"
_LIBRARY = re.compile(r"libcuda\.so\.(\d+(?:\.\d+)+)")
#: Where engines look for specifications; those in a later folder win. Source: the Container Device Interface's SPEC.md.
_FOLDERS = "/etc/cdi", "/var/run/cdi"
_KIND = re.compile(r"\bkind\"?:\s*\"?nvidia\.com/")
#: Files of the driver that a specification gives to containers; those in /run come and go with services.
_GIVEN = re.compile(r"\bhostPath\"?:\s*\"?(/usr/[^\s\",]+)")
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


@dataclass(frozen=True)
class Specification:
    """A specification of NVIDIA's devices that is on the node.

    Parameters
    ----------
    path
        Its file.
    versions
        The versions of the driver whose libraries it names.
    missing
        The driver's files that it names, and that are not there.
    """

    path: str
    versions: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def why_stale(self, loaded: str) -> str:
        """Return what it names that is not of this node, or an empty string."""
        if loaded and self.versions and loaded not in self.versions:
            return "%s names the driver %s, and %s is loaded" % (self.path, ", ".join(self.versions), loaded)
        if self.missing:
            return "%s names files that are gone: %s" % (self.path, _few(self.missing))
        return ""


def specifications(system: Sysroot) -> list[Specification]:
    """Return the specifications of NVIDIA's devices that container engines find on a system."""
    paths = ["%s/%s" % (folder, name) for folder in _FOLDERS for name in system.names(folder, r".+\.(yaml|json)$")]
    texts = {path: system.text(path) for path in paths}
    return [
        Specification(
            path,
            tuple(sorted(versions(text))),
            tuple(sorted(name for name in set(_GIVEN.findall(text)) if not system.exists(name))),
        )
        for path, text in texts.items()
        if _KIND.search(text)
    ]


def is_services(specification: Specification) -> bool:
    """Return whether a specification of this node is the one that the service makes."""
    return os.path.realpath(specification.path) == os.path.realpath(where())


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:2]) + (", and %d more" % (len(names) - 2) if names[2:] else "")


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
