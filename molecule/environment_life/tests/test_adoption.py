# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment that somebody made with conda where Evenkeel's are to be."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.nodes.fleet import Fleet

PREFIX = "/opt/evenkeel/envs/theirs"
CONDA = "/opt/miniconda3/bin/conda"
WANTED = ("python=3.11", "idna")


@pytest.fixture
def theirs(fleet: Fleet) -> str:
    """Its name."""
    fleet.run(f"{CONDA} create --quiet --yes --prefix {PREFIX} python=3.11 six && echo data >{PREFIX}/thesis.txt")
    return "theirs"


def test_it_is_taken_over_only_where_that_is_asked_for(fleet: Fleet, theirs: str) -> None:
    with pytest.raises(LabError, match=f"{PREFIX} is a directory that Evenkeel did not make.*adopt: true"):
        fleet.environment(theirs, *WANTED)
    assert fleet.run(f"cat {PREFIX}/thesis.txt") == "data"

    adopted = fleet.environment(theirs, *WANTED, adopt=True, keep=1)
    *packages, note = adopted["plan"]
    assert packages == ["+ idna 3.20 (main)", "- six 1.17.0"]
    adopted_id = note.removeprefix("! adopted as generation ")
    fleet.run(f"{PREFIX}/bin/python -c 'import idna'")

    back = fleet.environment(theirs, generation="-1")
    assert back["generation"] == f"/opt/evenkeel/generations/theirs/{adopted_id}"
    assert back["installer"] == "adopted"
    assert fleet.run(f"{PREFIX}/bin/python -c 'import six' && cat {PREFIX}/thesis.txt") == "data"
    assert '"six"' in fleet.run(f"{CONDA} list --json --prefix {PREFIX}")

    fleet.environment(theirs, state="absent")
    assert fleet.run("ls /opt/evenkeel/generations/theirs") == adopted_id
