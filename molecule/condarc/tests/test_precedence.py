# SPDX-License-Identifier: GPL-3.0-or-later
"""The module condarc beside files that people wrote, and which file wins, asked of the module and of conda."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.nodes.fleet import Fleet

OURS = "/etc/conda/condarc.d/evenkeel.yml"
ANNS = "/home/ann/.condarc"
BY_HAND = """\
# What ann likes
channels:
  - conda-forge  # for everything new

# Where there is room
envs_dirs:
  - /scratch/ann
"""


@pytest.fixture(autouse=True)
def by_hand(fleet: Fleet) -> Iterator[None]:
    """Ann has written her file, and whatever a test makes of it goes."""
    fleet.run(f"printf '%s' '{BY_HAND}' >{ANNS} && chmod 640 {ANNS}", user="ann")
    yield
    fleet.run(
        f"rm --force /home/ann/.condarc* /home/ben/.condarc* /etc/conda/condarc.d/other.yml* /srv/theirs.yml {OURS}.*"
    )


def told_by_conda(fleet: Fleet, user: str, key: str) -> Any:
    """Ask conda itself what a user's setting is."""
    show = f"/opt/miniconda3/bin/conda config --show {key} --json"
    return json.loads(fleet.run(f"cd / && HOME=/home/{user} {show}", user=user))[key]


def test_what_ann_wrote_stays(fleet: Fleet) -> None:
    arguments: dict[str, Any] = {
        "scope": "user",
        "user": "ann",
        "settings": {"envs_dirs": ["/scratch/ann", "~/envs"], "quiet": True},
    }
    assert fleet.module("evenkeel.gpu.condarc", check=True, **arguments)["changed"]
    assert fleet.module("evenkeel.gpu.condarc", backup=True, **arguments)["changed"]
    assert not fleet.module("evenkeel.gpu.condarc", **arguments)["changed"]
    expected = BY_HAND + "  - ~/envs\nquiet: true\n"
    assert fleet.run(f"cat {ANNS}") + "\n" == expected
    assert fleet.run(f"stat --format='%U %a' {ANNS}") == "ann 640"
    assert fleet.run(f"cat {ANNS}.*~") + "\n" == BY_HAND


def test_who_wins_over_the_fleets_file_is_told(fleet: Fleet) -> None:
    found = fleet.module("evenkeel.gpu.condarc", check=True, settings={"channels": ["defaults"], "quiet": False})
    assert found["defeated"] == [{"user": "ann", "path": ANNS, "keys": ["channels", "envs_dirs"]}]
    assert f"{ANNS} wins over {OURS} for ann: channels, envs_dirs" in found.shown


def test_a_pin_holds_against_everybody(fleet: Fleet) -> None:
    other = "/etc/conda/condarc.d/other.yml"
    arguments: dict[str, Any] = {
        "path": other,
        "state": "exact",
        "settings": {"channels": ["defaults"]},
        "final": ["channels"],
    }
    assert fleet.module("evenkeel.gpu.condarc", **arguments)["defeated"] == []
    assert told_by_conda(fleet, "ann", "channels") == ["defaults"]


@pytest.mark.parametrize("user", ["ann", "ben"])
def test_the_module_and_conda_agree_on_who_wins(fleet: Fleet, user: str) -> None:
    found = fleet.module("evenkeel.gpu.condarc", check=True, settings={})
    assert not found["changed"]
    assert found["conda_version"]
    defeated = {key for one in found["defeated"] if one["user"] == user for key in one["keys"]}
    assert ("channels" in defeated) == (user == "ann")
    ours = yaml.safe_load(fleet.run(f"cat {OURS}"))
    for key in ("channels", "auto_activate", "show_channel_urls"):
        made = told_by_conda(fleet, user, key)
        ours_wins = made[: len(ours[key])] == ours[key] if isinstance(made, list) else made == ours[key]
        assert ours_wins == (key not in defeated)


def test_a_token_is_for_its_owner_alone(fleet: Fleet) -> None:
    channels = ["https://mirror.example/t/tk-hush/main"]
    arguments: dict[str, Any] = {"scope": "user", "user": "ben", "settings": {"channels": channels}}
    found = fleet.module("evenkeel.gpu.condarc", **arguments)
    assert found["changed"]
    assert "hush" not in found.shown
    assert fleet.run("stat --format='%U %a' /home/ben/.condarc") == "ben 600"
    assert told_by_conda(fleet, "ben", "channels")[0] == channels[0]
    assert not fleet.module("evenkeel.gpu.condarc", **arguments)["changed"]


def test_a_file_of_somebody_else_is_kept(fleet: Fleet) -> None:
    other = "/etc/conda/condarc.d/other.yml"
    fleet.run(f"echo 'quiet: true  # theirs' >{other}")
    arguments: dict[str, Any] = {"path": other, "state": "exact", "settings": {"quiet": False}}
    found = fleet.module("evenkeel.gpu.condarc", **arguments)
    assert f"{other} was not written by Evenkeel; it is kept as {other}." in found.shown
    assert fleet.run(f"cat {other}.*~") == "quiet: true  # theirs"
    assert told_by_conda(fleet, "ben", "quiet") is False
    found = fleet.module("evenkeel.gpu.condarc", path=ANNS, state="absent")
    assert (found["changed"], found["left"]) == (False, [f"{ANNS}: not written by Evenkeel"])
    assert fleet.module("evenkeel.gpu.condarc", path=other, state="absent")["changed"]
    assert fleet.run(f"cat {other}; rm {other}") == "quiet: true  # theirs"


def test_no_link_leads_root_out_of_a_home(fleet: Fleet) -> None:
    fleet.run("echo 'quiet: true' >/srv/theirs.yml && chmod 600 /srv/theirs.yml")
    fleet.run("ln --symbolic /srv/theirs.yml /home/ben/.condarc", user="ben")
    with pytest.raises(LabError, match=r"/home/ben/\.condarc: Permission denied; it was left as it is"):
        fleet.module("evenkeel.gpu.condarc", scope="user", user="ben", settings={"quiet": False})
    assert fleet.run("cat /srv/theirs.yml") == "quiet: true"


def test_a_distribution_and_an_environment_have_files_of_their_own(fleet: Fleet) -> None:
    distribution: dict[str, Any] = {"scope": "distribution", "settings": {"quiet": True}}
    try:
        assert fleet.module("evenkeel.gpu.condarc", **distribution)["path"] == "/opt/miniconda3/.condarc"
        assert told_by_conda(fleet, "ben", "quiet") is True
    finally:
        fleet.run("rm /opt/miniconda3/.condarc")
    with pytest.raises(LabError, match="/srv is not a conda environment"):
        fleet.module("evenkeel.gpu.condarc", scope="environment", prefix="/srv", settings={"quiet": True})
