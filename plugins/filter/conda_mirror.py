# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible filter: what a choice of mirror means for channels, installers and pip's index."""

from __future__ import annotations

DOCUMENTATION = r"""
name: conda_mirror
short_description: Return the channels, installers and pip index of a mirror
version_added: 0.1.0
author:
  - The Evenkeel team (@evenkeel)
description:
  - Looks up a known mirror and refuses a channel that it does not carry, before anything is written. It uses no
    network; M(evenkeel.gpu.conda_mirror) does.
  - A mirror is never set as the base of all channels. Each requested channel is configured separately, and all others
    stay at conda's default location.
options:
  _input:
    description:
      - The name of a known mirror (C(anaconda), C(conda-forge), C(tuna), C(bfsu), C(ustc), C(aliyun), C(sjtu),
        C(sustech)); the base URL of a mirror with Anaconda's layout; a mapping; or a list of these, of which the first
        is used.
      - A mapping has C(url), and optionally C(name), C(pkgs) (the channels below C(url/pkgs)), C(channels) (a list, or
        a mapping of channels to platforms), C(cloud) (the base of channel names), C(miniconda), C(miniforge),
        C(pip_index) and C(notes). Without C(channels), they stay at conda.anaconda.org.
    type: raw
    required: true
  channels:
    description: The names of the requested channels. A URL stays as it is.
    type: list
    elements: str
    default: []
  platforms:
    description: conda's names of the nodes' platforms. Each channel must be carried for all of them.
    type: list
    elements: str
    default: [linux-64]
  elsewhere:
    description: For each channel that comes from elsewhere, the mirror's name, or the URL to which its name is
      appended.
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
    - C(name), C(url), C(notes) of the mirror; C(channels) as requested.
    - C(default_channels), the URLs of C(defaults); C(custom_channels), for channels that are not at conda.anaconda.org,
      the base URL to which conda appends the name.
    - C(prefixes), for prefixes of original URLs, the mirror's.
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
