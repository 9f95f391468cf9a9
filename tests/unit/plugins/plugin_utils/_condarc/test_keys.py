# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.keys import known, main_name, same_setting, spelled
from packaging.version import Version


@pytest.mark.parametrize(
    ("conda", "settings", "expected"),
    [
        ("26.7.1", {"auto_activate": False}, {"auto_activate": False}),
        ("25.5.0", {"auto_activate_base": False}, {"auto_activate_base": False}),
        ("25.3.1", {"auto_activate": False}, {"auto_activate_base": False}),
        ("", {"auto_activate": False}, {"auto_activate": False}),
        ("4.12.0", {"solver": "libmamba"}, {"experimental_solver": "libmamba"}),
        ("25.9.1", {"pip_interop_enabled": True}, {"prefix_data_interoperability": True}),
        ("24.1.0", {"pip_interop_enabled": True}, {"pip_interop_enabled": True}),
        ("24.9.2", {"restore_free_channel": True}, {"restore_free_channel": True}),
        ("26.7.1", {"channels": ["b"], "offline": True}, {"channels": ["b"], "offline": True}),
        ("26.7.1", {"mirrored_channels": {"conda-forge": ["https://a"]}}, None),
        ("26.7.1", {"plugins": {"auto_accept_tos": True}}, None),
    ],
)
def test_keys_are_written_as_the_nodes_conda_reads_them(
    conda: str, settings: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    assert spelled(settings, conda) == (settings if expected is None else expected)


@pytest.mark.parametrize(
    ("conda", "settings", "words"),
    [
        ("", {"chanels": ["a"]}, r"settings holds chanels, .* Did you mean channels or"),
        ("", {"zzzz": 1}, r"settings holds zzzz, .* Remove it, or name it in allow_unknown"),
        (
            "",
            {"auto_activate": True, "auto_activate_base": True},
            r"auto_activate and auto_activate_base, .* one setting",
        ),
        (
            "26.1.0",
            {"repodata_use_shards": True},
            r"conda 26\.1\.0 does not know repodata_use_shards; it came with 26\.5",
        ),
        ("26.7.1", {"restore_free_channel": True}, r"does not know restore_free_channel; it was removed in 25\.9\.0"),
        ("", {"restore_free_channel": True}, r"The current conda does not know restore_free_channel"),
        ("newest", {}, r"conda_version is 'newest', which is not a version"),
        ("", {"offline": "maybe"}, r"offline is 'maybe'; conda wants true or false"),
        ("", {"offline": None}, r"offline is None; conda wants true or false"),
        ("", {"channels": "defaults"}, r"channels is 'defaults'; conda wants a list of text"),
        ("", {"channels": [1.1]}, r"channels is \[1\.1\]; conda wants a list of text"),
        ("", {"custom_channels": {"a": ["b"]}}, r"conda wants keys, each with text"),
        ("", {"remote_max_retries": True}, r"conda wants a whole number"),
        ("", {"remote_read_timeout_secs": "60"}, r"conda wants a number"),
        ("", {"plugins": [1]}, r"conda wants keys and values"),
        ("", {"channel_priority": "strictest"}, r"conda wants one of strict, flexible, disabled"),
        ("", {"channel_alias": "mirror.example"}, r"channel_alias is 'mirror\.example', which does not match"),
        ("", {"default_python": 3.1}, r"default_python is 3\.1; conda wants text or null"),
        ("", {"proxy_servers": {"http": ["http://ann:hush@proxy"]}}, r"'http://\*{8}@proxy'"),
    ],
)
def test_what_conda_would_refuse_or_ignore_is_refused(conda: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(EvenkeelError, match=words) as error:
        spelled(settings, conda)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("settings"),
    [
        {"ssl_verify": True},
        {"ssl_verify": "/etc/ssl/site.pem"},
        {"local_repodata_ttl": 60},
        {"remote_read_timeout_secs": 60},
        {"show_channel_urls": None},
        {"proxy_servers": {"http": None, "https": "http://proxy"}},
        {"custom_multichannels": {"ours": ["a", "b"]}},
        {"channel_settings": [{"channel": "a", "auth": "b"}]},
        {"default_python": ""},
    ],
)
def test_every_type_of_conda_is_taken(settings: dict[str, Any]) -> None:
    assert spelled(settings, "26.7.1") == settings


def test_a_key_of_another_program_is_taken_when_it_is_allowed() -> None:
    assert spelled({"zzzz": 1}, "26.7.1", ["zzzz"]) == {"zzzz": 1}


def test_spellings_of_one_setting_belong_together() -> None:
    assert same_setting("copy") == {"always_copy", "copy"}
    assert main_name("auto_activate_base") == "auto_activate"
    assert main_name("zzzz") == "zzzz"


@pytest.mark.parametrize("key", known().values(), ids=known())
def test_the_data_is_consistent(key: Any) -> None:
    assert isinstance(key.name, str)
    assert known()[key.main].type == key.type
    assert known()[key.main].main == key.main
    assert Version(key.since or "0") < Version(key.removed or "99")
