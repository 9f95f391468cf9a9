# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A package repository that the node trusts by a key of its own, whose origin is checked by a SHA-256.

All of it is tried in a folder of its own before it takes effect: a repository that doesn't answer, or lacks what is
asked for, leaves no trace.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, patience, work_folder
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import download
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import sha256_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import foreign_sources
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.foreign_sources import (
    Foreign,
    Place,
    Repositories,
)

#: The suboptions of a module's option ``repository``.
ARGUMENTS: dict[str, dict[str, object]] = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": ["apt", "rpm"], "required": True},
    "url": {"type": "str", "required": True},
    "suite": {"type": "str", "default": "/"},
    "components": {"type": "list", "elements": "str", "default": []},
    "key_url": {"type": "str", "required": True, "no_log": False},
    "key_sha256": {"type": "str", "default": "", "no_log": False},
    "key_member": {"type": "str", "default": "", "no_log": False},
    "signed": {"type": "str", "choices": ["packages", "metadata"], "default": "packages"},
}
_APT, _APT_LISTS = "/etc/apt", "/var/lib/apt/lists"
_RPM, _RPM_KEYS, _RPM_CACHE = "/etc/yum.repos.d", "/etc/pki/rpm-gpg", "/var/cache/dnf"
#: How often a server that does not answer is asked again: in a rehearsal, and in a run.
_RETRIES_OF_REHEARSAL, _RETRIES = 1, 3
#: How long apt and dnf wait for a server by themselves.
_SECONDS_OF_MANAGER = 30
#: A key, or the small package that brings one.
_LARGEST_KEY = 1 << 20
_FORM = "# The key is of %s, whose SHA-256 is %s; its own is %s."
_NOTED = re.compile(r"^# The key is of \S+, whose SHA-256 is (?P<origin>\w+); its own is (?P<own>\w+)\.$", re.MULTILINE)


@dataclass(frozen=True)
class Repository:
    """A repository, as a module's option describes it.

    Parameters
    ----------
    name
        What its files are named by, such as ``evenkeel-nvidia-cuda``.
    kind
        ``apt`` or ``rpm``.
    url
        Its base.
    signed
        What the key has signed, ``packages`` or the ``metadata`` with their checksums; rpm alone.
    suite, components
        Where below it its lists are; apt alone. ``/`` is a repository without suites.
    key_url
        Where the key is: a keyring, a key in ASCII armour, or a Debian package that holds one.
    key_sha256
        The SHA-256 of what is there. Empty is whatever is there the first time.
    key_member
        The path of the key in the Debian package.
    """

    name: str
    kind: str
    url: str
    key_url: str
    key_sha256: str = ""
    key_member: str = ""
    signed: str = "packages"
    suite: str = "/"
    components: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The file by which the package manager knows it."""
        if self.kind == "apt":
            return os.path.join(_APT, "sources.list.d", "%s.sources" % self.name)
        return os.path.join(_RPM, "%s.repo" % self.name)

    @property
    def key_path(self) -> str:
        """The file of its key."""
        folder = os.path.join(_APT, "keyrings") if self.kind == "apt" else _RPM_KEYS
        is_keyring = self.key_member or self.key_url.endswith(".gpg")
        return os.path.join(folder, "%s.%s" % (self.name, "gpg" if is_keyring else "asc"))


def text(repository: Repository, key: str, origin: str, own: str) -> str:
    """Return the text of the file by which the package manager knows a repository.

    Parameters
    ----------
    key
        The path of the key.
    origin, own
        The SHA-256 of what the key came from, and of the key.
    """
    head = "%s\n%s\n" % (kept_files.MARK, _FORM % (repository.key_url, origin, own))
    if repository.kind == "apt":
        components = "Components: %s\n" % " ".join(repository.components) if repository.components else ""
        lines = "Types: deb\nURIs: %s\nSuites: %s\n%sSigned-By: %s\n"
        return head + lines % (repository.url, repository.suite, components, key)
    # Exact versions choose, whatever stream of a module the node has enabled.
    lines = "[%s]\nname=%s\nbaseurl=%s\nenabled=1\n%s\ngpgkey=file://%s\nmodule_hotfixes=1\n"
    check = "gpgcheck=1" if repository.signed == "packages" else "gpgcheck=0\nrepo_gpgcheck=1"
    return head + lines % (repository.name, repository.name, repository.url, check, key)


def removal(name: str) -> list[kept_files.Change]:
    """Return the changes that remove the files of a repository of ours."""
    sources = [os.path.join(_APT, "sources.list.d", "%s.sources" % name), os.path.join(_RPM, "%s.repo" % name)]
    folders = (os.path.join(_APT, "keyrings"), _RPM_KEYS)
    keys = [os.path.join(folder, "%s.%s" % (name, end)) for folder in folders for end in ("gpg", "asc")]
    found = {path: kept_files.read(path) for path in (*sources, *keys)}
    return [
        kept_files.Change(path, file, None, ours=("its key\n", "") if path in keys else None)
        for path, file in found.items()
        if file is not None
    ]


def known(repository: Repository, standing: str | None, own: str) -> str:
    """Return the origin's SHA-256 of the key that stands on the node and is the right one; else an empty string.

    Parameters
    ----------
    standing
        The text of the repository's file, None when there is none.
    own
        The SHA-256 of the key file that is there, empty when there is none.
    """
    noted = _NOTED.search(standing or "")
    if noted is None or noted["own"] != own or repository.key_sha256 not in ("", noted["origin"]):
        return ""
    return noted["origin"]


@dataclass(frozen=True)
class Trial:
    """A repository's files as they will be, in a folder of their own.

    Parameters
    ----------
    changes
        What the node's files will change by, in their final places.
    settings
        What makes the package manager see them already: its settings, each as ``NAME=VALUE``, or the path of a file of
        them.
    source
        The file of the repository that it is to see; empty when there is none of our own.
    key
        The fetched key; empty when the one on the node is right.
    foreign
        The files of others that name a repository of ours, which they will no more.
    healed
        What is repaired beside our own files of the package manager, in words for the report.
    """

    repository: Repository | None
    changes: tuple[kept_files.Change, ...]
    settings: tuple[str, ...] = ()
    source: str = ""
    key: str = ""
    foreign: tuple[Foreign, ...] = ()
    healed: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[kept_files.Change, ...]:
        """All changes of the node's files, but of the key."""
        return (*(change for one in self.foreign for change in (one.copy, one.edit)), *self.changes)

    def apply(self) -> None:
        """Make it take effect."""
        if self.repository and self.key:
            os.makedirs(os.path.dirname(self.repository.key_path), mode=0o755, exist_ok=True)
            temporary = "%s.partial" % self.repository.key_path
            shutil.copyfile(self.key, temporary)
            os.chmod(temporary, 0o644)
            os.rename(temporary, self.repository.key_path)
        elif self.repository:
            os.chmod(self.repository.key_path, 0o644)
        foreign_sources.take_over(self.foreign)
        kept_files.apply_all(self.changes)


def changed(repository: Repository | None, coming: Repository | None = None) -> bool:
    """Return whether the node's files are not yet those of the repository, or others name it; asks no network.

    Parameters
    ----------
    coming
        A repository that is brought later, and that others may not name already.
    """
    if foreign(repository, coming):
        return True
    if repository is None:
        return False
    standing = kept_files.text(repository.path)
    own = sha256_of(repository.key_path) if os.path.exists(repository.key_path) else ""
    origin = known(repository, standing, own)
    # apt looks at keys as a user of its own.
    if not origin or not kept_files.for_all(repository.key_path):
        return True
    return bool(kept_files.changes({repository.path: text(repository, repository.key_path, origin, own)}))


def foreign(*repositories: Repository | None) -> list[Foreign]:
    """Return the files of others that name one of these, or one that the node has from Evenkeel already."""
    wanted = [repository for repository in repositories if repository is not None]
    own = {repository.path for repository in wanted}
    standing = ours(but=own)
    places = {Place.of(repository.url, repository.suite): repository.components for repository in wanted}
    known = Repositories({**standing.places, **places}, standing.variables)
    if not known.places:
        return []
    others = [path for path in _paths() if path not in own]
    others += [os.path.join(_APT, "sources.list")] if _is_apt() else []
    return foreign_sources.find(others, known)


def ours(but: Collection[str] = ()) -> Repositories:
    """Return the repositories that the node has from Evenkeel, except those of some files."""
    places: dict[Place, tuple[str, ...]] = {}
    for path in filter(foreign_sources.is_ours, _paths()):
        if path not in but:
            places.update(foreign_sources.places(path, kept_files.text(path) or ""))
    release = re.search(r'^VERSION_ID="?([\w.]+)', kept_files.text("/etc/os-release") or "", re.MULTILINE)
    return Repositories(places, foreign_sources.variables(os.uname().machine, release[1] if release else ""))


def _is_apt() -> bool:
    return os.path.isdir(os.path.join(_APT, "sources.list.d"))


def _paths() -> list[str]:
    """Return the files of repositories of the node's package manager, but for apt's first one."""
    return glob.glob(os.path.join(_APT, "sources.list.d", "*") if _is_apt() else os.path.join(_RPM, "*"))


@contextlib.contextmanager
def trial(
    repository: Repository | None,
    also: Mapping[str, str | None],
    *,
    coming: Repository | None = None,
    rehearsal: bool = False,
) -> Iterator[Trial]:
    """Fetch the key where it is missing and prepare the package manager's files in a temporary folder.

    Parameters
    ----------
    repository
        None is the repositories that the node has.
    also
        Further files, such as preferences of apt, with their texts.
    coming
        A repository that is brought later, and that others may not name already.
    rehearsal
        Whether it never takes effect: then the package manager writes to the temporary folder alone, and is soon tired
        of a silent server.

    Raises
    ------
    EvenkeelError
        The key is not there or not the right one, or a file is in the way.
    """
    with work_folder.made("repository") as folder:
        os.chmod(folder, 0o755)  # noqa: S103  # apt fetches as a user of its own
        source, key = "", ""
        taken = tuple(foreign(repository, coming))
        healed = tuple(map(str, taken))
        wanted, seen = dict(also), dict(also)
        seen.update({one.edit.path: one.edit.after.text if one.edit.after else None for one in taken})
        if repository is not None:
            standing = kept_files.text(repository.path)
            own = sha256_of(repository.key_path) if os.path.exists(repository.key_path) else ""
            origin = known(repository, standing, own)
            if not origin:
                key, origin = _fetch_key(repository, folder, _RETRIES_OF_REHEARSAL if rehearsal else _RETRIES)
                os.chmod(key, 0o644)
                own = sha256_of(key)
            wanted[repository.path] = text(repository, repository.key_path, origin, own)
            seen[repository.path] = text(repository, key or repository.key_path, origin, own)
            source = os.path.join(folder, *repository.path.split(os.sep)[-2:])
        changes = tuple(kept_files.changes(wanted))
        if repository is not None and not changes and (key or not kept_files.for_all(repository.key_path)):
            healed += ("the key %s" % repository.key_path,)
        stage = _stage_apt if _is_apt() else _stage_rpm
        settings = tuple(stage(folder, seen, rehearsal=rehearsal))
        yield Trial(repository, changes, settings, source, key, taken, healed)


def _stage_apt(folder: str, files: Mapping[str, str | None], *, rehearsal: bool) -> list[str]:
    """Make copies of apt's folders with these files in them; return apt's settings for them."""
    settings = []
    for part, setting in (("sources.list.d", "Dir::Etc::SourceParts"), ("preferences.d", "Dir::Etc::PreferencesParts")):
        _copy_folder(os.path.join(_APT, part), os.path.join(folder, part), files)
        settings.append("%s=%s" % (setting, os.path.join(folder, part)))
    main = os.path.join(_APT, "sources.list")
    if main in files:
        copy = os.path.join(folder, "sources.list")
        _write(copy, files[main] or "")
        settings.append("Dir::Etc::SourceList=%s" % copy)
    lists = os.path.join(folder, "lists")
    os.makedirs(os.path.join(lists, "partial"))
    for path in glob.glob(os.path.join(_APT_LISTS, "*")):
        if os.path.isfile(path) and os.path.basename(path) != "lock":
            shutil.copy2(path, lists)
    settings += ["Dir::State::Lists=%s" % lists, "Dir::Cache::pkgcache=", "Dir::Cache::srcpkgcache="]
    if rehearsal:
        hooks = os.path.join(folder, "hooks.conf")
        with open(hooks, "w", encoding="utf-8") as stream:
            # What others have apt run when it has fetched lists would change the node.
            stream.write("#clear APT::Update;\n")
        settings += [hooks, "Dir::Log=%s" % folder]
        settings += ["Acquire::Retries=%d" % patience.retries(_RETRIES_OF_REHEARSAL)]
        if patience.asks_once():
            seconds = patience.for_answer(_SECONDS_OF_MANAGER)
            settings += ["Acquire::%s::Timeout=%d" % (scheme, seconds) for scheme in ("http", "https")]
    return settings


def _stage_rpm(folder: str, files: Mapping[str, str | None], *, rehearsal: bool) -> list[str]:
    """Make a copy of dnf's folder of repositories with these files in it; return dnf's settings for it."""
    place = os.path.join(folder, "yum.repos.d")
    _copy_folder(_RPM, place, files)
    settings = ["reposdir=%s" % place]
    if rehearsal:
        cache, log = os.path.join(folder, "cache"), os.path.join(folder, "log")
        _copy_cache(_RPM_CACHE, cache)
        os.mkdir(log)
        settings += ["cachedir=%s" % cache, "logdir=%s" % log, "persistdir=%s" % log]
        settings += ["retries=%d" % _RETRIES_OF_REHEARSAL]  # dnf takes 0 for no end
        if patience.asks_once():
            settings += ["timeout=%d" % patience.for_answer(_SECONDS_OF_MANAGER)]
    return settings


def _copy_folder(standing: str, copy: str, files: Mapping[str, str | None]) -> None:
    os.makedirs(copy)
    for path in glob.glob(os.path.join(standing, "*")):
        if path not in files:
            os.symlink(path, os.path.join(copy, os.path.basename(path)))
    for path, wanted in files.items():
        if os.path.dirname(path) == standing and wanted is not None:
            _write(os.path.join(copy, os.path.basename(path)), wanted)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(text)


def _copy_cache(standing: str, copy: str) -> None:
    """Make a copy of dnf's metadata; of its hundreds of MiB, what dnf does not write to in place is linked."""
    os.makedirs(copy)
    for path in glob.glob(os.path.join(standing, "*.solv*")):
        os.symlink(path, os.path.join(copy, os.path.basename(path)))
    for path in glob.glob(os.path.join(standing, "*", "repodata", "*")):
        target = os.path.join(copy, os.path.relpath(path, standing))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if "primary" in os.path.basename(path) or path.endswith("repomd.xml"):
            shutil.copy2(path, target)
        else:
            os.symlink(path, target)


def _fetch_key(repository: Repository, folder: str, retries: int) -> tuple[str, str]:
    """Return the path of the repository's key, fetched, and the SHA-256 of what it came from."""
    fetched = os.path.join(folder, "fetched")
    origin = download(
        repository.key_url, fetched, timeout=30, retries=retries, most=_LARGEST_KEY, sha256=repository.key_sha256
    )
    if repository.key_sha256 not in ("", origin):
        raise EvenkeelError(
            "The key at %s has the SHA-256 %s, not %s" % (repository.key_url, origin, repository.key_sha256),
            "Find out whether its owner has changed it; then set the variable of the role that ends with key_sha256",
        )
    key = os.path.join(folder, os.path.basename(repository.key_path))
    if not repository.key_member:
        os.rename(fetched, key)
        return key, origin
    unpacked = os.path.join(folder, "unpacked")
    remedy = "Check that %s is a Debian package" % repository.key_url
    command.require(["dpkg-deb", "--extract", fetched, unpacked], remedy)
    try:
        shutil.copyfile(os.path.join(unpacked, repository.key_member.lstrip("/")), key)
    except FileNotFoundError:
        raise EvenkeelError(
            "%s holds no %s" % (repository.key_url, repository.key_member),
            "List the package with `dpkg-deb --contents`, and give the path of the key in it",
        ) from None
    return key, origin


def parse(option: Mapping[str, object]) -> Repository:
    """Return the repository that a module's option describes."""
    components = option["components"]
    texts = {name: str(value) for name, value in option.items() if name != "components"}
    return Repository(**texts, components=tuple(components) if isinstance(components, Sequence) else ())
