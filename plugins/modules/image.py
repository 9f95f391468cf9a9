#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module: an image of what roles have built in a working container. All of it is an action."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Make an OCI image of a distribution of conda and environments
version_added: 0.2.0
description:
  - Has M(evenkeel.gpu.image_layers) write layers on the task's host, the working container of
    M(evenkeel.gpu.image_container), and puts them upon the base image on the control node, as an OCI layout.
  - Writes the bill of materials C(sbom.cdx.json) (CycloneDX) and C(provenance.json) (in-toto, SLSA) beside the layout.
  - Equal locks, base image and versions make an equal image, whenever and from whichever mirror it was built.
extends_documentation_fragment:
  - evenkeel.gpu.attributes
  - evenkeel.gpu.attributes.action
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
options:
  name:
    description: The name of the image, such as C(localhost/ai-dev:1).
    type: str
    required: true
  base:
    description: The base image, as M(evenkeel.gpu.image_container) returns it.
    type: dict
    required: true
  environments:
    description: >-
      The environments, as P(evenkeel.gpu.environment_sources#filter) returns them. Each becomes a layer, in this order.
    type: list
    elements: dict
    required: true
  default_environment:
    description: The environment that commands run in.
    type: str
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
    description: Further files and directories of the container that the image gets.
    type: list
    elements: path
    default: []
  entry_point:
    description: The program in the container that is the image's entry point.
    type: path
    required: true
  user:
    description: The ordinary user that containers run as.
    type: str
    default: evenkeel
  uid:
    description: The user's id.
    type: int
    default: 1000
  labels:
    description: Labels beside those that the image gets.
    type: dict
    default: {}
  directory:
    description: The folder on the control node for the image's own folder.
    type: path
    required: true
  site:
    description: A folder in the repository of what is declared, for the provenance.
    type: path
    required: true
  begun:
    description: When the build began, in seconds since 1970.
    type: float
    required: true
  sbom:
    description: Whether to write the bill of materials, which needs cyclonedx-python-lib.
    type: bool
    default: true
  load:
    description: Whether the image comes into the storage of this user's containers, for podman and buildah.
    type: bool
    default: true
  push:
    description: Where to copy the image, as C(skopeo copy) takes it; empty copies nothing.
    type: str
    default: ""
requirements:
  - buildah on the control node, and skopeo with O(push)
"""

EXAMPLES = r"""
- name: Make the image
  evenkeel.gpu.image:
    name: localhost/ai-dev
    base: "{{ container.base }}"
    environments: "{{ conda_environments_list | evenkeel.gpu.environment_sources('environments') }}"
    default_environment: ai-dev
    entry_point: /usr/local/bin/evenkeel-entrypoint
    directory: images
    site: environments
    begun: "{{ begun }}"
"""

RETURN = r"""
image:
  description: The name of the image.
  type: str
  returned: success
digest:
  description: The digest of the image's manifest.
  type: str
  returned: success
layout:
  description: The folder of the OCI layout.
  type: str
  returned: success
files:
  description: The files beside it.
  type: list
  elements: str
  returned: success
environments:
  description: The digest of each environment, by name.
  type: dict
  returned: success
"""
