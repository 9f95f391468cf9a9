# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.targets import virtual_packages


@pytest.mark.parametrize(
    ("targets", "cuda", "expected"),
    [
        (["debian-12"], None, {"__unix": "0", "__glibc": "2.36", "__linux": "6.1"}),
        (["debian-13", "ubuntu-24.04"], "12.4", {"__unix": "0", "__glibc": "2.39", "__linux": "6.8", "__cuda": "12.4"}),
        (["ubuntu-22.04", "rocky-9"], None, {"__unix": "0", "__glibc": "2.34", "__linux": "5.14"}),
        ([], None, {"__unix": "0", "__glibc": "2.28", "__linux": "4.18"}),
    ],
)
def test_the_oldest_counts(targets: list[str], cuda: str | None, expected: dict[str, str]) -> None:
    assert virtual_packages(targets, cuda) == expected


def test_an_unknown_distribution_is_named_beside_the_known() -> None:
    with pytest.raises(EvenkeelError, match=r"^lock_targets names 'debian-7', which is unknown\. Known: debian-12, "):
        virtual_packages(["debian-12", "debian-7"])


@pytest.mark.parametrize("cuda", ["cu121", "none", "999", "12.", "12,4"])
def test_a_cuda_version_that_is_none_is_refused(cuda: str) -> None:
    with pytest.raises(EvenkeelError, match=r"^lock_cuda is .*, which is not a version of CUDA"):
        virtual_packages([], cuda)
