# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from lab.upstream.conda.standin.conda_standin.channels import Channels

MIRROR = "http://10.0.0.1/anaconda"


def channels(**given: object) -> Channels:
    values = {
        "alias": "https://conda.anaconda.org",
        "default_channels": ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"],
        "custom_channels": {"pkgs/pro": "https://repo.anaconda.com"},
        "custom_multichannels": {},
    }
    return Channels.configured(**{**values, **given})  # type: ignore[arg-type]


MIRRORED = channels(default_channels=[f"{MIRROR}/pkgs/main"], custom_channels={"conda-forge": f"{MIRROR}/cloud"})


@pytest.mark.parametrize(
    ("known", "name", "urls"),
    [
        (channels(), "conda-forge", ["https://conda.anaconda.org/conda-forge"]),
        (channels(), "defaults", ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"]),
        (channels(), "pkgs/main", ["https://repo.anaconda.com/pkgs/main"]),
        (channels(), "http://host/a/b/", ["http://host/a/b"]),
        (channels(), "http://host/a/b/noarch", ["http://host/a/b"]),
        (channels(), "/srv/channel", ["file:///srv/channel"]),
        (channels(custom_multichannels={"ours": ["conda-forge", "/srv/c"]}), "ours",
         ["https://conda.anaconda.org/conda-forge", "file:///srv/c"]),
        (MIRRORED, "defaults", [f"{MIRROR}/pkgs/main"]),
        (MIRRORED, "conda-forge", [f"{MIRROR}/cloud/conda-forge"]),
        (MIRRORED, "conda-forge/label/dev", [f"{MIRROR}/cloud/conda-forge/label/dev"]),
        (MIRRORED, "bioconda", ["https://conda.anaconda.org/bioconda"]),
        (channels(alias=f"{MIRROR}/cloud"), "bioconda", [f"{MIRROR}/cloud/bioconda"]),
    ],
)  # fmt: skip
def test_names(known: Channels, name: str, urls: list[str]) -> None:
    assert [channel.base_url for channel in known.named(name)] == urls


@pytest.mark.parametrize(
    ("known", "url", "name", "canonical"),
    [
        (channels(), "https://repo.anaconda.com/pkgs/main/noarch/pip-1-0.conda", "pkgs/main", "defaults"),
        (channels(), "https://conda.anaconda.org/conda-forge/linux-64", "conda-forge", "conda-forge"),
        (channels(), "http://host/conda/main/noarch", "main", "http://host/conda/main"),
        (channels(), "http://host/a/main/noarch", "a/main", "http://host/a/main"),
        (channels(), "file:///srv/conda/ch2/noarch/a-1-0.conda", "ch2", "file:///srv/conda/ch2"),
        (MIRRORED, f"{MIRROR}/cloud/conda-forge/noarch", "conda-forge", "conda-forge"),
        (MIRRORED, f"{MIRROR}/pkgs/main/linux-64", "anaconda/pkgs/main", "defaults"),
    ],
)
def test_urls(known: Channels, url: str, name: str, canonical: str) -> None:
    channel = known.at(url)
    assert (channel.name, known.canonical_name(channel)) == (name, canonical)
    assert url.startswith(channel.base_url)
