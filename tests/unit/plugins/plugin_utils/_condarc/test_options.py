# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.options import needed_files, require_path


@pytest.mark.parametrize("path", ["/etc/conda/.condarc", "/etc/conda/condarc", "/x/y.yml", "/x/y.yaml"])
def test_names_that_conda_reads_are_taken(path: str) -> None:
    require_path(path)


@pytest.mark.parametrize(
    "path", ["etc/condarc", "/etc/conda/evenkeel.conf", "/etc/../condarc", "/etc//condarc", "/x.yml/"]
)
def test_names_that_conda_does_not_read_are_refused(path: str) -> None:
    with pytest.raises(EvenkeelError, match="conda reads only files named"):
        require_path(path)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ssl_verify": True, "client_ssl_cert": None}, []),
        ({"ssl_verify": "truststore"}, []),
        (
            {"ssl_verify": "/etc/ssl/site.pem", "client_cert": "/etc/ssl/me.pem"},
            ["/etc/ssl/site.pem", "/etc/ssl/me.pem"],
        ),
        ({"ssl_verify": "$BUNDLE", "client_ssl_cert": "~/me.pem"}, []),
        ({"channels": ["/etc"]}, []),
    ],
)
def test_files_that_the_node_needs_are_known(settings: dict[str, Any], expected: list[str]) -> None:
    assert needed_files(settings) == expected
