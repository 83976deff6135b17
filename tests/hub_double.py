"""A double of the Hugging Face Hub for tests: a server on the loopback, not the hub.

It has the routes that `huggingface_hub` uses to load and to push models, and refuses
what the hub refuses: unknown routes, requests without a token, invalid YAML in a
README, large or binary files that are not in LFS, objects whose size or SHA-256 is
wrong, and commits whose parent is not the head. LFS objects come from a second server,
which refuses requests that carry a token, as the hub's storage does.

`faults` breaks it: see `Hub.faults`.
"""

import atexit
import base64
import contextlib
import dataclasses
import hashlib
import http.server
import json
import os
import re
import shutil
import tempfile
import threading
import urllib.parse

import yaml

TOKEN, USER = "hf_token_of_someone", "someone"
# Of the message in which the hub names the licences that it knows.
LICENCES = set(
    "apache-2.0 mit openrail bsd bsd-2-clause bsd-3-clause cc cc0-1.0 cc-by-2.0 "
    "cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-4.0 gpl-3.0 lgpl-3.0 "
    "agpl-3.0 mpl-2.0 unlicense unknown other".split()
)
PIPELINES = set(
    "unconditional-image-generation text-to-image image-to-image image-classification "
    "image-feature-extraction feature-extraction other".split()
)
LFS_PATTERNS = (".safetensors", ".h5", ".bin", ".keras", ".npz")
YAML_BLOCK = re.compile(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---[ \t]*(\r\n|\n|$))")
REPOSITORY = r"(?P<repository>[\w.-]+/[\w.-]+)"
ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"


def sha1(content):
    """The hash of a file as git has it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@dataclasses.dataclass
class File:
    content: bytes
    is_lfs: bool = False

    @property
    def oid(self):
        return sha256(self.content) if self.is_lfs else sha1(self.content)


@dataclasses.dataclass
class Repository:
    """A repository: snapshots by commit, and commits by branch.

    Attributes:
        private: Boolean, whether only its owner sees it.
        gated: Boolean, whether only those who asked may read its files.
        commits: Files of each commit, by the hash of the commit.
        refs: Hash of the last commit, by branch or tag.
        messages: Message of each commit, by hash.
    """

    private: bool = False
    gated: bool = False
    commits: dict = dataclasses.field(default_factory=dict)
    refs: dict = dataclasses.field(default_factory=dict)
    messages: dict = dataclasses.field(default_factory=dict)

    def commit(self, files, ref="main", message="initial commit"):
        number = f"{len(self.commits)} {message} {ref}".encode()
        oid = hashlib.sha1(number).hexdigest()
        self.commits[oid], self.messages[oid] = files, message
        self.refs[ref] = oid
        return oid

    def at(self, revision):
        """The hash of a revision; None if there is none."""
        return self.refs.get(revision, revision if revision in self.commits else None)

    @property
    def head(self):
        return self.refs["main"]

    @property
    def files(self):
        """The contents of the files on the branch main, by name."""
        return {n: f.content for n, f in self.commits[self.head].items()}


class Hub:
    """The state of the double, and its two servers.

    Attributes:
        repositories: `Repository` by name.
        requests: Method, path and host ("hub" or "storage") of each request.
        faults: Dict of what is broken: "slow" (an event that answers wait for),
            "truncate" and "spoil" (names of files that are cut or changed), "status"
            (a dict from a part of a path to a status).
    """

    def __init__(self):
        self.repositories, self.objects = {}, {}
        self.requests, self.faults = [], {}
        self.servers = [_serve(self, Routes), _serve(self, Storage)]
        self.url, self.storage = (
            f"http://127.0.0.1:{server.server_address[1]}" for server in self.servers
        )

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def add(self, name, files=None, **options):
        """Adds a repository with files, whose contents are bytes by name."""
        made = self.repositories[name] = Repository(**options)
        made.commit({".gitattributes": File(ATTRIBUTES)})
        if files is not None:
            made.commit({n: File(c, is_lfs(n, c)) for n, c in files.items()})
        return made

    def fetched(self):
        """The names of the files that were read from repositories."""
        found = (re.search("/resolve/[^/]+/(.*)", path) for _, path, _ in self.requests)
        return {match[1] for match in found if match}


def is_lfs(name, content, size=None):
    """Whether the hub wants a file in LFS: by its name or size, or as it is binary."""
    size = len(content) if size is None else size
    return name.endswith(LFS_PATTERNS) or size > 10e6 or b"\0" in content


def is_name(text):
    """Whether the hub takes a name of a repository, without its owner."""
    is_odd = "--" in text or ".." in text or text.endswith(".git")
    is_whole = re.fullmatch(r"\b[\w.-]{1,96}\b", text, re.ASCII)
    return is_whole is not None and not is_odd


def _serve(hub, handler):
    bound = type(handler.__name__, (handler,), {"hub": hub})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), bound)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


def metadata_errors(text):
    """What the hub refuses in the head of a README."""
    block = YAML_BLOCK.search(text)
    if block is None:
        return []
    try:
        head = yaml.safe_load(block[2])
    except yaml.YAMLError as error:
        return [f"YAML syntax error: {error}"]
    if not isinstance(head, dict):
        return ["Metadata must be an object."]
    errors = []
    for name, known in (("license", LICENCES), ("pipeline_tag", PIPELINES)):
        if name in head and head[name] not in known:
            errors.append(f'"{name}" must be one of [{", ".join(sorted(known))}]')
    for name in ("tags", "metrics", "datasets"):
        values = head.get(name, [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            errors.append(f'"{name}" must be an array of strings')
        elif name == "datasets":
            errors += [
                f'"datasets[{i}]" with value "{value}" is not valid.'
                for i, value in enumerate(values)
                if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", value)
            ]
    if not isinstance(head.get("library_name", ""), str):
        errors.append('"library_name" must be a string')
    return errors


class Refused(Exception):
    """An answer with an error."""

    def __init__(self, status, message, code=None, **content):
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.content = {"error": message, **content}


class Server(http.server.BaseHTTPRequestHandler):
    """What both servers share."""

    protocol_version = "HTTP/1.1"
    host = ""

    def log_message(self, *args):
        pass

    def handle_one_request(self):
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def do(self):
        path, _, query = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(query))
        self.hub.requests.append((self.command, path, self.host))
        # Read whole, or the next request on the connection would begin in it.
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            if "slow" in self.hub.faults:
                self.hub.faults["slow"].wait()
            for part, status in self.hub.faults.get("status", {}).items():
                if part in path:
                    raise Refused(status, "Broken for a test.")
            for method, pattern, function in self.routes:
                match = re.fullmatch(pattern, urllib.parse.unquote(path))
                if match and method in (self.command, "ANY"):
                    groups = match.groupdict()
                    return getattr(self, function)(**groups)
            raise Refused(404, "Sorry, we can't find the page you are looking for.")
        except Refused as refused:
            headers = {"X-Error-Message": refused.message.replace("\n", " ")}
            if refused.code is not None:
                headers["X-Error-Code"] = refused.code
            self.answer(refused.content, refused.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = do

    def answer(self, content=b"", status=200, headers=None):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **(headers or {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            raise Refused(400, "Invalid JSON.") from None


class Routes(Server):
    """The hub itself."""

    host = "hub"
    routes = (
        ("POST", "/api/repos/create", "create"),
        ("POST", "/api/validate-yaml", "validate"),
        ("GET", f"/api/models/{REPOSITORY}", "info"),
        ("GET", f"/api/models/{REPOSITORY}/revision/(?P<revision>.+)", "info"),
        ("POST", f"/api/models/{REPOSITORY}/preupload/(?P<revision>.+)", "preupload"),
        ("POST", f"/api/models/{REPOSITORY}/commit/(?P<revision>.+)", "commit"),
        ("POST", f"/{REPOSITORY}.git/info/lfs/objects/batch", "batch"),
        ("POST", f"/{REPOSITORY}.git/info/lfs/objects/verify", "verify"),
        ("GET", f"/{REPOSITORY}/resolve/(?P<revision>.+)/(?P<name>[^/]+)", "resolve"),
        ("HEAD", f"/{REPOSITORY}/resolve/(?P<revision>.+)/(?P<name>[^/]+)", "resolve"),
    )

    # Who asks, and what for.

    def user(self, is_needed=True):
        """The user of the token, which must be known; None without one."""
        header = self.headers.get("Authorization")
        if header is None and not is_needed:
            return None
        if header is None:
            raise Refused(401, "Invalid username or password.")
        if header != f"Bearer {TOKEN}":
            raise Refused(401, "Invalid credentials in Authorization header")
        return USER

    def found(self, repository, *, writes=False, reads_files=False):
        """A repository that the user may see, and also write or read."""
        user, owner = self.user(writes), repository.partition("/")[0]
        known = self.hub.repositories.get(repository)
        if known is None or known.private and user != owner:
            status = 404 if user else 401
            raise Refused(status, "Repository not found", "RepoNotFound")
        if reads_files and known.gated and user != owner:
            message = f"Access to model {repository} is restricted."
            raise Refused(403 if user else 401, message, "GatedRepo")
        if writes and user != owner and not self.query.get("create_pr"):
            raise Refused(403, f"You have no write access to {repository}.")
        return known

    def revision(self, known, revision):
        oid = known.at(revision)
        if oid is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid

    # Repositories.

    def create(self):
        user, wanted = self.user(), self.json()
        owner = wanted.get("organization") or user
        name = f"{owner}/{wanted['name']}"
        if wanted.get("type", "model") != "model":
            raise Refused(400, "This double holds models alone.")
        if not is_name(wanted["name"]):
            raise Refused(400, "Invalid name of a repository.")
        if owner != user:
            raise Refused(403, f'You don\'t have the rights to create under "{owner}".')
        if name in self.hub.repositories:
            raise Refused(409, "You already created this model repo")
        self.hub.add(name, private=wanted.get("visibility") == "private")
        self.answer({"url": f"{self.hub.url}/{name}", "name": name, "id": "1"})

    def info(self, repository, revision="main"):
        known = self.found(repository)
        oid = self.revision(known, revision)
        siblings = [{"rfilename": name} for name in known.commits[oid]]
        basic = {"id": repository, "modelId": repository, "sha": oid, "tags": []}
        state = {"private": known.private, "gated": "manual" if known.gated else False}
        self.answer({**basic, **state, "siblings": siblings})

    def validate(self):
        wanted = self.json()
        if set(wanted) != {"content", "repoType"}:
            raise Refused(400, "Expected content and repoType.")
        errors = [{"message": text} for text in metadata_errors(wanted["content"])]
        content = {"errors": errors, "warnings": []}
        self.answer(content, 400 if errors else 200)

    def resolve(self, repository, revision, name):
        known = self.found(repository, reads_files=True)
        oid = self.revision(known, revision)
        headers = {"X-Repo-Commit": oid}
        file = known.commits[oid].get(name)
        if file is None:
            content = {"error": "Entry not found"}
            headers |= {"X-Error-Code": "EntryNotFound"}
            headers |= {"X-Error-Message": "Entry not found"}
            return self.answer(content, 404, headers)
        if file.is_lfs:
            self.hub.objects[file.oid] = file.content
            size = len(file.content)
            headers |= {"X-Linked-Etag": f'"{file.oid}"', "X-Linked-Size": size}
            headers["Location"] = f"{self.hub.storage}/{file.oid}?name={name}"
            return self.answer(b"Found", 302, headers)
        self.answer(file.content, 200, {**headers, "ETag": f'"{file.oid}"'})

    # Commits.

    def preupload(self, repository, revision):
        known = self.found(repository, writes=True)
        before = known.commits[self.revision(known, revision)]
        answers = []
        for file in self.json()["files"]:
            sample = base64.b64decode(file["sample"], validate=True)
            mode = is_lfs(file["path"], sample, file["size"])
            answer = {"path": file["path"], "uploadMode": "lfs" if mode else "regular"}
            if file["path"] in before:
                answer["oid"] = before[file["path"]].oid
            answers.append({**answer, "shouldIgnore": False})
        self.answer({"files": answers})

    def batch(self, repository):
        # Whether it is for a pull request, this route is not told.
        self.user()
        self.found(repository)
        for name in ("Accept", "Content-Type"):
            if self.headers[name] != "application/vnd.git-lfs+json":
                raise Refused(406, f"Expected {name} of git-lfs.")
        wanted, answers = self.json(), []
        if wanted["operation"] != "upload" or wanted["hash_algo"] != "sha256":
            raise Refused(422, "Expected an upload with SHA-256.")
        for item in wanted["objects"]:
            answer = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.hub.objects:
                verify = f"{self.hub.url}/{repository}.git/info/lfs/objects/verify"
                href = f"{self.hub.storage}/{item['oid']}?size={item['size']}"
                answer["actions"] = {"upload": {"href": href}}
                answer["actions"]["verify"] = {"href": verify}
            answers.append(answer)
        self.answer({"transfer": "basic", "objects": answers})

    def verify(self, repository):
        self.user()
        self.found(repository)
        self._check_object(**self.json())
        self.answer({})

    def _check_object(self, oid, size):
        content = self.hub.objects.get(oid)
        if content is None or len(content) != size:
            raise Refused(404, f"The LFS object {oid} of {size} bytes is missing.")
        return content

    def commit(self, repository, revision):
        known = self.found(repository, writes=True)
        if self.headers["Content-Type"] != "application/x-ndjson":
            raise Refused(415, "Expected application/x-ndjson.")
        oid = self.revision(known, revision)
        header, *items = map(json.loads, self.body.splitlines())
        if header["key"] != "header" or not header["value"].get("summary"):
            raise Refused(400, "Expected a header with a summary.")
        if header["value"].get("parentCommit", oid) != oid:
            raise Refused(412, "A commit has happened since. Please refresh.")
        files = dict(known.commits[oid])
        for item in items:
            files[item["value"]["path"]] = self._file(item["key"], **item["value"])
        if not items:
            raise Refused(400, "Expected operations.")
        is_pull_request = self.query.get("create_pr") == "1"
        number = 1 + sum(ref.startswith("refs/pr/") for ref in known.refs)
        ref = f"refs/pr/{number}" if is_pull_request else revision
        made = known.commit(files, ref, header["value"]["summary"])
        answer = {"commitOid": made, "success": True}
        answer["commitUrl"] = f"{self.hub.url}/{repository}/commit/{made}"
        if is_pull_request:
            page = f"{self.hub.url}/{repository}/discussions/{number}"
            answer["pullRequestUrl"] = page
        self.answer(answer)

    def _file(self, key, path, **value):
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise Refused(400, f"Invalid path {path!r}.")
        if key == "lfsFile" and value["algo"] == "sha256":
            return File(self._check_object(value["oid"], value["size"]), True)
        if key != "file" or value["encoding"] != "base64":
            raise Refused(400, f"Unknown operation {key!r}.")
        content = base64.b64decode(value["content"], validate=True)
        if is_lfs(path, content):
            raise Refused(400, f"Expected {path}, which is binary, in LFS.")
        if path == "README.md" and metadata_errors(content.decode()):
            raise Refused(400, "Invalid metadata in README.md")
        return File(content)


class Storage(Server):
    """The storage of LFS objects, whose addresses hold all that is needed."""

    host = "storage"
    routes = (
        ("GET", "/(?P<oid>[0-9a-f]{64})", "read"),
        ("PUT", "/(?P<oid>[0-9a-f]{64})", "write"),
    )

    def refuse_token(self):
        if self.headers.get("Authorization"):
            raise Refused(400, "Only one auth mechanism allowed.")

    def read(self, oid):
        self.refuse_token()
        content = self.hub.objects.get(oid)
        if content is None:
            raise Refused(403, "Access denied.")
        name = self.query.get("name")
        if name in self.hub.faults.get("truncate", ()):
            content = content[: len(content) // 2]
        if name in self.hub.faults.get("spoil", ()):
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.answer(content)

    def write(self, oid):
        self.refuse_token()
        if len(self.body) != int(self.query["size"]) or sha256(self.body) != oid:
            raise Refused(400, "BadDigest: the object is not the one announced.")
        self.hub.objects[oid] = self.body
        self.answer()


# The hub's client reads its variables when it is imported. They are set here, and
# `conftest` imports this module first: no test reaches the hub itself.
HUB, HOME = Hub(), tempfile.mkdtemp()
os.environ |= {
    "HF_ENDPOINT": HUB.url,
    "HF_HOME": HOME,
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_ETAG_TIMEOUT": "60",
    "HF_HUB_DOWNLOAD_TIMEOUT": "60",
}
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
atexit.register(HUB.close)
