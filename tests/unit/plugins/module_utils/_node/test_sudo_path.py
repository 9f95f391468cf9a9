# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.sudo_path import secure_path

DEBIAN = 'Defaults\tenv_reset\nDefaults\tsecure_path="/usr/local/bin:/usr/bin"\n@includedir /etc/sudoers.d\n'
EL9 = "Defaults    secure_path = /sbin:/bin:/usr/sbin:/usr/bin\n"


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({}, None),
        ({"sudoers": "root ALL=(ALL:ALL) ALL\n"}, None),
        ({"sudoers": '# Defaults secure_path="/a"\n'}, None),
        ({"sudoers": "Defaults !secure_path_x, env_reset # secure_path=/a\n"}, None),
        ({"sudoers": DEBIAN}, ("/usr/local/bin", "/usr/bin")),
        ({"sudoers": EL9}, ("/sbin", "/bin", "/usr/sbin", "/usr/bin")),
        ({"sudoers": "Defaults env_reset, secure_path=/a:/b, mail_badpass\n"}, ("/a", "/b")),
        ({"sudoers": DEBIAN, "sudoers.d/site": "Defaults secure_path=/opt/bin\n"}, ("/opt/bin",)),
        (
            {"sudoers": DEBIAN, "sudoers.d/site.rpmsave": "Defaults secure_path=/opt/bin\n"},
            ("/usr/local/bin", "/usr/bin"),
        ),
        ({"sudoers": DEBIAN, "sudoers.d/site~": "Defaults secure_path=/opt/bin\n"}, ("/usr/local/bin", "/usr/bin")),
    ],
)
def test_where_sudo_looks(tmp_path: Path, files: dict[str, str], path: tuple[str, ...] | None) -> None:
    (tmp_path / "sudoers.d").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert secure_path(str(tmp_path)) == path
