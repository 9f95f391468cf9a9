#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a group whose members may forward ports and sockets through sshd."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_forwarding
short_description: Let the members of a group forward ports and sockets through sshd
version_added: 0.4.0
description:
  - Keeps a drop-in of sshd with one block, C(Match Group), and a group with its members. Everybody else's connections
    stay as they are.
  - The whole configuration is tried with the drop-in in its place before anything changes, by the node's own sshd. It
    has to be one that sshd starts with (C(sshd -t)), and the settings have to be in force for every user
    (C(sshd -T)); since sshd takes the first value that it reads, another file may come first, and is named then.
  - sshd is reloaded, not restarted, and sessions go on. Where that fails the old drop-in comes back.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
options:
  group:
    description: The group, made when it is missing. Nobody is put out of it.
    type: str
    required: true
  users:
    description: Accounts of the node that join the group. In check mode they may be missing.
    type: list
    elements: str
    default: []
  settings:
    description: Keywords of sshd_config(5), with their values, for the group.
    type: dict
    default:
      AllowTcpForwarding: "yes"
      AllowStreamLocalForwarding: "yes"
      DisableForwarding: "no"
  drop_in:
    description:
      - Whether to keep the drop-in C(/etc/ssh/sshd_config.d/40-evenkeel-remote-access.conf). With V(false) there is
        none, and O(settings) have to be in force without it. For sshd that reads no drop-ins, as OpenSSH before 8.2.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Let Ana and Bo reach their notebooks through SSH
  evenkeel.gpu.ssh_forwarding:
    group: evenkeel-remote
    users: [ana, bo]
"""

RETURN = r"""
joined:
  description: The users that join the group, or would in check mode.
  type: list
  elements: str
  returned: success
  sample: [ana]
path:
  description: The drop-in.
  type: str
  returned: success
  sample: /etc/ssh/sshd_config.d/40-evenkeel-remote-access.conf
reloaded:
  description: Whether sshd was reloaded, or would be in check mode.
  type: bool
  returned: success
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_config, sshd_group, sshd_service
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import kept_files
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

FORWARDING = {"AllowTcpForwarding": "yes", "AllowStreamLocalForwarding": "yes", "DisableForwarding": "no"}


def main() -> None:
    run(
        lambda module: converge(**module.params, check_mode=module.check_mode),
        {
            "group": {"type": "str", "required": True},
            "users": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "dict", "default": FORWARDING},
            "drop_in": {"type": "bool", "default": True},
        },
    )


def converge(
    group: str, users: Sequence[str], settings: Mapping[str, Any], drop_in: bool, *, check_mode: bool
) -> dict[str, Any]:
    """Bring the node to the declared state, or tell what that would change."""
    users = list(dict.fromkeys(users))
    lines = {keyword: words(value) for keyword, value in settings.items()}
    sshd_group.check(group, users)
    sshd_config.check(lines)
    members = sshd_group.plan(group, sshd_group.group_id(group), sshd_group.read(users), may_be_missing=check_mode)
    text = sshd_config.render("Group %s" % group, lines)
    changes = kept_files.changes({sshd_config.DROP_IN: text if drop_in else None})
    addresses = try_out(lines, users or ["nobody"], text if drop_in else None)
    service = sshd_service.find()
    reload = service is not None and (bool(changes) or not sshd_service.has_read(service, sshd_config.DROP_IN))
    if not check_mode:
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
    """Return a value as sshd reads it, whatever YAML has made of it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def try_out(settings: Mapping[str, str], users: Sequence[str], text: str | None) -> list[str]:
    """Require that sshd takes the settings and that they are in force, and return where it listens."""
    with sshd_config.trial() as trial:
        if text is not None:
            trial.require_parsable(text)
        found = trial.overrides(settings, users, dropped_in=text is not None)
        addresses = trial.addresses()
    if found:
        raise EvenkeelError(
            "sshd's settings would not be the wanted ones: %s" % sshd_config.tell(found),
            "Change them there, or take them out of remote_access_sshd_settings",
        )
    return addresses


if __name__ == "__main__":
    main()
