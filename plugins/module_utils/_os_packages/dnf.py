# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The package manager dnf, in its fourth version, which RHEL 8 to 10 and their kin have."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import manager_lock
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Step

_LOCKS = ("/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock")
_VERSIONLOCK = "/etc/dnf/plugins/versionlock.list"
_HEADER = "Package"
#: Titles of dnf's table of a transaction, and what becomes of the packages below them.
_COMES = re.compile(r"^(Installing|Upgrading|Downgrading|Reinstalling)\b.*:$")
_GOES = re.compile(r"^Removing\b.*:$")
_NAME_ARCH = re.compile(r"^(?P<name>.+)-(?P<epoch>\d+):(?P<version>[^-]+)-(?P<release>[^-]+)\.(?P<arch>[^.]+)$")
_COLUMNS = 5
#: What dnf says when a repository can't be trusted or is not whole, and what that means.
_PROBLEMS = (
    (
        r"((?:repomd\.xml )?GPG (?:signature verification error|check FAILED)[^\n]*|[Bb]ad GPG signature)",
        "is signed by a key that is not the one that is known, or has expired: %s",
        "Find out whether its owner has changed the key; then give the new one and its checksum",
    ),
    (
        r"([Cc]hecksum doesn't match|[Dd]ownloading successful, but checksum)",
        "is not whole (%s), as in the middle of a synchronisation",
        "Run again in some minutes, or use another mirror",
    ),
)


class Dnf:
    """dnf, with settings that may point it at other repositories than the node's own.

    Parameters
    ----------
    settings
        Settings of dnf, each as ``NAME=VALUE``.
    lock_timeout
        How many seconds to wait for somebody else's run of dnf or rpm.
    """

    name = "dnf"
    exact = "%s-%s"

    def __init__(self, settings: Sequence[str] = (), lock_timeout: int = 300) -> None:
        self.options = tuple("--setopt=%s" % setting for setting in settings)
        self.lock_timeout = lock_timeout

    def installed(self) -> dict[str, str]:
        form = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n"
        rows = command.require(["rpm", "--query", "--all", "--queryformat", form], "Mend the rpm database").splitlines()
        return dict(sorted((row.split("\t")[0], row.split("\t")[1]) for row in rows))

    def held(self) -> set[str]:
        installed = self.installed()
        entries = parse_versionlock(kept_files.text(_VERSIONLOCK) or "")
        return {name for name, version in entries.items() if installed.get(name) == version}

    def known(self) -> set[str]:
        """Return the packages that are there."""
        return set(self.installed())

    def interrupted(self) -> list[str]:
        """Return the packages that a killed transaction left twice: the new one beside the old."""
        done = command.run(["dnf", *self._quiet(), "--cacheonly", "repoquery", "--duplicates", "--qf", "%{name}"])
        kernels = ("kernel", "gpg-pubkey", "kmod")
        return sorted({name for name in done.output.split() if done.status == 0 and not name.startswith(kernels)})

    def heal(self) -> None:
        """Finish what a killed transaction left half-done."""
        self._wait()
        command.require(["dnf", *self._quiet(), "remove", "--duplicates"], "Mend what it says, then run again")

    def versions(self, name: str) -> list[str]:
        form = "%{epoch}:%{version}-%{release}"
        argv = ["dnf", *self._quiet(), "repoquery", "--available", "--qf", form, name]
        found = command.run(argv).output.split()
        return list(dict.fromkeys(sorted(found, key=version_key, reverse=True)))

    def simulate(self, install: Sequence[str], remove: Sequence[str]) -> list[Step]:
        argv = ["dnf", *self._options(), "--assumeno", "--allowerasing"]
        installed = self.installed()
        steps: list[Step] = []
        if install:
            steps += self._simulated([*argv, "install", *install], install, installed)
        if remove:
            steps += self._simulated([*argv, "--noautoremove", "remove", *remove], remove, installed)
        return list(dict.fromkeys(steps))

    def apply(self, install: Sequence[str], remove: Sequence[str]) -> None:
        self._wait()
        argv = ["dnf", *self._options(), "--assumeyes", "--allowerasing"]
        # A package of the other flavour conflicts with the new one, so what goes is erased by the same transaction.
        for verb, names in (("install", install), ("remove", [name for name in remove if name in self.installed()])):
            if not names:
                continue
            keep = ["--noautoremove"] if verb == "remove" else []
            done = command.run([*argv, *keep, verb, *names])
            if done.status != 0:
                raise EvenkeelError(
                    "dnf did not %s %s: %s" % (verb, " ".join(names), explain(done.said)),
                    "Mend what it says, then run again; the next run goes on from here",
                    stdout=done.output,
                    stderr=done.errors,
                )

    def hold(self, names: Sequence[str]) -> None:
        installed = self.installed()
        self._lock_versions(drop=set(names), add={name: installed[name] for name in names if name in installed})

    def release(self, names: Sequence[str]) -> None:
        self._lock_versions(drop=set(names), add={})

    def refresh(self, source: str, retries: int = 3) -> None:
        """Fetch the metadata of one file of repositories; see ``Apt.refresh``."""
        self._wait()
        names = re.findall(r"^\[(.+)\]$", kept_files.text(source) or "", re.MULTILINE)
        only = ["--disablerepo=*", *("--enablerepo=%s" % name for name in names)] if names else []
        for _ in range(retries + 1):
            done = command.run(["dnf", *self._options(), *only, "--assumeyes", "makecache", "--refresh"])
            if done.status == 0:
                return
        raise explain_refresh(done.said, source)

    def never_asked(self) -> bool:
        """Tell that dnf asks by itself."""
        return False

    def download(self, spec: str, folder: str) -> str:
        """Download a package into a folder that is there, and return its path."""
        argv = ["dnf", *self._options(), "--assumeyes", "install", "--downloadonly", "--destdir", folder, spec]
        done = command.run(argv)
        name = spec.partition(":")[0].rpartition("-")[0]
        found = sorted(path for path in os.listdir(folder) if path.startswith(name) and path.endswith(".rpm"))
        if done.status != 0 or not found:
            raise EvenkeelError("dnf did not download %s: %s" % (spec, explain(done.said)), "Check the repository")
        return os.path.join(folder, found[-1])

    def unpack(self, package: str, folder: str) -> None:
        """Unpack a downloaded package into a folder that is made."""
        os.makedirs(folder)
        script = 'cd "$0" && rpm2cpio "$1" | cpio --extract --make-directories --quiet'
        command.require(["sh", "-c", script, folder, package], "Is cpio there, and is the disk full?")

    def _simulated(self, argv: Sequence[str], names: Sequence[str], installed: dict[str, str]) -> list[Step]:
        done = command.run(argv)
        steps = parse_steps(done.output, installed)
        # Without a yes dnf ends with status 1, as it does where it finds no way.
        if not steps and "Nothing to do" not in done.said:
            raise EvenkeelError(
                "dnf cannot change %s: %s" % (" ".join(names), explain(done.said)),
                "Nothing was changed. Choose another version, or take away what is in its way",
            )
        return steps

    def _options(self) -> list[str]:
        # Our own holds are not in our own way.
        return [*self.options, "--disableplugin=versionlock", "--setopt=install_weak_deps=False"]

    def _quiet(self) -> list[str]:
        return [*self._options(), "--quiet"]

    def _lock_versions(self, drop: set[str], add: dict[str, str]) -> None:
        lines = (kept_files.text(_VERSIONLOCK) or "").splitlines()
        kept = [line for line in lines if not drop.intersection(parse_versionlock(line))]
        fresh = ["%s-%s.*" % entry for entry in sorted(add.items())]
        text = "".join("%s\n" % line for line in [*kept, *fresh])
        kept_files.apply(kept_files.Change(_VERSIONLOCK, None, Kept(text)))

    def _wait(self) -> None:
        manager_lock.wait(_LOCKS, self.lock_timeout)


def parse_versionlock(text: str) -> dict[str, str]:
    """Return the versions, with their epochs, that a list of dnf's plugin versionlock holds packages at."""
    found = (_NAME_ARCH.match(line.strip()) for line in text.splitlines() if not line.startswith(("#", "!")))
    return {one["name"]: "%s:%s-%s" % (one["epoch"], one["version"], one["release"]) for one in found if one}


def parse_steps(output: str, installed: dict[str, str]) -> list[Step]:
    """Read dnf's table of a transaction: rows of name, architecture, version, repository and size.

    A row may go over several lines, which break between columns; a size below a thousand has no unit.
    """
    steps = []
    words: list[str] = []
    section = ""
    for line in output.splitlines():
        if line and not line[0].isspace():
            section = "comes" if _COMES.match(line) else "goes" if _GOES.match(line) else ""
            words = []
        elif section and line.strip() and not line.strip().startswith("replacing "):
            words += line.split()
            if len(words) >= _COLUMNS:
                name, _arch, version, *_ = words
                words = []
                full = version if ":" in version else "0:%s" % version
                steps.append(Step(name, installed.get(name, ""), full if section == "comes" else ""))
    return steps


def version_key(full: str) -> list[tuple[int, int, str]]:
    """Return something to sort versions by: numbers by their value, words before numbers."""
    parts = re.findall(r"\d+|[a-zA-Z]+", full)
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def explain(said: str) -> str:
    """Return the lines in which dnf says why it failed, in one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    start = next((at for at, line in enumerate(lines) if line.startswith(("Error:", "No match", "Problem"))), None)
    return "; ".join(lines[start : start + 6] if start is not None else lines[-3:]) or "it said nothing"


def explain_refresh(said: str, source: str) -> EvenkeelError:
    """Return what failed metadata mean."""
    for pattern, what, mend in _PROBLEMS:
        found = re.search(pattern, said)
        if found:
            return EvenkeelError("The repository of %s %s" % (source, what % found[1]), mend)
    return EvenkeelError(
        "The metadata of %s could not be fetched: %s" % (source, explain(said)),
        "Check the repository's address, and that the node reaches it",
    )
