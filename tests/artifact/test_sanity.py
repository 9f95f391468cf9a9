# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity on the collection as it is installed.

What is cut: imports are tried on the oldest Python of modules and on the control node's, not on those between. A Python
that is not there is reported as skipped.
"""

from __future__ import annotations

import pytest

from tests.artifact.control_node import ControlNode

#: These take a while, and run by themselves.
SLOW = ("import", "pylint")
OLDEST_OF_MODULES = "3.9"


def sanity(node: ControlNode, *arguments: str) -> None:
    """Run ansible-test sanity, which has to find nothing."""
    collection = f"{node.place}/collections/ansible_collections/evenkeel/gpu"
    node.succeeds("ansible-test", "sanity", "--color", "no", "--truncate", "0", *arguments, cwd=collection)


def test_everything_but_what_is_slow(node: ControlNode) -> None:
    sanity(node, *(f"--skip-test={name}" for name in SLOW))


def test_modules_are_imported_on_the_oldest_python(node: ControlNode) -> None:
    if node.run(f"python{OLDEST_OF_MODULES}", "-c", "").returncode:
        pytest.skip(f"there is no Python {OLDEST_OF_MODULES} here")
    sanity(node, "--test=import", f"--python={OLDEST_OF_MODULES}")


def test_everything_is_imported_without_its_requirements(node: ControlNode) -> None:
    own = node.succeeds("python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    sanity(node, "--test=import", f"--python={own}")


def test_pylint(node: ControlNode) -> None:
    sanity(node, "--test=pylint")
