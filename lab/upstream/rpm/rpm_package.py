# SPDX-License-Identifier: GPL-3.0-or-later
"""Write RPM packages with rpmbuild: as many at once as share neither names nor paths."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from lab import process
from lab.upstream import signing_keys
from lab.upstream.debian import deb_package
from lab.upstream.os_package import OsPackage, content
from lab.upstream.signing_keys import Key

_REMEDY = "apt-get install rpm"
_DEFINES = {
    "debug_package": "%{nil}",
    "__os_install_post": "%{nil}",
    "_build_id_links": "none",
    "_binary_payload": "w1.gzdio",
    "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
}


def write(packages: Iterable[OsPackage], folder: Path) -> None:
    """Write ``packages`` into ``folder``.

    Raises
    ------
    LabError
        rpmbuild is not installed, or refuses one of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for batch in batches(packages):
        with TemporaryDirectory(prefix="evenkeel-rpm-") as scratch:
            _build(batch, Path(scratch), folder)


def sign(folder: Path, key: Key) -> None:
    """Sign all packages of ``folder``."""
    with signing_keys.home_of(key) as home:
        defines = {"_gpg_name": key.user, "_gpg_path": str(home), "__gpg": "/usr/bin/gpg"}
        argv: list[str | Path] = ["rpmsign", "--addsign", *_options(defines), *sorted(folder.glob("*.rpm"))]
        process.run(argv, remedy=_REMEDY)


def batches(packages: Iterable[OsPackage]) -> list[list[OsPackage]]:
    """Return the packages in lists that have no name and no path twice."""
    lists: list[tuple[list[OsPackage], set[str]]] = []
    for package in packages:
        taken = {package.name, *package.files, *package.links}
        fitting = next((one for one in lists if not taken & one[1]), None)
        if fitting is None:
            lists.append(fitting := ([], set()))
        fitting[0].append(package)
        fitting[1].update(taken)
    return [batch for batch, _ in lists]


def spec(packages: Sequence[OsPackage]) -> str:
    """Return what rpmbuild reads; the files of a package lie below its name."""
    head = "Name: evenkeel-lab\nVersion: 1\nRelease: 1\nSummary: Stand-ins\nLicense: none\n%description\n-\n"
    bodies = "".join(f"cp -a {{tree}}/{package.name}/. %{{buildroot}}/\n" for package in packages)
    return head + "".join(map(_section, packages)) + f"%install\n{bodies}"


def _section(package: OsPackage) -> str:
    epoch, _, version = package.version.rpartition(":")
    version, _, release = version.rpartition("-")
    lines = [f"%package -n {package.name}", f"Version: {version}", f"Release: {release}"]
    lines += [f"Epoch: {epoch}"] if epoch else []
    lines += [f"Summary: {package.summary} (a stand-in of Evenkeel's lab)", "AutoReqProv: no"]
    lines += ["BuildArch: noarch"] if package.architecture == "noarch" else []
    for field, values in (
        ("Requires", package.depends),
        ("Provides", package.provides),
        ("Conflicts", package.conflicts),
        ("Obsoletes", package.replaces),
    ):
        lines += [f"{field}: {value}" for value in values]
    lines += [f"%description -n {package.name}", "-"]
    for name, text in package.scripts.items():
        lines += [f"%{name} -n {package.name}", text.rstrip("\n")]
    lines += [f"%files -n {package.name}", "%defattr(-,root,root)"]
    lines += [f"{'%config(noreplace) ' if path.startswith('etc/') else ''}/{path}" for path in sorted(package.files)]
    lines += [f"/{path}" for path in sorted(package.links)]
    return "\n".join(lines) + "\n"


def _build(packages: Sequence[OsPackage], scratch: Path, folder: Path) -> None:
    tree = scratch / "tree"
    for package in packages:
        (tree / package.name).mkdir(parents=True)
        for path in deb_package.folders([*package.files, *package.links]):
            (tree / package.name / path).mkdir(exist_ok=True)
        for path, value in package.files.items():
            data, mode = content(value)
            (tree / package.name / path).write_bytes(data)
            (tree / package.name / path).chmod(mode)
        for path, target in package.links.items():
            (tree / package.name / path).symlink_to(target)
    recipe = scratch / "lab.spec"
    recipe.write_text(spec(packages).replace("{tree}", str(tree)))
    defines = {**_DEFINES, "_topdir": str(scratch), "_rpmdir": str(scratch / "rpms")}
    process.run(["rpmbuild", "-bb", "--quiet", "--target=x86_64", *_options(defines), recipe], remedy=_REMEDY)
    for rpm in (scratch / "rpms").glob("*.rpm"):
        shutil.move(rpm, folder / rpm.name)


def _options(defines: Mapping[str, str]) -> list[str]:
    return [word for name, value in defines.items() for word in ("--define", f"{name} {value}")]
