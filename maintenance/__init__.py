# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps the collection's data files up to date; run by maintainers, never by a playbook."""

import sys
from pathlib import Path

# So that `python -m maintenance.TOOL` finds the collection in a checkout by itself.
sys.path.insert(0, str(Path(__file__).parents[1] / "collections"))
