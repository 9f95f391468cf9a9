# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether something keeps the node's clock right, by the kernel's own account."""

from __future__ import annotations

import ctypes

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import virtualization
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sysroot import Sysroot

#: What adjtimex(2) returns while nothing has synchronised the clock, and an upper limit of the size of its argument.
_TIME_ERROR, _TIMEX_BYTES = 5, 512


def synchronised() -> bool | None:
    """Return whether NTP or the like keeps the clock right; None where it is not the node's own, or not known."""
    if virtualization.container(Sysroot()):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    if function is None:
        return None
    # A structure of zeros asks and changes nothing.
    state = int(function(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return None if state < 0 else state != _TIME_ERROR
