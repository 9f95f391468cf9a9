# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.gpu.plugins.filter.conda_installer import FilterModule, conda_installer


def test_the_filter_answers() -> None:
    assert FilterModule().filters()["conda_installer"]("miniconda", "py313_26.5.3-1", "x86_64") == {
        "file": "Miniconda3-py313_26.5.3-1-Linux-x86_64.sh",
        "sha256": "7358a5961dc6a4941d087281cd70313728fcc68695735e18a337321bc31c7f51",
        "python": "py313",
        "version": "26.5.3-1",
        "architecture": "x86_64",
        "path": "Miniconda3-py313_26.5.3-1-Linux-x86_64.sh",
    }


def test_an_error_reaches_the_templates_reader() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^There is no distribution 'anaconda'. Choose from miniconda, mini"):
        conda_installer("anaconda", "latest-known", "x86_64")
