# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The driver from NVIDIA's self-extracting installer, for distributions and versions that have no packages."""

from __future__ import annotations

import glob
import os
import signal
from collections.abc import Collection
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import beginning, download
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import owners

UNINSTALLER = "/usr/bin/nvidia-uninstall"
#: Both are one program under two names.
_PROGRAMS = (UNINSTALLER, "/usr/bin/nvidia-installer")
_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64")
#: Each driver has these, with its version at the end.
_OF_DRIVER = ("libcuda.so", "libnvidia-ml.so")
_LOG = "/var/log/nvidia-installer.log"
_UNINSTALL_LOG = "/var/log/nvidia-uninstall.log"
#: How long the uninstaller may take, in seconds; then all that it has started is ended.
_LONGEST = 600
#: How ``timeout`` ends where the program did not: it was asked to end, or killed, and ``timeout`` with it.
_TIMED_OUT = (124, -signal.SIGKILL)


@dataclass(frozen=True)
class Found:
    """What NVIDIA's installer has put on a node and is still there.

    Parameters
    ----------
    libraries
        The driver's libraries that no package owns.
    uninstaller
        Whether it can be undone by its own program.
    """

    libraries: tuple[str, ...] = ()
    uninstaller: bool = False

    @property
    def versions(self) -> list[str]:
        """The versions of the libraries."""
        return sorted({path.partition(".so.")[2] for path in self.libraries})

    @property
    def remedy(self) -> str:
        """How to remove it."""
        by_hand = "`%s --silent`" % UNINSTALLER if self.uninstaller else "`rm %s`" % " ".join(self.libraries)
        return "Remove it by %s, or set nvidia_driver_remove_leftovers of the role" % by_hand


def installed(root: str = "/") -> str:
    """Return the version that the installer has installed, empty if it has not."""
    if not os.path.exists(os.path.join(root, UNINSTALLER.lstrip("/"))):
        return ""
    for folder in _LIBRARIES:
        for path in glob.glob(os.path.join(root, folder.lstrip("/"), "libcuda.so.*.*")):
            return os.path.basename(path)[len("libcuda.so.") :]
    return ""


def find(manager: str, root: str = "/", packaged: Collection[str] = ()) -> Found:
    """Return what the installer has put on a node.

    A container's libraries may be its host's, mounted one by one; those are nobody's to remove.

    Parameters
    ----------
    manager
        The package manager, ``apt`` or ``dnf``, which knows what is not the installer's.
    packaged
        The versions of installed packages. Without an uninstaller, libraries of one of them are theirs, and the slow
        question for a file's owner is not asked.
    """
    patterns = [os.path.join(root, folder.lstrip("/"), "%s.*.*" % name) for folder in _LIBRARIES for name in _OF_DRIVER]
    paths = [path for pattern in patterns for path in sorted(glob.glob(pattern)) if not os.path.islink(path)]
    uninstaller = os.path.exists(os.path.join(root, UNINSTALLER.lstrip("/")))
    if not uninstaller and set(Found(tuple(paths)).versions) <= set(packaged):
        return Found()
    return Found(_nobodys(paths, manager), uninstaller)


def require_none(found: Found) -> None:
    """Refuse to install packages over a driver from the installer.

    Raises
    ------
    EvenkeelError
        There is one, or a part of one.
    """
    if found.libraries:
        raise EvenkeelError(
            "NVIDIA's installer has put the driver %s on the node: no package owns %s"
            % (", ".join(found.versions), ", ".join(found.libraries)),
            "%s. Nothing was changed" % found.remedy,
        )


def remove(manager: str, root: str = "/") -> None:
    """Undo the installer: by its own program, and then by removing the libraries that this has left.

    Where no libraries are left, its program would take away files of packages, so it is only removed.

    Raises
    ------
    EvenkeelError
        Its program failed, or did not end.
    """
    found = find(manager, root)
    if found.libraries and found.uninstaller:
        done = command.run(["timeout", "--kill-after=10", str(_LONGEST), UNINSTALLER, "--silent"])
        if done.status in _TIMED_OUT:
            raise EvenkeelError(
                "`%s --silent` did not end within %d seconds" % (UNINSTALLER, _LONGEST),
                "Run it on the node to see what it waits for, then run again",
            )
        if done.status != 0:
            raise EvenkeelError(
                "`%s --silent` ended with status %d: %s" % (UNINSTALLER, done.status, done.last_words()),
                "Fix the error that %s on the node shows, then run again" % _UNINSTALL_LOG,
            )
    left = find(manager, root)
    folders = [os.path.join(root, folder.lstrip("/")) for folder in _LIBRARIES]
    versions = {*found.versions, *left.versions}
    paths = [path for one in folders for version in versions for path in glob.glob("%s/lib*.so.%s" % (one, version))]
    programs = [os.path.join(root, path.lstrip("/")) for path in _PROGRAMS]
    for path in _nobodys([*paths, *filter(os.path.lexists, programs)], manager):
        os.unlink(path)
    command.run(["ldconfig"])


def _nobodys(paths: list[str], manager: str) -> tuple[str, ...]:
    """Return those of the paths that no package owns and that aren't mounted."""
    if not paths:
        return ()
    theirs = owners.owned(paths, manager) | _mounted()
    return tuple(path for path in paths if path not in theirs)


def _mounted() -> set[str]:
    """Return where something is mounted."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
        return {line.split()[4] for line in stream}


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
    work_folder.remove_abandoned()
    with work_folder.made("runfile", work_folder.LARGE) as folder:
        path = os.path.join(folder, url.rpartition("/")[2])
        found = download(url, path, timeout=30, retries=3, sha256=sha256)
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
