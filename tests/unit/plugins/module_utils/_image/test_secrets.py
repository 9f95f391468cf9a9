# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with credentials get into no image."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._image import secrets
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"http: http://me:secret@proxy.example:3128", True),
        (b"- https://conda.example/t/tk-1234/main", True),
        (b"- https://conda.example/api/t/tk-1234/main", True),
        (b"- https://conda.example/main?token=tk-1234", True),
        (b"- https://conda.example/t/$TOKEN/main", False),
        (b"- https://conda.example:8443/main/t", False),
        (b"- https://conda.example/main\nmail: me@example", False),
        (b"x: 'https://a.example' b: 'c:d@e'", False),
    ],
)
def test_what_is_a_credential(text: bytes, found: bool) -> None:
    assert secrets.has_credential(text) is found


def test_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "conda").mkdir()
    (tmp_path / "conda" / "a.yml").write_text("channels: [https://me:secret@conda.example/main]\n")
    secrets.require_none([str(tmp_path / "missing")])
    with pytest.raises(EvenkeelError, match=r"conda/a\.yml has a password") as caught:
        secrets.require_none([str(tmp_path)])
    assert "secret@" not in str(caught.value)
