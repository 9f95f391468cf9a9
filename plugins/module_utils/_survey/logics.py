# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The modules that a survey can call, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._access import ssh_forwarding, vscode_remote
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import (
    conda_distribution,
    conda_environment,
    conda_environment_leftovers,
    conda_environment_store,
    conda_package_cache,
    conda_runtime,
    condarc,
    pip_config,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._gpu import (
    cuda_toolkit,
    gpu_facts,
    nvidia_container_toolkit,
    nvidia_driver,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._jupyter import (
    front_door,
    jupyter_kernelspecs,
    jupyter_servers,
    jupyter_status,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node import (
    service_account,
    sysctl_floor,
    tcp_port,
    tls_certificate,
)
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import Logic, Params
from ansible_collections.evenkeel.gpu.plugins.module_utils._package_mirror import package_mirror
from ansible_collections.evenkeel.gpu.plugins.module_utils._pull import pull_agent
from ansible_collections.evenkeel.gpu.plugins.module_utils._site_copy import site_copy

_FILES: tuple[ModuleType, ...] = (
    conda_distribution,
    conda_environment,
    conda_environment_leftovers,
    conda_environment_store,
    conda_package_cache,
    conda_runtime,
    condarc,
    cuda_toolkit,
    front_door,
    gpu_facts,
    jupyter_kernelspecs,
    jupyter_servers,
    jupyter_status,
    nvidia_container_toolkit,
    nvidia_driver,
    package_mirror,
    pip_config,
    pull_agent,
    service_account,
    site_copy,
    ssh_forwarding,
    sysctl_floor,
    tcp_port,
    tls_certificate,
    vscode_remote,
)


@dataclass(frozen=True)
class Rehearsed:
    """A module's logic with what ``entry.run`` takes of it."""

    logic: Logic
    argument_spec: Mapping[str, Any]
    from_action: Mapping[str, Any]
    rules: Mapping[str, Any]
    secrets: Callable[[Params], Iterable[str]]


def _rehearsed(file: ModuleType) -> Rehearsed:
    return Rehearsed(
        logic=getattr(file, "converge", None) or file.read,
        argument_spec=file.ARGUMENT_SPEC,
        from_action=getattr(file, "FROM_ACTION", {}),
        rules=getattr(file, "RULES", {}),
        secrets=getattr(file, "secrets", lambda params: ()),
    )


#: Every module that a role's tasks use; a test holds them together.
LOGICS: Mapping[str, Rehearsed] = {file.__name__.rsplit(".", 1)[-1]: _rehearsed(file) for file in _FILES}
