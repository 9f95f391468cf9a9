# SPDX-License-Identifier: GPL-3.0-or-later
"""The reality check: what the lab stands in for, asked of the real thing."""

import sys
from pathlib import Path

# So that `python -m reality` finds the collection in a checkout by itself.
sys.path.insert(0, str(Path(__file__).parents[1] / "collections"))
