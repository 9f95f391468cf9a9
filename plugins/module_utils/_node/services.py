# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Enable services and start them."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, made, units
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.made import Thing
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.units import Unit


@dataclass(frozen=True)
class Change:
    """A service that is to be enabled, started, or both."""

    name: str
    enable: bool
    start: bool

    def apply(self, by: str) -> None:
        """Enable and start it, and record that the module ``by`` has enabled it."""
        remedy = "See `journalctl --unit %s`" % self.name
        if self.enable:
            made.note(by, [Thing("service", self.name)])
            command.require(["systemctl", "enable", self.name], remedy)
        if self.start:
            command.require(["systemctl", "restart", self.name], remedy)

    def diff(self) -> dict[str, str]:
        after = ["enabled"] * self.enable + ["started"] * self.start
        header = {"before_header": self.name, "after_header": self.name}
        return {**header, "before": "", "after": "".join("%s\n" % word for word in after)}


def plan(unit: Unit, *, run: bool) -> Change | None:
    """Return what is to be done with a service; ``run`` is whether it is to run now, not only from the next boot on."""
    start = run and not unit.running
    return Change(unit.name, unit.can_be_enabled, start) if unit.can_be_enabled or start else None


def change(name: str, *, run: bool) -> Change | None:
    """Return what is to be done on this node.

    Raises
    ------
    EvenkeelError
        systemd gave no answer.
    """
    return plan(units.read([name])[name], run=run)
