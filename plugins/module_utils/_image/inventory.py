# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""What an image's environments contain, with licences, for its bill of materials."""

from __future__ import annotations

import contextlib
import email.parser
import glob
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda import generation as generations
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package

_UNKNOWN = ("", "UNKNOWN")
#: A longer one is the text of a licence and not its name.
_LONGEST = 100


def with_licences(prefix: str, packages: Iterable[Package]) -> list[dict[str, Any]]:
    """Return the packages of an environment, each with its ``licence``, empty where nothing names it."""
    of_pip = _licences_of_pip(prefix)
    return [
        {
            **asdict(package),
            "licence": of_pip.get(package.name, "") if package.manager == PIP else _licence_of_conda(prefix, package),
        }
        for package in sorted(packages)
    ]


def _licence_of_conda(prefix: str, package: Package) -> str:
    path = os.path.join(prefix, "conda-meta", "%s.json" % package.stem)
    with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as stream:
        return _name(str(json.load(stream).get("license") or ""))
    return ""


def _licences_of_pip(prefix: str) -> dict[str, str]:
    found = {}
    for path in glob.glob(
        os.path.join(glob.escape(prefix), "lib", "python*", "site-packages", "*.dist-info", "METADATA")
    ):
        with open(path, encoding="utf-8", errors="replace") as stream:
            found[generations.distribution(os.path.basename(os.path.dirname(path))).name] = licence_of(stream.read())
    return found


def licence_of(metadata: str) -> str:
    """Return the licence that the metadata of a Python distribution names.

    >>> licence_of("Name: six\\nLicense-Expression: MIT\\n\\n")
    'MIT'
    """
    headers = email.parser.Parser().parsestr(metadata, headersonly=True)
    named = [_name(headers.get(key) or "") for key in ("License-Expression", "License")]
    classified = [
        value.rsplit(" :: ", 1)[1]
        for value in headers.get_all("Classifier") or ()
        if re.match(r"License :: .* :: ", value)
    ]
    return next((one for one in (*named, *classified) if one not in _UNKNOWN), "")


def _name(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _LONGEST and "\n" not in text else ""


def of_generation(name: str, generation: generations.Generation) -> dict[str, Any]:
    """Describe an environment that Evenkeel has built."""
    return {
        "name": name,
        "digest": generation.digest,
        "generation": generation.id,
        "origin": dict(generation.origin),
        "variables": dict(generation.variables),
        "packages": with_licences(generation.path, generation.packages),
    }
