# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import history


@pytest.mark.parametrize(
    ("lines", "specs"),
    [
        ([], []),
        (["==> 2026-11-22 06:25:36 <==", "+main/noarch::six-1.17.0-py_0"], []),
        (["# update specs: ['python=3.11', 'numpy']"], ["numpy", "python=3.11"]),
        (['# update specs: ["python=3.11", "numpy"]'], ["numpy", "python=3.11"]),
        (["# update specs: ['numpy']", "# update specs: ['numpy>=2']"], ["numpy>=2"]),
        (["# update specs: ['numpy', 'six']", "# remove specs: ['six']"], ["numpy"]),
        (["# remove specs: ['six']", "# update specs: ['six']"], ["six"]),
        (["# update specs: ['six']", "# neutered specs: ['six==1.17.0']"], ["six==1.17.0"]),
        (["# update specs: ['conda-forge::NumPy']", "# remove specs: ['numpy']"], []),
        (["# install specs: numpy,python >=3.9,<4"], ["numpy", "python >=3.9,<4"]),
        (["# update specs: numpy"], ["numpy"]),
        (["# update specs: ['main/noarch::six==1.17.0=py_0[md5=02f5]']", "# remove specs: ['six']"], []),
        (["# update specs: []", "# cmd: conda install six"], []),
    ],
)
def test_what_people_asked_for(lines: list[str], specs: list[str]) -> None:
    assert history.parse("\n".join(lines)) == specs


def test_no_history_no_specs(tmp_path: Path) -> None:
    assert history.requested(str(tmp_path)) == []
