# SPDX-License-Identifier: GPL-3.0-or-later
"""The clone is a runnable collection through per-entry symlinks; an overwrite or a clone without symlinks breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINKS = ROOT / "collections" / "ansible_collections" / "evenkeel" / "gpu"
ENTRIES = ("galaxy.yml", "meta", "playbooks", "plugins", "roles")


@pytest.mark.parametrize("entry", ENTRIES)
def test_entry_links_to_the_top_level(entry: str) -> None:
    link = LINKS / entry
    assert link.is_symlink()
    assert link.resolve() == ROOT / entry


def test_nothing_but_the_entries_is_linked() -> None:
    assert sorted(path.name for path in LINKS.iterdir()) == sorted(ENTRIES)
