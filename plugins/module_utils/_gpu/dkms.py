# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The kernel module that DKMS builds on the node, and the compiler's first error where that fails."""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, disk_space, work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

MODULE = "nvidia"
TREE = "/var/lib/dkms"
LOGS = "/var/log/evenkeel"
#: How a version of the driver begins. Other modules of NVIDIA, such as nvidia-fs, have lower ones.
_DRIVER = re.compile(r"\d{3}\.\d+")
_ERROR = re.compile(r"^.*?(?:(?:fatal )?error:|ERROR:|Error!).*$", re.MULTILINE)
_NO_ERROR = re.compile(r"^make(\[\d+\])?: |conftest", re.MULTILINE)
#: How make ends where no compiler has failed, such as ``Makefile:1: *** No rule. Stop.``
_OF_MAKE = re.compile(r"^.*: \*\*\* .*$", re.MULTILINE)


def sources(folder: str) -> list[tuple[str, str]]:
    """Return path and version of each DKMS source of the driver below an unpacked package."""
    found = sorted(glob.glob(os.path.join(folder, "usr/src/*/dkms.conf")))
    return [(os.path.dirname(path), parse_version(_text(path))) for path in found]


def parse_version(text: str) -> str:
    """Return the version that a ``dkms.conf`` names."""
    found = re.search(r"^PACKAGE_VERSION=\"?([^\"\s]+)\"?", text, re.MULTILINE)
    return found[1] if found else ""


def parse_name(text: str) -> str:
    """Return the name that a ``dkms.conf`` gives its module."""
    found = re.search(r"^PACKAGE_NAME=\"?([^\"\s]+)\"?", text, re.MULTILINE)
    return found[1] if found else MODULE


def is_complete(source: str) -> bool:
    """Return whether a folder has the source of a module, not only what DKMS is to do with it."""
    return any(glob.glob(os.path.join(source, name)) for name in ("Makefile", "Kbuild", "*/Makefile"))


def first_error(log: str) -> str:
    """Return the compiler's first error line in the log of a build, or make's, or its last line."""
    for found in _ERROR.finditer(log):
        if not _NO_ERROR.search(found[0]):
            return " ".join(found[0].split())
    lines = [line for line in log.splitlines() if line.strip()]
    named = _OF_MAKE.findall(log)[:1] or lines[-1:]  # each make above the one that failed adds a line of its own
    return " ".join(named[0].split()) if named else "the log is empty"


def try_build(source: str, kernels: Iterable[str]) -> int:
    """Build a driver's module for kernels in a temporary folder; return how many bytes the modules have.

    Parameters
    ----------
    source
        The folder with its ``dkms.conf``.

    Raises
    ------
    EvenkeelError
        It does not build. The log stays.
    """
    conf = _text(os.path.join(source, "dkms.conf"))
    name, version = parse_name(conf), parse_version(conf)
    with work_folder.made("dkms", work_folder.LARGE) as folder:
        trees = {kind: os.path.join(folder, kind) for kind in ("dkms", "src")}
        for path in trees.values():
            os.mkdir(path)
        shutil.copytree(source, os.path.join(trees["src"], "%s-%s" % (name, version)), symlinks=True)
        options = ["--dkmstree", trees["dkms"], "--sourcetree", trees["src"], "-m", name, "-v", version]
        for kernel in kernels:
            done = command.run(["dkms", "build", *options, "-k", kernel])
            if done.status != 0:
                raise failed(kernel, version, trees["dkms"], done, "The driver was not changed. ")
        return disk_space.size(trees["dkms"])


def build(name: str, version: str, kernel: str, *, again: bool = False) -> None:
    """Build and install the driver's module for a kernel.

    Parameters
    ----------
    again
        Whether to do so where it is built and installed already.

    Raises
    ------
    EvenkeelError
        It does not build.
    """
    for step in ("build", "install") if again else ("install",):
        done = command.run(["dkms", step, *(["--force"] if again else []), "-m", name, "-v", version, "-k", kernel])
        if done.status != 0:
            raise failed(kernel, version, TREE, done)


def registered(tree: str = TREE) -> list[tuple[str, str]]:
    """Return name and version of the driver's modules that DKMS knows: ``nvidia``, or Debian's ``nvidia-current``.

    All versions of DKMS write the same tree; what they print differs, and fails where a source is gone.
    """
    found = []
    for path in sorted(glob.glob(os.path.join(tree, MODULE + "*", "*"))):
        name, version = path.split(os.sep)[-2:]
        if _DRIVER.match(version):
            found.append((name, version))
    return found


def active(tree: str = TREE) -> list[tuple[str, str, str]]:
    """Return name, version and kernel of each of the driver's modules that DKMS has installed for a kernel."""
    found = []
    for path in sorted(glob.glob(os.path.join(tree, MODULE + "*", "kernel-*"))):
        version, release = [*(os.readlink(path).split(os.sep) if os.path.islink(path) else ()), "", ""][:2]
        if _DRIVER.match(version):
            found.append((path.split(os.sep)[-2], version, release))
    return found


def source_of(name: str, version: str) -> str:
    """Return the folder that a module is built of."""
    return "/usr/src/%s-%s" % (name, version)


def uninstall(name: str, version: str, release: str, tree: str = TREE) -> None:
    """Take a module away from a kernel; where DKMS can't, since its source is gone, its file stays."""
    command.run(["dkms", "uninstall", "-m", name, "-v", version, "-k", release])
    _unlink_active(os.path.join(tree, name), version, release)


def forget(name: str, version: str, tree: str = TREE) -> None:
    """Take a module away from all kernels and from DKMS, also where DKMS can't, since its source is gone."""
    command.run(["dkms", "remove", "-m", name, "-v", version, "--all"])
    folder = os.path.join(tree, name)
    _unlink_active(folder, version)
    shutil.rmtree(os.path.join(folder, version), ignore_errors=True)
    if os.path.isdir(folder) and not os.listdir(folder):
        os.rmdir(folder)


def _unlink_active(folder: str, version: str, release: str = "*") -> None:
    """Remove what says that a version is installed for a kernel, or for any."""
    for path in glob.glob(os.path.join(folder, "kernel-%s-*" % release)):
        if os.path.islink(path) and os.readlink(path).split(os.sep)[0] == version:
            os.unlink(path)


def failed(kernel: str, version: str, tree: str, done: command.Done, first: str = "") -> EvenkeelError:
    """Return the error of a failed build, and keep its log."""
    logs = glob.glob(os.path.join(tree, "*", version, "build", "make.log"))
    logs += glob.glob(os.path.join(tree, "*", version, kernel, "*", "log", "make.log"))
    log = _text(logs[0]) if logs else done.said
    kept = keep_log(log, version, kernel)
    return EvenkeelError(
        "The module of the driver %s does not build for the kernel %s: %s" % (version, kernel, first_error(log)),
        "%sChoose another branch or version of the driver, or keep the kernel that it builds for and remove %s;"
        " the whole log is in %s" % (first, kernel, kept),
        dkms=kept,
    )


def logs(tree: str = TREE) -> dict[str, int]:
    """Return the logs of failed builds, each with when it was written, in nanoseconds since the epoch."""
    paths = glob.glob(os.path.join(tree, MODULE + "*", "*", "build", "make.log"))
    return {path: os.stat(path).st_mtime_ns for path in paths}


def failed_since(earlier: Mapping[str, int], tree: str = TREE) -> EvenkeelError | None:
    """Return the error of a build that has failed since then, None if none has."""
    for version, log in _failed(earlier, tree):
        found = re.search(r"for kernel (\S+)", log)
        return failed(found[1].strip("()") if found else "?", version, tree, command.Done(1, log, ""))
    return None


def versions_failed_since(earlier: Mapping[str, int], tree: str = TREE) -> set[str]:
    """Return the versions of the driver whose builds have failed since then."""
    return {version for version, _log in _failed(earlier, tree)}


def _failed(earlier: Mapping[str, int], tree: str) -> list[tuple[str, str]]:
    """Return the version and the log of each build that has failed since then."""
    texts = [(path, _text(path)) for path, written in sorted(logs(tree).items()) if written != earlier.get(path)]
    return [(path.split(os.sep)[-3], log) for path, log in texts if _ERROR.search(log) or _OF_MAKE.search(log)]


def keep_log(log: str, version: str, kernel: str) -> str:
    """Write the log of a build where it stays; return its path."""
    os.makedirs(LOGS, mode=0o755, exist_ok=True)
    path = os.path.join(LOGS, "dkms-%s-%s.log" % (version, kernel))
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(log)
    return path


def require_headers(kernels: Sequence[str]) -> None:
    """Refuse a node with kernels for which no module can be built.

    Raises
    ------
    EvenkeelError
        There are such kernels: their headers are missing.
    """
    if kernels:
        raise EvenkeelError(
            "The headers of the kernel %s are missing, so no module can be built for it" % ", ".join(kernels),
            "Install its headers, or remove the kernel if the node has another one to boot",
        )


def _text(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()
