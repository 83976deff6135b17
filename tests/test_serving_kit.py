"""The files of the serving kit: schemas, hardening, probes, and the gateway itself."""

import base64
import concurrent.futures
import contextlib
import http.server
import importlib.resources
import json
import pathlib
import re
import shutil
import socket
import subprocess
import threading

import grpc
import jsonschema
import kubernetes_validate
import pytest
import requests
import yaml
from serving_gateway import Gateway, needs_envoy

KIT = pathlib.Path(__file__).parents[1] / "export"
KUBERNETES = KIT / "kubernetes"
VERSIONS = ("1.30.0", "1.37.0")  # Of the schemas of Kubernetes.
PARTS = ("Kustomization", "Component", "ServiceMonitor")  # Without a schema there.
BASH = shutil.which("bash")
KUBECTL = shutil.which("kubectl")


def manifests(folder):
    """The objects in the YAML files of a folder, without Envoy's configuration."""
    files = [f for f in sorted(folder.rglob("*.yaml")) if f.name != "envoy.yaml"]
    return [o for f in files for o in yaml.safe_load_all(f.read_text())]


def find(objects, kind, name=None):
    (found,) = [
        o
        for o in objects
        if o["kind"] == kind and name in (None, o["metadata"]["name"])
    ]
    return found


def pod_of(name):
    (deployment,) = [
        o
        for o in manifests(KUBERNETES)
        if o["kind"] == "Deployment" and o["metadata"]["name"] == name
    ]
    return deployment["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((KIT / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def envoy_config():
    return yaml.safe_load((KUBERNETES / "gateway" / "envoy.yaml").read_text())


# Schemas.


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_have_the_schemas_of_kubernetes(version):
    objects = [o for o in manifests(KUBERNETES) if o["kind"] not in PARTS]
    kinds = {"Deployment", "Service", "PersistentVolumeClaim", "NetworkPolicy"}
    kinds |= {"HorizontalPodAutoscaler", "PodDisruptionBudget"}
    assert {o["kind"] for o in objects} == kinds
    for manifest in objects:
        kubernetes_validate.validate(manifest, version, strict=True)
    wrong = dict(objects[0], spek={})
    with pytest.raises(kubernetes_validate.ValidationError, match="spek"):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_the_compose_file_has_its_published_schema(compose):
    schemas = importlib.resources.files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads((schemas / "compose-spec.json").read_text())
    jsonschema.validate(compose, schema)
    wrong = {"services": {"cpu": dict(compose["services"]["cpu"], port=["8501:8501"])}}
    with pytest.raises(jsonschema.ValidationError, match="port"):
        jsonschema.validate(wrong, schema)


def selected(file, parts):
    """A kustomization with parts selected, by removing `#` before them."""
    text = file.read_text()
    for part in parts:
        text, count = re.subn(rf"(?m)^  # (- {re.escape(part)}\b)", r"  \1", text)
        assert count == 1, part
    return text


OPTIONS = {".": ("gateway", "gpu", "monitoring"), "canary": ("../gpu",)}


def test_kustomizations_name_files_that_exist():
    named = set()
    for file in KUBERNETES.rglob("kustomization.yaml"):
        parts = OPTIONS.get(str(file.parent.relative_to(KUBERNETES)), ())
        content = yaml.safe_load(selected(file, parts))
        assert content["kind"] in PARTS
        for key in ("resources", "components"):
            named |= {(file.parent / p).resolve() for p in content.get(key) or ()}
    for path in named:
        assert path.is_file() or (path / "kustomization.yaml").is_file(), path
    files = set(KUBERNETES.rglob("*.yaml"))
    assert {f for f in files if f not in named} == {
        f for f in files if f.name in ("envoy.yaml", "kustomization.yaml")
    }


def build(tmp_path, folder=".", parts=()):
    """The objects that kubectl makes of a folder of the kit, by kind and name."""
    copy = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, copy)
    (copy / "gateway" / "secrets").mkdir()
    for name in ("tls.crt", "tls.key", "users"):
        (copy / "gateway" / "secrets" / name).write_text("secret")
    file = copy / folder / "kustomization.yaml"
    file.write_text(selected(file, parts))
    command = [KUBECTL, "kustomize", copy / folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    objects = {}
    for manifest in yaml.safe_load_all(done.stdout):
        objects[manifest["kind"], manifest["metadata"]["name"]] = manifest
        if manifest["kind"] not in PARTS:
            kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
    return objects


def check_server(objects, name, image, gpus):
    deployment = objects["Deployment", name]["spec"]
    pod = deployment["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == image
    assert container["resources"]["limits"].get("nvidia.com/gpu") == gpus
    assert deployment["template"]["metadata"]["labels"] == {"app": name}
    (claim,) = [v for v in pod["volumes"] if "persistentVolumeClaim" in v]
    assert claim["persistentVolumeClaim"]["claimName"] == name
    assert ("PersistentVolumeClaim", name) in objects
    selectors = [
        deployment["selector"]["matchLabels"],
        objects["Service", name]["spec"]["selector"],
        objects["NetworkPolicy", name]["spec"]["podSelector"]["matchLabels"],
        objects["PodDisruptionBudget", name]["spec"]["selector"]["matchLabels"],
    ]
    assert selectors == [{"app": name}] * 4
    scaled = objects["HorizontalPodAutoscaler", name]["spec"]["scaleTargetRef"]
    assert scaled["name"] == name
    (rule,) = objects["NetworkPolicy", name]["spec"]["ingress"]
    allowed = rule["from"][0]["podSelector"]
    assert allowed["matchExpressions"][0]["values"] == ["keras-gen-gateway"]
    assert "matchLabels" not in allowed


needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not on the PATH")


@needs_kubectl
def test_kubectl_builds_the_server_alone(tmp_path):
    objects = build(tmp_path)
    names = {name for _, name in objects}
    assert names == {"keras-gen-serving", "keras-gen-serving-headless"}
    check_server(objects, "keras-gen-serving", "tensorflow/serving:2.20.0", None)


@needs_kubectl
def test_kubectl_builds_the_kit_with_all_its_parts(tmp_path):
    objects = build(tmp_path, parts=OPTIONS["."])
    check_server(objects, "keras-gen-serving", "tensorflow/serving:2.20.0-gpu", "1")
    assert ("ServiceMonitor", "keras-gen-serving") in objects
    (secret,) = [name for kind, name in objects if kind == "Secret"]
    pod = objects["Deployment", "keras-gen-gateway"]["spec"]["template"]["spec"]
    (volume,) = [v["secret"] for v in pod["volumes"] if "secret" in v]
    assert volume["secretName"] == secret
    files = set(objects["Secret", secret]["data"])
    assert files == {"tls.crt", "tls.key", "users"}


@needs_kubectl
@pytest.mark.parametrize("parts", [(), ("../gpu",)])
def test_kubectl_builds_a_canary_that_shares_no_pods_with_the_server(tmp_path, parts):
    objects = build(tmp_path, "canary", parts)
    image = "tensorflow/serving:2.20.0" + ("-gpu" if parts else "")
    name = "keras-gen-serving-canary"
    check_server(objects, name, image, "1" if parts else None)
    headless = objects["Service", "keras-gen-serving-headless-canary"]["spec"]
    assert headless["selector"] == {"app": name}


# What the files must say.


def test_all_files_use_the_same_versions_of_images(compose):
    tags = {}
    for file in KUBERNETES.rglob("kustomization.yaml"):
        for image in yaml.safe_load(file.read_text()).get("images", []):
            assert "# digest: sha256:" in file.read_text()
            tags[file.parent.name] = f"{image['name']}:{image['newTag']}"
    services = compose["services"]
    serving = r"\$\{SERVING_IMAGE:-(tensorflow/serving:)\$\{TF_SERVING:-(.+)\}(.*)\}"
    for name, part in (("cpu", "base"), ("gpu", "gpu")):
        pinned = re.fullmatch(serving, services[name]["image"])
        assert "".join(pinned.groups()) == tags[part]
    assert tags["gpu"] == f"{tags['base']}-gpu"
    assert services["gateway"]["image"] == f"${{GATEWAY_IMAGE:-{tags['gateway']}}}"


def test_both_kinds_of_servers_have_the_same_flags_which_name_files_of_the_kit(compose):
    (container,) = pod_of("keras-gen-serving")["containers"]
    services = compose["services"]
    assert container["args"] == services["cpu"]["command"] == services["gpu"]["command"]
    for flag in container["args"]:
        path = re.fullmatch(r"--\w+=/serving/(\S+)", flag)
        exists = path is None or path[1] == "models.config" or (KIT / path[1]).is_file()
        assert exists, flag
    assert (
        services["gateway"]["command"]
        == pod_of("keras-gen-gateway")["containers"][0]["args"]
    )


@pytest.mark.parametrize("name", ["keras-gen-serving", "keras-gen-gateway"])
def test_pods_meet_the_restricted_standard_with_a_read_only_root(name):
    pod = pod_of(name)
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for key in ("requests", "limits"):
        assert set(container["resources"][key]) == {"cpu", "memory"}
    for mount in container["volumeMounts"]:
        assert mount["mountPath"] == "/tmp" or mount["readOnly"] is True
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("name", ["cpu", "gpu", "gateway"])
def test_compose_services_are_hardened_and_listen_on_this_machine(compose, name):
    service = compose["services"][name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] in ("65534:65534", "${GATEWAY_USER:-1000:1000}")
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    for port in service["ports"]:
        assert port.startswith(("127.0.0.1:", "${GATEWAY_ADDRESS:-127.0.0.1}:"))
    assert all(volume.endswith(":ro") for volume in service["volumes"])


def test_services_policies_and_monitors_select_what_exists():
    objects = manifests(KUBERNETES / "base")
    deployment = find(objects, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    ports = {
        p["name"]: p["containerPort"]
        for p in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    }
    assert ports == {"grpc": 8500, "rest": 8501}
    services = [o for o in objects if o["kind"] == "Service"]
    assert [s["spec"].get("clusterIP") for s in services] == [None, "None"]
    for service in services:
        assert service["spec"]["selector"] == labels
        for port in service["spec"]["ports"]:
            assert port["port"] == ports[port["targetPort"]]
    policy = find(objects, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and policy["egress"] == []
    assert policy["podSelector"]["matchLabels"] == labels
    assert find(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    autoscaler = find(objects, "HorizontalPodAutoscaler")["spec"]
    assert autoscaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]  # Or an update would undo the scaling.
    monitor = find(manifests(KUBERNETES / "monitoring"), "ServiceMonitor")["spec"]
    selected = [
        s
        for s in services
        if monitor["selector"]["matchLabels"].items() <= s["metadata"]["labels"].items()
    ]
    assert len(selected) == 1  # Two would count each server twice.
    (endpoint,) = monitor["endpoints"]
    assert endpoint["port"] in ports
    assert f'path: "{endpoint["path"]}"' in (KIT / "monitoring.config").read_text()


def test_the_gateway_knows_the_servers_by_their_names(compose, envoy_config):
    addresses = {
        c["name"]: tuple(
            c["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"][
                "address"
            ]["socket_address"].values()
        )
        for c in envoy_config["static_resources"]["clusters"]
    }
    canary = yaml.safe_load((KUBERNETES / "canary" / "kustomization.yaml").read_text())
    services = [o for o in manifests(KUBERNETES / "base") if o["kind"] == "Service"]
    (name,) = [
        s["metadata"]["name"] for s in services if s["spec"].get("clusterIP") == "None"
    ]
    assert addresses == {
        "stable_grpc": (name, 8500),
        "stable_rest": (name, 8501),
        "canary_grpc": (name + canary["nameSuffix"], 8500),
        "canary_rest": (name + canary["nameSuffix"], 8501),
    }
    for kind in ("cpu", "gpu"):
        networks = compose["services"][kind]["networks"]
        assert networks["default"]["aliases"] == [name]


# Probes.


class Status(http.server.BaseHTTPRequestHandler):
    """Answers requests for the status of a model as TensorFlow Serving does."""

    states = {}

    def do_GET(self):
        name = self.path.removeprefix("/v1/models/")
        if name in self.states:
            status = [
                {"version": str(n), "state": state, "status": {"error_code": "OK"}}
                for n, state in enumerate(self.states[name], 1)
            ]
            code, answer = 200, {"model_version_status": status}
        else:
            error = f'Could not find any versions of model {name} "AVAILABLE"'
            code, answer = 404, {"error": error}
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(answer, indent=1).encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def served():
    """States of the versions of models on a server, and the server's port."""
    handler = type("Handler", (Status,), {"states": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler.states, server.server_port
    server.shutdown()
    server.server_close()


def probe(folder, port, mode="all"):
    """The exit status of the probe, and its message."""
    done = subprocess.run(
        [BASH, folder / "probe.sh", mode],
        env={"PATH": "/usr/bin:/bin", "PORT": str(port), "STATE": str(folder / "seen")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stderr


def configure(folder, *names):
    entries = "".join(f'  config {{\n    name: "{name}"\n  }}\n' for name in names)
    text = f'# name: "comment"\nmodel_config_list {{\n{entries}}}\n'
    (folder / "models.config").write_text(text)
    if not (folder / "probe.sh").exists():
        shutil.copy(KIT / "probe.sh", folder)


@pytest.mark.skipif(BASH is None, reason="bash is not on the PATH")
def test_the_probe_succeeds_if_every_model_is_available(served, tmp_path):
    states, port = served
    configure(tmp_path, "vae", "dcgan-2.b")
    states.update({"vae": ["AVAILABLE"], "dcgan-2.b": ["LOADING", "AVAILABLE"]})
    assert probe(tmp_path, port) == (0, "")
    for other in ("START", "LOADING", "UNLOADING", "END", "UNKNOWN", "UNAVAILABLE"):
        states["dcgan-2.b"] = [other]
        code, message = probe(tmp_path, port)
        assert code == 1 and "dcgan-2.b" in message, other
    del states["dcgan-2.b"]
    assert probe(tmp_path, port)[0] == 1
    configure(tmp_path)
    assert probe(tmp_path, port) == (1, "models.config has no models to ask for\n")
    (tmp_path / "models.config").write_text('config { name: "vae" base_path: "/x" }')
    assert probe(tmp_path, port) == (0, "")


@pytest.mark.skipif(BASH is None, reason="bash is not on the PATH")
def test_the_probe_fails_without_a_server(tmp_path):
    configure(tmp_path, "vae")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        code, message = probe(tmp_path, unused.getsockname()[1])
    assert code == 1 and "vae" in message


@pytest.mark.skipif(BASH is None, reason="bash is not on the PATH")
def test_a_model_that_is_added_later_does_not_stop_a_server_that_is_ready(
    served, tmp_path
):
    states, port = served
    configure(tmp_path, "vae", "dcgan")
    states.update(vae=["AVAILABLE"], dcgan=["LOADING"])
    assert probe(tmp_path, port, "startup")[0] == 1
    assert not (tmp_path / "seen").exists()
    states["dcgan"] = ["AVAILABLE"]
    assert probe(tmp_path, port, "startup") == (0, "")
    configure(tmp_path, "vae", "dcgan", "gan")
    states["gan"] = ["LOADING"]
    assert probe(tmp_path, port, "ready") == (0, "")
    assert probe(tmp_path, port, "startup")[0] == 1
    states["dcgan"] = ["END"]
    assert probe(tmp_path, port, "ready")[0] == 1
    configure(tmp_path, "vae", "gan")  # A model that is taken out is not asked for.
    assert probe(tmp_path, port, "ready") == (0, "")
    configure(tmp_path, "gan")
    assert probe(tmp_path, port, "ready")[0] == 1


def test_containers_run_the_probe(compose):
    (container,) = pod_of("keras-gen-serving")["containers"]
    for name, mode in (("startup", ["startup"]), ("readiness", ["ready"])):
        command = container[f"{name}Probe"]["exec"]["command"]
        assert command == ["bash", "/serving/probe.sh", *mode]
    path = container["livenessProbe"]["httpGet"]["path"]
    assert f'path: "{path}"' in (KIT / "monitoring.config").read_text()
    for kind in ("cpu", "gpu"):
        test = compose["services"][kind]["healthcheck"]["test"]
        assert test == ["CMD", "bash", "/serving/probe.sh"]


# The gateway, by Envoy itself.


class Named(http.server.BaseHTTPRequestHandler):
    """Answers every request with the server's name, the path and the header."""

    name = None

    def do_GET(self):
        answer = [self.name, self.path, self.headers.get("authorization")]
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments):
        pass


class NamedGrpc(grpc.GenericRpcHandler):
    """Answers every method with the server's name and the method's."""

    def __init__(self, name):
        self._name = name

    def service(self, details):
        text = f"{self._name} {details.method}".encode()
        return grpc.unary_unary_rpc_method_handler(lambda request, context: text)


@contextlib.contextmanager
def backend(name):
    """Ports for gRPC and REST of a server that answers with its name."""
    handler = type("Handler", (Named,), {"name": name})
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([NamedGrpc(name)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port, rest.server_port
    server.stop(None).wait()
    rest.shutdown()
    rest.server_close()


def call(gateway, method, password):
    """The answer to a call over gRPC, or the name of its error."""
    credentials = grpc.ssl_channel_credentials(gateway.certificate.read_bytes())
    login = base64.b64encode(f"{gateway.user}:{password}".encode()).decode()
    with grpc.secure_channel(gateway.address, credentials) as channel:
        try:
            answer = channel.unary_unary(f"/tensorflow.serving.{method}")(
                b"request", metadata=[("authorization", f"Basic {login}")], timeout=60
            )
        except grpc.RpcError as error:
            return error.code().name
        return answer.decode()


@needs_envoy
@pytest.mark.parametrize("canary_weight", [0, 100])
def test_the_gateway_asks_for_a_password_and_passes_only_what_clients_need(
    canary_weight, tmp_path
):
    name = "canary" if canary_weight else "stable"
    with contextlib.ExitStack() as stack:
        ports = {}
        for server in ("stable", "canary"):
            pair = stack.enter_context(backend(server))
            ports[f"{server}_grpc"], ports[f"{server}_rest"] = pair
        gateway = stack.enter_context(Gateway(tmp_path, ports, canary_weight))
        login = gateway.user, gateway.password

        def get(path, auth=login, method="GET"):
            url = f"https://{gateway.address}{path}"
            return requests.request(
                method, url, auth=auth, verify=gateway.certificate, timeout=60
            )

        assert get("/healthz", auth=None).status_code == 200
        model = "/v1/models/vae"
        for wrong in (None, (gateway.user, "other"), ("bob", gateway.password)):
            assert get(f"{model}:predict", wrong, "POST").status_code == 401
        for part in (":predict", "/versions/2:predict", "/labels/stable:predict"):
            answer = get(model + part, method="POST").json()
            assert answer == [name, model + part, None]
        for part in ("", "/metadata", "/labels/stable/metadata"):
            assert get(model + part).json() == [name, model + part, None]
        for path in ("/", "/monitoring/prometheus/metrics", f"{model}:regress"):
            assert get(path).status_code == 404
        for method in (
            "PredictionService/Predict",
            "PredictionService/GetModelMetadata",
            "ModelService/GetModelStatus",
        ):
            answer = call(gateway, method, gateway.password)
            assert answer == f"{name} /tensorflow.serving.{method}"
            assert call(gateway, method, "other") == "UNAUTHENTICATED"
        reload = "ModelService/HandleReloadConfigRequest"
        assert call(gateway, reload, gateway.password) == "UNIMPLEMENTED"
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://{gateway.address}/healthz", timeout=60)
