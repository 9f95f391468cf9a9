# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to this collection.
"""The bill of materials of an image, in CycloneDX's format: all packages with their hashes, licences and URLs."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ansible_collections.evenkeel.gpu.plugins.module_utils._conda.package import PIP
from ansible_collections.evenkeel.gpu.plugins.module_utils._node.errors import EvenkeelError

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

#: The environment of the distribution itself, among those of the image.
BASE = "base"


def require() -> None:
    """Refuse to go on without the library.

    Raises
    ------
    EvenkeelError
        Names the command that installs it.
    """
    if find_spec("cyclonedx") is None:
        raise EvenkeelError(
            f"The Python of Ansible on the control node, {sys.executable}, has no cyclonedx-python-lib, which writes"
            " the image's bill of materials",
            f"Install it: {sys.executable} -m pip install 'cyclonedx-python-lib>=11.12'; or set image_sbom to false",
        )


def written(
    name: str, digest: str, made: int, base: Mapping[str, str], environments: Sequence[Mapping[str, Any]]
) -> str:
    """Return the document, as JSON.

    Parameters
    ----------
    name, digest
        Of the image.
    made
        In seconds since 1970.
    base
        ``name`` and ``digest`` of the base image, whose packages are not listed.
    environments
        As the module image_layers returns them.
    """
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    image = Component(
        name=name,
        version=digest,
        type=ComponentType.CONTAINER,
        bom_ref="image",
        hashes=_hashes(digest[len("sha256:") :]),
    )
    system = Component(name=base["name"], version=base["digest"], type=ComponentType.CONTAINER, bom_ref="base-image")
    platforms = [
        Component(
            name=one["name"],
            version=one["digest"] or None,
            type=ComponentType.PLATFORM,
            bom_ref=f"environment/{one['name']}",
            properties=[Property(name="evenkeel:lock", value=one["origin"].get("file") or "")],
            components=[_component(one["name"], package) for package in one["packages"]],
        )
        for one in environments
    ]
    bom = Bom(
        components=[system, *platforms],
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, digest),
        metadata=BomMetaData(component=image, timestamp=datetime.fromtimestamp(made, UTC)),
    )
    bom.register_dependency(image, [system, *platforms])
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _component(environment: str, package: Mapping[str, Any]) -> Component:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = package_url(package)
    url = str(package["url"])
    return Component(
        name=package["name"],
        version=package["version"],
        type=ComponentType.LIBRARY,
        bom_ref=f"environment/{environment}/{package['manager']}/{package['name']}",
        purl=PackageURL.from_string(purl),
        hashes=_hashes(package["sha256"]),
        licenses=[LicenseFactory().make_from_string(package["licence"])] if package["licence"] else [],
        external_references=[ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(url))]
        if "://" in url
        else [],
    )


def package_url(package: Mapping[str, Any]) -> str:
    """Return the package URL of a package of conda or pip.

    >>> package_url({"manager": "pip", "name": "six", "version": "1.17.0"})
    'pkg:pypi/six@1.17.0'
    """
    from packageurl import PackageURL

    if package["manager"] == PIP:
        return str(PackageURL("pypi", None, package["name"], package["version"]))
    parts = str(package["url"]).rsplit("/", 3)
    channel, subdir, file = parts[1:] if len(parts) == 4 else ("", "", "")
    kind = next((kind for kind in ("tar.bz2", "conda") if file.endswith(f".{kind}")), "")
    qualifiers = {"build": package["build"], "channel": channel, "subdir": subdir, "type": kind}
    return str(PackageURL("conda", None, package["name"], package["version"], qualifiers))


def _hashes(sha256: str) -> Iterable[Any]:
    from cyclonedx.model import HashAlgorithm, HashType

    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else []
