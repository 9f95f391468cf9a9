# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import (
    DEFAULTS,
    channel_urls,
    mirrors_from,
    without_credentials,
)

MAIN, R = DEFAULTS
MIRRORS = mirrors_from(
    {
        "https://repo.anaconda.com": "http://mirror.example/anaconda/",
        "https://conda.anaconda.org": "http://mirror.example/anaconda/cloud",
        "https://conda.anaconda.org/nvidia": "https://nvidia.example",
    }
)


@pytest.mark.parametrize(
    ("names", "urls"),
    [
        (["defaults"], [MAIN, R]),
        (["conda-forge"], ["https://conda.anaconda.org/conda-forge"]),
        (["conda-forge/label/dev"], ["https://conda.anaconda.org/conda-forge/label/dev"]),
        (["pkgs/main"], [MAIN]),
        (["https://repo.example/linux-fans"], ["https://repo.example/linux-fans"]),
        (["nvidia", "nodefaults", "defaults"], ["https://conda.anaconda.org/nvidia", MAIN, R]),
        (["nodefaults"], []),
        ([f"{MAIN}/", "defaults"], [MAIN, R]),
        (["file:///srv/channel"], ["file:///srv/channel"]),
    ],
)
def test_each_channel_has_one_url(names: list[str], urls: list[str]) -> None:
    assert channel_urls(names) == tuple(urls)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:secret@host.example/main",
        "https://host.example/t/secret",
        "https://host.example/api/t/secret/main",
        "https://host.example/main?token=secret",
    ],
)
def test_credentials_do_not_get_into_a_lock(url: str) -> None:
    with pytest.raises(EvenkeelError, match=r"^https://.*host\.example.* is written with credentials") as error:
        channel_urls([url])
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("name", ["/srv/channel", "./channel", "../channel", "..", "~/channel", "C:\\channels"])
def test_a_path_is_no_channel(name: str) -> None:
    with pytest.raises(EvenkeelError, match=r"^The channel '.*' is a path on one machine"):
        channel_urls([name])


def test_the_folder_of_local_builds_is_no_channel() -> None:
    with pytest.raises(EvenkeelError, match=r"^The channel 'local' is a path on one machine"):
        channel_urls(["local"])


@pytest.mark.parametrize(
    "name", ["https://repo.example/pkgs/main/linux-64/", "pkgs/main/noarch", "conda-forge/osx-arm64"]
)
def test_a_folder_of_a_channel_is_no_channel(name: str) -> None:
    channel, _, folder = name.rstrip("/").rpartition("/")
    with pytest.raises(EvenkeelError, match=f"^The channel .* has the folder {folder}.* Write it as {channel}\\.$"):
        channel_urls([name])


@pytest.mark.parametrize("name", ["conda forge", "https://c.example/a b", "conda-forge\x1b[2J", ""])
def test_what_is_neither_a_name_nor_a_url(name: str) -> None:
    with pytest.raises(EvenkeelError, match=r"^The channel '.*' is neither a name nor a URL"):
        channel_urls([name])


@pytest.mark.parametrize(
    ("original", "mirror"),
    [
        (f"{MAIN}/noarch/a-1-0.conda", "http://mirror.example/anaconda/pkgs/main/noarch/a-1-0.conda"),
        ("https://repo.anaconda.com", "http://mirror.example/anaconda"),
        ("https://conda.anaconda.org/conda-forge", "http://mirror.example/anaconda/cloud/conda-forge"),
        ("https://conda.anaconda.org/nvidia/noarch", "https://nvidia.example/noarch"),
        ("https://conda.anaconda.org/nvidia2", "http://mirror.example/anaconda/cloud/nvidia2"),
        ("https://repo.anaconda.community/main", "https://repo.anaconda.community/main"),
        ("file:///srv/channel", "file:///srv/channel"),
    ],
)
def test_a_mirror_stands_for_a_prefix_there_and_back(original: str, mirror: str) -> None:
    assert MIRRORS.mirrored(original) == mirror
    assert MIRRORS.original(mirror) == original


@pytest.mark.parametrize("option", [{"conda-forge": "http://mirror.example"}, {MAIN: "mirror.example"}, {MAIN: 1}])
def test_mirrors_are_urls(option: dict[str, str]) -> None:
    with pytest.raises(EvenkeelError, match="which is not a URL"):
        mirrors_from(option)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://me:secret@host.example/a-1.whl", "https://host.example/a-1.whl"),
        ("https://host.example:8080/a@b-1.whl#c", "https://host.example:8080/a@b-1.whl#c"),
        (f"git+https://me@host.example/tool@{'5f' * 20}", f"git+https://host.example/tool@{'5f' * 20}"),
        (f"git+ssh://git@host.example/tool@{'5f' * 20}", f"git+ssh://git@host.example/tool@{'5f' * 20}"),
        ("git+ssh://git:secret@host.example/tool", "git+ssh://git@host.example/tool"),
        ("file:///srv/a-1.whl", "file:///srv/a-1.whl"),
    ],
)
def test_credentials_are_no_part_of_a_public_url(url: str, public: str) -> None:
    assert without_credentials(url) == public
