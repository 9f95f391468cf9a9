# SPDX-License-Identifier: GPL-3.0-or-later
"""The bill of materials holds to CycloneDX's schema."""

from __future__ import annotations

import json

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image import bill_of_materials
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

DIGEST = f"sha256:{'ab' * 32}"
NUMPY = {
    "name": "numpy",
    "version": "2.4.6",
    "build": "py311_0",
    "manager": "conda",
    "sha256": "cd" * 32,
    "url": "https://conda.example/pkgs/main/linux-64/numpy-2.4.6-py311_0.conda",
    "licence": "BSD-3-Clause AND MIT",
}
SIX = {"name": "six", "version": "1.17.0", "build": "", "manager": "pip", "sha256": "", "url": "six.whl", "licence": ""}
BUILT = {
    "name": "built",
    "version": "1",
    "build": "0",
    "manager": "conda",
    "sha256": "",
    "url": "",
    "licence": "Own terms",
}


def environment(name: str, *packages: dict[str, str]) -> dict[str, object]:
    return {"name": name, "digest": "", "origin": {"file": "conda-lock.yml"}, "packages": list(packages)}


def written() -> str:
    environments = [environment("ai", NUMPY, SIX, BUILT), environment("jupyter", NUMPY)]
    return bill_of_materials.written(
        "localhost/ai", DIGEST, 1_700_000_000, {"name": "debian:12", "digest": DIGEST}, environments
    )


def test_it_holds_to_the_schema_and_is_always_the_same() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(written()) is None
    assert written() == written()


def test_what_it_says_of_packages() -> None:
    found = json.loads(written())
    assert found["metadata"]["component"]["version"] == DIGEST
    packages = {one["bom-ref"]: one for environment in found["components"] for one in environment.get("components", ())}
    assert packages.keys() == {
        "environment/ai/conda/numpy",
        "environment/ai/pip/six",
        "environment/ai/conda/built",
        "environment/jupyter/conda/numpy",
    }
    numpy = packages["environment/ai/conda/numpy"]
    assert numpy["purl"] == "pkg:conda/numpy@2.4.6?build=py311_0&channel=main&subdir=linux-64&type=conda"
    assert numpy["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}]
    assert numpy["licenses"] == [{"expression": "BSD-3-Clause AND MIT"}]
    assert packages["environment/ai/conda/built"]["licenses"] == [{"license": {"name": "Own terms"}}]
    assert packages["environment/ai/pip/six"]["purl"] == "pkg:pypi/six@1.17.0"


def test_without_the_library_its_installation_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bill_of_materials, "find_spec", lambda name: None)
    with pytest.raises(EvenkeelError, match="pip install 'cyclonedx-python-lib"):
        bill_of_materials.require()
