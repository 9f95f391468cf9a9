# SPDX-License-Identifier: GPL-3.0-or-later
"""Which distributions the packages of a lock are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP, Package
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._review import distributions
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve import provided_by_conda
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.channels import Mirrors


def of_conda(name: str, hash_: str, *depends: str) -> Package:
    return Package(name, "1.0", "0", hash_ * 32, url="https://channel.example/main/noarch/a.conda", depends=depends)


TORCH, PLAIN, OPENSSL = (
    of_conda("pytorch", "1a", "python >=3"),
    of_conda("Flask_X", "1b", "python"),
    of_conda("o", "1c"),
)
WHEEL = Package("Jinja2", "3.1", "", "1d" * 32, PIP)


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier lock has left the distributions of one package."""
    monkeypatch.setattr(provided_by_conda, "cache_directory", lambda: tmp_path)
    (tmp_path / f"{TORCH.sha256}.json").write_text(json.dumps({"torch": "2.5.1", "torchgen": "2.5.1"}))


def found(*packages: Package, mirrors: Mirrors | None = None) -> tuple[list[tuple[str, str, str]], str]:
    known, why = distributions.of(packages, mirrors)
    return [(one.name, one.version, one.known_by) for one in known], why


@pytest.mark.parametrize("mirrors", [None, Mirrors()])
def test_a_package_is_what_its_metadata_says(mirrors: Mirrors | None) -> None:
    torch = [("torch", "2.5.1", "metadata"), ("torchgen", "2.5.1", "metadata")]
    assert found(TORCH, OPENSSL, WHEEL, mirrors=mirrors) == ([("jinja2", "3.1", "index"), *torch], "")


@pytest.mark.parametrize(
    ("mirrors", "why"),
    [
        (None, "The channels do not answer"),
        (Mirrors((("https://channel.example", "file:///nowhere"),)), "The list of files in file:///nowhere"),
    ],
)
def test_without_an_answer_the_name_counts_where_nothing_is_kept(mirrors: Mirrors | None, why: str) -> None:
    known, said = found(TORCH, PLAIN, OPENSSL, mirrors=mirrors)
    assert known == [("torch", "2.5.1", "metadata"), ("torchgen", "2.5.1", "metadata"), ("flask-x", "1.0", "name")]
    assert said.startswith(why)
