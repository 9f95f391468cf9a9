# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.platform import PLATFORMS
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.strict_yaml import read_mapping
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import channel_urls, mirrors_from
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream import mirrors

TUNA = "https://mirrors.tuna.tsinghua.edu.cn/anaconda"
EXTRA = "https://mirrors.sustech.edu.cn/anaconda-extra/cloud"
OWN = "https://mirror.example/anaconda"
BOTH = ("linux-64", "linux-aarch64")


@pytest.mark.parametrize("name", ["tuna", "bfsu", "ustc", "aliyun", "sjtu", "sustech", "anaconda", "conda-forge"])
def test_a_known_mirror_is_whole(name: str) -> None:
    mirror = mirrors.mirror_of(name)
    assert mirror.name == name
    assert mirror.notes
    assert mirror.installers
    assert all(url.startswith("https://") for url in (mirror.url, *mirror.installers.values()))
    mirrors_from(mirror.prefixes(BOTH))
    for carried in (mirror.channels or {}).values():
        assert carried.platforms
        assert carried.platforms <= set(PLATFORMS.values())


def test_every_known_mirror_names_its_source_and_nothing_unknown() -> None:
    for name, fields in read_mapping(mirrors.DATA).items():
        assert fields["source"], name
        assert set(fields) <= {*mirrors.CUSTOM_KEYS, "source"}, name


@pytest.mark.parametrize(
    ("mirror", "channels", "elsewhere", "default_channels", "custom_channels"),
    [
        ("anaconda", ["defaults"], {}, list(channel_urls(["defaults"])), {}),
        ("anaconda", ["conda-forge", "nvidia"], {}, list(channel_urls(["defaults"])), {}),
        ("conda-forge", ["conda-forge"], {}, [], {}),
        ("conda-forge", ["defaults"], {"defaults": "tuna"}, [f"{TUNA}/pkgs/main", f"{TUNA}/pkgs/r"], {}),
        ("conda-forge", ["defaults"], {"defaults": f"{OWN}/"}, [f"{OWN}/pkgs/main", f"{OWN}/pkgs/r"], {}),
        (
            "tuna",
            ["defaults", "conda-forge"],
            {},
            [f"{TUNA}/pkgs/main", f"{TUNA}/pkgs/r"],
            {"conda-forge": f"{TUNA}/cloud"},
        ),
        ("tuna", ["pkgs/main"], {}, [f"{TUNA}/pkgs/main", f"{TUNA}/pkgs/r"], {}),
        ("tuna", ["pkgs/free"], {}, [f"{TUNA}/pkgs/main", f"{TUNA}/pkgs/r"], {"pkgs/free": TUNA}),
        ("tuna", ["nvidia"], {"nvidia": "sustech"}, [f"{TUNA}/pkgs/main", f"{TUNA}/pkgs/r"], {"nvidia": EXTRA}),
        ("tuna", ["nvidia"], {"nvidia": "anaconda"}, [f"{TUNA}/pkgs/main", f"{TUNA}/pkgs/r"], {}),
        (OWN, ["defaults", "conda-forge"], {}, [f"{OWN}/pkgs/main", f"{OWN}/pkgs/r"], {}),
        ({"url": OWN}, ["nvidia"], {"nvidia": EXTRA}, [f"{OWN}/pkgs/main", f"{OWN}/pkgs/r"], {"nvidia": EXTRA}),
        ({"url": OWN, "pkgs": ["main"]}, ["defaults"], {}, [f"{OWN}/pkgs/main"], {}),
        ("anaconda", ["defaults"], {"defaults": {"url": OWN, "pkgs": ["main"]}}, [f"{OWN}/pkgs/main"], {}),
        (
            {"url": OWN, "channels": ["lab"]},
            ["lab"],
            {},
            [f"{OWN}/pkgs/main", f"{OWN}/pkgs/r"],
            {"lab": f"{OWN}/cloud"},
        ),
        (
            {"url": OWN, "channels": ["lab"], "cloud": ""},
            ["lab"],
            {},
            [f"{OWN}/pkgs/main", f"{OWN}/pkgs/r"],
            {"lab": OWN},
        ),
        (["sjtu", "tuna"], ["https://conda.example/x"], {}, None, {}),
    ],
)
def test_channels_follow_from_the_mirror(
    mirror: Any,
    channels: list[str],
    elsewhere: dict[str, str],
    default_channels: list[str] | None,
    custom_channels: dict[str, str],
) -> None:
    answer = mirrors.answer(mirror, channels, ["linux-64"], elsewhere)
    assert answer["channels"] == channels
    if default_channels is not None:
        assert answer["default_channels"] == default_channels
    assert answer["custom_channels"] == custom_channels


@pytest.mark.parametrize(
    ("mirror", "platforms", "elsewhere", "original", "expected"),
    [
        (OWN, BOTH, {}, "https://repo.anaconda.com/pkgs/msys2/noarch/a.conda", f"{OWN}/pkgs/msys2/noarch/a.conda"),
        (OWN, BOTH, {}, "https://conda.anaconda.org/nvidia/noarch/a.conda", None),
        ("tuna", BOTH, {}, "https://repo.anaconda.com/pkgs/main/noarch/a.conda", f"{TUNA}/pkgs/main/noarch/a.conda"),
        ("tuna", BOTH, {}, "https://repo.anaconda.com/pkgs/pro/noarch/a.conda", None),
        ("tuna", BOTH, {}, "https://conda.anaconda.org/nvidia/noarch/a.conda", None),
        ("tuna", BOTH, {"nvidia": EXTRA}, "https://conda.anaconda.org/nvidia/a", f"{EXTRA}/nvidia/a"),
        ("tuna", BOTH, {"defaults": OWN}, "https://repo.anaconda.com/pkgs/r/a", f"{OWN}/pkgs/r/a"),
        ("tuna", BOTH, {"defaults": "anaconda"}, "https://repo.anaconda.com/pkgs/r/a", None),
        (OWN, BOTH, {"defaults": "anaconda"}, "https://repo.anaconda.com/pkgs/r/a", None),
        ("tuna", BOTH[:1], {}, "https://conda.anaconda.org/menpo/noarch/a", f"{TUNA}/cloud/menpo/noarch/a"),
        ("tuna", BOTH, {}, "https://conda.anaconda.org/menpo/noarch/a", None),
        ("anaconda", BOTH, {}, "https://repo.anaconda.com/pkgs/main/noarch/a", None),
        ("conda-forge", BOTH, {}, "https://conda.anaconda.org/conda-forge/noarch/a", None),
    ],
)
def test_urls_of_locks_are_sent_to_what_carries_them(
    mirror: str, platforms: list[str], elsewhere: dict[str, str], original: str, expected: str | None
) -> None:
    prefixes = mirrors.answer(mirror, platforms=platforms, elsewhere=elsewhere)["prefixes"]
    assert mirrors_from(prefixes).mirrored(original) == (expected or original)


def test_a_url_alone_stands_for_anacondas_whole_site() -> None:
    answer = mirrors.answer("http://10.0.0.2/anaconda/", ["defaults"])
    assert answer["prefixes"] == {"https://repo.anaconda.com": "http://10.0.0.2/anaconda"}
    assert answer["installers"] == {"miniconda": "http://10.0.0.2/anaconda/miniconda"}
    assert answer["name"] == answer["url"] == "http://10.0.0.2/anaconda"
    assert answer["pip_index"] == ""


def test_all_of_a_mirror_can_be_described() -> None:
    answer = mirrors.answer(
        {
            "name": "lab",
            "url": f"{OWN}/",
            "pkgs": ["main", "r"],
            "channels": {"bioconda": ["linux-64"], "nvidia": {"cloud": EXTRA, "platforms": ["linux-64"]}},
            "cloud": "https://cloud.example/",
            "miniconda": "https://files.example/miniconda/",
            "miniforge": "https://files.example/miniforge",
            "pip_index": "https://pip.example/simple/",
            "notes": "ours",
        },
        ["bioconda", "nvidia"],
    )
    assert (answer["name"], answer["notes"]) == ("lab", "ours")
    assert answer["custom_channels"] == {"bioconda": "https://cloud.example", "nvidia": EXTRA}
    assert answer["installers"] == {
        "miniconda": "https://files.example/miniconda",
        "miniforge": "https://files.example/miniforge",
    }
    assert answer["pip_index"] == "https://pip.example/simple"


@pytest.mark.parametrize(
    ("channels", "elsewhere", "urls"),
    [
        (
            ["defaults"],
            {},
            [f"{OWN}/pkgs/{name}/{subdir}" for name in ("main", "r") for subdir in ("linux-64", "noarch")],
        ),
        (["lab"], {}, [f"{OWN}/cloud/lab/linux-64", f"{OWN}/cloud/lab/noarch"]),
        (["nvidia", "https://conda.example/x"], {"nvidia": EXTRA}, []),
    ],
)
def test_the_index_of_each_channel_that_is_asked_of_it_tells_of_a_mirrors_health(
    channels: list[str], elsewhere: dict[str, str], urls: list[str]
) -> None:
    answer = mirrors.answer({"url": OWN, "channels": ["lab"]}, channels, ["linux-64"], elsewhere)
    assert answer["repodata"] == [f"{url}/repodata.json" for url in urls]


@pytest.mark.parametrize(
    ("mirror", "channels", "platforms", "elsewhere", "message"),
    [
        ("tsinghua", [], BOTH, {}, r"^There is no mirror 'tsinghua'\. Known: anaconda, conda-forge, tuna, "),
        ("mirror.example", [], BOTH, {}, r"^There is no mirror 'mirror\.example'.* or write the base URL"),
        (7, [], BOTH, {}, r"^There is no mirror 7\."),
        ("", [], BOTH, {}, r"^There is no mirror ''\."),
        ([], [], BOTH, {}, r"^The list of mirrors is empty"),
        (
            "tuna",
            ["nvidia"],
            BOTH[:1],
            {},
            r"^The mirror tuna does not carry the channel nvidia\. .*: anaconda, conda-f",
        ),
        ("tuna", ["nvidia"], BOTH[:1], {}, r"conda-forge, sustech; .* condarc_channel_mirrors: \{nvidia: sustech\}\.$"),
        ("tuna", ["nvidia"], BOTH, {}, r"These do: anaconda, conda-forge; choose"),
        ("tuna", ["menpo"], BOTH, {}, r"^The mirror tuna does not carry the channel menpo for linux-aarch64\. "),
        (
            "conda-forge",
            ["defaults"],
            BOTH,
            {},
            r"^The mirror conda-forge does not .* defaults\. These do: anaconda, tuna, ",
        ),
        ("tuna", ["pkgs/pro"], BOTH, {}, r"pkgs/pro\. No known mirror does; set the base URL of one"),
        (
            {"url": OWN, "channels": ["a"]},
            ["b"],
            BOTH,
            {},
            r"^The mirror https://mirror\.example/anaconda does not .* b\.",
        ),
        ("tuna", [], BOTH, {"nvidia": "bfsu"}, r"^The mirror bfsu does not carry the channel nvidia\."),
        ("tuna", [], BOTH, {"nvidia": "nobody"}, r"^There is no mirror 'nobody'"),
        (
            {"url": OWN, "chanels": []},
            [],
            BOTH,
            {},
            r"has the unknown keys chanels\. Known: name, url, pkgs, channels, cloud",
        ),
        ({}, [], BOTH, {}, r"^A mirror's url is None, which is not a URL"),
        ("me:secret@mirror", [], BOTH, {}, r"^There is no mirror '\*+@mirror'"),
        ({"url": "me:secret@mirror"}, [], BOTH, {}, r"^A mirror's url is '\*+@mirror', which is not a URL"),
        ("ftp://mirror.example", [], BOTH, {}, r"^A mirror's url is 'ftp://mirror\.example', which is not a URL"),
        ({"url": OWN, "pkgs": "main"}, [], BOTH, {}, r"^pkgs of the mirror .* is 'main', which is not a list of names"),
        ({"url": OWN, "channels": {"a": "linux-64"}}, [], BOTH, {}, r": a is 'linux-64', which is not a list of names"),
        ({"url": OWN, "channels": {"a": {"url": OWN}}}, [], BOTH, {}, r"describes a by .* Known: cloud, platforms"),
        ({"url": OWN, "miniforge": "here"}, [], BOTH, {}, r"^miniforge of the mirror .* is 'here', which is not a URL"),
    ],
)
def test_what_cannot_be_meant_is_an_error(
    mirror: Any, channels: list[str], platforms: list[str], elsewhere: dict[str, str], message: str
) -> None:
    with pytest.raises(EvenkeelError, match=message):
        mirrors.answer(mirror, channels, platforms, elsewhere)


def test_what_is_its_own_original_needs_no_prefix() -> None:
    assert mirrors.answer("anaconda")["prefixes"] == mirrors.answer("conda-forge")["prefixes"] == {}


def test_credentials_in_a_mirrors_url_are_no_part_of_its_name() -> None:
    answer = mirrors.answer("https://me:secret@mirror.example/anaconda")
    assert answer["name"] == "https://mirror.example/anaconda"


def test_of_several_mirrors_one_that_lacks_a_channel_is_told_and_no_error() -> None:
    lacking, able = mirrors.candidates(["tuna", "sustech"], ["nvidia"], ["linux-64"])
    assert lacking == {
        "name": "tuna",
        "url": TUNA,
        "problem": "The mirror tuna does not carry the channel nvidia",
    }
    assert able == mirrors.answer("sustech", ["nvidia"])


@pytest.mark.parametrize(
    ("values", "elsewhere", "message"),
    [
        ([], {}, "^The list of mirrors is empty"),
        (["tuna", "tsinghua"], {}, "^There is no mirror 'tsinghua'"),
        (["tuna"], {"nvidia": "bfsu"}, "^The mirror bfsu does not carry"),
    ],
)
def test_of_several_mirrors_each_must_exist(values: list[Any], elsewhere: dict[str, str], message: str) -> None:
    with pytest.raises(EvenkeelError, match=message):
        mirrors.candidates(values, [], ["linux-64"], elsewhere)
