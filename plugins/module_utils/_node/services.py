# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""systemd's services: whether they start at boot, and whether they run."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command


@dataclass(frozen=True)
class Change:
    """A service that is to be enabled, started, or both."""

    name: str
    enable: bool
    start: bool

    def apply(self) -> None:
        mend = "See `journalctl --unit %s`" % self.name
        if self.enable:
            command.require(["systemctl", "enable", self.name], mend)
        if self.start:
            command.require(["systemctl", "restart", self.name], mend)

    def diff(self) -> dict[str, str]:
        after = ["enabled"] * self.enable + ["started"] * self.start
        header = {"before_header": self.name, "after_header": self.name}
        return {**header, "before": "", "after": "".join("%s\n" % word for word in after)}


def plan(name: str, *, enabled: str, active: str, run: bool) -> Change | None:
    """Return what is to be done.

    Parameters
    ----------
    enabled, active
        What ``systemctl is-enabled`` and ``is-active`` say.
    run
        Whether it is to run now too.
    """
    enable = enabled not in ("enabled", "static", "enabled-runtime", "indirect", "generated")
    start = run and active not in ("active", "activating", "reloading")
    return Change(name, enable, start) if enable or start else None


def change(name: str, *, run: bool) -> Change | None:
    """Return what is to be done on this node."""
    said = [command.run(["systemctl", verb, name]).output.strip() for verb in ("is-enabled", "is-active")]
    return plan(name, enabled=said[0], active=said[1], run=run)
