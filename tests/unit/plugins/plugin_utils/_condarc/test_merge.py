# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.file import parse
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._condarc.merge import merged

BY_HAND = """\
# Ann's own file
channels:   # order matters
  # the best
  - conda-forge
  # then
  - defaults  # for R

# The proxy of the lab
proxy_servers:
  http: http://p:1   # old
  https: http://p:1
offline: true  # during the move
# the end
"""


@pytest.mark.parametrize(
    ("settings", "final", "remove", "old", "new"),
    [
        ({}, [], [], "", ""),
        ({"offline": True}, [], [], "", ""),
        ({"channels": ["conda-forge", "defaults"]}, [], [], "", ""),
        ({"offline": False}, [], [], "offline: true  #", "offline: false  #"),
        ({"ssl_verify": True}, [], [], "# the end\n", "# the end\nssl_verify: true\n"),
        ({"channels": ["nvidia", "defaults"]}, [], [], ":   # order matters\n  # the best\n  - conda-forge",
         ":  # order matters\n  # the best\n  - nvidia"),
        ({"channels": ["defaults", "conda-forge"]}, [], [],
         ":   # order matters\n  # the best\n  - conda-forge\n  # then\n  - defaults  # for R\n",
         ":  # order matters\n  # then\n  - defaults  # for R\n  # the best\n  - conda-forge\n"),
        ({"channels": []}, [], [],
         "channels:   # order matters\n  # the best\n  - conda-forge\n  # then\n  - defaults  # for R\n",
         "  # the best\n  # then\nchannels: []  # order matters\n"),
        ({"proxy_servers": {"http": "http://q:1", "https": "http://p:1"}}, [], [],
         "http: http://p:1   # old", "http: http://q:1  # old"),
        ({"proxy_servers": {}}, [], [],
         "proxy_servers:\n  http: http://p:1   # old\n  https: http://p:1\n", "proxy_servers: {}\n"),
        ({}, [], ["offline"], "offline: true  # during the move\n", "# during the move\n"),
        ({}, [], ["channels"],
         "channels:   # order matters\n  # the best\n  - conda-forge\n  # then\n  - defaults  # for R\n",
         "# order matters\n  # the best\n  # then\n"),
        # A comment below would hide the pin from conda, so a pinned key goes where there is none.
        ({"offline": True}, ["offline"], [],
         "offline: true  # during the move\n# the end\n", "# the end\n# during the move\noffline: true  #!final\n"),
        ({"channels": ["conda-forge", "defaults"]}, ["channels"], [],
         "channels:   # order matters\n  # the best\n  - conda-forge\n  # then\n  - defaults  # for R\n",
         "# order matters\n  # the best\nchannels:  #!final\n  - conda-forge\n  # then\n  - defaults  # for R\n"),
    ],
)  # fmt: skip
def test_what_people_wrote_stays(
    settings: dict[str, Any], final: list[str], remove: list[str], old: str, new: str
) -> None:
    after = merged(BY_HAND, "/f", settings, final, remove)
    assert after == BY_HAND.replace(old, new)
    assert merged(after, "/f", settings, final, remove) == after


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("", {"channels": ["a"]}, "channels:\n  - a\n"),
        ("# only a comment\n", {"offline": True}, "# only a comment\noffline: true\n"),
        ("offline: false", {"offline": True}, "offline: true\n"),
        ("auto_activate_base: true  # why\nquiet: true\n", {"auto_activate": True},
         "auto_activate: true  # why\nquiet: true\n"),
        ("channels:\n- a\n- b\nquiet: true\n", {"channels": ["b", "c"]}, "channels:\n- b\n- c\nquiet: true\n"),
        ("channels: [a, b]  # why\n", {"channels": ["b"]}, "channels:  # why\n  - b\n"),
        ("channels:\n# below\nquiet: true\n", {"channels": ["b"]}, "channels:\n  - b\n# below\nquiet: true\n"),
        ("env_prompt: |\n  a\n\nquiet: true\n", {"env_prompt": "b"}, "env_prompt: b\nquiet: true\n"),
        ("env_prompt: >-\n  a\n# below\nquiet: true\n", {"env_prompt": "b"}, "env_prompt: b\n# below\nquiet: true\n"),
        ("channels:\n  - a  #!top\n  - b\n", {"channels": ["a", "b"]}, "channels:\n  - a\n  - b\n"),
        ("offline: true  #!final\n", {"offline": True}, "offline: true\n"),
        ("channel_settings:\n  - channel: a\n    auth: b\nquiet: true\n",
         {"channel_settings": [{"channel": "a", "auth": "c"}]},
         "channel_settings:\n  - channel: a\n    auth: c\nquiet: true\n"),
        ("custom_multichannels:\n  x:\n    - a\n    - b\n  # two\n  y:\n    - c\n",
         {"custom_multichannels": {"x": ["a"], "y": ["c"]}},
         "custom_multichannels:\n  x:\n    - a\n  # two\n  y:\n    - c\n"),
    ],
)  # fmt: skip
def test_every_way_of_writing_a_value_is_replaced(text: str, settings: dict[str, Any], expected: str) -> None:
    after = merged(text, "/f", settings, [], [])
    assert after == expected
    assert merged(after, "/f", settings, [], []) == after


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("{offline: true, quiet: true}\n", {"offline": False}),
        ("x: &x [a]\nchannels: *x\n", {"x": ["b"]}),
        ("quiet: true  #!final\noffline: true\n# below\nalways_yes: true\n", {"offline": None}),
    ],
)
def test_what_cannot_be_changed_key_by_key_is_left_alone(text: str, settings: dict[str, Any]) -> None:
    remove = [name for name, value in settings.items() if value is None]
    with pytest.raises(EvenkeelError, match=r"^/f is written in a way in which single keys cannot be replaced"):
        merged(text, "/f", {name: value for name, value in settings.items() if value is not None}, [], remove)


def test_pins_at_the_end_do_not_hide_each_other() -> None:
    after = merged("offline: true\n# one\nquiet: true\n# two\n", "/f", {"offline": True, "quiet": True},
                   ["offline", "quiet"], [])  # fmt: skip
    assert after == "# one\n# two\noffline: true  #!final\nquiet: true  #!final\n"
    assert {setting.flag for setting in parse(after, "/f").values()} == {"final"}
