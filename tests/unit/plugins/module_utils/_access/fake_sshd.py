# SPDX-License-Identifier: GPL-3.0-or-later
"""An sshd that reads its configuration as the real one does: of two values the first prevails, in Match blocks too."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._access import sshd_config
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.command import Done

KNOWN = ("AllowTcpForwarding", "AllowStreamLocalForwarding", "DisableForwarding", "ListenAddress")


class BadOption(Exception):
    """A keyword that sshd does not know."""


class Sshd:
    """A node with sshd: its configuration is ``main``, the drop-ins are beside it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.main = folder / "sshd_config"
        self.drop_in = folder / "sshd_config.d" / "40-evenkeel-remote-access.conf"
        self.drop_in.parent.mkdir()
        self.main.write_text(f"Include {folder}/sshd_config.d/*.conf\nListenAddress 0.0.0.0:22\n")
        monkeypatch.setattr(sshd_config, "CONFIG", str(self.main))
        monkeypatch.setattr(sshd_config, "DROP_IN", str(self.drop_in))
        monkeypatch.setattr(sshd_config, "_sshd", lambda: "sshd")
        self.asked: list[Sequence[str]] = []
        monkeypatch.setattr(sshd_config.command, "run", self.run)

    def run(self, argv: Sequence[str]) -> Done:
        self.asked.append(argv)
        return run(argv)


def run(argv: Sequence[str]) -> Done:
    """Answer ``sshd -f FILE -t`` and ``sshd -f FILE -T -C user=NAME,...``."""
    connection = argv[argv.index("-C") + 1] if "-C" in argv else ""
    values: dict[str, str] = {}
    try:
        _read(Path(argv[argv.index("-f") + 1]), connection.partition(",")[0].removeprefix("user="), values)
    except BadOption as error:
        return Done(255, "", f"{error}\n")
    return Done(0, "".join(f"{keyword} {value}\n" for keyword, value in values.items()), "")


def _read(path: Path, user: str, values: dict[str, str]) -> None:
    applies = True
    for line in filter(None, map(str.strip, path.read_text().splitlines())):
        keyword, _, value = line.partition(" ")
        if keyword == "Include":
            for file in sorted(glob.glob(value)):  # noqa: PTH207 (the pattern has its folder in it)
                _read(Path(file), user, values)
        elif keyword == "Match":
            applies = value == "all" or user in value.removeprefix("User ").split(",")
        elif keyword in KNOWN and applies:
            values.setdefault(keyword.lower(), value)
        elif keyword not in KNOWN and not keyword.startswith("#"):
            raise BadOption(f"{path}: Bad configuration option: {keyword}")
