# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The driver from NVIDIA's self-extracting installer, for distributions and versions that have no packages."""

from __future__ import annotations

import glob
import os
import tempfile

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import beginning, download
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

UNINSTALLER = "/usr/bin/nvidia-uninstall"
_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")
_LOG = "/var/log/nvidia-installer.log"


def installed(root: str = "/") -> str:
    """Return the version that the installer has installed, empty if it has not."""
    if not os.path.exists(os.path.join(root, UNINSTALLER.lstrip("/"))):
        return ""
    for folder in _LIBRARIES:
        for path in glob.glob(os.path.join(root, folder.lstrip("/"), "libcuda.so.*.*")):
            return os.path.basename(path)[len("libcuda.so.") :]
    return ""


def require_no_packages(names: list[str]) -> None:
    """Refuse to install a driver over one from packages.

    Raises
    ------
    EvenkeelError
        There are such packages.
    """
    if names:
        raise EvenkeelError(
            "A driver is installed by packages: %s" % ", ".join(names),
            "Remove them first: two drivers in one place break each other",
        )


def arguments(flavour: str) -> list[str]:
    """Return the installer's options: no questions, the module through DKMS, nothing of X.

    A module that is loaded stays loaded until the node is rebooted, as with packages.
    """
    options = ["--silent", "--dkms", "--no-x-check", "--no-nouveau-check", "--allow-installation-with-running-driver"]
    return [*options, "--kernel-module-type=%s" % flavour]


def require_offered(url: str) -> None:
    """Refuse an installer that its server does not offer; its checksum is known when all of it has come.

    Raises
    ------
    EvenkeelError
        The server does not offer it, or offers something else.
    """
    if not beginning(url, timeout=30, retries=1).content.startswith(b"#!"):
        raise EvenkeelError("%s is no installer" % url, "Check the version, and the base of the address")


def install(url: str, sha256: str, version: str, flavour: str) -> None:
    """Download the installer, check it and run it; it builds the module before it takes an older driver away.

    Raises
    ------
    EvenkeelError
        Its checksum is wrong, or it failed.
    """
    with tempfile.TemporaryDirectory(prefix="evenkeel-runfile-", dir="/var/tmp") as folder:
        path = os.path.join(folder, url.rpartition("/")[2])
        found = download(url, path, timeout=30, retries=3)
        if found != sha256:
            raise EvenkeelError(
                "%s has the SHA-256 %s, not %s" % (url, found, sha256),
                "Check sha256 of runfile (nvidia_driver_runfile_sha256 of the role), and the version",
            )
        done = command.run(["sh", path, *arguments(flavour)])
        if done.status != 0:
            raise EvenkeelError(
                "NVIDIA's installer of %s ended with status %d: %s" % (version, done.status, done.last_words()),
                "Fix the error that %s on the node shows, then run again" % _LOG,
            )
