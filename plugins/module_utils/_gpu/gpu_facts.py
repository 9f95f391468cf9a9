# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The module gpu_facts: what there is of GPUs, driver, kernels and CUDA."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import facts as gpu_facts
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ARGUMENT_SPEC: dict[str, Any] = {"sysroot": {"type": "path", "default": "/"}}


def read(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    sysroot = params["sysroot"]
    if not os.path.isdir(sysroot):
        raise EvenkeelError("There is no directory %s" % sysroot, "Set sysroot to the root of a system")
    return {"ansible_facts": {"evenkeel_gpu": gpu_facts.read(sysroot)}}
