# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario's nodes."""

from __future__ import annotations

import os

import pytest

from lab.nodes.fleet import Fleet


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return Fleet(os.environ["MOLECULE_SCENARIO_NAME"])
