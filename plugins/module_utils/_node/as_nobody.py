# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""Run programs as the user nobody in an empty home: what they load is not run with root's rights."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping
from typing import Any

USER = "nobody"


def options(home: str, variables: Mapping[str, str], groups: Iterable[int] = ()) -> dict[str, Any]:
    """Give a folder to nobody, and return the options of ``Popen`` that run a program as nobody in it.

    Where this process is not root's, the program runs as the same user.

    Parameters
    ----------
    home
        The folder; it should be empty, or hold only what nobody may read.
    variables
        The program's environment, without those that name its user and its home.
    groups
        Ids of the groups it is in besides nobody's own.
    """
    environment = {**variables, "HOME": home, "TMPDIR": home}
    if os.geteuid() != 0:
        return {"cwd": home, "env": environment}
    account = pwd.getpwnam(USER)
    os.chown(home, account.pw_uid, account.pw_gid)
    return {
        "cwd": home,
        "env": {**environment, "USER": USER, "LOGNAME": USER},
        "user": account.pw_uid,
        "group": account.pw_gid,
        "extra_groups": list(groups),
    }
