# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._locks.unindexed import at_their_urls, by_name

INDEX = "https://index.example/simple"
HUMANIZE = Package("humanize", "4.0", "", "4e" * 32, "pip", url="https://files.example/humanize-4.0-py3-none-any.whl")
TORCH = Package("torch", "2.4.0+cu121", "", "5e" * 32, "pip", url="https://wheels.example/torch-2.4.0+cu121.whl")
COMMIT = Package("tool", "0.1", "", "", "pip", url=f"git+https://host.example/tool@{'5f' * 20}")
BUILT = Package("tool", "0.1", "", "6e" * 32, "pip", url="wheels/0f/tool-0.1-py3-none-any.whl")
PYTHON = Package("python", "3.11", "0", "1b" * 32, url="https://channel.example/linux-64/python-3.11-0.conda")


@pytest.mark.parametrize(
    ("package", "pip_index", "at_url"),
    [
        (HUMANIZE, INDEX, False),
        (HUMANIZE, "", True),
        (TORCH, INDEX, True),
        (TORCH, "", True),
        (COMMIT, "", False),
        (BUILT, "", False),
        (PYTHON, "", False),
    ],
)
def test_what_names_no_index_comes_by_name_where_the_nodes_index_has_it(
    package: Package, pip_index: str, at_url: bool
) -> None:
    (found,) = by_name(at_their_urls([package]), pip_index)
    assert bool(found.index) is at_url
    assert vars(replace(found, index="")) == vars(package)


def test_what_a_lock_pins_to_an_index_stays_there() -> None:
    pinned = replace(HUMANIZE, index="https://files.example")
    assert by_name([pinned], INDEX)[0].index == pinned.index
