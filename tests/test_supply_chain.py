"""What the server is made of: the bill of materials lists all that is locked, and the audit looks at the same."""

import json
import subprocess
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def locked() -> dict[tuple[str, str], tuple[Requirement, list[str]]]:
    """The packages of the lock file by name and version, with their hashes: some have two versions, by Python's own."""
    found: dict[tuple[str, str], tuple[Requirement, list[str]]] = {}
    hashes: list[str] = []
    for line in (ROOT / "requirements.lock").read_text("utf-8").splitlines():
        if line.startswith("    --hash=sha256:"):
            hashes.append(line.removeprefix("    --hash=sha256:").removesuffix(" \\"))
        elif not line.lstrip().startswith("#"):
            requirement = Requirement(line.removesuffix(" \\"))
            hashes = []
            found[requirement.name, str(requirement.specifier).removeprefix("==")] = requirement, hashes
    return found


def test_the_bill_of_materials_lists_every_package_of_the_lock_file(tmp_path: Path) -> None:
    bills = [tmp_path / "first.json", tmp_path / "second.json"]
    for bill in bills:
        subprocess.run(["make", "--silent", "sbom", f"SBOM={bill}"], cwd=ROOT, check=True)
    told = json.loads(bills[0].read_bytes())
    assert (told["bomFormat"], told["metadata"]["component"]["name"]) == ("CycloneDX", "gamehub-graph")
    found = {
        (each["name"], each["version"]): [
            hash["content"] for reference in each["externalReferences"] for hash in reference.get("hashes", ())
        ]
        for each in told["components"]
    }
    assert len(found) > 100
    assert found == {place: hashes for place, (_, hashes) in locked().items()}
    assert bills[0].read_bytes() == bills[1].read_bytes()


def test_the_audit_reads_the_lock_file_without_installing_anything() -> None:
    """What it looks up needs the network; that it can read every line does not."""
    shown = subprocess.run(
        ["make", "--dry-run", "audit"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    command = next(line for line in shown.splitlines() if "pip-audit" in line).split()
    assert {"--require-hashes", "--disable-pip", "requirements.lock"} <= set(command)
    # A dry run collects the packages and asks nobody.
    ran = subprocess.run([ROOT / command[0].lstrip("@"), *command[1:], "--dry-run"], cwd=ROOT, capture_output=True)
    told = ran.stderr.decode()
    assert ran.returncode == 0, told
    here = sum(requirement.marker is None or requirement.marker.evaluate() for requirement, _ in locked().values())
    assert f"would have audited {here} packages" in told
