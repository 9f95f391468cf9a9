# SPDX-License-Identifier: GPL-3.0-or-later
"""The user of an image in the base's files."""

from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._image.account import with_user
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

ROOT = "root:x:0:0:root:/root:/bin/sh\n"
GROUP = "root:x:0:\n"


def test_a_user_is_added() -> None:
    assert with_user(ROOT, GROUP.rstrip("\n"), "ai", 1000, "/home/ai") == (
        f"{ROOT}ai:x:1000:1000::/home/ai:/bin/sh\n",
        f"{GROUP}ai:x:1000:\n",
    )


def test_one_that_is_there_stays() -> None:
    passwd, group = f"{ROOT}ubuntu:x:1000:1000:Ubuntu:/home/ubuntu:/bin/bash\n", f"{GROUP}ubuntu:x:1000:\n"
    assert with_user(passwd, group, "ubuntu", 1000, "/home/ubuntu") == (passwd, group)


@pytest.mark.parametrize(
    ("passwd", "group", "said"),
    [
        (f"{ROOT}ubuntu:x:1000:1000::/:/bin/sh\n", GROUP, "a user ubuntu with the id 1000"),
        (f"{ROOT}ai:x:7:7::/:/bin/sh\n", GROUP, "a user ai with the id 7"),
        (ROOT, f"{GROUP}users:x:1000:\n", "a group users with the id 1000"),
    ],
)
def test_somebody_else_is_not_displaced(passwd: str, group: str, said: str) -> None:
    with pytest.raises(EvenkeelError, match=said):
        with_user(passwd, group, "ai", 1000, "/home/ai")
