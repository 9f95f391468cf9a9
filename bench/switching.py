# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of the lab: how long after its canary a fleet has what was built before, and how long it takes to go back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from bench import meter, site
from bench.meter import Spent
from bench.site import CHANGED, CHANGED_ENVIRONMENT, DECLARED, Site
from lab.nodes import nodes, podman
from lab.nodes.nodes import Node

GROUP = "bench-switch"
LINK = f"/opt/evenkeel/envs/{CHANGED_ENVIRONMENT}"


@dataclass(frozen=True)
class Switched:
    """A rollout of one change, and the way back.

    Attributes
    ----------
    rollout
        All of it, with building.
    waited
        Seconds from the switch of the canary to that of the first of the others.
    others
        Seconds from the first of the others to the last.
    back
        The run that takes all nodes back.
    back_spread
        Seconds from the first node that went back to the last.
    """

    hosts: int
    rollout: Spent
    waited: float
    others: float
    back: Spent
    back_spread: float


def runs(place: Site, size: int) -> Switched:
    """Measure a rollout on nodes that site.yml has set up."""
    fleet = site.fresh_nodes(GROUP, size)
    source = site.write_inventory(place.folder / "switch-inventory", fleet)
    variables = {"ANSIBLE_CACHE_PLUGIN_CONNECTION": str(place.folder / "switch-facts")}
    site.run(place.playbook(source, DECLARED), {**os.environ, **variables})
    rollout = meter.run(place.playbook(source, CHANGED, "playbooks/rollout.yml"), variables)
    canary, first, *_more, last = switch_times(fleet)
    options = ["--extra-vars", f"rollback_env={CHANGED_ENVIRONMENT}", "--extra-vars", "rollback_confirm=false"]
    back = meter.run(place.playbook(source, CHANGED, "playbooks/rollback.yml", *options), variables)
    again = switch_times(fleet)
    return Switched(size, rollout, first - canary, last - first, back, again[-1] - again[0])


def switch_times(fleet: Sequence[Node]) -> list[float]:
    """Return when each node got the build that it uses, in seconds of the clock that containers share, in order."""
    command = ("stat", "--format=%.9Z", LINK)
    return sorted(float(podman.run("exec", nodes.container_name(GROUP, node.name), *command)) for node in fleet)
