# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: what a choice of mirror means for channels, installers and pip's index."""

from __future__ import annotations

DOCUMENTATION = r"""
name: conda_mirror
short_description: Tell what a choice of mirror means for channels, installers and pip's index
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Looks the mirror up among those that are known and refuses a channel that it does not carry, before anything is
    written anywhere. It asks no network; M(evenkeel.gpu.conda_mirror) does.
  - A mirror that carries some channels is never made the base of all. Each channel that is asked for is named by
    itself, and all others stay where conda looks by itself.
options:
  _input:
    description:
      - The name of a known mirror (C(anaconda), C(conda-forge), C(tuna), C(bfsu), C(ustc), C(aliyun), C(sjtu),
        C(sustech)); the base URL of another that has Anaconda's layout; a mapping; or a list of those, the first of
        which counts.
      - A mapping has C(url), and of C(name), C(pkgs) (a list of what is below C(url/pkgs)), C(channels) (a list, or a
        mapping of channels to platforms), C(cloud) (what channels' names are appended to), C(miniconda),
        C(miniforge), C(pip_index), C(notes) what is needed. Without C(channels), they stay at conda.anaconda.org.
    type: raw
    required: true
  channels:
    description: The channels that are asked for, by name. One written as a URL stays as it is.
    type: list
    elements: str
    default: []
  platforms:
    description: conda's names of the nodes' platforms. Each channel must be carried for all of them.
    type: list
    elements: str
    default: [linux-64]
  elsewhere:
    description: By channel, the mirror that has it instead, by name or by the URL that its name is appended to.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show what TUNA means for two channels, and nvidia from the mirror that has it
  ansible.builtin.debug:
    msg: "{{ 'tuna' | evenkeel.gpu.conda_mirror(channels=['defaults', 'nvidia'], elsewhere={'nvidia': 'sustech'}) }}"
"""

RETURN = r"""
_value:
  description:
    - C(name), C(url), C(notes) of the mirror; C(channels) as asked for.
    - C(default_channels), the URLs that C(defaults) stands for; C(custom_channels), by channel, what conda appends the
      name to, for those that are not at conda.anaconda.org.
    - C(prefixes), by prefix of an original URL, the mirror's.
    - C(installers), by distribution (C(miniconda), C(miniforge)), the folder of its installers.
    - C(pip_index), empty for pip's own.
    - C(repodata), the URLs that show whether the mirror is healthy.
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._control.filters import answering
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._upstream.mirrors import answer


@answering
def conda_mirror(
    mirror: Any,
    channels: Sequence[str] = (),
    platforms: Sequence[str] = ("linux-64",),
    elsewhere: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Tell what a choice of mirror means; see DOCUMENTATION.

    Raises
    ------
    AnsibleFilterError
        A mirror is unknown, or lacks a channel.
    """
    return answer(mirror, channels, platforms, elsewhere)


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return it by name."""
        return {"conda_mirror": conda_mirror}
