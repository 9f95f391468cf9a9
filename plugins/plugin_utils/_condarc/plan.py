# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What happens to one of conda's configuration files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.kept_files import Change, Kept
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc import file as condarc
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import require_known, require_one_spelling
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.merge import merged
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.options import Desired
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.secrets import has_secret


@dataclass(frozen=True)
class Plan:
    """What is written, and what is shown of it."""

    path: str
    before: str
    #: None when the file is to be removed or stays away.
    after: str | None
    mode: int
    changed: bool
    backup: bool
    #: SHA-256 of what the plan was made from; empty when there was no file.
    digest: str
    #: Whether the file was somebody else's.
    foreign: bool = False

    @property
    def write(self) -> dict[str, Any]:
        """What the node's module is asked to write; without a text it removes the file."""
        text = {} if self.after is None else {"text": self.after}
        return {"before": self.digest, "mode": self.mode, "backup": self.backup, **text}

    @property
    def diff(self) -> dict[str, str]:
        """What changes, without secrets."""
        before = Kept(self.before) if self.before else None
        return Change(self.path, before, None if self.after is None else Kept(self.after)).diff()


def plan(found: Mapping[str, Any], desired: Desired) -> Plan:
    """Decide; pure.

    Parameters
    ----------
    found
        What the node has at the path.
    desired
        What it must have; settings are spelled as the node's conda reads them.

    Raises
    ------
    EvenkeelError
        What is there must not be touched, or cannot be merged.
    """
    path, before = found["path"], found["text"]
    if found["link"] and found["scope"] != "user":
        raise EvenkeelError(
            f"{path} is a symbolic link to {found['link']}; it was left as it is", "Name the file itself, or remove it"
        )
    if found["problem"]:
        raise EvenkeelError(f"{path}: {found['problem']}; it was left as it is", "Move it away, or fix it")
    foreign = bool(before.strip()) and not condarc.is_ours(before)
    stays = desired.state == "merged" or (desired.state == "absent" and foreign)
    mode = found["mode"] if found["exists"] and stays else 0o644
    mode = 0o600 if has_secret(dict(desired.settings)) else mode
    after = _after(path, before, foreign, desired)
    changed = found["exists"] if after is None else after != before or mode != found["mode"]
    if not found["exists"] and not after:
        changed = False
    keep = desired.backup or (desired.state == "exact" and foreign)
    digest = hashlib.sha256(before.encode()).hexdigest() if found["exists"] else ""
    return Plan(path, before, after, mode, changed, changed and keep and found["exists"], digest, foreign)


def _after(path: str, before: str, foreign: bool, desired: Desired) -> str | None:
    if desired.state == "absent":
        return before if foreign else None
    if desired.state == "exact":
        return condarc.exact(desired.settings, desired.final)
    names = condarc.parse(before, path)
    require_known(names, desired.allowed, path)
    require_one_spelling(names, path)
    require_known(desired.remove, (*desired.allowed, *names), "remove")
    return merged(before, path, desired.settings, desired.final, desired.remove)
