# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""All notebook servers of a node: read, plan, apply."""

from __future__ import annotations

import contextlib
import glob
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import server as jupyter_server
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter.server import (
    PROXY,
    SECRETS,
    SERVICE,
    SLICE,
    UNITS,
    WAY_IN,
    Server,
    drop_in,
    instance,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, units
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.state_format import NOTEBOOK_SERVERS, require_known
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.unit_text import escape, unescape
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit

CONFIG = "jupyter_server_config.py"
LIST = "servers.json"
POLICIES = ("now", "idle", "manual")

#: What a server's address depends on, of its own files.
_ADDRESS = ("settings.json", "certificate.pem")
_LISTENS = "ListenStream="
_TEMPLATES = (SERVICE, WAY_IN, PROXY)
#: At boot.
_STARTED_BY = {SERVICE: "multi-user.target", WAY_IN: "sockets.target"}
_JOURNAL_LINES, _JOURNAL_CHARACTERS = 20, 4000


@dataclass(frozen=True)
class State:
    """The present state of a node.

    Parameters
    ----------
    older_than
        For each unit that runs, those of its files that were written after its start, and the environment when a
        newer generation of it is in place.
    processes
        For each server, the processes in it other than the server itself.
    """

    files: Mapping[str, Kept | None] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    older_than: Mapping[str, Sequence[str]] = field(default_factory=dict)
    processes: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """A restart, or a removal, that would end what its user runs."""

    user: str
    unit: str
    why: tuple[str, ...]
    processes: tuple[str, ...]

    def words(self, policy: str) -> str:
        """Return a warning: what waits, and for what."""
        waits = "%s waits for its restart (%s). " % (self.unit, ", ".join(self.why))
        if policy == "manual":
            return waits + "restart_policy is manual; run `systemctl restart %s` when it suits %s." % (
                self.unit,
                self.user,
            )
        return (
            waits
            + "It would end: %s. restart_policy=now (jupyter_restart_policy of the role) restarts it anyway."
            % "; ".join(self.processes)
        )


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order; each command is an argument list for systemctl.

    Parameters
    ----------
    probes
        How each user's server is to be examined afterwards.
    moving
        Users whose servers are reached elsewhere until then, or not at all.
    remains
        What systemd leaves of units that end: sockets, and links of units whose file somebody has removed.
    """

    before: tuple[tuple[str, ...], ...] = ()
    remains: tuple[str, ...] = ()
    files: tuple[Change, ...] = ()
    after: tuple[tuple[str, ...], ...] = ()
    waiting: tuple[Waiting, ...] = ()
    probes: Mapping[str, str] = field(default_factory=dict)
    moving: frozenset[str] = frozenset()

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.before or self.files or self.after)

    def diff(self) -> list[dict[str, str]]:
        """Return the changes of files, and the commands of systemctl."""
        commands = "".join("systemctl %s\n" % " ".join(argv) for argv in (*self.before, *self.after))
        header = {"before_header": "services", "after_header": "services"}
        services = [{**header, "before": "", "after": commands}] if commands else []
        return [change.diff() for change in self.files] + services


def known(folder: str, system: str = UNITS) -> dict[str, int | None]:
    """Return the users whose servers an earlier run made, and the port of each that has one.

    Where the file of a way in is damaged, the port comes from the list of all servers.
    """
    found, listed = {}, _listed_ports(os.path.join(folder, LIST))
    for path in glob.glob(os.path.join(system, WAY_IN.replace("@", "@*") + ".d", jupyter_server.DROP_IN)):
        name = os.path.basename(os.path.dirname(path)).split("@", 1)[1][: -len(".socket.d")]
        file = kept_files.read(path)
        user = unescape(name)
        text = file.text if file else ""
        found[user] = jupyter_server.port_of(text) if _LISTENS in text else listed.get(user)
    return found


def _listed_ports(path: str) -> dict[str, int]:
    """Return the ports by user that the list of all servers has; none where it is damaged."""
    return {user: entry["port"] for user, entry in listed(path).items() if isinstance(entry.get("port"), int)}


def listed(path: str) -> dict[str, dict[str, Any]]:
    """Return the entries of the list of all servers by user; none where it is damaged.

    Raises
    ------
    EvenkeelError
        A newer Evenkeel has written it.
    """
    with contextlib.suppress(ValueError, KeyError, TypeError):
        content = json.loads(kept_files.text(path) or "{}")
        require_known(path, content, NOTEBOOK_SERVERS)
        return {entry["user"]: entry for entry in content["servers"]}
    return {}


def wanted(
    servers: Sequence[Server],
    gone: Sequence[str],
    shared: Mapping[str, str],
    config: str,
    folder: str,
    *,
    vanished: Sequence[str] = (),
) -> dict[str, Kept | None]:
    """Return all files by path; None for those that are to be removed.

    Parameters
    ----------
    shared
        The texts of the units that all servers share, by name.
    config
        The text of what every server reads last.
    vanished
        Users whose servers stay as they are, since the node does not know their accounts now.
    """
    found: dict[str, Kept | None] = {os.path.join(UNITS, name): Kept(text) for name, text in shared.items()}
    found[os.path.join(folder, CONFIG)] = Kept(config)
    for server in servers:
        found.update(jupyter_server.files(server, folder))
    for user in gone:
        found.update(dict.fromkeys(files_of(user, folder)))
    before = listed(os.path.join(folder, LIST)) if vanished else {}
    kept = [before[user] for user in vanished if user in before]
    entries = sorted((*(server.entry(folder) for server in servers), *kept), key=lambda entry: str(entry["user"]))
    found[os.path.join(folder, LIST)] = Kept(json.dumps({"servers": entries}, indent=2, sort_keys=True) + "\n")
    return found


def removal(users: Sequence[str], folder: str) -> dict[str, Kept | None]:
    """Return all files of all servers, none of which is wanted; those that they share come last."""
    shared = [*(os.path.join(UNITS, name) for name in (*_TEMPLATES, SLICE)), os.path.join(folder, CONFIG)]
    own = [path for user in users for path in files_of(user, folder)]
    return dict.fromkeys([*own, *shared, os.path.join(folder, LIST)])


def folders(folder: str, system: str = UNITS) -> list[str]:
    """Return the folders in which all of that is, and nothing else of ours."""
    patterns = [os.path.join(glob.escape(system), one.replace("@", "@*") + ".d") for one in _TEMPLATES]
    return [folder, *sorted(path for pattern in patterns for path in glob.glob(pattern))]


def files_of(user: str, folder: str) -> list[str]:
    """Return where the files of a server's own are."""
    own = os.path.join(folder, escape(user))
    names = ("settings.json", "certificate.pem", *SECRETS)
    # The drop-in of the way in shows that there is a server: it is the last to be removed.
    return [os.path.join(own, name) for name in names] + [drop_in(user, one) for one in (SERVICE, PROXY, WAY_IN)]


def secrets_of(user: str, folder: str, *files: Mapping[str, Kept | None]) -> Iterator[str]:
    """Yield what those files of a server hold that are secret.

    The user may have put any words there, so they are hidden in texts about this user only.
    """
    paths = list(filter(_is_secret, files_of(user, folder)))
    return (file.text for some in files for path in paths if (file := some.get(path)))


def _is_secret(path: str) -> bool:
    return os.path.basename(path) in SECRETS


def read(users: Sequence[str], paths: Iterable[str], folder: str, environment: str) -> State:
    """Return what is there; ``environment`` is the one that servers run from."""
    found = units.read([SLICE, *[instance(user, template) for user in users for template in _TEMPLATES]])
    older_than: dict[str, list[str]] = {}
    for user in users:
        for template in _TEMPLATES:
            unit = found[instance(user, template)]
            older_than[unit.name] = units.newer_than(unit.started, read_by(user, template, folder))
        server = found[instance(user, SERVICE)]
        older_than[server.name] += _left_environment(server, environment)
    running = {user: found[instance(user, SERVICE)] for user in users}
    beside = units.processes([unit for unit in running.values() if unit.running])
    processes = {user: beside.get(unit.name, []) for user, unit in running.items()}
    return State({path: kept_files.read(path) for path in paths}, found, older_than, processes)


def read_by(user: str, template: str, folder: str) -> list[str]:
    """Return the files that a user's unit reads when it starts."""
    paths = [os.path.join(UNITS, template), drop_in(user, template)]
    if template == SERVICE:
        # The directory's time shows that a file, such as a password's, was removed.
        paths += [os.path.join(folder, CONFIG), os.path.join(folder, escape(user))]
        paths += [path for path in files_of(user, folder) if not path.startswith(UNITS)]
    return paths


def _left_environment(unit: Unit, environment: str, proc: str = "/proc") -> list[str]:
    """Return the environment when it is another generation than the one that the server was started from."""
    if unit.main_pid is None:
        return []
    try:
        program = os.readlink(os.path.join(proc, str(unit.main_pid), "exe"))
    except OSError:
        return []
    return [] if program.startswith(os.path.realpath(environment) + "/") else [environment]


def plan(
    state: State,
    servers: Sequence[Server],
    gone: Sequence[str],
    files: Mapping[str, Kept | None],
    *,
    policy: str,
    folder: str,
    homeless: Collection[str] = (),
) -> Plan:
    """Compare the present state with the wanted one.

    Parameters
    ----------
    gone
        Users whose servers are to be removed.
    files
        What ``wanted`` returned.
    policy
        ``now``: a restart may end what people run; ``idle``: it waits until nothing runs; ``manual``: no restart.
    homeless
        Users whose servers can't be started now.

    Raises
    ------
    EvenkeelError
        Somebody else's unit has the name of one of ours.
    """
    changes = kept_files.plan(state.files, files, list(filter(_is_secret, files)))
    kept_files.require_ours(change for change in changes if change.path.startswith(UNITS))
    rewritten = {change.path for change in changes if change.of_text}
    comparison = _Comparison(state, rewritten, policy, folder, homeless)
    leaving = [user for user in gone if comparison.may_leave(user)]
    staying = {path for user in gone if user not in leaving for path in files_of(user, folder)}
    changes = [change for change in changes if change.path not in staying]
    for server in servers:
        comparison.compare(server)
    unread = any(unit.unread for unit in state.units.values())
    reload = unread or any(change.path.startswith(UNITS) for change in changes)
    return Plan(
        before=_ending(leaving, state.files),
        remains=tuple(path for user in leaving for path in _remains(user)),
        files=tuple(changes),
        after=(("daemon-reload",),) * reload + comparison.steps.commands(),
        waiting=tuple(comparison.waiting),
        probes=comparison.probes,
        moving=frozenset(comparison.moving),
    )


def _ending(leaving: Sequence[str], files: Mapping[str, Kept | None]) -> tuple[tuple[str, ...], ...]:
    """Return the commands of systemctl that end the servers of some users for good.

    Units whose file somebody has removed can't be disabled, but may run.
    """
    if not leaving:
        return ()
    steps = []
    for template in (WAY_IN, PROXY, SERVICE):
        path = os.path.join(UNITS, template)
        disabled = template in _STARTED_BY and files.get(path, path) is not None
        steps.append(
            (*(("disable", "--now") if disabled else ("stop",)), *[instance(user, template) for user in leaving])
        )
    return tuple(steps)


def _remains(user: str) -> list[str]:
    links = [os.path.join(UNITS, "%s.wants" % by, instance(user, unit)) for unit, by in _STARTED_BY.items()]
    return [jupyter_server.socket_of(user), *links]


@dataclass
class _Steps:
    """The units that each step is for; the steps are in this order."""

    disable: list[str] = field(default_factory=list)
    enable: list[str] = field(default_factory=list)
    stop_proxies: list[str] = field(default_factory=list)
    restart_ways_in: list[str] = field(default_factory=list)
    start_ways_in: list[str] = field(default_factory=list)
    restart_servers: list[str] = field(default_factory=list)
    start_servers: list[str] = field(default_factory=list)

    def commands(self) -> tuple[tuple[str, ...], ...]:
        """Return them as commands of systemctl."""
        steps = (
            ("disable", self.disable),
            ("enable", self.enable),
            ("stop", self.stop_proxies),
            ("restart", self.restart_ways_in),
            ("start", self.start_ways_in),
            ("restart", self.restart_servers),
            ("start", self.start_servers),
        )
        return tuple((verb, *names) for verb, names in steps if names)


class _Comparison:
    """What servers need, gathered one by one."""

    def __init__(self, state: State, rewritten: set[str], policy: str, folder: str, homeless: Collection[str]) -> None:
        self.state, self.rewritten, self.policy, self.folder = state, rewritten, policy, folder
        self.homeless = homeless
        self.steps = _Steps()
        self.waiting: list[Waiting] = []
        self.probes: dict[str, str] = {}
        self.moving: set[str] = set()

    def may_leave(self, user: str) -> bool:
        """Whether a server that is no longer wanted may be stopped."""
        return not self._unit(user, SERVICE).running or self._may_restart(user, ("no longer in servers",))

    def compare(self, server: Server) -> None:
        """Find out what one server needs."""
        service, way_in = self._unit(server.user, SERVICE), self._unit(server.user, WAY_IN)
        self.probes[server.user] = self._compare_service(server, service, way_in)
        if service.enabled and server.on_demand:
            self.steps.disable.append(service.name)
        if not service.enabled and not server.on_demand:
            self.steps.enable.append(service.name)
        self._compare_way_in(server.user, way_in)

    def _compare_service(self, server: Server, service: Unit, way_in: Unit) -> str:
        """Return how the server is to be examined afterwards."""
        if server.user in self.homeless:
            return "asleep"
        if not service.running:
            if server.on_demand:
                return "asleep" if way_in.running else "full"
            self.steps.start_servers.append(service.name)
            return "full"
        outdated = self._outdated(server.user, SERVICE)
        if not outdated:
            return "light"
        if not self._may_restart(server.user, outdated):
            own = os.path.join(self.folder, escape(server.user))
            # Until its restart it may answer at another path, or without TLS.
            return "asleep" if any(os.path.join(own, name) in outdated for name in _ADDRESS) else "waiting"
        self.steps.restart_servers.append(service.name)
        return "full"

    def _compare_way_in(self, user: str, way_in: Unit) -> None:
        if not way_in.enabled:
            self.steps.enable.append(way_in.name)
        elsewhere = bool(self._outdated(user, WAY_IN))
        if elsewhere or not way_in.running:
            self.moving.add(user)
        # A socket does not start while what it starts runs; browsers connect again by themselves.
        proxy = self._unit(user, PROXY)
        if proxy.running and (elsewhere or not way_in.running or self._outdated(user, PROXY)):
            self.steps.stop_proxies.append(proxy.name)
        if not way_in.running:
            self.steps.start_ways_in.append(way_in.name)
        elif elsewhere:
            self.steps.restart_ways_in.append(way_in.name)

    def _unit(self, user: str, template: str) -> Unit:
        name = instance(user, template)
        return self.state.units.get(name, Unit(name))

    def _outdated(self, user: str, template: str) -> tuple[str, ...]:
        """Return what a running unit reads and what is newer than it."""
        unit = self._unit(user, template)
        if not unit.running:
            return ()
        rewritten = self.rewritten.intersection(read_by(user, template, self.folder))
        return tuple(sorted({*rewritten, *self.state.older_than.get(unit.name, ())}))

    def _may_restart(self, user: str, why: tuple[str, ...]) -> bool:
        processes = tuple(self.state.processes.get(user, ()))
        if self.policy == "now" or (self.policy == "idle" and not processes):
            return True
        self.waiting.append(Waiting(user, instance(user, SERVICE), why, processes))
        return False


def apply(todo: Plan) -> dict[str, str]:
    """Carry out the plan, and return why servers did not start, by user.

    Raises
    ------
    EvenkeelError
        A file can't be written, or systemctl fails; the end of the journal is in the message.
    """
    for argv in todo.before:
        _require_systemctl(argv)
    for path in todo.remains:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    for change in todo.files:
        kept_files.apply(change)
    for path in sorted({os.path.dirname(change.path) for change in todo.files if change.after is None}):
        if os.path.isdir(path) and not os.listdir(path):
            os.rmdir(path)
    failed: dict[str, str] = {}
    for argv in todo.after:
        if argv[0] in ("start", "restart") and all(is_server(unit) for unit in argv[1:]):
            for part in _parts(argv, os.cpu_count() or 1):
                failed.update(_start(part))
        else:
            _require_systemctl(argv)
    return failed


def is_server(unit: str) -> bool:
    """Whether a unit is a user's server, and so depends on files of that user."""
    return unit.startswith(SERVICE.partition("@")[0] + "@")


def user_of(unit: str) -> str:
    """Return whose server a unit is."""
    return unescape(unit[len(SERVICE.partition("@")[0]) + 1 : -len(".service")])


def _start(argv: Sequence[str]) -> dict[str, str]:
    """Start servers, and return why some did not, by user."""
    done = command.run(["systemctl", *argv])
    if not done.status:
        return {}
    found = units.read(argv[1:])
    failed = [name for name in argv[1:] if not found[name].running] or [name for name in argv[1:] if name in done.said]
    if not failed:
        _fail(argv, done)
    return {
        user_of(name): "`systemctl %s %s` failed: %s. The journal:\n%s"
        % (argv[0], name, done.last_words(), journal(name))
        for name in failed
    }


def _parts(argv: Sequence[str], most: int) -> list[Sequence[str]]:
    """Split what starts servers, which are slow to, into as many at once as there are processors."""
    verb, names = argv[0], argv[1:]
    return [(verb, *names[start : start + most]) for start in range(0, len(names), most)]


def _require_systemctl(argv: Sequence[str]) -> None:
    done = command.run(["systemctl", *argv])
    if done.status:
        _fail(argv, done)


def _fail(argv: Sequence[str], done: command.Done) -> NoReturn:
    named = [unit for unit in argv[1:] if unit in done.said]
    raise EvenkeelError(
        "`systemctl %s` failed: %s" % (" ".join(argv), done.last_words()),
        "See the journal:\n%s" % "\n".join(map(journal, named)),
    )


def journal(unit: str) -> str:
    """Return the last lines of a unit's journal, which may be as long as its user likes."""
    argv = ["journalctl", "--unit", unit, "--boot", "--no-pager", "--quiet", "--lines", str(_JOURNAL_LINES)]
    return command.run(argv).said.strip()[-_JOURNAL_CHARACTERS:]


def foreign_drop_ins(state: State) -> dict[str, list[str]]:
    """Return drop-ins of our units that are not ours and may override ours."""
    ours = os.path.join(os.sep, jupyter_server.DROP_IN)
    found = {name: [path for path in unit.drop_ins if not path.endswith(ours)] for name, unit in state.units.items()}
    return {name: paths for name, paths in found.items() if paths}
