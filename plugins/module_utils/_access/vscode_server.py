# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""A server of VS Code, unpacked once for all users of a node, where each finds it without a download."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass

from ansible_collections.evenkeel.gpu.plugins.module_utils._node import command, modes
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.files import (
    rename_durably,
    sha256_of,
    sync_file_systems,
    write_atomically,
)

#: Of servers, whole or begun, in the directory that has them.
FOLDERS = re.compile(r"[0-9a-f]{40}(\.new|\.old)?")
#: Follows the name of one that is being removed.
DOOMED = ".old"
_PROGRAM = "server/bin/code-server"
_CLIENT = "code"
_STAMP = ".evenkeel"
#: Follows in the stamp of a server whose permissions were checked; older releases did not check them.
_TIGHT = "tight\n"


@dataclass(frozen=True)
class Server:
    """A server, and the program that starts it, by their archives' SHA-256; ``cli_sha256`` is empty without the latter.

    Parameters
    ----------
    commit
        The commit of the users' VS Code: server and client must have the same.
    """

    commit: str
    sha256: str
    cli_sha256: str = ""

    @property
    def stamp(self) -> str:
        return "%s %s\n" % (self.sha256, self.cli_sha256)


def check(server: Server) -> None:
    """Require a commit and checksums of the right form.

    Raises
    ------
    EvenkeelError
        The commit or a checksum has another form.
    """
    for name, text, length in (
        ("commit", server.commit, 40),
        ("sha256", server.sha256, 64),
        ("cli_sha256", server.cli_sha256 or "0" * 64, 64),
    ):
        if not re.fullmatch("[0-9a-f]{%d}" % length, text):
            raise EvenkeelError(
                "%s of server (remote_access_vscode_server of the role) is %r" % (name, text),
                "Give %d digits, 0-9 or a-f" % length,
            )


def place(store: str, server: Server) -> str:
    """Return the folder that a server has."""
    return os.path.join(store, server.commit)


def is_there(folder: str, server: Server) -> bool:
    """Whether the folder holds this server, whole."""
    try:
        with open(os.path.join(folder, _STAMP), "rb") as stream:
            return stream.read() in (server.stamp.encode(), (server.stamp + _TIGHT).encode())
    except OSError:
        return False


def is_tight(folder: str, server: Server) -> bool:
    """Whether the folder holds this server, and its permissions were checked."""
    try:
        with open(os.path.join(folder, _STAMP), "rb") as stream:
            return stream.read() == (server.stamp + _TIGHT).encode()
    except OSError:
        return False


def tighten(folder: str, server: Server) -> None:
    """Take from other users the right to change files of a server."""
    modes.tighten(folder)
    write_atomically(os.path.join(folder, _STAMP), server.stamp + _TIGHT)


def unpack(folder: str, server: Server, archive: str, cli_archive: str) -> None:
    """Unpack archives that have the right checksums; the folder is complete, on the disk too, or not there at all.

    Raises
    ------
    EvenkeelError
        An archive has another checksum or other content.
    """
    stage, old = folder + ".new", folder + DOOMED
    for left in (stage, old):
        shutil.rmtree(left, ignore_errors=True)
    os.makedirs(os.path.dirname(stage), mode=0o755, exist_ok=True)
    os.mkdir(stage, 0o700)  # closed to others until its permissions are right
    os.mkdir(os.path.join(stage, "server"), 0o755)
    try:
        _extract(archive, server.sha256, os.path.join(stage, "server"), "--strip-components=1")
        _require_server(stage, server.commit, archive)
        if server.cli_sha256:
            _extract(cli_archive, server.cli_sha256, stage)
            if not os.path.isfile(os.path.join(stage, _CLIENT)):
                raise EvenkeelError(
                    "%s holds no program %s" % (_name(cli_archive), _CLIENT), "Give vscode_cli_*.tar.gz"
                )
        modes.share(stage)
        modes.open_up(stage)
        sync_file_systems([stage])
        write_atomically(os.path.join(stage, _STAMP), server.stamp + _TIGHT)
        if os.path.lexists(folder):
            os.rename(folder, old)
        rename_durably(stage, folder)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def links(folder: str, server: Server) -> dict[str, str]:
    """Return what each user's ``~/.vscode-server`` links to: path within it to target."""
    found = {"cli/servers/Stable-%s/server" % server.commit: os.path.join(folder, "server")}
    if server.cli_sha256:
        found["code-%s" % server.commit] = os.path.join(folder, _CLIENT)
    return found


def _require_server(stage: str, commit: str, archive: str) -> None:
    if not os.access(os.path.join(stage, _PROGRAM), os.X_OK):
        raise EvenkeelError("%s is not a server of VS Code" % _name(archive), "Give vscode-server-linux-*.tar.gz")
    try:
        with open(os.path.join(stage, "server", "product.json"), encoding="utf-8") as stream:
            has = str(json.load(stream)["commit"])
    except (OSError, ValueError, KeyError, TypeError):
        has = "unknown"
    if has != commit:
        raise EvenkeelError(
            "%s is of commit %s, not %s" % (_name(archive), has, commit),
            "Correct the commit or the archive of server (remote_access_vscode_server of the role)",
        )


def _extract(archive: str, wanted: str, folder: str, *options: str) -> None:
    actual = sha256_of(archive)
    if actual != wanted:
        raise EvenkeelError(
            "%s has the SHA-256 %s, not %s, and was not unpacked" % (_name(archive), actual, wanted),
            "Fetch it again, or correct the checksum",
        )
    command.require(
        [
            "tar",
            "--extract",
            "--no-same-owner",
            "--no-same-permissions",
            "--file",
            archive,
            "--directory",
            folder,
            *options,
        ],
        "Give an archive that tar can read",
    )


def _name(path: str) -> str:
    return os.path.basename(path)
