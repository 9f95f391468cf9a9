#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a machine's distribution and environments as layers of a container image."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_layers
short_description: Write a machine's conda distribution and environments as layers of a container image
version_added: 0.2.0
description:
  - Writes one tar file for the distribution, one for each environment, and one for O(files) and the image's user. They
    depend on the packages alone. Files belong to root and are in the order of their paths, nothing is newer than
    O(made), and records name neither the mirror nor the time of the build.
  - Contains only what is named. Package caches, logs, locks and what the machine has besides stay out.
  - Meant for the working container in which roles have built them; M(evenkeel.gpu.image) makes an image of the layers.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
attributes:
  diff_mode:
    support: none
options:
  environments:
    description: The environments of M(evenkeel.gpu.conda_environment), each of which becomes a layer, in this order.
    type: list
    elements: str
    required: true
  root:
    description: The directory with C(envs/) and C(generations/).
    type: path
    default: /opt/evenkeel
  distribution:
    description: The prefix of conda.
    type: path
    default: /opt/miniconda3
  files:
    description:
      - Further files and directories. Those that are missing are left out. A password or a token in a URL is an error.
    type: list
    elements: path
    default: []
  user:
    description: The ordinary user of the image, with a group of the same name. One of that name and id is used as is.
    type: str
    required: true
  uid:
    description: The id of the user and the group.
    type: int
    required: true
  home:
    description: The user's home.
    type: path
    required: true
  made:
    description: The time of the image, in seconds since 1970.
    type: int
    required: true
  folder:
    description: The directory to write to.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Write the layers
  evenkeel.gpu.image_layers:
    environments: [ai-dev]
    files: [/etc/conda]
    user: evenkeel
    uid: 1000
    home: /home/evenkeel
    made: 1767225600
    folder: /var/tmp/layers
"""

RETURN = r"""
layers:
  description: The layers, from the lowest. Empty in check mode.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: What is in it.
      type: str
    path:
      description: The tar file.
      type: str
    sha256:
      description: Its hash, which is the layer's C(diff_id).
      type: str
    size:
      description: Its size in bytes.
      type: int
environments:
  description: The environments, each with C(name), C(digest), C(generation), C(origin), C(variables) and C(packages).
  type: list
  elements: dict
  returned: success
base:
  description: The packages of the distribution's own environment.
  type: list
  elements: dict
  returned: success
"""

from ansible_collections.evenkeel.gpu.plugins.module_utils._image import image_layers
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.entry import run


def main() -> None:
    run(image_layers.read, image_layers.ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
