# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person reads of a failure, from answers recorded of the real conda."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.conda_errors import explain_failure

RECORDED = Path(__file__).parents[4] / "contract" / "conda-26.7.1"


def recorded(name: str) -> tuple[str, str]:
    """Return standard output and standard error of a recorded call."""
    text = (RECORDED / f"{name}.txt").read_text()
    stdout, _, stderr = text.partition("--- stdout\n")[2].partition("--- stderr\n")
    return stdout, stderr


@pytest.mark.parametrize(
    ("call", "explanation"),
    [
        (
            "install_missing_pkg",
            "The following packages are not available from current channels: - no-such-package-xyz Current channels: "
            "- http://mirror.example/conda/main",
        ),
        ("install_frozen", "Cannot modify '/srv/envs/e3'. The environment is marked as frozen."),
        ("install_channel_404", "HTTP 404 UNAVAILABLE OR INVALID for channel nochannel <file:///srv/mirror/missing>"),
        ("install_partial_prefix", "The target directory exists, but it is not a conda environment."),
        ("remove_all_again", "Not a conda environment: /srv/envs/e1"),
        (
            "create_explicit_bad_md5_http",
            "Conda detected a mismatch between the expected content and downloaded content for url "
            "'http://mirror.example/conda/main/noarch/pip-26.3-py_0.conda'.",
        ),
    ],
)
def test_recorded_answers(call: str, explanation: str) -> None:
    explained = explain_failure(*recorded(call))
    assert explained.startswith(explanation)
    assert "\n" not in explained


def test_each_of_several_errors_is_told_once() -> None:
    explained = explain_failure(*recorded("create_explicit_bad_md5_http"))
    for package in ("pip-26.3-py_0", "scikit-learn-1.9.1-py311_0", "pandas-3.1.1-py311_0"):
        assert explained.count(f"{package}.conda'.") == 1


@pytest.mark.parametrize(
    ("stdout", "stderr", "explanation"),
    [
        ('{"error": "Only an error"}', "", "Only an error"),
        ('{"error": "E: reported", "message": "reported"}', "ignored", "reported"),
        ('{"errors": [], "message": "reported"}', "", "reported"),
        ('{"success": false}', "from stderr", "from stderr"),
        ("[1]", "from stderr", "from stderr"),
        ("", "1\n2\n 3\n4\n", "2 / 3 / 4"),
        ("from stdout", "", "from stdout"),
        ("from stdout", " \n", "from stdout"),
        ("", "", "it printed nothing"),
    ],
)
def test_other_answers(stdout: str, stderr: str, explanation: str) -> None:
    assert explain_failure(stdout, stderr) == explanation
