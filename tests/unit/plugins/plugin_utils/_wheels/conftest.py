# SPDX-License-Identifier: GPL-3.0-or-later
"""What builds need."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.source_release import SourceRelease
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._wheels import builder

from .projects import pack, project


def require_namespaces() -> None:
    """Skip a test where this machine's kernel has no namespaces for its user."""
    argv = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "true"]
    if not builder.this_platform() or subprocess.run(argv, check=False, capture_output=True).returncode:
        pytest.skip("this machine has no namespaces to build in")


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., SourceRelease]:
    """Return a function that writes a source archive and returns its release."""

    def make(name: str = "tool", version: str = "1.0", **options: str) -> SourceRelease:
        path = tmp_path / f"{name}-{version}.tar.gz"
        sha256 = pack(path, f"{name}-{version}", project(name, version, **options))
        return SourceRelease(name, version, path.as_uri(), sha256)

    return make
