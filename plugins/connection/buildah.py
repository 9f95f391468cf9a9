# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible connection: a working container of buildah."""

from __future__ import annotations

DOCUMENTATION = r"""
name: buildah
author:
  - The Evenkeel team (@evenkeel)
short_description: Run tasks in a working container of buildah
version_added: 0.2.0
description:
  - Runs what tasks need by C(buildah run) in a working container of the control node, and copies files the same way.
    The container needs a shell, C(cat) and, for modules, Python. Nothing in it has to run.
options:
  container:
    description: The name or id of the working container.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: ansible_host
  buildah_executable:
    description: The program buildah.
    type: str
    default: buildah
    vars:
      - name: ansible_buildah_executable
  buildah_isolation:
    description: How commands are separated from the control node. V(chroot) works everywhere.
    type: str
    choices: [chroot, oci, rootless]
    default: chroot
    vars:
      - name: ansible_buildah_isolation
notes:
  - Commands use the control node's network.
  - Tasks run as root of the container. Use C(become) only where the container has a program for it.
"""

import os
import shlex
import subprocess
from typing import Any, BinaryIO

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase, ensure_connect
from ansible.utils.display import Display

#: What buildah ends with, and says, where it can't run a command at all.
_FAILED = 125
_GONE = b"reading build container"
_NAME = "evenkeel.gpu.buildah"


class Connection(ConnectionBase):  # type: ignore[misc]
    """A way into a working container, by one ``buildah run`` for each command and each file."""

    transport = _NAME
    has_pipelining = True
    _connected: bool
    has_tty = False

    def _connect(self) -> Connection:
        if not self._connected:
            self._require_container()
            self._connected = True
        return self

    @ensure_connect  # type: ignore[untyped-decorator]
    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command by the container's shell."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        Display().vvv(f"EXEC {cmd}", host=self._container)
        done = subprocess.run(self._argv(cmd), input=in_data or b"", capture_output=True, check=False)
        if done.returncode == _FAILED and _GONE in done.stderr:
            raise self._failure(done.stderr)
        return done.returncode, done.stdout, done.stderr

    @ensure_connect  # type: ignore[untyped-decorator]
    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file into the container."""
        super().put_file(in_path, out_path)
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"The control node has no file {in_path} to copy into {self._container}.")
        with open(in_path, "rb") as file:
            self._copy(f"cat > {shlex.quote(out_path)}", out_path, stdin=file)

    @ensure_connect  # type: ignore[untyped-decorator]
    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file out of the container."""
        super().fetch_file(in_path, out_path)
        with open(out_path, "wb") as file:
            self._copy(f"cat {shlex.quote(in_path)}", in_path, stdout=file)

    def close(self) -> None:
        """Do nothing: no process outlives its command."""
        self._connected = False

    @property
    def _container(self) -> str:
        return str(self.get_option("container"))

    def _argv(self, command: str) -> list[str]:
        isolation = f"--isolation={self.get_option('buildah_isolation')}"
        shell = self._play_context.executable or "/bin/sh"
        return [self.get_option("buildah_executable"), "run", isolation, self._container, "--", shell, "-c", command]

    def _copy(self, command: str, path: str, stdin: BinaryIO | None = None, stdout: BinaryIO | None = None) -> None:
        streams: dict[str, Any] = {"stdin": stdin or subprocess.DEVNULL, "stdout": stdout or subprocess.DEVNULL}
        done = subprocess.run(self._argv(command), stderr=subprocess.PIPE, check=False, **streams)
        if done.returncode:
            raise AnsibleError(f"{path} could not be copied: {_last_line(done.stderr)}")

    def _require_container(self) -> None:
        argv = [self.get_option("buildah_executable"), "inspect", "--type=container", "--format={{.Container}}"]
        try:
            done = subprocess.run([*argv, self._container], capture_output=True, check=False)
        except FileNotFoundError as error:
            raise AnsibleConnectionFailure(
                f"The control node has no program {argv[0]}. Install the package buildah."
            ) from error
        if done.returncode:
            raise self._failure(done.stderr)

    def _failure(self, said: bytes) -> AnsibleConnectionFailure:
        return AnsibleConnectionFailure(f"buildah can't run commands in {self._container}: {_last_line(said)}")


def _last_line(said: bytes) -> str:
    return (said.decode(errors="replace").strip().splitlines() or ["it gives no reason"])[-1]
