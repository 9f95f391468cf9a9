# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The package manager dnf, in its fourth version, which RHEL 8 to 10 and their kin have."""

from __future__ import annotations

import glob
import inspect
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import dnf_worker, manager_lock, refetch
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Offer, Refused, Step

_LOCKS = ("/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock")
_VERSIONLOCK = "/etc/dnf/plugins/versionlock.list"
#: The system's own Python, which has dnf's interface: that of RHEL 8 is separate from all others.
_PYTHONS = ("/usr/libexec/platform-python", "/usr/bin/python3")
#: An entry of the list of held versions, as ``dnf versionlock`` writes it.
_NAME_ARCH = re.compile(r"^(?P<name>.+)-(?P<epoch>\d+):(?P<version>[^-]+)-(?P<release>[^-]+)\.(?P<arch>[^.]+)$")
#: Packages of which several versions may stand beside each other, though dnf does not know it of all.
_SIDE_BY_SIDE = ("kernel", "gpg-pubkey", "kmod")
#: What dnf prints about a repository that can't be trusted or is incomplete, its meaning, and a remedy.
_PROBLEMS = (
    (
        r"((?:repomd\.xml )?GPG (?:signature verification error|check FAILED)[^\n]*|[Bb]ad GPG signature)",
        "is signed by a key that is not the one that is known, or has expired: %s",
        "Find out whether its owner has changed the key; then give the new one and its checksum",
    ),
    (
        r"([Cc]hecksum doesn't match|[Dd]ownloading successful, but checksum)",
        "is incomplete (%s), as during a synchronisation",
        "Run again in some minutes, or use another mirror",
    ),
)
_INCOMPLETE = re.compile(_PROBLEMS[1][0])
_REPOSITORIES = "/etc/yum.repos.d"
_ENABLE = (
    "Register the node by `subscription-manager register` or `rhc connect` if it runs RHEL, or enable the repositories"
    " of its distribution or of a mirror in /etc/yum.repos.d"
)
_NO_REPOSITORY = re.compile(r"[Tt]here are no enabled repositories|No repositories available")


class Dnf:
    """dnf, with settings that may point it at other repositories than the node's own.

    Parameters
    ----------
    settings
        Settings of dnf, each as ``NAME=VALUE``.
    lock_timeout
        How many seconds to wait for somebody else's run of dnf or rpm.
    limit
        How many seconds a question to repositories may take; None is no limit.
    """

    name = "dnf"
    exact = "%s-%s"

    def __init__(self, settings: Sequence[str] = (), lock_timeout: int = 300, limit: int | None = None) -> None:
        self.settings = dict(setting.split("=", 1) for setting in settings)
        self.options = tuple("--setopt=%s" % setting for setting in settings)
        self.lock_timeout = lock_timeout
        self.limit = limit

    def installed(self) -> dict[str, str]:
        form = "%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{INSTALLTIME}\n"
        argv = ["rpm", "--query", "--all", "--queryformat", form]
        rows = [row.split("\t") for row in command.require(argv, "Run `rpm --rebuilddb` on the node").splitlines()]
        # Of packages that are there more than once, such as kernels, the last to come counts.
        return {name: version for name, version, _unused in sorted(rows, key=lambda row: int(row[2]))}

    def held(self) -> set[str]:
        installed = self.installed()
        entries = parse_versionlock(kept_files.text(_VERSIONLOCK) or "")
        return {name for name, version in entries.items() if installed.get(name) == version}

    def known(self) -> dict[str, str]:
        return self.installed()

    def interrupted(self) -> list[str]:
        # What a killed transaction left twice: the new package beside the old one.
        found: list[str] = self._ask("duplicates")
        return [name for name in found if not name.startswith(_SIDE_BY_SIDE)]

    def repairs(self) -> list[Step]:
        return []  # dnf finishes by removing older versions of what is there twice

    def heal(self) -> None:
        self.wait()
        command.require(
            ["dnf", *self._options(), "--assumeyes", "remove", "--duplicates"],
            "Run `dnf remove --duplicates` on the node and follow what it says, then run again",
        )

    def versions(self, name: str) -> list[str]:
        return list(dict.fromkeys(self._ask("versions", name=name)))

    def sources(self) -> dict[str, str]:
        return {}

    def alike(self, name: str) -> list[str]:
        return []  # names have no branch here

    def offers(self, names: Sequence[str]) -> dict[str, list[Offer]]:
        return {name: [Offer(version, name) for version in self.versions(name)] for name in names}

    def simulate(self, install: Sequence[str], remove: Sequence[str]) -> list[Step]:
        installed = self.installed()
        names = [*install, *remove]
        changes = self._ask("simulate", "cannot change %s" % " ".join(names), install=[*install], remove=[*remove])
        steps = (
            Step(one["name"], installed.get(one["name"], ""), "" if one["goes"] else one["version"]) for one in changes
        )
        # Of two architectures of a package the name alone counts.
        return list(dict.fromkeys(steps))

    def forbidden(self, names: Sequence[str]) -> dict[str, str]:
        return {}  # dnf has no preferences of versions

    def sizes(self, packages: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        return {}  # rpm looks for room before it changes anything

    def apply(self, install: Sequence[str], remove: Sequence[str]) -> None:
        # What conflicts with a new package goes in the same transaction; the rest of what must go is removed after it.
        self._change("install", install)
        self._change("remove", [name for name in remove if name in self.installed()], "--noautoremove")

    def edited(self, names: Sequence[str]) -> dict[str, list[str]]:
        found = {name: parse_edited(command.run(["rpm", "--verify", "--nodeps", name]).output) for name in names}
        return {name: paths for name, paths in found.items() if paths}

    def remnants(self, names: Sequence[str]) -> list[str]:
        return []  # rpm removes settings with their package, and renames those that were changed

    def purge(self, names: Sequence[str]) -> None:
        """Do nothing: there are no remnants."""

    def reinstall(self, names: Sequence[str]) -> None:
        installed = self.installed()
        self._change("reinstall", [self.exact % (name, installed[name]) for name in names])

    def _change(self, verb: str, names: Sequence[str], *options: str) -> None:
        if not names:
            return
        self.wait()
        done = command.run(["dnf", *self._options(), "--assumeyes", "--allowerasing", *options, verb, *names])
        if done.status != 0:
            raise EvenkeelError(
                "dnf did not %s %s: %s" % (verb, " ".join(names), explain(done.said)),
                "Fix on the node what dnf reports, then run again; the next run continues from here",
                stdout=done.output,
                stderr=done.errors,
            )

    def hold(self, names: Sequence[str]) -> None:
        installed = self.installed()
        self._lock_versions(drop=set(names), add={name: installed[name] for name in names if name in installed})

    def release(self, names: Sequence[str]) -> None:
        self._lock_versions(drop=set(names), add={})

    def refresh(self, source: str) -> str:
        """Fetch the metadata of one file of repositories; see ``Apt.refresh``."""
        names = re.findall(r"^\[(.+)\]$", kept_files.text(source) or "", re.MULTILINE)
        only = ["--disablerepo=*", *("--enablerepo=%s" % name for name in names)] if names else []
        # It writes to the node, wherever the metadata goes.
        without = "--disableplugin=generate_completion_cache"
        argv = ["dnf", *self._options(), without, *only, "--assumeyes", "makecache", "--refresh"]
        done = refetch.until_complete(lambda _again: command.run(argv, timeout=self.limit), _INCOMPLETE)
        # Without any repository, dnf reports success.
        if done.status != 0 or _NO_REPOSITORY.search(done.said):
            raise explain_refresh(done.said, source)
        return ""

    def wait(self) -> None:
        manager_lock.wait(_LOCKS, self.lock_timeout)

    def busy(self) -> str:
        return manager_lock.busy(_LOCKS)

    def never_asked(self) -> bool:
        return False  # dnf fetches what it lacks by itself

    def lacks_distribution(self, source: str) -> str:
        place = self.settings.get("reposdir", _REPOSITORIES)
        paths = [path for path in glob.glob(os.path.join(place, "*.repo")) if path != source]
        return "" if any(parse_enabled(kept_files.text(path) or "") for path in paths) else _ENABLE

    def download(self, spec: str, folder: str) -> str:
        argv = ["dnf", *self._options(), "--assumeyes", "install", "--downloadonly", "--destdir", folder, spec]
        done = command.run(argv)
        # What it depends on comes beside it. The names of files have no epoch.
        start = "%s." % re.sub(r"-\d+:", "-", spec)
        found = [name for name in os.listdir(folder) if name.startswith(start) and name.endswith(".rpm")]
        if done.status != 0 or not found:
            raise EvenkeelError(
                "dnf did not download %s: %s" % (spec, explain(done.said)),
                "Check that the node reaches the repository, and that the repository has the package",
            )
        return os.path.join(folder, found[0])

    def unpack(self, package: str, folder: str) -> None:
        os.makedirs(folder)
        script = 'cd "$0" && rpm2cpio "$1" | cpio --extract --make-directories --quiet'
        command.require(
            ["sh", "-c", script, folder, package],
            "Check that the node has rpm2cpio and cpio, and free space in /var/tmp",
        )

    def _ask(self, question: str, failed: str = "does not answer", **details: object) -> Any:
        """Ask dnf by its own interface; see ``dnf_worker``.

        Raises
        ------
        EvenkeelError
            dnf refuses, or its interface is not there.
        """
        python = next((path for path in _PYTHONS if os.path.exists(path)), _PYTHONS[-1])
        request = json.dumps({"question": question, "settings": self.settings, **details})
        done = command.run([python, "-I", "-c", inspect.getsource(dnf_worker), request], timeout=self.limit)
        try:
            said = json.loads(done.output)
        except ValueError:
            said = {"error": done.last_words()}
        if "missing" in said:
            raise EvenkeelError(
                "%s cannot ask dnf: %s" % (python, said["missing"]),
                "Install the package python3-dnf. A node that has only dnf 5 is not supported",
            )
        if "error" in said and question == "simulate":
            raise Refused(
                "dnf %s: %s" % (failed, explain(said["error"])),
                "Nothing was changed. Choose another version, or remove what conflicts with it",
            )
        if "error" in said:
            raise EvenkeelError(
                "dnf %s: %s" % (failed, explain(said["error"])),
                "Check the repositories and the settings of dnf on the node",
            )
        return said["answer"]

    def _options(self) -> list[str]:
        # Our own holds must not be in our own way.
        return [*self.options, "--disableplugin=versionlock", "--setopt=install_weak_deps=False"]

    def _lock_versions(self, drop: set[str], add: dict[str, str]) -> None:
        lines = (kept_files.text(_VERSIONLOCK) or "").splitlines()
        kept = [line for line in lines if not drop.intersection(parse_versionlock(line))]
        fresh = ["%s-%s.*" % entry for entry in sorted(add.items())]
        text = "".join("%s\n" % line for line in [*kept, *fresh])
        kept_files.apply(kept_files.Change(_VERSIONLOCK, None, Kept(text)))


def parse_versionlock(text: str) -> dict[str, str]:
    """Return the versions, with their epochs, that a list of dnf's plugin versionlock holds packages at."""
    found = (_NAME_ARCH.match(line.strip()) for line in text.splitlines() if not line.startswith(("#", "!")))
    return {one["name"]: "%s:%s-%s" % (one["epoch"], one["version"], one["release"]) for one in found if one}


def parse_edited(output: str) -> list[str]:
    """Return the settings with another content than the package brought, of what ``rpm --verify`` prints."""
    return re.findall(r"^..5\S*\s+c (/.*)$", output, re.MULTILINE)


def parse_enabled(text: str) -> list[str]:
    """Return the repositories that a file of dnf's enables."""
    _before, *sections = re.split(r"^\[", text, flags=re.MULTILINE)
    off = re.compile(r"^enabled\s*[=:]\s*(0|no|false|off)\s*$", re.MULTILINE | re.IGNORECASE)
    return [section.partition("]")[0] for section in sections if not off.search(section)]


def explain(said: str) -> str:
    """Return why dnf failed: its lines from the first that names an error on, joined."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    start = next((at for at, line in enumerate(lines) if line.startswith(("Error:", "No match", "Problem"))), None)
    return "; ".join(lines[start : start + 6] if start is not None else lines[-3:]) or "it printed nothing"


def explain_refresh(said: str, source: str) -> EvenkeelError:
    """Return the error that a failed refresh of metadata means."""
    if _NO_REPOSITORY.search(said):
        return EvenkeelError("No repository of dnf is enabled on the node", _ENABLE)
    for pattern, what, remedy in _PROBLEMS:
        found = re.search(pattern, said)
        if found:
            return EvenkeelError("The repository of %s %s" % (source, what % found[1]), remedy)
    return EvenkeelError(
        "The metadata of %s could not be fetched: %s" % (source, explain(said)),
        "Check the repository's address, and that the node reaches it",
    )
