# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module survey: its code is imported on the node from what is kept there, see ``_survey.code``."""

from __future__ import annotations

import importlib
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._survey import code

#: Instead of an option's value: the number of an earlier call of the layer, and the key of its answer.
EARLIER = "_earlier"
#: Keys of the modules' results whose texts the actions read back.
VERBATIM = ("found", "request")

ARGUMENT_SPEC: dict[str, Any] = {
    "roles": {"type": "list", "elements": "str", "required": True},
    "seconds": {"type": "int", "default": 600},
    "seconds_variable": {"type": "str"},
    "answer_seconds": {"type": "int"},
    "fail": {"type": "bool", "default": True},
    "by_item": {"type": "bool", "default": False},
    "lease": {"type": "bool", "default": True},
}
FROM_ACTION: dict[str, Any] = {
    "layers": {"type": "dict", "default": {}},
    "digest": {"type": "str", "required": True},
    "packed": {"type": "str"},
}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    if not code.make_importable(params["digest"], params["packed"], keep=not check_mode):
        return {"wanted": params["digest"]}
    rehearsal = importlib.import_module(code.ROOMS + "._survey.rehearsal")
    identity = importlib.import_module(code.ROOMS + "._survey.identity")
    # Before the rest: what the other run is about to change may look wrong.
    lease = importlib.import_module(code.ROOMS + "._node.run_lease").in_the_way()
    answers = rehearsal.read(params["layers"], params["seconds"], params["answer_seconds"], params["seconds_variable"])
    return {"answers": answers, "node": identity.identity(), "lease": lease}


def sent_along() -> None:
    """Name what of Ansible's the code imports that nodes keep: Ansible sends with a module what its files name."""
    import ansible.module_utils.urls  # noqa: F401
