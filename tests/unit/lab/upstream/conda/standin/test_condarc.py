# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.upstream.conda.standin.conda_standin import condarc
from lab.upstream.conda.standin.conda_standin.condarc import Settings, Source, from_environment, read, search_path
from lab.upstream.conda.standin.conda_standin.errors import ConfigurationLoadError, InvalidTypeError, MultipleKeysError


def settings(*sources: Source) -> Settings:
    return Settings(sources, Path("/opt/conda"), Path("/home/ops"))


@pytest.mark.parametrize(
    ("name", "low", "high", "expected"),
    [
        ("channels", ["a", "b"], ["c", "a"], ["c", "a", "b"]),
        ("channel_priority", "strict", "disabled", "disabled"),
        ("proxy_servers", {"http": "one", "https": "one"}, {"http": "two"}, {"http": "two", "https": "one"}),
        ("always_yes", True, False, False),
    ],
)
def test_higher_sources_win_and_lists_and_mappings_merge(name: str, low: Any, high: Any, expected: Any) -> None:
    assert settings(Source("low", {name: low}), Source("high", {name: high})).value(name) == expected


def test_a_final_value_can_not_be_overridden() -> None:
    pinned = Source("low", {"channels": ["a"]}, final=frozenset(["channels"]))
    assert settings(pinned, Source("high", {"channels": ["b"]})).value("channels") == ["a"]


def test_defaults_stand_where_nothing_is_set() -> None:
    assert settings().value("channel_priority") == "flexible"
    assert settings().value("channels") == []
    assert settings().value("custom_channels") == {"pkgs/pro": "https://repo.anaconda.com"}


def test_only_named_channels_count_when_the_others_are_overridden() -> None:
    sources = (Source("file", {"channels": ["https://a/x"]}), Source("cmd_line", {"channels": ["https://b/y"]}))
    both = Settings(sources, Path("/opt/conda"), Path("/home/ops"))
    alone = Settings(sources, Path("/opt/conda"), Path("/home/ops"), {"override_channels": True})
    assert [channel.base_url for channel in both.requested_channels()] == ["https://b/y", "https://a/x"]
    assert [channel.base_url for channel in alone.requested_channels()] == ["https://b/y"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CONDA_CHANNELS": "a, b"}, {"channels": ["a", "b"]}),
        ({"CONDA_ENVS_PATH": "/a:/b"}, {"envs_dirs": ["/a", "/b"]}),
        ({"CONDA_PKGS_DIRS": "/a,/b"}, {"pkgs_dirs": ["/a", "/b"]}),
        ({"CONDA_ALWAYS_YES": "true"}, {"always_yes": True}),
        ({"CONDA_REMOTE_MAX_RETRIES": "7"}, {"remote_max_retries": 7}),
        ({"CONDA_PREFIX": "/x", "CONDA_SHLVL": "1", "PATH": "/bin"}, {}),
    ],
)
def test_variables(variables: dict[str, str], expected: dict[str, Any]) -> None:
    assert from_environment(variables).values == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("channels: [a]", {"channels": ["a"]}),
        ("envs_path: [/a]", {"envs_dirs": ["/a"]}),
        ("no_such_parameter: 1", {}),
        ("channels:", {}),
        ("", {}),
    ],
)
def test_reads_a_file(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    file = tmp_path / ".condarc"
    file.write_text(text)
    assert read(file).values == expected


def test_reads_what_is_final(tmp_path: Path) -> None:
    file = tmp_path / ".condarc"
    file.write_text("channels:  #!final\n  - a\nshow_channel_urls: true\n")
    assert read(file).final == {"channels"}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("channels: {", ConfigurationLoadError),
        ("- a\n- b", ConfigurationLoadError),
        ("channels: a", InvalidTypeError),
        ("proxy_servers: [a]", InvalidTypeError),
        ("always_copy: [true]", InvalidTypeError),
        ("auto_activate: true\nauto_activate_base: true", MultipleKeysError),
    ],
)
def test_refuses_a_broken_file(tmp_path: Path, text: str, error: type[Exception]) -> None:
    file = tmp_path / ".condarc"
    file.write_text(text)
    with pytest.raises(error, match=r"\.condarc"):
        read(file)


def test_files_are_read_from_the_system_to_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system, root, home, prefix = (tmp_path / name for name in ("etc", "root", "home", "env"))
    (system / "condarc.d").mkdir(parents=True)
    for name in ("20.yaml", "10.yml", "30.txt"):
        (system / "condarc.d" / name).touch()
    monkeypatch.setattr(condarc, "SYSTEM_FOLDERS", (system,))
    named = [str(p.relative_to(tmp_path)) for p in search_path(root, home, prefix, {"CONDARC": str(tmp_path / "own")})]
    assert named[:4] == ["etc/.condarc", "etc/condarc", "etc/condarc.d/10.yml", "etc/condarc.d/20.yaml"]
    assert named[4:6] == ["root/.condarc", "root/condarc"]
    assert named[-4:] == ["home/.condarc", "env/.condarc", "env/condarc", "own"]


def test_folders_prefer_the_shared_ones_only_where_they_are_writable(tmp_path: Path) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    assert Settings((), root, home).envs_dirs == [home / ".conda" / "envs", root / "envs"]
    (root / "conda-meta").mkdir(parents=True)
    (root / "conda-meta" / "history").touch()
    named = Source("file", {"envs_dirs": ["~/mine", str(root / "envs")]})
    assert Settings((named,), root, home).envs_dirs == [home / "mine", root / "envs", home / ".conda" / "envs"]
