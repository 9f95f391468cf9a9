# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a program runs as, and what it finds there."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import as_nobody

NOBODY = pwd.getpwnam("nobody")
PYTHON = "/usr/bin/python3"
PROGRAM = """
import json, os
open("mine", "w").close()
print(json.dumps([os.getuid(), os.getgid(), os.getgroups(), os.getcwd(), dict(os.environ)]))
"""


@pytest.mark.skipif(os.geteuid() != 0 or not os.access(PYTHON, os.X_OK), reason="root alone can become somebody else")
def test_a_program_of_nobody_s() -> None:
    # pytest's own folders are closed to other users.
    home = Path(subprocess.check_output(["mktemp", "--directory"], text=True).strip())
    try:
        options = as_nobody.options(str(home), {"PATH": "/usr/bin", "HOME": "/root"}, [4711])
        said = subprocess.check_output([PYTHON, "-c", PROGRAM], text=True, **options)
        uid, gid, groups, folder, variables = json.loads(said)
        assert (uid, gid, groups, folder) == (NOBODY.pw_uid, NOBODY.pw_gid, [4711], str(home))
        assert {name: variables[name] for name in ("PATH", "HOME", "TMPDIR", "USER", "LOGNAME")} == {
            "PATH": "/usr/bin",
            "HOME": str(home),
            "TMPDIR": str(home),
            "USER": "nobody",
            "LOGNAME": "nobody",
        }
        assert (home / "mine").stat().st_uid == NOBODY.pw_uid
    finally:
        (home / "mine").unlink(missing_ok=True)
        home.rmdir()


def test_who_is_not_root_runs_it_as_himself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "chown", lambda *_: pytest.fail("only root can give files away"))
    expected: dict[str, Any] = {"cwd": str(tmp_path), "env": {"A": "b", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}}
    assert as_nobody.options(str(tmp_path), {"A": "b"}, [4711]) == expected
