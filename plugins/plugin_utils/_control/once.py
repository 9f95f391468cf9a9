# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""One computation for all of Ansible's workers: the first to ask computes, the others wait for its answer."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


def computed_once(answer: Path, compute: Callable[[], Any]) -> Any:
    """Return what ``compute`` returns, or has returned to another worker.

    Parameters
    ----------
    answer
        A file that all workers of this run share.
    compute
        Returns what JSON can hold; None is not kept, so the next worker computes again.

    Raises
    ------
    EvenkeelError
        The computation failed; the error is kept for all workers, without another try.
    """
    with answer.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        if text := stream.read():
            known = json.loads(text)
            if "error" in known:
                raise EvenkeelError(*known["error"])
            return known["value"]
        try:
            value = compute()
        except EvenkeelError as error:
            json.dump({"error": [error.what, error.remedy]}, stream)
            raise
        if value is not None:
            json.dump({"value": value}, stream)
        return value
