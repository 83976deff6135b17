"""Requests images from TF Serving over REST in plain Python, without TensorFlow.

python examples/query_server.py http://localhost:8501 vae digits
"""

import base64
import json
import pathlib
import sys
import urllib.request


def main(address, model, folder, rows=8):
    url = f"{address}/v1/models/{model}/labels/stable:predict"
    body = {"signature_name": "sample", "inputs": {"seed": list(range(rows))}}
    request = urllib.request.Request(url, json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)["outputs"]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for i, picture in enumerate(answer["image_bytes"]):
        (folder / f"{i}.png").write_bytes(base64.b64decode(picture["b64"]))
    print(f"{rows} images are in {folder}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
