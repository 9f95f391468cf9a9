# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A host of the inventory as one that builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.action import Call
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.other_host import OtherHost
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._preflight import first_look, interpreters, shell
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels.build_host import VARIABLE


class InventoryHost(OtherHost):
    """A builder host."""

    def python_problem(self) -> str:
        configured = interpreters.configured(self.variables, self._templar)
        names = [*filter(None, [configured]), *interpreters.looked_for(self.variables)]
        return first_look.python_problem(shell.look(self, names), configured)

    def step(self, options: Mapping[str, Any]) -> dict[str, Any]:
        result = self.execute(Call("wheel_build", options), self.variables)
        if result.get("failed"):
            raise EvenkeelError(
                f"The builder host {self.name} ({VARIABLE}) failed at a build's step {options['step']}: "
                f"{result.get('msg', 'it said nothing')}",
                "Look at the host, or name another one",
            )
        return result
