#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: a working container of buildah. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_container
short_description: Have a working container of buildah for the build of an image
version_added: 0.2.0
description:
  - Makes a fresh working container out of a base image, which is pulled if it is missing. Its name has the image and
    this run. Working containers of the image whose runs have ended are removed; nothing else is touched.
  - Fails while another run builds the same image, with whatever tag.
  - Runs on the control node, regardless of the task's host, and needs C(buildah) there.
extends_documentation_fragment:
  - evenkeel.gpu.attributes.control_node
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  idempotent:
    support: none
options:
  image:
    description: The name of the image to build.
    type: str
    required: true
  base:
    description: The image to build on, as C(buildah from) takes it. Required with O(state=present).
    type: str
  directory:
    description: Where M(evenkeel.gpu.image) is to write the image; fails here if nothing can be written there.
    type: path
  state:
    description: Whether the container is wanted, or is removed with those that earlier runs have left.
    type: str
    choices: [present, absent]
    default: present
  sbom:
    description: Whether M(evenkeel.gpu.image) is to write a bill of materials; fails here if its library is missing.
    type: bool
    default: true
  push:
    description: Whether M(evenkeel.gpu.image) is to push the image; fails here if C(skopeo) is missing.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Begin an image
  evenkeel.gpu.image_container:
    image: localhost/ai-dev
    base: registry.example.com/debian:12
"""

RETURN = r"""
container:
  description: The name of the working container. None is made in check mode.
  type: str
  returned: with O(state=present)
base:
  description: The base image, by C(name), C(id) and C(digest).
  type: dict
  returned: with O(state=present)
buildah:
  description: The version of buildah.
  type: str
  returned: with O(state=present)
removed:
  description: The working containers that were removed.
  type: list
  elements: str
  returned: success
"""
