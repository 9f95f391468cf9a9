# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from rich.progress import Progress

from lab import image
from lab.errors import LabError


def test_an_unknown_release_is_refused() -> None:
    with pytest.raises(LabError, match="there is no release debian11"):
        image.build("debian11", Progress())


@pytest.mark.parametrize(
    "other",
    [
        ("debian13", ["a", "b"], "script", "key"),
        ("debian12", ["a"], "script", "key"),
        ("debian12", ["a", "b"], "scripts", "key"),
        ("debian12", ["a", "b"], "script", "keys"),
    ],
)
def test_everything_in_an_image_decides_its_name(other: tuple[str, list[str], str, str]) -> None:
    same = ("debian12", ["a", "b"], "script", "key")
    assert image.content_key(*same) == image.content_key(*same)
    assert image.content_key(*same) != image.content_key(*other)
