# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module pull_agent: a node that pulls what it is to be from a git repository."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, kept_files, program, remains
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import units as systemd
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Kept
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import converge as package_set
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import removal
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.transaction import Request, Wanted
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import agent, launch, versions
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import settings as pull_settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import units as pull_units
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.settings import Places, Settings
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull.versions import Version

#: Options that are settings of the program, by the same names.
SETTINGS = (
    *("host", "remote", "branch", "tag", "signed", "allow_older", "playbook", "inventory"),
    *("timeout", "fetch_timeout", "report_to", "interval", "splay"),
)
#: Options that are files of the program; what is not given stays as it is.
_SECRETS = {
    "git_key": pull_settings.GIT_KEY,
    "git_token": pull_settings.GIT_TOKEN,
    "report_key": pull_settings.REPORT_KEY,
    "report_token": pull_settings.REPORT_TOKEN,
    "vault_password": pull_settings.VAULT_PASSWORD,
    "variables": pull_settings.VARIABLES,
}
_TRUSTED = {"allowed_signers": "allowed_signers", "known_hosts": "known_hosts", "ca_bundle": "ca.pem"}

ARGUMENT_SPEC: dict[str, Any] = {
    "enabled": {"type": "bool", "default": True},
    "root": {"type": "path", "default": "/opt/evenkeel/pull"},
    "python": {"type": "path", "default": ""},
    "wheels": {"type": "path"},
    "host": {"type": "str", "default": ""},
    "remote": {"type": "str", "default": ""},
    "branch": {"type": "str", "default": "main"},
    "tag": {"type": "str", "default": ""},
    "signed": {
        "type": "str",
        "choices": [pull_settings.COMMIT, pull_settings.TAG, pull_settings.NOTHING],
        "default": pull_settings.COMMIT,
    },
    "allow_older": {"type": "bool", "default": False},
    "playbook": {"type": "str", "default": "site.yml"},
    "inventory": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 7200},
    "fetch_timeout": {"type": "int", "default": 600},
    "report_to": {"type": "str", "default": ""},
    "interval": {"type": "int", "default": 30},
    "splay": {"type": "int", "default": 30},
    **{name: {"type": "str", "default": ""} for name in _TRUSTED},
    **{name: {"type": "str", "default": "", "no_log": True} for name in _SECRETS},
    "lock_timeout": {"type": "int", "default": 300},
}
#: Versions by the names of the packages of the control node's environment, and where it has put their wheels.
FROM_ACTION: dict[str, Any] = {"packages": {"type": "dict", "default": {}}, "brought": {"type": "path"}}

PLACES = Places()


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
    if params["enabled"]:
        return install(params, check_mode)
    return remove(params["root"], params["lock_timeout"], check_mode)


def install(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have the program, its environment, its files and its timer."""
    settings = Settings(**{name: params[name] for name in SETTINGS})
    require_right(settings, params)
    python = versions.find_python(params["python"])
    wanted = Version(params["root"], os.path.realpath(python), params["packages"], program.archive(agent))
    switches = not wanted.current and not wanted.broken
    if switches and not wanted.has_venv and params["brought"] is None and not check_mode:
        return {"wanted": {"python": versions.tag_of(wanted.python), "machine": os.uname().machine}}
    outcome = packages(settings, params["lock_timeout"], check_mode=check_mode)
    files = changed_files(settings, params, wanted)
    timer = systemd.read([pull_units.TIMER])[pull_units.TIMER]
    starts = not (timer.running and timer.enabled)
    if not check_mode:
        if switches:
            versions.build(wanted, params["brought"] or "")
        kept_files.apply_all(files)
        if switches:
            versions.require_runs(wanted)
            versions.switch(wanted)
            versions.prune(wanted.root)
        serve(files, starts=starts)
    return {
        "changed": bool(outcome.changed or switches or files or starts),
        "version": wanted.id,
        "packages": [str(step) for step in outcome.plan.steps],
        "unknown": list(outcome.unknown),
        "warnings": warnings(wanted),
        "diff": [*outcome.diffs(), *([_switch(wanted)] if switches else ()), *(change.diff() for change in files)],
    }


def require_right(settings: Settings, params: Mapping[str, Any]) -> None:
    """Refuse settings that can't work.

    Raises
    ------
    EvenkeelError
        Names all of them.
    """
    found = pull_settings.problems(settings)
    for name, place, needed, why in (
        (
            "allowed_signers",
            PLACES.allowed_signers,
            settings.signed != pull_settings.NOTHING,
            "signatures are asked for",
        ),
        ("known_hosts", PLACES.known_hosts, pull_settings.over_ssh(settings.remote), "the remote is reached over SSH"),
    ):
        if needed and not params[name].strip() and not os.path.exists(place):
            found.append("pull_agent_%s is empty, and %s." % (name, why))
    for name, least in (("interval", 1), ("splay", 0)):
        if params[name] < least:
            found.append("pull_agent_%s is %d: set it to a number of minutes from %d." % (name, params[name], least))
    if found:
        raise EvenkeelError(" ".join(found), "Set these variables, and run again")


def packages(settings: Settings, lock_timeout: int, *, check_mode: bool) -> package_set.Outcome:
    """Have git, and rsync for reports that go by it, where the node lacks them."""
    names = ["git", *(["rsync"] if pull_settings.over_ssh(settings.report_to) else [])]
    lacking = [name for name in names if not shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")]
    if not lacking:
        return package_set.Outcome()
    job = package_set.Job("pull_agent", Request(wanted=tuple(map(Wanted, lacking))), lock_timeout=lock_timeout)
    return package_set.converge(job, check_mode=check_mode)


def changed_files(settings: Settings, params: Mapping[str, Any], version: Version) -> list[kept_files.Change]:
    """Return what changes in the files of the node; a secret or a key that is not given stays as it is."""
    launcher = os.path.join(version.root, "launch.py")
    unit = os.path.join(pull_units.FOLDER, "%s")
    wanted = {
        PLACES.settings: Kept(settings.text(), 0o600),
        **{
            PLACES.path(file): _lines(params[name])
            for name, file in {**_TRUSTED, **_SECRETS}.items()
            if params[name].strip()
        },
        launcher: Kept(inspect.getsource(launch)),
        pull_units.COMMAND: Kept(pull_units.command(version.python, launcher), 0o755),
        unit % pull_units.SERVICE: Kept(pull_units.service(version.python, launcher)),
        unit % pull_units.TIMER: Kept(pull_units.timer(params["interval"], params["splay"])),
    }
    secrets = [PLACES.path(name) for name in _SECRETS.values()]
    return kept_files.plan({path: kept_files.read(path) for path in wanted}, wanted, secrets)


def serve(files: list[kept_files.Change], *, starts: bool) -> None:
    """Have systemd know its units, and the timer run, at boot too."""
    remedy = "See `systemctl status %s`" % pull_units.TIMER
    changed = [change.path for change in files if change.path.startswith(pull_units.FOLDER)]
    if changed:
        command.require(["systemctl", "daemon-reload"], remedy)
    if starts:
        command.require(["systemctl", "enable", "--now", pull_units.TIMER], remedy)
    elif any(path.endswith(pull_units.TIMER) for path in changed):
        command.require(["systemctl", "restart", pull_units.TIMER], remedy)


def remove(root: str, lock_timeout: int, check_mode: bool) -> dict[str, Any]:
    """Have no timer, and nothing of what was made or installed for it."""
    units = [os.path.join(pull_units.FOLDER, name) for name in (pull_units.TIMER, pull_units.SERVICE)]
    parts = remains.named(root, versions.PARTS)
    there = [path for path in (*units, pull_units.COMMAND, *parts, PLACES.etc, PLACES.var) if os.path.lexists(path)]
    if there == parts and kept_files.OUR_NAME not in root:  # nothing shows that it is ours
        there = []
    if there and not check_mode:
        remedy = "See `systemctl status %s`" % pull_units.TIMER
        if units[0] in there:
            # The service may be what runs this.
            command.require(["systemctl", "disable", "--now", pull_units.TIMER], remedy)
        remains.take(parts, versions.DOOMED)
        remains.take(path for path in there if path not in parts)
        if parts:
            remains.prune(root)
        command.require(["systemctl", "daemon-reload"], remedy)
    gone = removal.remove(["pull_agent"], lock_timeout=lock_timeout, check_mode=check_mode)
    before = "".join("%s\n" % path for path in there)
    diff = (
        [{"before_header": "pull agent", "after_header": "pull agent", "before": before, "after": ""}] if there else []
    )
    return {
        "changed": bool(there or gone.changed),
        "diff": [*diff, *gone.diffs()],
        "version": "",
        "packages": list(map(str, gone.plan.steps)),
        "left": list(gone.left),
        "unknown": list(gone.unknown),
        "warnings": list(gone.warnings),
    }


def warnings(version: Version) -> list[str]:
    """Return what an operator must know beside the changes."""
    if not version.broken:
        return []
    return [
        "The version %s of the pull agent could not run on this node, which stays with %s: see `journalctl --unit %s`. "
        "To try it again, delete %s" % (version.id, versions.current(version.root), pull_units.SERVICE, version.path)
    ]


def _lines(text: str) -> Kept:
    return Kept(text.rstrip("\n") + "\n", 0o600)


def _switch(version: Version) -> dict[str, str]:
    link = os.path.join(version.root, launch.CURRENT)
    before = versions.current(version.root)
    return {
        "before_header": link,
        "after_header": link,
        "before": "%s\n" % before if before else "",
        "after": "%s\n" % version.id,
    }
