# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.evenkeel.gpu.plugins.filter.condarc_settings import FilterModule

condarc_settings = FilterModule().filters()["condarc_settings"]
GOOD = {"channels": ["defaults"], "offline": True}


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (GOOD, {}),
        (GOOD, {"path": "/etc/conda/condarc.d/site.yml", "state": "exact", "final": ["channels"]}),
        ({**GOOD, "my_tool": 1}, {"allow_unknown": ["my_tool"]}),
        ({"auto_activate": False}, {}),
        ({"repodata_use_shards": True}, {}),
    ],
    ids=["plain", "file", "allowed", "renamed since", "newer"],
)
def test_good_settings_pass_as_they_are(settings: dict[str, Any], options: dict[str, Any]) -> None:
    assert condarc_settings(settings, **options) == settings


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"chanels": ["a"]}, {}, "settings holds chanels.*Did you mean channels"),
        ({"offline": "maybe"}, {}, "offline is 'maybe'; conda wants true or false"),
        ({"auto_activate": True, "auto_activate_base": True}, {}, "which are one setting"),
        ({"channels": []}, {}, "channels is empty"),
        (GOOD, {"path": "/etc/conda/site.conf"}, "path is '/etc/conda/site.conf'"),
        (GOOD, {"final": ["ssl_verify"]}, "final names ssl_verify, which settings does not have"),
        (GOOD, {"state": "absent"}, "settings are given, and state is absent"),
    ],
    ids=["key", "value", "spellings", "channels", "path", "final", "state"],
)
def test_bad_settings_are_named(settings: dict[str, Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=message):
        condarc_settings(settings, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "gate_settings holds chanels"), ({"allow_unknown": ["chanels"], "path": "a"}, "gate_path is 'a'")],
)
def test_an_error_names_the_variable_of_the_role(options: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^{words}"):
        condarc_settings({"chanels": ["a"]}, prefix="gate_", **options)
