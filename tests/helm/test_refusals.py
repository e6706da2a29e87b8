"""Bad values are refused before anything is installed, with the key and what to do."""

from functools import cache

import pytest

from tests.helm.charts import NEWEST, RELEASE, VALUES, Outcome, run_all
from tests.helm.marks import needs_helm
from tests.helm.tools import helms

pytestmark = needs_helm

INCREMENTAL = "upgrade.type=NewClusterWithIncrementalUpgrade"
OPENAI = "niche.generalist.engine=openai"

# What the schema sees; helm's own words name the place. The majors read schemas by different means.
BY_SCHEMA: dict[str, tuple[str, str]] = {
    "negative-replicas": ("workerGroups.cpu.minReplicas=-1", "minReplicas"),
    "negative-model-replicas": ("niche.generalist.replicas=-1", "generalist"),
    "unknown-key": ("workerGroups.cpu.replcas=2", "replcas"),
    "unknown-top-key": ("imagePullSecret=x", "imagePullSecret"),
    "unknown-model-key": ("niche.generalist.gpus=1", "gpus"),
    "unknown-engine": ("niche.generalist.engine=llamafile", "engine"),
    "unknown-engine-option": ("niche.generalist.engine_options.reply_=x", "reply_"),
    "engine-option-out-of-range": (
        "niche.generalist.engine_options.token_seconds=-1",
        "token_seconds",
    ),
    "unknown-upgrade": ("upgrade.type=Rolling", "type"),
    "step-out-of-range": ("upgrade.incremental.stepSizePercent=101", "stepSizePercent"),
    "unknown-source": ("routerArtifact.source=ftp", "source"),
    "no-quantity": ("head.memory=much", "memory"),
    "no-digest": ("image.digest=abc", "digest"),
    "no-version": ("ray.version=latest", "version"),
    "group-name": ("workerGroups.GPU.gpus=1", "GPU"),
    "hpa-on-ray-s-pods": ("workerGroups.cpu.hpa.maxReplicas=3", "hpa"),
    "short-key": ("apiKeys.values={short}", "values"),
    "unknown-scenario": ("loadTest.scenario=storm", "scenario"),
    "no-load-host": ("loadTest.host=niche:8000", "host"),
    "read-only-state": ("state.persistence.accessModes={ReadOnlyMany}", "accessModes"),
}

# What only the chart can see; its words are the same in either major.
BY_CHART: dict[str, tuple[str, str]] = {
    "long-name": (f"fullnameOverride={'a' * 48}", "at most 47"),
    "name-with-digit": ("fullnameOverride=3x", "a letter first"),
    "unknown-domain": ("niche.specialists[0].domain=legal", '"legal" is no domain'),
    "no-domain": ("niche.specialists[0].domain=null", "needs a domain"),
    "general-domain": ("niche.generalist.domain=sql", "remove the key"),
    "same-name": ("niche.specialists[0].name=generalist", "is taken"),
    "auto": ("niche.generalist.name=auto", "choose another"),
    "min-above-max": ("niche.specialists[0].autoscaling.min_replicas=5", "above autoscaling.max"),
    "gateway-nowhere": ("placement.gateway=nowhere", 'no worker group "nowhere"; there are cpu'),
    "classifier-nowhere": ("placement.classifier=nowhere", "placement.classifier"),
    "model-nowhere": ("placement.models.sql=nowhere", "placement.models.sql"),
    "no-such-model": ("placement.models.nobody=cpu", 'no model "nobody"'),
    "group-min-above-max": ("workerGroups.cpu.minReplicas=9", "above maxReplicas (4)"),
    "undrainable": ("workerGroups.cpu.minAvailable=3", "could ever be drained"),
    "gpus-without-group": (
        "niche.generalist.resources.num_gpus=1",
        "1 GPUs for a replica; add such a group",
    ),
    "model-larger-than-pods": ("niche.generalist.resources.num_cpus=3", "3 CPUs"),
    "too-many-replicas": ("niche.generalist.replicas=90", "at most 8"),
    "too-many-gateways": (
        "niche.gateway.replicas=5,placement.gatewayReplicasPerPod=1",
        "times the pods",
    ),
    "classifier-without-gpu": ("niche.router.deployment.num_gpus=1", "placement.classifier"),
    "server-without-model": ("modelServers.a.models={generalist}", "modelServers.a.model:"),
    "server-of-nobody": ("modelServers.a.model=m", "name the models"),
    "server-of-unknown": ("modelServers.a.models={x},modelServers.a.model=m", 'no model "x"'),
    "server-of-other-engine": (
        "modelServers.a.models={sql},modelServers.a.model=m",
        "another engine",
    ),
    "two-servers": (
        "modelServers.a.models={sql},modelServers.b.models={sql},modelServers.a.model=m,"
        "modelServers.b.model=m",
        "has another server",
    ),
    "adapter-of-nobody": (
        f"{OPENAI},modelServers.a.models={{generalist}},modelServers.a.model=m,"
        "modelServers.a.adapters.x=/y",
        "no model that it serves",
    ),
    "servers-that-cannot-be-scraped": (
        f"{OPENAI},modelServers.a.models={{generalist}},modelServers.a.model=m,"
        "networkPolicy.enabled=true,monitoring.serviceMonitor.enabled=true",
        "networkPolicy.scrapers",
    ),
    "two-scalers": (
        "modelServers.a.model=m,modelServers.a.keda.minReplicas=1,modelServers.a.keda.maxReplicas=2,"
        "modelServers.a.keda.triggers[0].type=cron,modelServers.a.hpa.minReplicas=1,"
        "modelServers.a.hpa.maxReplicas=2,modelServers.a.hpa.metrics[0].type=Pods",
        "hpa and keda",
    ),
    "no-url": (OPENAI, "needs engine_options.base_url"),
    "two-urls": (
        f"{OPENAI},niche.generalist.engine_options.base_url=http://x/v1,"
        "modelServers.a.models={generalist},modelServers.a.model=m",
        "of its own",
    ),
    "both-routes": ("ingress.enabled=true,httpRoute.enabled=true", "choose one"),
    "no-host": ("ingress.enabled=true", "ingress.hosts"),
    "no-parent": ("httpRoute.enabled=true", "httpRoute.parentRefs"),
    "no-gateway-class": (INCREMENTAL, "upgrade.incremental.gatewayClassName"),
    "steps-without-autoscaler": (
        f"{INCREMENTAL},autoscaler.enabled=false",
        "need autoscaler.enabled",
    ),
    "step-above-surge": (
        f"{INCREMENTAL},upgrade.incremental.stepSizePercent=50,upgrade.incremental.maxSurgePercent=20",
        "above maxSurgePercent (20)",
    ),
    "two-gateways": (f"{INCREMENTAL},ingress.enabled=true", "disable ingress"),
    "test-without-url": (INCREMENTAL, "tests.url"),
    "two-lists-of-keys": ("apiKeys.existingSecret=a,apiKeys.values={long-enough}", "choose one"),
    "no-image": ("routerArtifact.source=image", "routerArtifact.image.reference"),
    "no-claim": ("routerArtifact.source=persistentVolumeClaim", "claimName"),
    "no-config-map": ("routerArtifact.source=configMap", "configMap.name"),
    "no-download": ("routerArtifact.source=download", "download.image"),
    "no-command": (
        "routerArtifact.source=download,routerArtifact.download.image=a",
        "download.command",
    ),
    "no-redis": ("gcsFaultTolerance.enabled=true", "redisAddress"),
    "load-without-host": (
        f"{INCREMENTAL},loadTest.enabled=true",
        "loadTest.host",
    ),
    "log-elsewhere": (
        "niche.observability.decision_log.path=/tmp/decisions.jsonl",
        "name a file below state.mountPath (/var/lib/niche)",
    ),
    "log-out-of-it": (
        "niche.observability.decision_log.path=/var/lib/niche/../decisions.jsonl",
        "niche.observability.decision_log.path",
    ),
    "log-somewhere": (
        "niche.observability.decision_log.path=decisions.jsonl",
        "niche.observability.decision_log.path",
    ),
    "log-on-a-read-only-mount": (
        "niche.observability.decision_log.path=/logs/decisions.jsonl,"
        "extraVolumeMounts[0].mountPath=/logs,extraVolumeMounts[0].readOnly=true",
        "niche.observability.decision_log.path",
    ),
    "evidence-elsewhere": (
        "niche.gateway.shadow.path=/data/evidence.db",
        "niche.gateway.shadow.path",
    ),
    "evidence-in-several-pods": (
        "niche.gateway.shadow.store_texts=true",
        "may be in 2 pods",
    ),
    "evidence-in-a-directory-each": (
        "niche.gateway.shadow.store_texts=true,state.persistence.enabled=true,"
        "state.persistence.oneNode=false,state.persistence.accessModes={ReadWriteMany}",
        "may be in 2 pods",
    ),
    "a-directory-each-on-one-node": (
        "state.persistence.enabled=true,state.persistence.oneNode=false",
        "need ReadWriteMany",
    ),
    "no-secret": ("gcsFaultTolerance.usernameKey=user", "passwordSecret"),
}

REFUSED = BY_SCHEMA | BY_CHART
CASES = [(helm, case) for helm in helms() for case in BY_SCHEMA]
CASES += [(NEWEST, case) for case in BY_CHART]


def _command(helm: str, case: str) -> tuple[str, ...]:
    """Over a stack of fake models, for what is set replaces a part of it."""
    changed, _message = REFUSED[case]
    return (helm, "template", RELEASE, ".", "--values", str(VALUES["fake"]), "--set", changed)


@cache
def _outcomes() -> dict[tuple[str, ...], Outcome]:
    return run_all(_command(helm, case) for helm, case in CASES)


@pytest.mark.parametrize(("helm", "case"), CASES)
def test_bad_values_are_refused(helm, case):
    """A set of values that cannot work renders nothing, and the message names the key."""
    outcome = _outcomes()[_command(helm, case)]

    assert outcome.code != 0
    assert outcome.output == ""
    assert REFUSED[case][1] in outcome.errors


@pytest.mark.parametrize(
    "accepted",
    [
        # Another place that may be written.
        "niche.observability.decision_log.path=/logs/decisions.jsonl,"
        "extraVolumeMounts[0].mountPath=/logs,extraVolumeMounts[0].name=logs",
        # One pod, whose evidence ends with it.
        "niche.gateway.shadow.store_texts=true,workerGroups.cpu.minReplicas=1,"
        "workerGroups.cpu.maxReplicas=1",
        "niche.gateway.shadow.store_texts=true,niche.gateway.replicas=1",
        "niche.gateway.shadow.store_texts=true,state.persistence.enabled=true",
    ],
)
def test_what_works_is_not_refused(accepted):
    """The conditions on what is written are no stricter than they must be."""
    command = (NEWEST, "template", RELEASE, ".", "--values", str(VALUES["fake"]), "--set", accepted)

    [outcome] = run_all([command]).values()

    assert outcome.code == 0, outcome.errors


def test_a_guarantee_wants_all_specialists():
    """Else the gateway would refuse it at its start; an artifact of fewer domains may have one."""
    base = (NEWEST, "template", RELEASE, ".", "--values", str(VALUES["fake"]))
    wanted = (*base, "--set-json", 'niche.router={"guarantee":{"alpha":0.02}}')
    fewer = (*wanted, "--set", "routerArtifact.domains={sql,tools}")

    outcomes = run_all([wanted, fewer])

    assert "biomed, math, support have no specialist" in outcomes[wanted].errors
    assert outcomes[fewer].code == 0, outcomes[fewer].errors


def test_every_fault_is_told_at_once():
    """Values with several faults get a line for each."""
    faults = "placement.gateway=a,ingress.enabled=true,gcsFaultTolerance.enabled=true"
    command = (NEWEST, "template", RELEASE, ".", "--set", faults)

    [outcome] = run_all([command]).values()

    for key in ("placement.gateway:", "ingress.hosts:", "gcsFaultTolerance.redisAddress:"):
        assert f"\n{key}" in outcome.errors
