# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.gpu.plugins.filter.conda_mirror import FilterModule, conda_mirror


def test_the_filter_answers() -> None:
    answer = FilterModule().filters()["conda_mirror"]("tuna", channels=["conda-forge"], platforms=["linux-aarch64"])
    assert answer["custom_channels"] == {"conda-forge": "https://mirrors.tuna.tsinghua.edu.cn/anaconda/cloud"}


def test_an_error_reaches_the_templates_reader() -> None:
    with pytest.raises(AnsibleFilterError, match="There is no mirror 'nobody'"):
        conda_mirror("nobody")
