# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a user's that every conda of the user's follows."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.evenkeel.gpu.plugins.module_utils._adopt import conda_settings

WRITTEN = """\
alias ll='ls -l'
# >>> conda initialize >>>
eval "$(/root/miniconda3/bin/conda shell.bash hook)"
# <<< conda initialize <<<
"""


def test_what_is_in_a_home(tmp_path: Path) -> None:
    assert conda_settings.read(str(tmp_path)) == ([], [])
    (tmp_path / ".bashrc").write_text(WRITTEN)
    (tmp_path / ".zshrc").write_text("# conda initialize, some day\n")
    (tmp_path / ".condarc").write_text("channels: [conda-forge]\n")
    os.mkfifo(tmp_path / ".profile")
    found, refused = conda_settings.read(str(tmp_path))
    assert found == [
        {"path": str(tmp_path / ".condarc"), "kind": "condarc"},
        {"path": str(tmp_path / ".bashrc"), "kind": "start"},
    ]
    assert len(refused) == 1
    assert "is a pipe" in refused[0]
