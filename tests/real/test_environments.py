# SPDX-License-Identifier: GPL-3.0-or-later
"""conda's own tools on environments that the module builds with either installer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.path_types import MINOR, SITE, SPECS, Channel
from tests.real.conftest import Conda

Record = dict[str, Any]
#: What the records of both installers need not agree in: where the package caches are.
_PLACES = ("extracted_package_dir", "link", "package_tarball_full_path")


@pytest.fixture(scope="module")
def by_rattler(channel: Channel) -> Path:
    return channel.build("rattler", "rattler")


@pytest.fixture(scope="module")
def by_conda(channel: Channel, conda: Conda) -> Path:
    return channel.build("conda", "conda", conda.command)


def records(prefix: Path) -> dict[str, Record]:
    return {path.name: json.loads(path.read_text()) for path in (prefix / "conda-meta").glob("*.json")}


def comparable(record: Record) -> Record:
    """Return what records of both installers must agree in, with the paths that files have in the environment."""
    fields = {key: value for key, value in record.items() if value and key not in (*_PLACES, "files", "paths_data")}
    entries = {}
    for entry in record["paths_data"]["paths"]:
        path = entry["_path"].replace("python-scripts/", "bin/")
        path = f"{SITE}{path.removeprefix('site-packages')}" if path.startswith("site-packages/") else path
        # The hash and the size of what has the environment's path in it differ with that path.
        rewritten = "prefix_placeholder" in entry or entry["path_type"] == "unix_python_entry_point"
        kept = {"path_type": entry["path_type"], "has_hash": "sha256_in_prefix" in entry}
        if not rewritten and entry["path_type"] != "pyc_file":
            kept |= {key: entry.get(key) for key in ("sha256", "size_in_bytes", "sha256_in_prefix")}
        # conda compiles a link to a module, too.
        if entry["path_type"] != "pyc_file" or "link." not in path:
            entries[path] = kept
    return {**fields, "paths": entries}


def test_records_of_both_installers_agree(by_rattler: Path, by_conda: Path) -> None:
    ours, theirs = records(by_rattler), records(by_conda)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert comparable(ours[name]) == comparable(theirs[name]), name


def test_doctor_finds_nothing(conda: Conda, by_rattler: Path) -> None:
    said = conda.shown("doctor", "--verbose", "--prefix", by_rattler)
    assert "no packages with altered files" in said, said
    assert "no packages with missing files" in said, said
    assert "The environment is consistent" in said, said


def test_doctor_finds_what_was_altered(conda: Conda, channel: Channel) -> None:
    prefix = channel.build("altered", "rattler")
    (prefix / "share" / "plain").unlink()
    (prefix / "share" / "plain").write_text("altered")
    said = conda.shown("doctor", "--verbose", "--prefix", prefix)
    assert "share/plain" in said, said


@pytest.mark.parametrize("installer", ["rattler", "conda"])
def test_an_export_from_history_is_what_was_asked_for(conda: Conda, channel: Channel, installer: str) -> None:
    prefix = channel.build(f"asked-{installer}", installer, conda.command)
    said = conda.say("env", "export", "--from-history", "--prefix", prefix)
    assert all(spec.split()[0].lower() in said.lower() for spec in SPECS), said
    assert f"python={MINOR}" in said
    assert "=0" not in said.replace(">=1", ""), said


def test_packages_are_listed_with_their_channel(conda: Conda, by_rattler: Path, channel: Channel) -> None:
    listed = {entry["name"]: entry["version"] for entry in conda.json("list", "--prefix", by_rattler)}
    assert listed == {package.name: package.version for package in channel.packages}
    explicit = conda.say("list", "--explicit", "--sha256", "--prefix", by_rattler)
    assert {f"{package.url}#{package.sha256}" for package in channel.packages} <= set(explicit.split())


def test_a_clone_is_one_that_can_be_changed(conda: Conda, by_rattler: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    conda.say("create", "--yes", "--quiet", "--offline", "--prefix", clone, "--clone", by_rattler)
    assert records(clone).keys() == records(by_rattler).keys()
    compiled = list((clone / SITE / "__pycache__").glob("tool.*"))
    assert [path.read_bytes()[4:8] for path in compiled] == [b"\0\0\0\0"], "bytecode that no edit of its source undoes"
    conda.say("remove", "--yes", "--quiet", "--offline", "--prefix", clone, "plain")
    assert not (clone / "share" / "plain").exists()
    assert (by_rattler / "share" / "plain").exists()


def test_a_variable_and_a_script_of_activation_reach_what_runs(conda: Conda, channel: Channel) -> None:
    prefix = channel.build("variables", "rattler")
    (prefix / "conda-meta" / "state").write_text('{"env_vars": {"TEAM": "blue"}, "version": 1}')
    (prefix / "etc" / "conda" / "activate.d").mkdir(parents=True)
    (prefix / "etc" / "conda" / "activate.d" / "x.sh").write_text("export SCRIPT=ran\n")
    said = conda.say("run", "--prefix", prefix, "sh", "-c", "echo $TEAM $SCRIPT")
    assert said.split() == ["blue", "ran"]
