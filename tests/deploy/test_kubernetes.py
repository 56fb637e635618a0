"""The rendered manifests against Kubernetes' schemas, its restricted profile, and the code."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kaiwa_server.serving.channels import open_channel
from kaiwa_server.serving.config import ServiceConfig
from kaiwa_server.serving.server import GrpcServer

SERVICES = ("gateway", "codec", "lm")
FOLDERS = ("base", "overlays/one-cpu-machine", "overlays/moshi-on-gpus")
CLUSTER_VERSIONS = ("1.29", kubernetes_validate.latest_version())


@pytest.fixture(scope="module", params=FOLDERS)
def manifests(request: pytest.FixtureRequest, root: Path) -> list[dict[str, Any]]:
    """The objects of one kustomization."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    folder = root / "deploy/kubernetes" / request.param
    rendered = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, check=True)
    return list(yaml.safe_load_all(rendered.stdout))


def of_kind(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The objects of one kind by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pods(manifests: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each service's name with the spec of its pod and of its container."""
    deployments = of_kind(manifests, "Deployment")
    for name in SERVICES:
        pod = deployments[f"kaiwa-{name}"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        yield name, pod, container


@pytest.fixture
def configs(manifests: list[dict[str, Any]], stages: dict[str, Any], read_config: Any) -> Any:
    """What each service is told by its image and by its ConfigMap together."""
    configs = {}
    for name, _, container in pods(manifests):
        (source,) = container["envFrom"]
        settings = of_kind(manifests, "ConfigMap")[source["configMapRef"]["name"]]["data"]
        configs[name] = read_config(name, stages[name].environment | settings)
    return configs


@pytest.mark.parametrize("version", CLUSTER_VERSIONS)
def test_the_schemas_accept_every_object(manifests: list[dict[str, Any]], version: str) -> None:
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_each_service_finds_the_next(manifests: list[dict[str, Any]], configs: Any) -> None:
    services = of_kind(manifests, "Service")
    for address in (configs["gateway"].codec, configs["codec"].lm):
        name, port = address.split(":")
        assert services[name]["spec"]["clusterIP"] == "None"
        assert int(port) in [each["port"] for each in services[name]["spec"]["ports"]]


def test_ports_are_those_of_the_code(manifests: list[dict[str, Any]], configs: Any) -> None:
    for name, _, container in pods(manifests):
        config = configs[name]
        expected = {"grpc": config.port, "metrics": config.metrics_port}
        if name == "gateway":
            expected["http"] = config.http_port
        assert {each["name"]: each["containerPort"] for each in container["ports"]} == expected
        service = of_kind(manifests, "Service")[f"kaiwa-{name}"]["spec"]
        for each in service["ports"]:
            assert each["port"] == expected[each["targetPort"]]


@pytest.mark.parametrize("manifests", ["overlays/one-cpu-machine"], indirect=True)
def test_services_that_share_a_machine_do_not_measure_what_it_carries(configs: Any) -> None:
    assert (configs["codec"].slots, configs["lm"].slots) == (4, 4)


@pytest.mark.parametrize("manifests", ["overlays/moshi-on-gpus"], indirect=True)
def test_services_with_a_gpu_of_their_own_measure_what_it_carries(configs: Any) -> None:
    assert (configs["codec"].slots, configs["lm"].slots) == (0, 0)


def test_selectors_select_the_pods(manifests: list[dict[str, Any]]) -> None:
    for name in (f"kaiwa-{service}" for service in SERVICES):
        deployment = of_kind(manifests, "Deployment")[name]["spec"]
        budget = of_kind(manifests, "PodDisruptionBudget")[name]["spec"]
        selected = of_kind(manifests, "Service")[name]["spec"]["selector"]
        assert deployment["selector"]["matchLabels"] == selected
        assert budget["selector"]["matchLabels"] == selected
        assert selected.items() <= deployment["template"]["metadata"]["labels"].items()
        assert budget["maxUnavailable"] == 1


def test_only_its_caller_reaches_a_service_that_is_not_the_gateway(
    manifests: list[dict[str, Any]],
) -> None:
    policies = of_kind(manifests, "NetworkPolicy")
    assert policies.keys() == {"kaiwa-codec", "kaiwa-lm"}
    for name, caller in (("kaiwa-codec", "kaiwa-gateway"), ("kaiwa-lm", "kaiwa-codec")):
        policy = policies[name]["spec"]
        assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": name}
        calls, metrics = policy["ingress"]
        (source,) = calls["from"]
        assert source == {"podSelector": {"matchLabels": {"app.kubernetes.io/name": caller}}}
        assert calls["ports"] == [{"port": "grpc"}]
        assert metrics == {"ports": [{"port": "metrics"}]}


def test_images_are_those_of_this_version(
    manifests: list[dict[str, Any]], project: dict[str, Any]
) -> None:
    for name, _, container in pods(manifests):
        assert container["image"] == f"kaiwa-{name}:{project['version']}"
        # The image's own entry point, which the Dockerfile's test ties to the package.
        assert "command" not in container and "args" not in container


async def test_every_probe_asks_for_a_health_name_that_a_ready_service_serves(
    manifests: list[dict[str, Any]], configs: Any
) -> None:
    server = GrpcServer(ServiceConfig(port=0, metrics_port=0), [])
    await server.start()
    await server.set_ready(True)
    async with open_channel(f"127.0.0.1:{server.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name, _, container in pods(manifests):
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container[kind]["grpc"]
                assert probe["port"] == configs[name].port
                request = health_pb2.HealthCheckRequest(service=probe["service"])
                answer = await health.Check(request)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
            # A gateway whose codec is away is not to be restarted for it.
            started = "live" if name == "gateway" else "ready"
            assert container["startupProbe"]["grpc"]["service"] == started
            assert container["livenessProbe"]["grpc"]["service"] == "live"
            assert container["readinessProbe"]["grpc"]["service"] == "ready"
    await server.grpc.stop(0)


def test_a_stopping_pod_is_given_the_time_that_it_gives_its_calls(
    manifests: list[dict[str, Any]], configs: Any
) -> None:
    for name, pod, container in pods(manifests):
        sleep, pre_stop_s = container["lifecycle"]["preStop"]["exec"]["command"]
        assert sleep == "sleep"
        needed_s = float(pre_stop_s) + configs[name].lame_duck_s + configs[name].drain_s
        assert pod["terminationGracePeriodSeconds"] > needed_s


def test_no_service_is_process_1_of_its_pod(manifests: list[dict[str, Any]]) -> None:
    assert all(pod["shareProcessNamespace"] is True for _, pod, _ in pods(manifests))


def test_no_pod_is_given_variables_that_look_like_its_settings(
    manifests: list[dict[str, Any]],
) -> None:
    assert all(pod["enableServiceLinks"] is False for _, pod, _ in pods(manifests))


def test_pods_keep_to_the_restricted_profile(
    manifests: list[dict[str, Any]], stages: dict[str, Any]
) -> None:
    for name, pod, container in pods(manifests):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        user = f"{security['runAsUser']}:{security['runAsGroup']}"
        assert user == stages[name].last("USER")
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert pod["automountServiceAccountToken"] is False
        for volume in pod["volumes"]:
            assert volume.keys() - {"name"} <= {"emptyDir", "persistentVolumeClaim"}


def test_temporary_files_have_a_place(manifests: list[dict[str, Any]]) -> None:
    for _, pod, container in pods(manifests):
        assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert {"name": "tmp", "emptyDir": {}} in pod["volumes"]


def test_every_container_asks_for_cpu_and_memory_and_is_held_to_its_memory(
    manifests: list[dict[str, Any]],
) -> None:
    for _, _, container in pods(manifests):
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
