"""The bill of materials lists all locked packages, and the audit reads the same lock file."""

import json
import os
import subprocess
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def locked(name: str = "requirements.lock") -> dict[tuple[str, str], tuple[Requirement, list[str]]]:
    """Return the packages of a lock file by name and version, with their hashes.

    Some have two versions, by the version of Python.
    """
    found: dict[tuple[str, str], tuple[Requirement, list[str]]] = {}
    hashes: list[str] = []
    for line in (ROOT / name).read_text("utf-8").splitlines():
        if line.startswith("    --hash=sha256:"):
            hashes.append(line.removeprefix("    --hash=sha256:").removesuffix(" \\"))
        elif not line.lstrip().startswith("#"):
            requirement = Requirement(line.removesuffix(" \\"))
            hashes = []
            found[requirement.name, str(requirement.specifier).removeprefix("==")] = requirement, hashes
    return found


def environment() -> dict[str, str]:
    """Return the environment without the variables of the `make` that runs the tests, such as ARGS."""
    return {name: value for name, value in os.environ.items() if name != "ARGS" and not name.startswith("MAKE")}


def test_the_bill_of_materials_lists_every_package_of_the_lock_file(tmp_path: Path) -> None:
    bill = tmp_path / "bill.json"
    subprocess.run(["make", "--silent", "sbom", f"SBOM={bill}"], cwd=ROOT, env=environment(), check=True)
    bill_of_materials = json.loads(bill.read_bytes())
    assert (bill_of_materials["bomFormat"], bill_of_materials["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "gamehub-graph",
    )
    found = {
        (each["name"], each["version"]): [
            hash["content"] for reference in each["externalReferences"] for hash in reference.get("hashes", ())
        ]
        for each in bill_of_materials["components"]
    }
    # Here and not in the command: the library's own check compiles a grammar for addresses first.
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill.read_text()) is None
    assert len(found) > 100
    assert found == {place: hashes for place, (_, hashes) in locked().items()}
    # The same lock file gives the same bytes: nothing in it shows when or by whom it was written.
    assert not {"serialNumber", "timestamp"} & {*bill_of_materials, *bill_of_materials["metadata"]}


def test_the_image_has_the_versions_of_the_lock_file() -> None:
    image, everything = locked("requirements-image.lock"), locked()
    assert {"strawberry-graphql", "pyarrow", "hatchling"} <= {name for name, _ in image}
    for place, (_, hashes) in image.items():
        assert hashes == everything[place][1], place


def test_the_audit_reads_the_lock_file_without_installing_anything() -> None:
    """A look-up needs the network; this test only checks that every line can be read."""
    shown = subprocess.run(
        ["make", "--dry-run", "audit"], cwd=ROOT, env=environment(), check=True, capture_output=True, text=True
    ).stdout.strip()
    command = next(line for line in shown.splitlines() if "pip-audit" in line).split()
    assert {"--require-hashes", "--disable-pip", "requirements.lock"} <= set(command)
    # A dry run collects the packages without a request.
    ran = subprocess.run([ROOT / command[0].lstrip("@"), *command[1:], "--dry-run"], cwd=ROOT, capture_output=True)
    output = ran.stderr.decode()
    assert ran.returncode == 0, output
    here = sum(requirement.marker is None or requirement.marker.evaluate() for requirement, _ in locked().values())
    assert f"would have audited {here} packages" in output
