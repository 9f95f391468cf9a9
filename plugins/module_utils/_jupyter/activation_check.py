# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether a kernel has the variables that ``conda run`` gives; neither the server nor the kernel is trusted."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import kernel_run, variables_in_kernel
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.bounded_connection import Place

#: How long the comparison may take.
SECONDS = variables_in_kernel.SECONDS + 15.0
#: How many variables are named.
MOST_NAMES = 20

# Read here: a user, with whose rights the rest runs, may not read the module's files.
_PROGRAM = inspect.getsource(variables_in_kernel)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,100}")


def differing(place: Place, path: str, token: str, own: Sequence[str], deadline: float) -> list[str]:
    """Return the variables that differ; none where that can't be found out.

    Parameters
    ----------
    path
        Of the kernel's channels.
    token
        What opens them.
    own
        The variables that the kernelspec sets.
    deadline
        When to give up, on the clock of ``time.monotonic``.
    """
    code = "%s\nmain(%r)\n" % (_PROGRAM, list(own))
    try:
        return names(json.loads(kernel_run.printed_by(place, path, token, code, deadline)))
    except (OSError, ValueError, RecursionError):
        return []


def own_variables(body: bytes) -> list[str]:
    """Return the variables that a kernelspec sets, as the server describes it."""
    try:
        return names(list(json.loads(body)["spec"]["env"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def names(answer: Any) -> list[str]:
    """Return the names of variables in an answer, only so many of them."""
    listed = answer if isinstance(answer, list) else []
    return [name for name in listed if isinstance(name, str) and _NAME.fullmatch(name)][:MOST_NAMES]


def warning(user: str, unit: str, kernel: str, differ: Sequence[str]) -> str:
    """Return what to report of a user's server whose kernel differs."""
    return (
        "The notebook server of %s: the kernel %s has other variables than `conda run` gives: %s. "
        "See `journalctl --unit %s` for scripts that failed or took too long." % (user, kernel, ", ".join(differ), unit)
    )
