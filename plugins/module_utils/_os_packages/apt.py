# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The package manager apt."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
from collections.abc import Sequence

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import OUR_NAME
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import manager_lock, owners, refetch
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.manager import Offer, Refused, Step

_LOCKS = (
    *("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock"),
    *("/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"),
)
_SOURCES = "/etc/apt/sources.list.d"
_OPTIONS = ("--yes", "--no-install-recommends", "--allow-downgrades", "--allow-change-held-packages", "--ignore-hold")
_KEEP_SETTINGS = ("-oDpkg::Options::=--force-confdef", "-oDpkg::Options::=--force-confold")
#: Proxies and mirrors with a cache then ask their source.
_PAST_CACHES = "-oAcquire::http::No-Cache=true"
_RUN_MARK = "Run it on the node to see what is wrong, then run again"
_LIST_REMEDY = "Run it on the node to see why: without its answer Evenkeel does not know what is installed"
_STEP = re.compile(
    r"^(?:Inst|Remv|Purg) (?P<name>[^ :]+)(?::\S+)?(?: \[(?P<before>[^]]+)\])?(?: \((?P<after>\S+) [^)]*\))?",
    re.MULTILINE,
)
_INCOMPLETE = re.compile(r"(Hash Sum mismatch|unexpected size|Mirror sync in progress)")
_EXPIRED = ("is signed by the key %s, which has expired", "Get its new key, and give its checksum")
#: What ``apt-get update`` prints about a repository that can't be trusted or is incomplete, its meaning, and a remedy:
#: words of gpgv, and of sqv, which Debian 13 has in its place.
_UPDATE_PROBLEMS = (
    (r"EXPKEYSIG (\w+)", *_EXPIRED),
    (r"Signing key on (\w+) is (?:bad|not bound):[^;]{0,400}?Expired on ", *_EXPIRED),
    (
        r"(?:NO_PUBKEY|Missing key) (\w+)",
        "is signed by the key %s, which is not the one that is known",
        "Find out whether its owner has changed the key; then give the new one and its checksum",
    ),
    (
        r"(BADSIG \w+|Message has been manipulated)",
        "has a wrong signature (%s)",
        "Find out why before you use it: somebody without the key has changed it",
    ),
    (
        _INCOMPLETE.pattern,
        "is incomplete (%s), as during a synchronisation",
        "Run again in some minutes, or use another mirror",
    ),
    (
        r"Clearsigned file isn't valid, got '(\w+)'",
        "answers with something that is no repository (%s), such as a web page of a proxy",
        "Check its address and the proxy, and whether the network asks for a login",
    ),
    (r"(is not signed|no longer signed)", "%s", "Don't use it: Evenkeel never trusts such a repository"),
)
#: At a node's first boot, runs of apt follow each other, and one may come between a look at a lock and its use.
_LOCKED = re.compile(r"^E: Could not get lock /", re.MULTILINE)
_RACES = 5
#: What ``apt-get update`` prints of a single repository.
_UNFETCHED = re.compile(
    r"^[EW]: ((?:Failed to fetch |GPG error: |The repository '|Some index files failed to download).*)", re.MULTILINE
)
_DAMAGED = re.compile(r"(?:Unable to parse package file|Problem with MergeList) \S*/(\S+)")
_UNREADABLE = re.compile("The list of sources could not be read|%s" % _DAMAGED.pattern)
#: What dpkg prints of a package that it could not unpack or configure, among all that its scripts print.
_OF_DPKG = re.compile(r"^dpkg: error processing (?:package|archive) (?:\S*/)?(\S+) \([^)]*\):\n\s*(.+)", re.MULTILINE)
_CONFLICT = re.compile(r"Conflicting values set for option (\S+) regarding source (\S+)")


class Apt:
    """apt, with settings that may point it at other sources than the node's own.

    Parameters
    ----------
    settings
        Settings of apt, each as ``NAME=VALUE``, or the path of a file of them.
    lock_timeout
        How many seconds to wait for somebody else's run of apt or dpkg.
    limit
        How many seconds a question to repositories may take; None is no limit.
    """

    name = "apt"
    exact = "%s=%s"

    def __init__(self, settings: Sequence[str] = (), lock_timeout: int = 300, limit: int | None = None) -> None:
        self.options = tuple("-%s%s" % ("c" if os.path.isabs(one) else "o", one) for one in settings)
        self.lock_timeout = lock_timeout
        self.limit = limit

    def installed(self) -> dict[str, str]:
        return {name: version for name, version, _unused, state in _listed() if state == "i"}

    def held(self) -> set[str]:
        return {name for name, _unused, wish, _unused in _listed() if wish == "h"}

    def known(self) -> dict[str, str]:
        return {name: version for name, version, _unused, state in _listed() if state not in "nc"}

    def interrupted(self) -> list[str]:
        return [name for name, _unused, wish, state in _listed() if state in "UFHWt" and wish != "u"]

    def repairs(self) -> list[Step]:
        done = command.run(["apt-get", *_OPTIONS, "--simulate", "--fix-broken", "install"])
        return parse_steps(done.output) if done.status == 0 else []

    def heal(self) -> None:
        self.wait()
        remedy = "Run `dpkg --configure -a` on the node and follow what it says, then run again"
        # It fails where the run was killed before it had unpacked all; what is missing comes with the next command.
        command.run(["dpkg", "--configure", "-a", "--force-confdef", "--force-confold"])
        command.require(["apt-get", *_OPTIONS, *_KEEP_SETTINGS, "--fix-broken", "install"], remedy)

    def versions(self, name: str) -> list[str]:
        rows = [line.split("|") for line in self._cache("madison", name).splitlines()]
        return list(dict.fromkeys(row[1].strip() for row in rows if len(row) == 3))

    def sources(self) -> dict[str, str]:
        form = "${Package}\t${source:Package}\n"
        rows = command.require(["dpkg-query", "-W", "-f", form], _LIST_REMEDY).splitlines()
        return dict(row.split("\t") for row in rows)

    def alike(self, name: str) -> list[str]:
        beginning, *rest = re.split(r"\d+", name)
        form = re.compile(r"\d+".join(map(re.escape, (beginning, *rest))))
        known = self._cache("pkgnames", beginning).split() if rest else []
        return sorted(one for one in known if one != name and form.fullmatch(one))

    def offers(self, names: Sequence[str]) -> dict[str, list[Offer]]:
        urls = parse_urls(self._cache("madison", *names)) if names else {}
        specs = ["%s=%s" % (name, version) for name, versions in urls.items() for version in versions]
        built_from = parse_sources(self._cache("show", *specs)) if specs else {}
        return {
            name: [
                Offer(version, built_from.get((name, version), name), tuple(found))
                for version, found in versions.items()
            ]
            for name, versions in urls.items()
        }

    def simulate(self, install: Sequence[str], remove: Sequence[str]) -> list[Step]:
        argv = [
            "apt-get",
            *self.options,
            *_OPTIONS,
            "--simulate",
            "install",
            *install,
            *("%s-" % name for name in remove),
        ]
        done = command.run(argv)
        if done.status != 0:
            raise self._refusal(install, done.said)
        return parse_steps(done.output)

    def _refusal(self, install: Sequence[str], said: str) -> Refused:
        """Return the error of a simulation that failed, whose cause may be a package that is broken already."""
        check = command.run(["apt-get", "-oDebug::NoLocking=1", "check"])
        if check.status != 0:
            return Refused(
                "apt changes no package while some that are there lack what they depend on: %s" % explain(check.said),
                "Install what is missing or remove these packages, as by `apt-get --fix-broken install` on the node, "
                "then run again",
            )
        return Refused(
            "apt cannot install %s: %s" % (" ".join(install), explain(said)),
            "Nothing was changed. Choose another version, or remove what conflicts with it; `apt-cache policy PACKAGE` "
            "on the node shows which preferences choose a version",
        )

    def forbidden(self, names: Sequence[str]) -> dict[str, str]:
        return parse_forbidden(self._cache("policy", *names)) if names else {}

    def sizes(self, packages: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
        return parse_sizes(self._cache("show", *(self.exact % one for one in packages))) if packages else {}

    def apply(self, install: Sequence[str], remove: Sequence[str]) -> None:
        self._install([*install, *("%s-" % name for name in remove)], [*install, *remove])

    def edited(self, names: Sequence[str]) -> dict[str, list[str]]:
        form = "${Package}\n${Conffiles}\n"
        if not names:
            return {}
        output = command.require(["dpkg-query", "-W", "-f", form, *names], _LIST_REMEDY)
        found, added = parse_edited(output), find_added(output)
        of_packages = owners.owned([path for paths in added.values() for path in paths], self.name)
        for name, paths in added.items():
            found.setdefault(name, []).extend(path for path in paths if path not in of_packages)
        return {name: paths for name, paths in found.items() if paths}

    def remnants(self, names: Sequence[str]) -> list[str]:
        return [name for name, _unused, _unused, state in _listed() if state == "c" and name in names]

    def purge(self, names: Sequence[str]) -> None:
        self._change(["purge", *names], "did not purge %s" % " ".join(names))

    def reinstall(self, names: Sequence[str]) -> None:
        installed = self.installed()
        specs = [self.exact % (name, installed[name]) for name in names]
        self._install(["--reinstall", *specs], specs)

    def _install(self, arguments: Sequence[str], named: Sequence[str]) -> None:
        self._change(["install", *arguments], "did not change %s" % " ".join(named))

    def _change(self, arguments: Sequence[str], failed: str) -> None:
        self.wait()
        timeout = "-oDPkg::Lock::Timeout=%d" % self.lock_timeout
        argv = ["apt-get", *self.options, *_OPTIONS, *_KEEP_SETTINGS, timeout, *arguments]
        done = self._run(argv)
        if done.status != 0 and _INCOMPLETE.search(done.said):
            done = self._run([*argv, _PAST_CACHES])
        if done.status != 0:
            raise EvenkeelError(
                "apt %s: %s" % (failed, explain(done.said)),
                "Fix on the node what apt reports, then run again; the next run continues from here",
                stdout=done.output,
                stderr=done.errors,
            )

    def hold(self, names: Sequence[str]) -> None:
        command.require(["apt-mark", "hold", *names], _RUN_MARK)

    def release(self, names: Sequence[str]) -> None:
        command.require(["apt-mark", "unhold", *names], _RUN_MARK)

    def refresh(self, source: str) -> str:
        """Fetch the lists of one file of sources; of all where ``source`` is empty, and then some may fail.

        Returns
        -------
            What apt says of those that failed.

        Raises
        ------
        EvenkeelError
            The repository does not answer, is incomplete, or is signed by a key that isn't its own.
        """
        only = ("-oDir::Etc::SourceList=%s" % source, "-oDir::Etc::SourceParts=-", "-oAPT::Get::List-Cleanup=0")
        strict = (*only, "-oAPT::Update::Error-Mode=any") if source else ()
        argv = ["apt-get", *self.options, *strict, "update"]
        done = refetch.until_complete(
            lambda again: self._run([*argv, _PAST_CACHES] if again else argv, timeout=self.limit), _INCOMPLETE
        )
        if done.status != 0 and (source or not only_some_failed(done.said)):
            raise explain_update(done.said, source)
        return "" if source else "; ".join(dict.fromkeys(_UNFETCHED.findall(done.said)))

    def wait(self) -> None:
        manager_lock.wait(_LOCKS, self.lock_timeout)

    def busy(self) -> str:
        return manager_lock.busy(_LOCKS)

    def never_asked(self) -> bool:
        return not glob.glob("/var/lib/apt/lists/*_Packages*")

    def lacks_distribution(self, source: str) -> str:
        return ""  # apt reports it by itself

    def download(self, spec: str, folder: str) -> str:
        argv = ["apt-get", *self.options, "download", spec]
        done = command.run(["sh", "-c", 'cd "$0" && exec "$@"', folder, *argv])
        found = sorted(name for name in os.listdir(folder) if name.endswith(".deb"))
        if done.status != 0 or not found:
            raise EvenkeelError(
                "apt did not download %s: %s" % (spec, explain(done.said)),
                "Check that the node reaches the repository, and that the repository has the package",
            )
        return os.path.join(folder, found[-1])

    def unpack(self, package: str, folder: str) -> None:
        command.require(["dpkg-deb", "--extract", package, folder], "Check that /var/tmp has free space")

    def _run(self, argv: Sequence[str], timeout: int | None = None) -> Done:
        """Run apt, and again where another run was faster at a lock, once that one has ended."""
        for _race in range(_RACES):
            done = command.run(argv, timeout=timeout)
            if done.status == 0 or not _LOCKED.search(done.said):
                break
            self.wait()
        return done

    def _cache(self, *arguments: str) -> str:
        done = command.run(["apt-cache", *self.options, *arguments])
        if done.status != 0:
            raise explain_sources(done.said, "`apt-cache %s` failed" % " ".join(arguments))
        return done.output


def parse_steps(output: str) -> list[Step]:
    """Read what ``apt-get --simulate`` would do."""
    return [Step(found["name"], found["before"] or "", found["after"] or "") for found in _STEP.finditer(output)]


def parse_urls(output: str) -> dict[str, dict[str, list[str]]]:
    """Read what ``apt-cache madison`` prints: the repositories of each version of each package, in its order."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in output.splitlines():
        row = [column.strip() for column in line.split("|")]
        if len(row) == 3:
            found.setdefault(row[0], {}).setdefault(row[1], []).append(row[2].split()[0])
    return found


def parse_sources(output: str) -> dict[tuple[str, str], str]:
    """Read what ``apt-cache show`` prints: the source package of each package and version."""
    found: dict[tuple[str, str], str] = {}
    for record in output.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Source): (\S+)", record, re.MULTILINE))
        if fields:
            found[fields["Package"], fields["Version"]] = fields["Source"] if "Source" in fields else fields["Package"]
    return found


def parse_sizes(output: str) -> dict[tuple[str, str], int]:
    """Read what ``apt-cache show`` prints: the installed size in bytes of each package and version."""
    found: dict[tuple[str, str], int] = {}
    for record in output.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Installed-Size): (\S+)", record, re.MULTILINE))
        if "Installed-Size" in fields:
            found[fields["Package"], fields["Version"]] = int(fields["Installed-Size"]) << 10
    return found


def parse_forbidden(output: str) -> dict[str, str]:
    """Read what ``apt-cache policy`` prints: the candidates of packages at a version of negative priority."""
    found: dict[str, str] = {}
    for record in re.split(r"^(?=\S)", output, flags=re.MULTILINE):
        name = record.partition(":")[0]
        candidate = re.search(r"^  Candidate: (\S+)$", record, re.MULTILINE)
        if candidate and re.search(r"^ \*\*\* \S+ -\d+$", record, re.MULTILINE):
            found[name] = "" if candidate[1] == "(none)" else candidate[1]
    return found


def parse_settings(output: str) -> dict[str, dict[str, str]]:
    """Return the settings of packages and the MD5 that each was brought with, by package.

    Parameters
    ----------
    output
        The name of each package, and below it an indented line for each of its settings with its MD5.
    """
    found: dict[str, dict[str, str]] = {}
    name = ""
    for line in output.splitlines():
        if line.startswith(" "):
            path, md5 = line.split()[:2]
            found.setdefault(name, {})[path] = md5
        else:
            name = line or name
    return found


def parse_edited(output: str) -> dict[str, list[str]]:
    """Return the settings with another content than their package brought, by package; see ``parse_settings``."""
    found: dict[str, list[str]] = {}
    for name, settings in parse_settings(output).items():
        for path, md5 in settings.items():
            with contextlib.suppress(OSError), open(path, "rb") as stream:
                if hashlib.md5(stream.read(), usedforsecurity=False).hexdigest() != md5:
                    found.setdefault(name, []).append(path)
    return found


def find_added(output: str, etc: str = "/etc") -> dict[str, list[str]]:
    """Return what others have put into the directories of packages, by package; see ``parse_settings``.

    Some packages remove the whole directory that has their name when they are purged, such as nginx-common
    ``/etc/nginx``. Links, which say nothing that is lost, are made by packages too.
    """
    settings = parse_settings(output)
    known = {path for paths in settings.values() for path in paths}
    found: dict[str, list[str]] = {}
    for name, paths in settings.items():
        tops = {os.path.relpath(path, etc).partition("/")[0] for path in paths}
        for top in sorted(top for top in tops if name == top or name.startswith("%s-" % top)):
            for parent, _folders, files in os.walk(os.path.join(etc, top)):
                here = (os.path.join(parent, one) for one in sorted(files))
                added = [path for path in here if not (path in known or OUR_NAME in path or os.path.islink(path))]
                if added:
                    found.setdefault(name, []).extend(added)
    return found


def explain(said: str) -> str:
    """Return why apt failed: its lines about unmet dependencies, or dpkg's about packages, or its errors, joined."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    start = next((at + 1 for at, line in enumerate(lines) if "unmet dependencies" in line), None)
    if start is not None:
        return "; ".join(line for line in lines[start : start + 5] if not line.startswith("E:"))
    of_dpkg = ["%s: %s" % found.groups() for found in _OF_DPKG.finditer(said)]
    if of_dpkg:
        return "; ".join(of_dpkg[:3])
    errors = [line[2:].strip() for line in lines if line.startswith("E:")]
    return "; ".join(errors[-4:] or lines[-3:]) or "it printed nothing"


def only_some_failed(said: str) -> bool:
    """Return whether ``apt-get update`` failed at single repositories alone, whose older lists stay in use."""
    return all(_UNFETCHED.match(line) for line in said.splitlines() if line.startswith("E:"))


def explain_sources(said: str, failed: str) -> EvenkeelError:
    """Return the error that apt's sources or lists mean, which it could not read."""
    conflict = _CONFLICT.search(said)
    if conflict:
        return EvenkeelError(
            "APT reads none of its sources: two entries of the repository %s differ in %s" % (conflict[2], conflict[1]),
            "Find them by `grep -r %s /etc/apt`, and remove one" % conflict[2].rstrip("/"),
        )
    damaged = _DAMAGED.search(said)
    if damaged:
        return EvenkeelError(
            "The list %s, which APT has fetched, is damaged" % damaged[1],
            "Remove the lists by `rm -r /var/lib/apt/lists/*`; the next run fetches them",
        )
    return EvenkeelError(
        "%s: %s" % (failed, explain(said)),
        "Fix what APT names: `apt-cache policy` on the node prints the same until APT can read its sources and lists",
    )


def explain_update(said: str, source: str) -> EvenkeelError:
    """Return the error that a failed ``apt-get update`` means."""
    if _UNREADABLE.search(said):
        return explain_sources(said, "APT reads none of its sources")
    # A question to a repository is asked by a copy of the node's file.
    file = os.path.join(_SOURCES, os.path.basename(source)) if source else ""
    for pattern, what, remedy in _UPDATE_PROBLEMS:
        found = re.search(pattern, said)
        if found:
            return EvenkeelError("The repository of %s %s" % (file, what % found[1]), remedy)
    return EvenkeelError(
        "The lists of %s could not be fetched: %s" % (file or "the node's repositories", explain(said)),
        "Check the repository's address, and that the node reaches it",
    )


def _listed() -> list[tuple[str, str, str, str]]:
    """Return name, version, wish (``i``, ``h``...) and state (``i``, ``U``...) of each package of the node's own."""
    form = "${Package}\t${Version}\t${db:Status-Abbrev}\t${Architecture}\n"
    native = command.require(["dpkg", "--print-architecture"], _LIST_REMEDY).strip()
    rows = [line.split("\t") for line in command.require(["dpkg-query", "-W", "-f", form], _LIST_REMEDY).splitlines()]
    return [(name, version, state[0], state[1]) for name, version, state, arch in rows if arch in (native, "all")]
