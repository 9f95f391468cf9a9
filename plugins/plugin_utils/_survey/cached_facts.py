# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Whether the facts of an earlier run are still those of the node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.plugins.loader import cache_loader

#: Without them, no role can choose what fits the node.
NEEDED = ("architecture", "distribution", "distribution_version")


class OldFactsError(Exception):
    """The facts of an earlier run are not those of the node."""


def are_enough(facts: Mapping[str, Any]) -> bool:
    """Return whether these facts, as ``ansible_facts`` has them, have what roles choose by."""
    return all(facts.get(name) for name in NEEDED)


def are_of(node: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Return whether facts, as ``ansible_facts`` has them, are of this node as it is now.

    Parameters
    ----------
    node
        What ``module_utils._survey.identity`` returns.
    """
    return (
        are_enough(facts)
        and (facts.get("machine_id") or "") == node["machine_id"]
        and facts["architecture"] == node["architecture"]
        and facts["distribution_version"] in node["versions"]
        # Ansible shortens names: Rocky Linux is Rocky, Red Hat Enterprise Linux is RedHat.
        and _letters(node["name"]).startswith(_letters(facts["distribution"]))
    )


def keep(host: str, facts: Mapping[str, Any]) -> None:
    """Put facts, as a module returns them, into Ansible's cache: those of a task that fails are lost otherwise."""
    cache = cache_loader.get(constants.CACHE_PLUGIN)
    try:
        known = cache.get(host)
    except KeyError:
        known = {}
    cache.set(host, {**known, **facts})


def _letters(name: str) -> str:
    return name.replace(" ", "").lower()
