# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import history

#: As `conda create --clone` of conda 26.5.3 writes it where a mirror has the channel.
CLONE = """\
==> 2026-11-28 07:45:00 <==
# cmd: /opt/conda/bin/conda create -y -n mine --clone ai-dev
# conda version: 26.5.3
+anaconda/pkgs/main/linux-64::python-3.11.2-0_cpython
+anaconda/pkgs/main/noarch::idna-3.20-py_0
# update specs: ['anaconda/pkgs/main/linux-64::python==3.11.2=0_cpython', 'anaconda/pkgs/main/noarch::idna==3.20=py_0']
"""
SIX = ["main/noarch::six"]


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
        ([CLONE], []),
        ([CLONE, "# update specs: ['scipy', 'idna>=3']"], ["idna>=3", "scipy"]),
        (["# update specs: ['python==3.11.2=0_cpython', 'main/noarch::six']"], ["python==3.11.2=0_cpython", *SIX]),
    ],
)
def test_what_people_asked_for(lines: list[str], specs: list[str]) -> None:
    assert history.parse("\n".join(lines)) == specs


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ([], []),
        (["# update specs: ['python=3.11']"], []),
        ([CLONE], ["idna", "python"]),
        ([CLONE, "# update specs: ['scipy', 'idna>=3']"], ["python"]),
        ([CLONE, "# remove specs: ['idna']"], ["python"]),
        (["# update specs: ['main/noarch::six==1.17.0=py_0[md5=02f5]']"], ["six"]),
    ],
)
def test_what_a_clone_brought(tmp_path: Path, lines: list[str], names: list[str]) -> None:
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "history").write_text("\n".join(lines))
    assert history.copied(str(tmp_path)) == names


def test_no_history_no_specs(tmp_path: Path) -> None:
    assert history.requested(str(tmp_path)) == []
