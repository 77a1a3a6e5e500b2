"""The Helm chart, rendered by helm and checked against the schemas of Kubernetes."""

import subprocess
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson
import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from server.settings.settings import Settings
from tests.deploy.programs import DEPLOY, archive, helm

CHART = DEPLOY / "chart"
SCHEMAS = "kubernetes_validate/kubernetes-json-schema/v1.34.0-local-strict"
EVERYTHING = [
    "--set=ingress.enabled=true,ingress.className=nginx,ingress.tlsSecret=tls,rootPath=/graph,autoscaling.enabled=true",
    "--set=serviceMonitor.enabled=true,secrets.name=tokens,persistence.claim=state,image.digest=sha256:0",
    "--set=settings.GAMEHUB_URL=https://bingo.example/api,settings.FORWARDED_ALLOW_IPS=10.0.0.0/8,image.pullSecrets[0].name=a",
    '--set-json=networkPolicy.egress=[{"ports":[{"port":443,"protocol":"TCP"}]}]',
    '--set-json=networkPolicy.from=[{"namespaceSelector":{"matchLabels":{"name":"ingress"}}}]',
    '--set-json=tolerations=[{"key":"a","operator":"Exists"}]',
    "--set=podLabels.team=bingo,nodeSelector.disk=ssd,service.annotations.a=b,podAnnotations.c=d",
]
Objects = dict[str, Any]


@cache
def rendered(*options: str) -> Objects:
    """Return the objects of the chart, by kind."""
    command = [str(helm()), "template", "graph", str(CHART), "--namespace", "bingo", *options]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    objects = [one for one in yaml.safe_load_all(made.stdout) if one is not None]
    assert len({one["kind"] for one in objects}) == len(objects)
    return {one["kind"]: one for one in objects}


@pytest.fixture(scope="module")
def complaints() -> Callable[[Any], list[str]]:
    """Return what the schema of Kubernetes has against an object."""
    opened = zipfile.ZipFile(archive("kubernetes_validate"))

    @cache
    def schema(name: str) -> Any:
        return orjson.loads(opened.read(f"{SCHEMAS}/{name}"))

    def retrieve(address: str) -> Resource[Any]:
        return Resource.from_contents(schema(address.rpartition("/")[2]), default_specification=DRAFT7)

    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]  # attrs makes the argument

    def found(one: Any) -> list[str]:
        group, _, version = one["apiVersion"].rpartition("/")
        name = "-".join(part for part in (one["kind"].lower(), group.split(".")[0], version) if part)
        validator = Draft7Validator(schema(f"{name}.json"), registry=registry)
        return [f"{one['kind']} {error.json_path}: {error.message}" for error in validator.iter_errors(one)]

    return found


@pytest.mark.parametrize("options", [(), tuple(EVERYTHING)], ids=["as it is", "with everything"])
def test_kubernetes_takes_the_objects(options: tuple[str, ...], complaints: Callable[[Any], list[str]]) -> None:
    objects = rendered(*options)
    known = {kind: one for kind, one in objects.items() if kind != "ServiceMonitor"}
    assert [line for one in known.values() for line in complaints(one)] == []
    assert known.keys() >= {
        "Deployment",
        "Service",
        "ConfigMap",
        "ServiceAccount",
        "PodDisruptionBudget",
        "NetworkPolicy",
    }
    assert all(one["metadata"]["name"] == "graph-gamehub-graph" for one in objects.values())
    deployment = objects["Deployment"]["spec"]
    selected = deployment["selector"]["matchLabels"].items()
    assert deployment["template"]["metadata"]["labels"].items() >= selected
    for kind, path in {"Service": ["selector"], "PodDisruptionBudget": ["selector", "matchLabels"]}.items():
        found = objects[kind]["spec"]
        for step in path:
            found = found[step]
        assert found.items() == selected


def test_the_schema_finds_what_is_wrong(complaints: Callable[[Any], list[str]]) -> None:
    wrong = orjson.loads(orjson.dumps(rendered()["Deployment"]))
    wrong["spec"]["template"]["spec"]["containers"][0]["readinessProb"] = {}
    wrong["spec"]["replicas"] = "two"
    assert len(complaints(wrong)) == 2


def test_helm_has_no_complaint() -> None:
    linted = subprocess.run(
        [str(helm()), "lint", "--strict", str(CHART), *EVERYTHING], capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(("drain", "stop"), [(15, 30), (60, 600)])
def test_the_grace_period_is_above_drain_and_stop(drain: int, stop: int) -> None:
    objects = rendered(f"--set=drainSeconds={drain},stopSeconds={stop}")
    settings = objects["ConfigMap"]["data"]
    assert (settings["DRAIN_SECONDS"], settings["STOP_SECONDS"]) == (str(drain), str(stop))
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > drain + stop + 10
    # The endpoints are gone before the server stops to listen: two probes fail first.
    probe = pod["containers"][0]["readinessProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"] < drain


def test_pods_have_no_rights() -> None:
    pod = rendered()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert rendered()["ServiceAccount"]["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    # The folders that the image writes to are volumes.
    assert [one["mountPath"] for one in container["volumeMounts"]] == ["/var/lib/gamehub-graph", "/tmp"]
    assert "memory" in container["resources"]["limits"]


def test_secrets_are_files_that_change() -> None:
    pod = rendered(*EVERYTHING)["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    given = {one["name"]: one["value"] for one in container["env"]}
    assert given == {
        "GAMEHUB_TOKEN_FILE": "/run/secrets/graph/gamehub-token",
        "GAMELOG_AGENT_TOKEN_FILE": "/run/secrets/graph/gamelog-agent-token",
    }
    mounted = {one["mountPath"]: one for one in container["volumeMounts"]}["/run/secrets/graph"]
    assert "subPath" not in mounted
    assert mounted["readOnly"] is True


def test_settings_are_settings_of_the_server() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    named = {*values["settings"], *values["secrets"]["keys"], *rendered(*EVERYTHING)["ConfigMap"]["data"]}
    assert named <= {name.upper() for name in Settings.model_fields}


def test_the_size_follows_the_running_operations() -> None:
    (metric,) = rendered(*EVERYTHING)["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "gamehub_graph_operations_running"
    assert "replicas" not in rendered(*EVERYTHING)["Deployment"]["spec"]


def test_the_path_of_the_ingress_is_the_root_path() -> None:
    objects = rendered(*EVERYTHING)
    (rule,) = objects["Ingress"]["spec"]["rules"]
    assert rule["http"]["paths"][0]["path"] == objects["ConfigMap"]["data"]["ROOT_PATH"] == "/graph"
