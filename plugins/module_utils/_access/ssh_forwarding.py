# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module ssh_forwarding: a group whose members may forward ports and sockets through sshd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_config, sshd_group, sshd_service
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files, made
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing

FORWARDING = {"AllowTcpForwarding": "yes", "AllowStreamLocalForwarding": "yes", "DisableForwarding": "no"}

ARGUMENT_SPEC: dict[str, Any] = {
    "group": {"type": "str", "required": True},
    "users": {"type": "list", "elements": "str", "default": []},
    "planned_users": {"type": "list", "elements": "str", "default": []},
    "settings": {"type": "dict", "default": FORWARDING},
    "drop_in": {"type": "bool", "default": True},
}


def converge(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring the node to the declared state, or return what that would change."""
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
    if not check_mode:
        joined = [Thing("member", "%s %s" % (user, group)) for user in members.join]
        made.note("ssh_forwarding", [*[Thing("group", group)] * members.create, *joined])
        sshd_group.apply(members)
        sshd_service.apply(changes, service if reload else None, addresses)
    return {
        "changed": bool(members.changed or changes or reload),
        "diff": [change.diff() for change in ([members] if members.changed else []) + changes],
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
