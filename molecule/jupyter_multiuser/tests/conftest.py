# SPDX-License-Identifier: GPL-3.0-or-later
"""A node with the notebook servers of two people, and further runs of the role on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest
from testinfra.host import Host

from lab.nodes import nodes, playbooks
from lab.nodes.nodes import Node
from lab.nodes.playbooks import Run
from lab.people import notebook
from lab.people.notebook import Server

GROUP = os.environ["MOLECULE_SCENARIO_NAME"]


@pytest.fixture
def node(host: Host) -> Node:
    return next(node for node in nodes.find(GROUP) if node.name == host.backend.host)


@pytest.fixture
def one_node(host: Host) -> None:
    """Leave the other node alone, where both would show the same."""
    first, *_others = nodes.find(GROUP)
    if host.backend.host != first.name:
        pytest.skip(f"shown on {first.name}")


@pytest.fixture
def ana(node: Node) -> Server:
    return notebook.at(node.address, "ana")


@pytest.fixture
def bo(node: Node) -> Server:
    return notebook.at(node.address, "bo")


@pytest.fixture
def role(host: Host) -> Callable[..., Run]:
    """Run the role on the node, with some variables changed."""
    return partial(playbooks.play, f"molecule/{GROUP}/converge.yml", GROUP, f"--limit={host.backend.host}")
