# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a conda package, called conda, of the stand-in; it suits every Python of the lab."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.upstream.conda import conda_package
from lab.upstream.conda.conda_package import PREFIX_PLACEHOLDER, Package
from lab.upstream.conda.standin.conda_standin import VERSION

_HERE = Path(__file__).parent
#: What shells read, and where the real conda has it.
HOOKS = {_HERE / "conda.sh": "etc/profile.d", _HERE / "conda.fish": "etc/fish/conf.d"}
_COMMAND = f"""#!{PREFIX_PLACEHOLDER}/bin/python
from conda_standin.__main__ import main

main()
"""

PACKAGE = Package(
    name="conda",
    version=VERSION,
    build="standin_0",
    build_number=0,
    subdir="noarch",
    depends=("python >=3.11", "py-rattler >=0.28,<0.29", "pyyaml >=6"),
    noarch="python",
    license="GPL-3.0-or-later",
    entry_points=("conda = conda_standin.__main__:main",),
    summary="Evenkeel's lab stand-in for conda, on py-rattler: this is not conda",
)


def sources() -> list[Path]:
    """Return the files that the package is made of."""
    return [*HOOKS, Path(__file__), *sorted((_HERE / "conda_standin").rglob("*.py"))]


def build(out_dir: Path) -> Path:
    """Write the package into ``out_dir`` and return its path."""
    out_dir.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".build-", dir=out_dir) as scratch:
        tree = Path(scratch)
        module = tree / "site-packages" / "conda_standin"
        shutil.copytree(_HERE / "conda_standin", module, ignore=shutil.ignore_patterns("__pycache__"))
        for source, place in HOOKS.items():
            hook = tree / place / source.name
            hook.parent.mkdir(parents=True)
            hook.write_text(source.read_text().replace("@PREFIX@", PREFIX_PLACEHOLDER))
        command = tree / "condabin" / "conda"
        command.parent.mkdir()
        command.write_text(_COMMAND)
        command.chmod(0o755)
        return conda_package.write(PACKAGE, tree, out_dir)
