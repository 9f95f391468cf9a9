# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A conda distribution as a link to one of several complete installations."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import distribution_base as base
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.generation import MARKER
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.installed_files import emptied
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import modes, remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.download import BEGINNING_BYTES, Beginning
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError, from_os, path_of
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    CHUNK_BYTES,
    disk_full,
    existing,
    link_atomically,
    make_directories,
    require_normalised,
    require_space,
    sync_file_systems,
    write_atomically,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.modes import Loose
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.secrets import masked
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import require_known

#: Stands before the name of the installation that the download is for, so that a later run knows what it was for.
DOWNLOAD_PREFIX = ".download-"
#: Stands before the name of an installation that is being removed.
DOOMED_PREFIX = ".removing-"
#: Of the marker; those of 0.1.0 have none.
FORMAT = 1
#: A regular expression of an installation's name.
HOME = r"[A-Za-z0-9][A-Za-z0-9._-]*-[0-9a-f]{12}(?:-\d+)?"
DOWNLOAD_PATTERN = re.escape(DOWNLOAD_PREFIX) + "(%s)" % HOME
DOOMED_PATTERN = re.escape(DOOMED_PREFIX) + "(%s)" % HOME
_WITHOUT_TERMS = "without_terms"
#: What runs keep in a store for themselves.
_NOTES = (".locks", ".progress")
#: Below an installation, what people made: their environments.
_THEIRS = ("envs",)
#: Linux allowed no longer first line of a script before 5.1, and conda writes none (``conda/core/portability.py``).
SHEBANG_BYTES = 127
_LONGEST_SHEBANG = "#!%s-99/bin/python3.99"
#: What conda's installers themselves leave free (constructor's ``header.sh``).
BUFFER_BYTES = 50 << 20
_SIZE = re.compile(rb'^total_installation_size_kb="(\d+)"', re.MULTILINE)
_NAME = re.compile(r"(?P<distribution>[A-Za-z0-9]+)-(?:py\d+_)?(?P<version>\d[\d.]*(?:-\d+)?)-Linux-")

RunCommand = Callable[..., "tuple[int, str, str]"]
#: Brings the installer to a path, and returns the SHA-256 of what it brought.
Fetch = Callable[[str], str]


@dataclass(frozen=True)
class Desired:
    """What the operator asks for."""

    url: str
    sha256: str
    prefix: str
    store: str
    #: Whether an older version than the one in use may take its place.
    force: bool = False
    #: Whether base is built anew when it is not what was installed.
    heal: bool = False
    #: How many installations that are not in use stay.
    keep: int = 1

    @property
    def file_name(self) -> str:
        """The installer's own name; conda's installers refuse to run under another suffix than ``.sh``."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def home(self) -> str:
        """Where this very installer's distribution lives, unless one that has drifted is there."""
        return os.path.join(self.store, "%s-%s" % (self.file_name[: -len(".sh")], self.sha256[:12]))

    def means(self, installation: Installation) -> bool:
        """Whether an installation came from this very installer."""
        return (installation.installer, installation.sha256) == (self.file_name, self.sha256)


@dataclass(frozen=True)
class Installation:
    """A complete one in the store."""

    path: str
    installer: str
    sha256: str
    #: Grows by one with each installation into the store, whatever the clock says.
    number: int = 0
    #: How base differs from what was installed, one line each.
    drift: tuple[str, ...] = ()
    #: Whether conda and pip are kept from changing base.
    protected: bool = True
    #: Paths of environments that people made inside it.
    environments: tuple[str, ...] = ()
    #: What others may change of it; None when that is nothing, and was looked at.
    loose: tuple[Loose, ...] | None = None
    #: Channels that had no terms of service when they were asked for it.
    without_terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What the node has."""

    #: ``absent``, ``ours`` or, in words, what is at the prefix that Evenkeel did not make.
    prefix: str
    #: The installation that the prefix points at, complete or not, when it is ours.
    current: str | None = None
    installations: tuple[Installation, ...] = ()
    #: What interrupted runs left in the store, and what is in use when it has lost its marker.
    leftovers: tuple[str, ...] = ()
    #: All paths in the store.
    taken: frozenset[str] = frozenset()
    #: Paths of installations that running processes use.
    busy: frozenset[str] = frozenset()

    @property
    def in_use(self) -> Installation | None:
        """The complete installation that the prefix points at."""
        return next((one for one in self.installations if one.path == self.current), None)


@dataclass(frozen=True)
class Plan:
    """What has to happen, in this order: permissions, remove, install, protect, switch, prune."""

    #: What interrupted runs left.
    remove: tuple[str, ...] = ()
    install: bool = False
    protect: bool = False
    switch: bool = False
    #: Installations that nobody needs any more.
    prune: tuple[str, ...] = ()
    before: str | None = None
    #: Where the distribution is afterwards; None when it is gone.
    after: str | None = None
    number: int = 0
    #: How base differs from what was installed; empty when it is replaced.
    drift: tuple[str, ...] = ()
    #: Environments that people made inside distributions that are not in use, and so are not found by name.
    stranded: tuple[str, ...] = ()
    #: Installations whose permissions are taken back, and what others may change of them.
    tighten: Mapping[str, tuple[Loose, ...]] = field(default_factory=dict)
    #: Channels that are known to have no terms of service.
    without_terms: tuple[str, ...] = ()

    @property
    def going(self) -> tuple[str, ...]:
        """The paths of installations that go, or were going when a run was killed."""
        doomed = ((path, re.fullmatch(DOOMED_PATTERN, os.path.basename(path))) for path in self.remove)
        return (*self.prune, *(os.path.join(os.path.dirname(path), name[1]) for path, name in doomed if name))

    @property
    def changed(self) -> bool:
        return bool(self.remove or self.install or self.protect or self.switch or self.prune or self.tighten)

    @property
    def lines(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What is there before and after, one line each."""
        before = [self.before or "absent", *("kept %s" % path for path in self.prune)]
        after = [self.after or "absent"]
        if self.protect and not self.install:
            after.append("base protected")
        after += [modes.correction(found, path) for path, found in self.tighten.items()]
        return tuple(before), tuple(after)


def check(desired: Desired) -> None:
    """Refuse what can't work before anything is read or changed."""
    if not re.fullmatch(r"[0-9a-f]{64}", desired.sha256):
        raise EvenkeelError(
            "sha256 is %r, which is not 64 lower-case hexadecimal digits" % desired.sha256,
            "Take the checksum that the distribution publishes for %s" % desired.file_name,
        )
    if not re.fullmatch(r"(https?://[^/]+|file://)/(.+/)?[A-Za-z0-9][A-Za-z0-9._-]*\.sh", desired.url):
        raise EvenkeelError(
            "url %s is not an http, https or file URL that ends in the name of a shell installer" % desired.url,
            "Name the installer itself, such as https://<mirror>/miniconda/Miniconda3-py313_26.5.3-1-Linux-x86_64.sh",
        )
    if desired.keep < 0:
        raise EvenkeelError("keep is %d" % desired.keep, "Give a number of installations, or 0 to keep none")
    check_places(desired)
    shebang = _LONGEST_SHEBANG % desired.home
    if len(os.fsencode(shebang)) > SHEBANG_BYTES:
        raise EvenkeelError(
            "store %s is too long: scripts of the distribution would begin with %d bytes, and %d are the limit"
            % (desired.store, len(os.fsencode(shebang)), SHEBANG_BYTES),
            "Choose a shorter store",
        )


def check_places(desired: Desired) -> None:
    """Refuse paths that conda can't live at."""
    for name, path in (("prefix", desired.prefix), ("store", desired.store)):
        require_normalised(name, path)
        if re.search(r"\s", path):
            raise EvenkeelError(
                "%s is %r, and conda can't be installed into a path with a space" % (name, path), "Choose another path"
            )


def read(desired: Desired) -> State:
    """Read the node's state from the file system, without starting conda.

    Raises
    ------
    EvenkeelError
        A newer Evenkeel has installed something there.
    """
    prefix, current = _pointed_at(desired)
    everything = sorted(os.listdir(desired.store)) if os.path.isdir(desired.store) else []
    # Links stand at former paths, see ``former_paths``.
    names = [name for name in everything if not os.path.islink(os.path.join(desired.store, name))]
    markers = {name: marker for name in names if (marker := _marker(os.path.join(desired.store, name))) is not None}
    half_made, rests = set(), []
    for name in names:
        download_of = re.fullmatch(DOWNLOAD_PATTERN, name)
        if download_of:
            half_made.add(download_of.group(1))
        if download_of or re.fullmatch(DOOMED_PATTERN, name):
            rests.append(os.path.join(desired.store, name))
        if re.fullmatch(re.escape(os.path.basename(desired.home)) + r"(-\d+)?", name):
            half_made.add(name)
    paths = [os.path.join(desired.store, name) for name in names if name in half_made and name not in markers]
    ruins = [path for path in paths if not base.environments(path)]
    return State(
        prefix,
        current,
        tuple(
            _installation(os.path.join(desired.store, name), marker, desired)
            for name, marker in markers.items()
            if re.fullmatch(HOME, name)
        ),
        (*ruins, *rests),
        frozenset(os.path.join(desired.store, name) for name in everything),
    )


def _pointed_at(desired: Desired) -> tuple[str, str | None]:
    if os.path.islink(desired.prefix):
        target = os.path.normpath(os.path.join(os.path.dirname(desired.prefix), os.readlink(desired.prefix)))
        if os.path.dirname(target) == desired.store:
            return "ours", target
        return "a symbolic link to %s" % target, None
    if os.path.lexists(desired.prefix):
        return "a directory" if os.path.isdir(desired.prefix) else "a file", None
    return "absent", None


def _marker(home: str) -> Mapping[str, Any] | None:
    """Return the marker of a complete installation; None where it was interrupted, since the marker is written last."""
    try:
        with open(os.path.join(home, MARKER), encoding="utf-8") as stream:
            marker: Mapping[str, Any] = json.load(stream)
        require_known(stream.name, marker, FORMAT)
        if not isinstance(marker["installer"], str) or not isinstance(marker["sha256"], str):
            return None
        # Earlier versions did not wait for the disk, and a power cut may have emptied what they installed.
        return marker if marker.get("synced") or not emptied(home) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _installation(home: str, marker: Mapping[str, Any], desired: Desired) -> Installation:
    """Return an installation, and how its base has changed where it could be the desired one."""
    tight = bool(marker.get("tight"))
    found = Installation(
        home,
        marker["installer"],
        marker["sha256"],
        marker.get("number", 0),
        environments=base.environments(home),
        loose=(modes.loose_entrances(home, _THEIRS) or None) if tight else modes.loose(home, _THEIRS),
        without_terms=_without_terms(marker),
    )
    if not desired.means(found):
        return found
    loose = ["! %s" % line for line in modes.reported(one for one in found.loose or () if tight or one.exposed)]
    return replace(found, drift=(*base.drift(home, marker), *loose), protected=base.is_protected(home))


def plan(state: State, desired: Desired) -> Plan:
    """Decide; pure.

    Raises
    ------
    EvenkeelError
        What is at the prefix is not ours, or the version in use is newer and no option says that it may go.
    """
    _require_ours(state, desired)
    installed = {one.path: one for one in state.installations}
    usable = [one for one in state.installations if desired.means(one) and not (desired.heal and one.drift)]
    found = state.in_use if state.in_use in usable else max(usable, key=lambda one: one.number, default=None)
    target = found.path if found else _free(desired, state)
    if state.in_use and state.current != target:
        _refuse_downgrade(state.in_use, desired)
    # A base that is replaced because it has drifted is no way back.
    others = sorted(
        (one for one in state.installations if one.path != target),
        key=lambda one: (bool(desired.heal and one.drift), one.path != state.current, -one.number),
    )
    unneeded = [one.path for one in others if not one.environments][desired.keep :]
    # What is in use and has lost its marker goes only after its successor has come.
    ruin = [path for path in state.leftovers if path == state.current]
    return Plan(
        remove=tuple(path for path in state.leftovers if path != state.current),
        install=target not in installed,
        protect=found is not None and not found.protected,
        switch=state.current != target,
        prune=tuple(path for path in (*unneeded, *ruin) if path not in state.busy),
        before=state.current,
        after=target,
        number=max((one.number for one in state.installations), default=0) + 1,
        drift=found.drift if found else (),
        stranded=tuple(path for one in others for path in one.environments),
        tighten={
            one.path: one.loose for one in state.installations if one.loose is not None and one.path not in unneeded
        },
        without_terms=found.without_terms if found else (),
    )


def plan_absence(state: State, desired: Desired) -> Plan:
    """Decide how the distribution goes; environments that people made inside it stay, and it with them. Pure."""
    return Plan(
        remove=state.leftovers,
        switch=state.current is not None,
        prune=tuple(one.path for one in state.installations if not one.environments and one.path not in state.busy),
        before=state.current,
        stranded=tuple(path for one in state.installations for path in one.environments),
    )


def stays(state: State, plan: Plan, desired: Desired) -> list[str]:
    """Return what a plan of absence leaves, each with the reason; pure."""
    found = []
    if state.prefix not in ("absent", "ours"):
        found.append("%s is %s: not made by Evenkeel" % (desired.prefix, state.prefix))
    for one in state.installations:
        if one.environments:
            found.append("%s: people have made environments in it, such as %s" % (one.path, one.environments[0]))
        elif one.path not in plan.prune:
            found.append("%s: a process uses it; the first run after its end removes it" % one.path)
    return found


def clean_store(store: str) -> None:
    """Remove a store in which nothing but our own notes is left, and what is empty then."""
    if os.path.isdir(store) and not {*os.listdir(store)} - {*_NOTES}:
        for name in _NOTES:
            shutil.rmtree(os.path.join(store, name), ignore_errors=True)
        remains.prune(store)
        remains.prune_own(os.path.dirname(store))


def _require_ours(state: State, desired: Desired) -> None:
    if state.prefix not in ("absent", "ours"):
        raise EvenkeelError(
            "%s is %s that Evenkeel did not make; it was left as it is" % (desired.prefix, state.prefix),
            "Choose another prefix (miniconda_prefix of the role), or move it away",
        )


def _free(desired: Desired, state: State) -> str:
    """Return a path in the store where nothing is that stays."""
    taken = state.taken - (set(state.leftovers) - {state.current})
    home, count = desired.home, 1
    while home in taken:
        count += 1
        home = "%s-%d" % (desired.home, count)
    return home


def _refuse_downgrade(current: Installation, desired: Desired) -> None:
    was, now = _NAME.match(current.installer), _NAME.match(desired.file_name)
    if desired.force or not was or not now or was["distribution"] != now["distribution"]:
        return
    if order(now["version"]) < order(was["version"]):
        raise EvenkeelError(
            "%s is %s, which is newer than %s" % (desired.prefix, current.installer, desired.file_name),
            "Set force: true (miniconda_force of the role) to go back to the older one",
        )


def order(version: str) -> tuple[int, ...]:
    """Return what versions of installers, such as ``26.5.3-1``, are compared by."""
    return tuple(map(int, re.split("[.-]", version)))


def apply(
    plan: Plan,
    desired: Desired,
    run_installer: RunCommand,
    fetch: Fetch,
    waiting: Callable[[int], None] = lambda seconds: None,
    leave: Callable[[str], None] = lambda path: None,
) -> None:
    """Bring the node to the plan's end. What fails half-way is removed; what is killed half-way is healed next time.

    Parameters
    ----------
    waiting
        Called about every second while the disk is waited for, with the seconds that it has taken.
    leave
        Called with the path of an installation that is no longer there, before it is removed.
    """
    try:
        for path, seen in plan.tighten.items():
            _tighten(path, seen)
        for path in plan.remove:
            shutil.rmtree(path)
        if plan.install and plan.after:
            make_directories(desired.store)
            _install(plan, plan.after, desired, run_installer, fetch, waiting)
        if plan.protect and plan.after:
            base.protect(plan.after)
        if plan.switch and plan.after:
            link_atomically(desired.prefix, plan.after)
        elif plan.switch:
            os.unlink(desired.prefix)
        for path in plan.prune:
            _remove(path, leave)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(desired.store) from error
        raise from_os(error, path_of(error) or desired.store) from error


def note_without_terms(home: str, channels: Sequence[str]) -> None:
    """Note channels that have no terms of service, in the marker of the installation that they were asked for."""
    marker = dict(_marker(home) or {})
    known = {*_without_terms(marker), *channels}
    _mark(home, {**marker, _WITHOUT_TERMS: sorted(known)})


def _without_terms(marker: Mapping[str, Any]) -> tuple[str, ...]:
    noted = marker.get(_WITHOUT_TERMS)
    return tuple(map(str, noted)) if isinstance(noted, list) else ()


def rehearse(desired: Desired, begin: Callable[[str], Beginning]) -> None:
    """Fail where an installation would before it runs the installer; changes nothing.

    Parameters
    ----------
    desired
        What is to be installed.
    begin
        Returns the beginning of the installer that is at a URL, or fails as its download would.
    """
    start = begin(desired.url)
    _require_no_page(start.content, desired.url)
    place = existing(desired.store)
    require_space(place, start.size or 0, desired.url)
    size = announced_bytes(start.content)
    if size:
        require_space(place, size + BUFFER_BYTES, desired.file_name)


def _tighten(home: str, seen: tuple[Loose, ...]) -> None:
    """Take from others what they may change of an installation, and note whether they could have changed it."""
    exposed = any(one.exposed for one in (*seen, *modes.tighten(home, _THEIRS)))
    marker = _marker(home) or {}
    sync_file_systems([home])
    _mark(home, {**marker, "synced": True, "tight": True, "exposed": exposed or bool(marker.get("exposed"))})


def _mark(home: str, marker: Mapping[str, Any]) -> None:
    """Write the marker of an installation."""
    write_atomically(os.path.join(home, MARKER), json.dumps(marker, indent=1, sort_keys=True) + "\n")


def _remove(home: str, leave: Callable[[str], None]) -> None:
    """Remove an installation such that a killed removal leaves what the next run knows as a leftover."""
    doomed = os.path.join(os.path.dirname(home), DOOMED_PREFIX + os.path.basename(home))
    os.rename(home, doomed)
    leave(home)
    shutil.rmtree(doomed)


def _install(
    plan: Plan, home: str, desired: Desired, run_installer: RunCommand, fetch: Fetch, waiting: Callable[[int], None]
) -> None:
    downloads = os.path.join(desired.store, DOWNLOAD_PREFIX + os.path.basename(home))
    os.mkdir(downloads, 0o700)
    try:
        installer = os.path.join(downloads, desired.file_name)
        require_installer(installer, desired.url, desired.sha256, fetch(installer))
        with open(installer, "rb") as stream:
            size = announced_bytes(stream.read(BEGINNING_BYTES))
        if size:
            require_space(desired.store, size + BUFFER_BYTES, desired.file_name)
        _run(installer, plan, home, desired, run_installer, waiting)
    finally:
        shutil.rmtree(downloads, ignore_errors=True)


def require_installer(path: str, url: str, sha256: str, actual: str) -> None:
    """Refuse what was brought when it is not the installer asked for."""
    if actual == sha256:
        return
    with open(path, "rb") as stream:
        _require_no_page(stream.read(BEGINNING_BYTES), url)
    raise EvenkeelError(
        "%s has the SHA-256 %s, not %s; it was not executed and has been removed" % (url, actual, sha256),
        "Check the checksum at the distribution's own site; if it is right, the mirror's file is damaged or forged",
    )


def _require_no_page(head: bytes, url: str) -> None:
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise EvenkeelError(
            "%s answered with an HTML page, not an installer" % url, "Check the version and the mirror's base URL"
        )


def announced_bytes(head: bytes) -> int:
    """Return how much an installer takes once installed, by what it begins with; 0 when it does not say."""
    found = _SIZE.search(head)
    return int(found.group(1)) << 10 if found else 0


def _run(
    installer: str, plan: Plan, home: str, desired: Desired, run_installer: RunCommand, waiting: Callable[[int], None]
) -> None:
    try:
        if os.path.lexists(home):
            shutil.rmtree(home)
        with modes.private():  # nobody else can enter it before its permissions are what they should be
            status, out, err = run_installer(["/bin/sh", installer, "-b", "-p", home])
        if status != 0 or not os.path.isfile(os.path.join(home, "bin", "conda")):
            raise _failure(desired, status, out, err)
        base.protect(home)
        modes.share(home)
        sync_file_systems([home], waiting)
        marker = {
            "format": FORMAT,
            "installer": desired.file_name,
            "sha256": desired.sha256,
            "url": masked(desired.url),
            "number": plan.number,
            "synced": True,
            "tight": True,
            **base.inventory(home),
        }
        modes.open_up(home)
        _mark(home, marker)
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def _failure(desired: Desired, status: int, out: str, err: str) -> EvenkeelError:
    if shutil.disk_usage(desired.store).free < CHUNK_BYTES or "No space left" in err + out:
        return disk_full(desired.store)
    how = "ended with status %d" % status if status else "made no bin/conda"
    said = "%s %s: %s" % (desired.file_name, how, _last_words(err or out))
    remedy = "Read the installer's own message; nothing was left behind"
    if "requires GLIBC" in out + err:
        remedy = "Choose a version that was built for an older C library; nothing was left behind"
    return EvenkeelError(said, remedy, rc=status, stdout=out, stderr=err)


def _last_words(text: str) -> str:
    return " / ".join(line.strip() for line in text.strip().splitlines()[-3:]) or "it printed nothing"
