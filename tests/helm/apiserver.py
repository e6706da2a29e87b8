"""A real kube-apiserver with its etcd: `python -m tests.helm.apiserver` builds it once.

No package index has one, so it is made of Debian 12's source package (Kubernetes 1.20), in about
ten minutes. Rule: nothing is installed; packages are unpacked in the cache, and only processes that
were started here are ended.
"""

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deployments.models.cache import cache_dir
from loadtests.traffic.stack import free_port

FOLDER = cache_dir(os.environ) / "tools" / "kube-apiserver-1.20.2"
"""Where `kube-apiserver` and `etcd` lie once they were built."""

HOW_TO_GET_APISERVER = "no kube-apiserver here; run: make chart-cluster"

_CODENAME = "bookworm"
_PACKAGES = (
    "etcd-server",
    "golang-1.19-go",
    "golang-1.19-src",
    "golang-github-modern-go-reflect2-dev",
    "libpopt0",
    "rsync",
)
# The vendored one crashes under Go 1.18 and later.
_REPLACED = "github.com/modern-go/reflect2"
_START_SECONDS = 120
_ADMIN = "admin"


def build() -> None:
    """Builds what is not in the cache yet.

    Raises:
        SystemExit: this is no Debian 12, or it lacks a compiler.
    """
    if (FOLDER / "kube-apiserver").is_file():
        return
    missing = [tool for tool in ("dpkg-source", "make", "gcc", "jq") if not shutil.which(tool)]
    if missing:
        raise SystemExit(f"needs {', '.join(missing)}; apt-get install dpkg-dev make gcc jq")
    with tempfile.TemporaryDirectory(prefix="niche-apiserver-") as name:
        work = Path(name)
        _fetch(work)
        server = _compile(work)
        FOLDER.mkdir(parents=True, exist_ok=True)
        shutil.copy2(work / "unpacked" / "usr" / "bin" / "etcd", FOLDER / "etcd")
        shutil.copy2(server, FOLDER / "kube-apiserver.part")
        (FOLDER / "kube-apiserver.part").rename(FOLDER / "kube-apiserver")


def _fetch(work: Path) -> None:
    """Debian's packages and source, by an apt of its own: the system's stays as it is."""
    for folder in ("lists/partial", "cache/archives/partial", "none", "packages", "source"):
        (work / folder).mkdir(parents=True)
    sources = "".join(f"{kind} {_mirror()} {_CODENAME} main\n" for kind in ("deb", "deb-src"))
    (work / "sources.list").write_text(sources, encoding="utf-8")
    (work / "apt.conf").write_text(
        f'Dir::Etc::sourcelist "{work}/sources.list";\nDir::Etc::sourceparts "{work}/none";\n'
        f'Dir::State::lists "{work}/lists";\nDir::Cache "{work}/cache";\n'
        'APT::Sandbox::User "root";\n',
        encoding="utf-8",
    )
    apt = {"APT_CONFIG": str(work / "apt.conf")}
    _run("apt-get", "update", "-qq", environment=apt)
    _run("apt-get", "download", "-qq", *_PACKAGES, folder=work / "packages", environment=apt)
    for package in (work / "packages").iterdir():
        _run("dpkg", "-x", str(package), str(work / "unpacked"))
    source = ("apt-get", "source", "-qq", "--download-only", "kubernetes")
    _run(*source, folder=work / "source", environment=apt)
    [description] = (work / "source").glob("*.dsc")
    _run("dpkg-source", "--extract", str(description), str(work / "kubernetes"))


def _mirror() -> str:
    """The mirror that this machine's apt takes Debian 12 from."""
    fields = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
    command = ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        said = ""
    for line in said.splitlines():
        if line.startswith(f"{_CODENAME} main "):
            return line.split()[2]
    raise SystemExit(f"needs Debian 12 ({_CODENAME}), from whose source the API server is built")


def _compile(work: Path) -> Path:
    unpacked, tree = work / "unpacked", work / "kubernetes"
    vendored = tree / "vendor" / _REPLACED
    shutil.rmtree(vendored)
    shutil.copytree(unpacked / "usr/share/gocode/src" / _REPLACED, vendored)
    go = unpacked / "usr/lib/go-1.19"
    environment = {
        "PATH": f"{go}/bin:{unpacked}/usr/bin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{unpacked}/usr/lib/x86_64-linux-gnu",
        "GOROOT": str(go),
        "GOCACHE": str(work / "go-cache"),
        "HOME": str(work),
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
    }
    _run("make", "generated_files", folder=tree, environment=environment)
    _run("make", "WHAT=cmd/kube-apiserver", folder=tree, environment=environment)
    return tree / "_output/local/go/bin/kube-apiserver"


def _run(
    *command: str, folder: Path | None = None, environment: dict[str, str] | None = None
) -> None:
    subprocess.run(command, cwd=folder, env=os.environ | (environment or {}), check=True)


@contextmanager
def serving(folder: Path) -> Iterator[Path]:
    """Runs an empty API server; yields the path of a kubeconfig of its administrator.

    Args:
        folder: an empty directory, where its state and logs go.
    """
    etcd, peers, secure = free_port(), free_port(), free_port()
    key, tokens = folder / "service-account.key", folder / "tokens.csv"
    _run("openssl", "genrsa", "-out", str(key), "2048")
    tokens.write_text(f'{_ADMIN},{_ADMIN},{_ADMIN},"system:masters"\n', encoding="utf-8")
    url = f"http://127.0.0.1:{etcd}"
    store = (
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls=http://127.0.0.1:{peers}",
    )
    server = (
        f"--etcd-servers={url}",
        f"--secure-port={secure}",
        "--bind-address=127.0.0.1",
        f"--cert-dir={folder / 'certificates'}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--disable-admission-plugins=ServiceAccount",
    )
    with ExitStack() as running:
        running.enter_context(_process(folder, "etcd", *store))
        running.enter_context(_process(folder, "kube-apiserver", *server))
        yield _kubeconfig(folder, _ready(f"https://127.0.0.1:{secure}", folder))


@contextmanager
def _process(folder: Path, program: str, *arguments: str) -> Iterator[None]:
    with (folder / f"{program}.log").open("wb") as log:
        process = subprocess.Popen([str(FOLDER / program), *arguments], stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


def _ready(url: str, folder: Path) -> str:
    """The server's URL, once it says that it is ready."""
    unchecked = ssl._create_unverified_context()  # it signs its certificate itself
    request = urllib.request.Request(f"{url}/readyz", headers={"Authorization": f"Bearer {_ADMIN}"})
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, context=unchecked, timeout=5):
                return url
        except OSError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the API server did not start; see {folder}") from None
            time.sleep(0.2)


def _kubeconfig(folder: Path, url: str) -> Path:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": url, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "u", "user": {"token": _ADMIN}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config), encoding="utf-8")
    path.chmod(0o600)
    return path


if __name__ == "__main__":
    build()
    sys.stdout.write(f"{FOLDER}\n")
