# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError
from ansible_collections.evenkeel.gpu.plugins.plugin_utils._solve.pip_requirements import parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "text",
    [
        "humanize",
        "humanize>=4,<5",
        "jupyter-server[test]>=2; python_version >= '3.10'",
        f"tool @ git+https://host.example/team/tool@{COMMIT}",
        f"tool @ git+https://host.example/team/tool@{COMMIT}#subdirectory=python",
    ],
)
def test_what_means_the_same_everywhere_is_accepted(text: str) -> None:
    assert parse(text, "environment.yml").name == text.split()[0].split("[")[0].split(">")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-e .", "is an editable project"),
        ("--editable=../tool", "is an editable project"),
        ("-r requirements.txt", "is an option of pip"),
        ("--index-url https://index.example", "is an option of pip"),
        ("./tool", "is not a requirement that every machine understands"),
        ("humanize 4", "is not a requirement that every machine understands"),
        (f"git+https://host.example/tool@{COMMIT}", "is not a requirement that every machine understands"),
        ("tool @ git+https://host.example/tool", "names no commit"),
        ("tool @ git+https://host.example/tool@v1.0", "names no commit"),
        (f"tool @ git+https://host.example/tool@{COMMIT[:12]}", "names no commit"),
        (f"tool @ git+ssh://host.example/tool@{COMMIT}", "names no commit"),
        ("tool @ file:///home/me/tool-1.0-py3-none-any.whl", "is a path on one machine"),
        ("tool @ https://host.example/tool-1.0.tar.gz", "is a file beside the index"),
        ("tool @ https://host.example/tool-1.0-py3-none-any.whl", "is a file beside the index"),
    ],
)
def test_what_may_differ_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(EvenkeelError, match=message) as error:
        parse(text, "environment.yml: dependencies.pip")
    assert str(error.value).startswith(f"environment.yml: dependencies.pip: {text!r} ")
