# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether the nodes of a run ask for the same mirror, where one is chosen for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

VARIABLE = "evenkeel_mirror"
DEFAULT = "anaconda"


def check(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str]) -> dict[str, Any]:
    """Return a check of a role's inputs: ``ok`` and the ``problem``.

    Lists must be the same on all nodes, since one mirror of a list is chosen for a run. A single mirror may differ.

    Parameters
    ----------
    hostvars
        The variables of all hosts. Each host's are read once: reading is what costs.
    hosts
        The hosts of the run.
    """
    wishes = {_text(wish): wish for wish in (hostvars[host].get(VARIABLE, DEFAULT) for host in hosts)}
    lists = any(not isinstance(wish, (str, Mapping)) for wish in wishes.values())
    return {
        "ok": not lists or len(wishes) <= 1,
        "problem": (
            f"{VARIABLE} is a list that differs between the nodes of this run: {' and '.join(wishes)}."
            " One mirror is chosen for all nodes of a run: give all of them the same list, or run the groups one by one"
            " with --limit."
        ),
    }


def _text(wish: Any) -> str:
    return json.dumps(wish, default=str)
