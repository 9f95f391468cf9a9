# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that modules that install packages share."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of a module that brings packages at exact versions out of one repository."""

    DOCUMENTATION = r"""
options:
  packages:
    description: The packages.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: "Its name.", type: str, required: true}
      version: {description: "Its version; any when empty.", type: str, default: ""}
  repository:
    description: The repository of the packages; by default those that are configured on the node.
    type: dict
    suboptions:
      name: {description: "The name of its files on the node.", type: str, required: true}
      kind: {description: "Its kind.", type: str, choices: [apt, rpm], required: true}
      url: {description: "Its base URL.", type: str, required: true}
      suite: {description: "Its suite.", type: str, default: /}
      components: {description: "Its components.", type: list, elements: str, default: []}
      key_url: {description: "The URL of its key.", type: str, required: true}
      key_sha256: {description: "The SHA-256 of the file at that URL.", type: str, default: ""}
      key_member: {description: "The path of the key in that file, if it is a Debian package.", type: str, default: ""}
      signed: {description: "What is signed (rpm only).", type: str, choices: [packages, metadata], default: packages}
  lock_timeout:
    description: How many seconds to wait while another process uses the package manager.
    type: int
    default: 300
"""
