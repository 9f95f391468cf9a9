# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module ssh_forwarding: a group whose members may forward ports and sockets through sshd."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_config, sshd_group, sshd_service
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing

FORWARDING = {"AllowTcpForwarding": "yes", "AllowStreamLocalForwarding": "yes", "DisableForwarding": "no"}

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "group": {"type": "str"},
    "users": {"type": "list", "elements": "str", "default": []},
    "planned_users": {"type": "list", "elements": "str", "default": []},
    "settings": {"type": "dict", "default": FORWARDING},
    "drop_in": {"type": "bool", "default": True},
}
RULES: dict[str, Any] = {"required_if": [("state", "present", ("group",))]}
#: By which its record is known.
MODULE = "ssh_forwarding"


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
    return remove(check_mode) if params["state"] == "absent" else allow(params, check_mode)


def remove(check_mode: bool) -> dict[str, Any]:
    """Have no drop-in of ours, and neither group nor member that was made for it."""
    changes = kept_files.changes({sshd_config.DROP_IN: None})
    service = sshd_service.find()
    leaving = no_longer_wanted(())
    # A run may have been killed before sshd had read that the drop-in is gone; what is recorded goes after that.
    folder = os.path.dirname(sshd_config.DROP_IN)
    reload = service is not None and bool(changes or (leaving.things and not sshd_service.has_read(service, folder)))
    if not check_mode:
        if reload or changes:
            with sshd_config.trial() as trial:
                addresses = trial.addresses()
            sshd_service.apply(changes, service if reload else None, addresses)
        sshd_group.leave(leaving)
        made.note(MODULE, (), leaving.things)
    return {
        "changed": bool(changes or reload or leaving.changed),
        "diff": [*(change.diff() for change in changes), *leaving.diffs()],
        "joined": [],
        "path": sshd_config.DROP_IN,
        "reloaded": reload,
        "left": ["the group %s: %s" % item for item in leaving.stay.items()],
    }


def no_longer_wanted(wanted: Collection[Thing]) -> sshd_group.Leaving:
    """Return what the record has of groups and members that are not wanted."""
    recorded = made.read(MODULE)
    groups = {thing.name.rpartition(" ")[2] for thing in recorded if thing.kind in ("group", "member")}
    members, primary = sshd_group.members_of(groups), sshd_group.primary_groups(groups)
    return sshd_group.leaving(recorded, wanted, members, primary)


def allow(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Have the group, its members and the drop-in."""
    group, settings, drop_in = params["group"], params["settings"], params["drop_in"]
    users = list(dict.fromkeys(params["users"]))
    lines = {keyword: words(value) for keyword, value in settings.items()}
    sshd_group.check(group, users)
    sshd_config.check(lines)
    members = sshd_group.plan(
        group,
        sshd_group.group_id(group),
        sshd_group.read(users),
        local=sshd_group.is_local(group),
        planned=params["planned_users"] if check_mode else (),
    )
    text = sshd_config.render("Group %s" % group, lines)
    changes = kept_files.changes({sshd_config.DROP_IN: text if drop_in else None})
    service = sshd_service.find()
    reload = service is not None and (bool(changes) or not sshd_service.has_read(service, sshd_config.DROP_IN))
    addresses = try_out(lines, users or ["nobody"], text if drop_in else None, written=not changes, reload=reload)
    wanted = [Thing("member", "%s %s" % (user, group)) for user in users]
    leaving = no_longer_wanted((Thing("group", group), *wanted))
    if not check_mode:
        joined = [thing for thing, user in zip(wanted, users) if user in members.join]
        made.note(MODULE, [*[Thing("group", group)] * members.create, *joined])
        sshd_group.apply(members)
        sshd_service.apply(changes, service if reload else None, addresses)
        sshd_group.leave(leaving)
        made.note(MODULE, (), leaving.things)
    diffs = [change.diff() for change in ([members] if members.changed else []) + changes]
    return {
        "changed": bool(members.changed or changes or reload or leaving.changed),
        "diff": [*diffs, *leaving.diffs()],
        "joined": list(members.join),
        "path": sshd_config.DROP_IN,
        "reloaded": reload,
    }


def words(value: Any) -> str:
    """Return a value of YAML as sshd reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def try_out(
    settings: Mapping[str, str], users: Sequence[str], text: str | None, *, written: bool, reload: bool
) -> list[str]:
    """Require that sshd accepts the settings and that they are in force, and return where it listens.

    Parameters
    ----------
    text
        Of the drop-in; None for none.
    written
        Whether it is so on disk already.
    reload
        Whether sshd has to read it, so that it matters where it listens.
    """
    with sshd_config.trial() as trial:
        if text is not None and not written:
            trial.require_parsable(text)
        found = trial.overrides(settings, users, dropped_in=text is not None)
        addresses = trial.addresses() if reload else []
    if found:
        raise EvenkeelError(
            "These settings of sshd would not be in force: %s" % sshd_config.described(found),
            "Change them there, or remove them from settings",
        )
    return addresses
