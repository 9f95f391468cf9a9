# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""How a node's shell is asked: as modules are run there."""

from __future__ import annotations

import re
import secrets

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import first_look
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight.first_look import FirstLook

_TERMINAL = (
    "Remove requiretty from sudo's settings on the node for Ansible's user, such as by `Defaults:NAME !requiretty`, or"
    " set ansible_pipelining to false."
)
_PASSWORD = (
    "Let Ansible's user become root: give the password with --ask-become-pass (-K), or let sudo ask for none"  # noqa: S105
    " (NOPASSWD)."
)


def run(action: ActionBase, program: str, *, become: bool) -> str:
    """Run a shell's program on the node as modules are run, and return what it printed.

    With pipelining, that is through the standard input, so without a terminal, which sudo can require.

    Raises
    ------
    ansible.errors.AnsibleError
        The node can't be logged in to, or Ansible's user can't become root.
    """
    if action._is_pipelining_enabled("new"):
        said = action._low_level_execute_command("/bin/sh", sudoable=become, in_data=program.encode())
    else:
        said = action._low_level_execute_command(program, sudoable=become)
    return f"{said['stdout']}\n{said['stderr']}"


def look(action: ActionBase, interpreters: list[str]) -> FirstLook:
    """Ask a node what it is and which of ``interpreters`` it has; without become, as Ansible looks for them."""
    word = secrets.token_hex(8)
    return first_look.parse(run(action, first_look.script(interpreters, word), become=False), word)


def look_as_root(action: ActionBase) -> tuple[FirstLook, str]:
    """Return what a task's user says of itself, and why it is not root, with the way out; empty where it is."""
    word = secrets.token_hex(8)
    try:
        found = first_look.parse(run(action, first_look.user_and_clock(word), become=True), word)
    except AnsibleError as error:
        return FirstLook(), _no_root(" ".join(str(error).split()))
    if found.uid == 0:
        return found, ""
    return found, _no_root(f"tasks run as the user {found.uid}" if found.uid else found.noise or "become fails")


def _no_root(reason: str) -> str:
    # sudo speaks the language of Ansible's user.
    remedy = _TERMINAL if re.search(r"\btty\b", reason, re.IGNORECASE) else _PASSWORD
    return f"{reason.rstrip('.')}. {remedy}"
