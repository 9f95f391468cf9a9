# SPDX-License-Identifier: GPL-3.0-or-later
"""The files by which a node trusts a repository."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages import repository as repositories
from ansible_collections.evenkeel.gpu.plugins.module_utils._os_packages.repository import Repository

APT = Repository("cuda", "apt", "http://m/debian12/", "http://m/keyring.deb", "a" * 64, "/usr/share/k.gpg")
RPM = Repository("cuda", "rpm", "http://m/rhel9/", "http://m/D42D0685.pub", "a" * 64)


def test_apt_is_told_of_one_key_for_one_repository() -> None:
    assert repositories.text(APT, APT.key_path, "a" * 64, "b" * 64).splitlines()[2:] == [
        "Types: deb",
        "URIs: http://m/debian12/",
        "Suites: /",
        "Signed-By: /etc/apt/keyrings/cuda.gpg",
    ]


def test_components_are_named_where_there_are_some() -> None:
    repository = dataclasses.replace(APT, suite="bookworm", components=("main", "non-free"))
    assert "Suites: bookworm\nComponents: main non-free\n" in repositories.text(repository, "k", "a", "b")


def test_dnf_checks_signatures_and_looks_past_streams() -> None:
    text = repositories.text(RPM, RPM.key_path, "a" * 64, "b" * 64)
    assert "\ngpgcheck=1\ngpgkey=file:///etc/pki/rpm-gpg/cuda.asc\nmodule_hotfixes=1\n" in text


def test_metadata_are_checked_where_they_are_what_is_signed() -> None:
    text = repositories.text(dataclasses.replace(RPM, signed="metadata"), RPM.key_path, "a" * 64, "b" * 64)
    assert "\ngpgcheck=0\nrepo_gpgcheck=1\n" in text


@pytest.mark.parametrize(
    ("wanted", "own", "expected"),
    [
        ("a" * 64, "b" * 64, "a" * 64),
        ("", "b" * 64, "a" * 64),
        ("c" * 64, "b" * 64, ""),
        ("a" * 64, "d" * 64, ""),
        ("", "", ""),
    ],
    ids=["as it was", "any", "another is wanted", "changed by hand", "gone"],
)
def test_a_key_that_stands_is_right_or_is_fetched_again(wanted: str, own: str, expected: str) -> None:
    standing = repositories.text(APT, APT.key_path, "a" * 64, "b" * 64)
    assert repositories.known(dataclasses.replace(APT, key_sha256=wanted), standing, own) == expected


def test_without_a_file_no_key_is_known() -> None:
    assert repositories.known(APT, None, "b" * 64) == ""
