# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
from pathlib import Path

from maintenance import role_readmes


def test_a_readme_follows_its_specification(tmp_path: Path) -> None:
    role = tmp_path / "mirror"
    shutil.copytree(role_readmes.ROLES / "mirror", role)
    role_readmes.is_current(role, write=True)
    assert role_readmes.is_current(role, write=False)

    specification = role / "meta" / "argument_specs.yml"
    specification.write_text(specification.read_text().replace("default: 30", "default: 31"))
    defaults = role / "defaults" / "main.yml"
    defaults.write_text(defaults.read_text().replace("mirror_max_age_days: 30", "mirror_max_age_days: 31"))
    assert not role_readmes.is_current(role, write=True)
    assert "`31`" in (role / role_readmes.README).read_text()
    assert role_readmes.is_current(role, write=False)
