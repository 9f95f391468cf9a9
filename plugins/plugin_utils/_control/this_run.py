# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""This run of Ansible, as nodes and other runs know it."""

from __future__ import annotations

import getpass
import hashlib
import multiprocessing
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import process_identity, run_lease
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_lease import Run
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.run_variable import RUN


def is_inherited() -> bool:
    """Return whether evenkeel-pull has started this run, and holds the node by itself."""
    return bool(os.environ.get(RUN))


def of(task_vars: Mapping[str, Any]) -> Run:
    """Return this run."""
    if is_inherited():
        return run_lease.parsed(os.environ[RUN])
    worker_of = multiprocessing.parent_process()
    process = process_identity.of(worker_of.pid if worker_of and worker_of.pid else os.getpid())
    # The folder of temporary files is this run's alone.
    unique = f"{os.uname().nodename} {constants.DEFAULT_LOCAL_TMP} {process}"
    return Run(
        id=hashlib.sha256(unique.encode()).hexdigest()[:16],
        who=_who(task_vars),
        what=", ".join(Path(playbook).name for playbook in context.CLIARGS.get("args", ())) or "Ansible",
        machine=process_identity.machine(),
        process=process,
    )


def takes_over(task_vars: Mapping[str, Any]) -> bool:
    """Return whether this run takes nodes from other runs."""
    return bool(boolean(task_vars.get("evenkeel_take_over", False), strict=False))


def _who(task_vars: Mapping[str, Any]) -> str:
    if boolean(task_vars.get("evenkeel_pulls", False)):
        return "evenkeel-pull"
    # A controller runs all jobs as one user, and says who has started this one.
    names = (task_vars.get("awx_user_name"), os.environ.get("SUDO_USER"), _login())
    return f"{next(filter(None, names))}@{os.uname().nodename}"


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an execution environment may run as a user without a name
        return f"user {os.getuid()}"
