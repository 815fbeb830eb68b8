"""The manifest for Kubernetes: valid by its schemas, and in keeping with what it starts."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
KUBERNETES = "1.34"
DOCUMENTS = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")))


def named(kind: str, name: str) -> dict[str, Any]:
    """One object of the manifest."""
    [found] = [one for one in DOCUMENTS if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return dict(found)


def container(kind: str, name: str) -> dict[str, Any]:
    """The only container of a workload."""
    [found] = named(kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda one: f"{one['kind']}/{one['metadata']['name']}")
def test_every_object_is_valid_and_has_no_field_that_the_schema_does_not_know(
    document: dict[str, Any],
) -> None:
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_a_misspelt_field_is_not_valid() -> None:
    broken = named("Deployment", "scheduler") | {"spec": {"replica": 1}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


def test_the_programs_that_it_starts_exist_and_workers_look_for_the_scheduler_where_it_is() -> None:
    worker, service = container("StatefulSet", "worker")["command"], named("Service", "scheduler")

    assert worker[:2] == ["python", "-m"]
    assert (ROOT / f"{worker[2].replace('.', '/')}.py").is_file()
    assert worker[3] == f"tls://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    assert container("Deployment", "scheduler")["command"][:2] == ["dask", "scheduler"]
    assert service["spec"]["selector"].items() <= (
        named("Deployment", "scheduler")["spec"]["template"]["metadata"]["labels"].items()
    )


def test_a_worker_has_what_the_sandbox_needs_and_no_machine_has_two() -> None:
    security = container("StatefulSet", "worker")["securityContext"]
    affinity = named("StatefulSet", "worker")["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    [apart] = affinity["requiredDuringSchedulingIgnoredDuringExecution"]

    assert security["runAsUser"] == 0
    assert {"SYS_ADMIN", "SETUID", "SETGID", "KILL", "CHOWN"} <= set(security["capabilities"]["add"])
    assert apart["topologyKey"] == "kubernetes.io/hostname"


@pytest.mark.parametrize(
    ("kind", "name"), [("Deployment", "scheduler"), ("StatefulSet", "worker"), ("StatefulSet", "client")]
)
def test_nobody_speaks_without_certificates_which_lie_where_a_candidate_sees_nothing(
    kind: str, name: str
) -> None:
    variables = named("ConfigMap", "hofaz9")["data"]
    mounts = {one["name"]: one["mountPath"] for one in container(kind, name)["volumeMounts"]}
    files = [value for key, value in variables.items() if "__TLS__" in key]

    assert container(kind, name)["envFrom"] == [{"configMapRef": {"name": "hofaz9"}}]
    assert variables["DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION"] == "true"
    # A candidate sees nothing of the checkout but evaluation/.
    assert mounts["tls"] == "/testbed/.tls"
    assert {str(Path(file).parent) for file in files} == {mounts["tls"]}
