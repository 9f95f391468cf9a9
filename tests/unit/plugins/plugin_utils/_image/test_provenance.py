# SPDX-License-Identifier: GPL-3.0-or-later
"""The statement of how an image was built."""

from __future__ import annotations

from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.buildah import Base
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._image.provenance import Built, statement


def test_the_statement_of_a_build() -> None:
    built = Built("ai:1", "sha256:1a", Base("debian:12", "1d", "sha256:d1"), "1.28", "0.2.0", 0, 61)
    origin = {"file": "conda-lock.yml", "sha256": "10c4", "commit": "c0", "signer": "", "dirty": False}
    found = statement(built, {"commit": "5e"}, [{"name": "ai", "digest": "d", "origin": origin}], ["http://10.0.0.1"])
    assert found["subject"] == [{"name": "ai:1", "digest": {"sha256": "1a"}}]
    defined, run = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    assert defined["externalParameters"] == {"base": "debian:12", "environments": {"ai": "d"}}
    assert defined["internalParameters"] == {"mirrors": ["http://10.0.0.1"], "site": {"commit": "5e"}}
    assert defined["resolvedDependencies"] == [
        {"uri": "debian:12", "digest": {"sha256": "d1"}},
        {"name": "conda-lock.yml", "digest": {"sha256": "10c4"}, "annotations": {"commit": "c0"}},
    ]
    assert run["metadata"] == {"startedOn": "1970-01-01T00:00:00Z", "finishedOn": "1970-01-01T00:01:01Z"}
