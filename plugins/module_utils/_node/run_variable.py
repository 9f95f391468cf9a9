# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The variable by which processes know the run that they are of, where that run has the node; see ``run_lease``."""

from __future__ import annotations

RUN = "EVENKEEL_RUN"
