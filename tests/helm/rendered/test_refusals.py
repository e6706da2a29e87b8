"""Values that cannot work are refused before anything is installed, with the key at fault."""

import re
from functools import cache

import pytest

from tests.helm.rendered.charts import NEWEST, Outcome, run_all, template
from tests.helm.tools import helms

INCREMENTAL = ('upgrade.type="NewClusterWithIncrementalUpgrade"',)
STEPS = (*INCREMENTAL, 'upgrade.incremental.gatewayClassName="istio"', 'tests.url="http://gateway"')
OPENAI = ('niche.generalist={"name":"generalist","model":"none","engine":"openai"}',)
POOL = ("niche.specialists[1].deployment=null",)
TWO_GPUS = ("niche.generalist.resources.num_gpus=2", "workerGroups.gpu.gpus=1")
UPSTREAM = (*OPENAI, 'niche.generalist.engine_options.base_url="http://x/v1"')
SERVER = 'modelServers.a={"models":["generalist"],"model":"m"}'
ADAPTED = (*OPENAI, SERVER, "modelServers.a.maxLoraRank=8")
FROM_IMAGE = ('modelServers.a.adapterImage="adapters"',)
A_DIRECTORY_EACH = (
    "niche.gateway.shadow.store_texts=true",
    "state.persistence.enabled=true",
    "state.persistence.oneNode=false",
    'state.persistence.accessModes=["ReadWriteMany"]',
)
LOG = "niche.observability.decision_log.path"
STORE = "niche.gateway.response_store"
REDIS = f'{STORE}={{"redis_url_env":"REDIS_URL"}}'

# What the schema finds; the words are helm's and differ between the majors. Each: changes of the
# values, and the last part of the key's path.
BY_SCHEMA: dict[str, tuple[tuple[str, ...], str]] = {
    "negative-size": (("workerGroups.cpu.minReplicas=-1",), "minReplicas"),
    "unknown-group-key": (("workerGroups.cpu.replcas=2",), "replcas"),
    "unknown-key": (('imagePullSecret="x"',), "imagePullSecret"),
    "unknown-model-key": (("niche.generalist.gpus=1",), "gpus"),
    "unknown-engine": (('niche.generalist.engine="llamafile"',), "engine"),
    "unknown-engine-option": (('niche.generalist.engine_options.reply_="x"',), "reply_"),
    "engine-option-out-of-range": (
        ("niche.generalist.engine_options.token_seconds=-1",),
        "token_seconds",
    ),
    "unknown-source": (('routerArtifact.source="ftp"',), "source"),
    "no-quantity": (('head.memory="much"',), "memory"),
    "group-name": (("workerGroups.GPU.gpus=1",), "GPU"),
    "hpa-of-ray-pods": (("workerGroups.cpu.hpa.maxReplicas=3",), "hpa"),
    "short-api-key": (('apiKeys.values=["short"]',), "values"),
    "unknown-mark": (('apiKeys.values=["boss long-enough"]',), "values"),
    "short-marked-key": (('apiKeys.values=["operator short"]',), "values"),
    "two-lists-of-keys": (
        ('apiKeys.existingSecret="a"', 'apiKeys.values=["long-enough"]'),
        "values",
    ),
    "unknown-scenario": (('loadTest.scenario="storm"',), "scenario"),
    "no-host": (("ingress.enabled=true",), "hosts"),
    "no-parent": (("httpRoute.enabled=true",), "parentRefs"),
    "no-redis": (("gcsFaultTolerance.enabled=true",), "redisAddress"),
    "no-redis-secret": (('gcsFaultTolerance.usernameKey="user"',), "passwordSecret"),
    "no-artifact-image": (('routerArtifact.source="image"',), "reference"),
    "no-artifact-claim": (('routerArtifact.source="persistentVolumeClaim"',), "claimName"),
    "no-artifact-config-map": (('routerArtifact.source="configMap"',), "name"),
    "no-artifact-command": (
        ('routerArtifact.source="download"', 'routerArtifact.download.image="a"'),
        "command",
    ),
    "server-without-weights": (('modelServers.a.models=["generalist"]',), "model"),
    "server-without-models": (('modelServers.a={"model":"m","models":[]}',), "models"),
    "no-rank-of-vllm": (
        (*ADAPTED[:-1], "modelServers.a.maxLoraRank=12"),
        "maxLoraRank",
    ),
    "half-a-rollout": ((*OPENAI, SERVER, "modelServers.a.strategy.maxSurge=0"), "strategy"),
    "two-scalers": (
        (
            *OPENAI,
            SERVER,
            'modelServers.a.hpa={"minReplicas":1,"maxReplicas":2,"metrics":[{"type":"Pods"}]}',
            'modelServers.a.keda={"minReplicas":1,"maxReplicas":2,"triggers":[{"type":"cron"}]}',
        ),
        "keda",
    ),
}

# What the chart's own template finds: every key that its error lines start with.
BY_CHART: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "long-name": ((f'fullnameOverride="{"a" * 48}"',), {"fullnameOverride"}),
    "name-with-digit": (('fullnameOverride="3x"',), {"fullnameOverride"}),
    "gateway-nowhere": (('placement.gateway="x"',), {"placement.gateway"}),
    "classifier-nowhere": (('placement.classifier="x"',), {"placement.classifier"}),
    "model-nowhere": (('placement.models.sql="x"',), {"placement.models.sql"}),
    "no-such-model": (('placement.models.nobody="cpu"',), {"placement.models.nobody"}),
    "pool-nowhere": ((*POOL, 'placement.pools.none="x"'), {"placement.pools.none"}),
    "no-such-pool": (('placement.pools.nobody="cpu"',), {"placement.pools.nobody"}),
    "model-of-a-pool": ((*POOL, 'placement.models.tools="cpu"'), {"placement.models.tools"}),
    "min-above-max": (
        ("workerGroups.cpu.minReplicas=9",),
        {"workerGroups.cpu.minReplicas"},
    ),
    "undrainable": (("workerGroups.cpu.minAvailable=3",), {"workerGroups.cpu.minAvailable"}),
    "replica-larger-than-pods": (
        ("niche.generalist.resources.num_cpus=3",),
        {"niche.generalist.resources"},
    ),
    "replica-larger-than-its-group": (
        ("niche.specialists[0].resources.num_gpus=1", "workerGroups.gpu.gpus=1"),
        {"niche.specialists[0].resources"},
    ),
    "gateway-larger-than-its-group": (
        ("niche.gateway.num_cpus=3",),
        {"niche.gateway.num_cpus"},
    ),
    "classifier-without-gpu": (
        ("niche.router.deployment.num_gpus=1", "workerGroups.gpu.gpus=1"),
        {"niche.router.deployment"},
    ),
    "tensors-larger-than-pods": (
        ('niche.generalist={"name":"generalist","model":"m","engine":"vllm"}', *TWO_GPUS),
        {"niche.generalist.resources"},
    ),
    "more-than-all-pods": (("niche.generalist.replicas=90",), {"workerGroups"}),
    "more-than-fixed-pods": (
        ("niche.generalist.replicas=60", "autoscaler.enabled=false"),
        {"workerGroups"},
    ),
    "more-gateways-than-pods": (
        ("niche.gateway.replicas=5", "placement.gatewayReplicasPerPod=1"),
        {"niche.gateway.replicas"},
    ),
    "unknown-domain": (
        ('niche.specialists[0].domain="legal"',),
        {"niche.specialists[0].domain"},
    ),
    "no-url": (OPENAI, {"niche.generalist.engine_options.base_url"}),
    "no-url-of-vectors": (
        ('niche.embeddings=[{"name":"vectors","model":"none","engine":"openai"}]',),
        {"niche.embeddings[0].engine_options.base_url"},
    ),
    "no-url-of-a-ranking": (
        (
            'niche.embeddings=[{"name":"vectors","model":"none","engine":"fake"}]',
            'niche.rerankers=[{"name":"ranker","model":"none","engine":"openai"}]',
        ),
        {"niche.rerankers[0].engine_options.base_url"},
    ),
    "two-urls": (
        (*OPENAI, SERVER, 'niche.generalist.engine_options.base_url="http://x/v1"'),
        {"modelServers.a.models"},
    ),
    "replicas-of-an-upstream": (
        (
            *UPSTREAM,
            *POOL,
            "niche.generalist.replicas=2",
            "niche.generalist.autoscaling.max_replicas=2",
            'niche.specialists[1].engine="openai"',
            'niche.specialists[1].engine_options.base_url="http://x/v1"',
        ),
        {
            "niche.generalist.replicas",
            "niche.generalist.autoscaling",
            "niche.specialists[1].resources",
            "niche.specialists[1].replicas",
        },
    ),
    "placed-upstream": (
        (*UPSTREAM, 'placement.models.generalist="cpu"'),
        {"placement.models.generalist"},
    ),
    "server-of-unknown-model": (
        ('modelServers.a={"models":["x"],"model":"m"}',),
        {"modelServers.a.models"},
    ),
    "server-of-another-engine": ((SERVER,), {"modelServers.a.models"}),
    "two-servers-of-a-model": (
        (*OPENAI, SERVER, 'modelServers.b={"models":["generalist"],"model":"m"}'),
        {"modelServers.b.models"},
    ),
    "server-with-long-name": (
        (*OPENAI, SERVER.replace(".a", f".{'a' * 32}"), f'fullnameOverride="{"b" * 32}"'),
        {f"modelServers.{'a' * 32}"},
    ),
    "adapter-of-no-model": (
        (*ADAPTED, 'modelServers.a.adapters.x="Org/Adapter"'),
        {"modelServers.a.adapters.x"},
    ),
    "adapters-without-a-rank": (
        (*OPENAI, SERVER, 'modelServers.a.adapters.none="Org/Adapter"'),
        {"modelServers.a.maxLoraRank"},
    ),
    "adapter-in-no-volume": (
        (*ADAPTED, 'modelServers.a.adapters.none="/adapters/none"'),
        {"modelServers.a.adapters.none"},
    ),
    "adapter-in-an-empty-cache": (
        (*ADAPTED, 'modelServers.a.adapters.none="/models/adapters/none"'),
        {"modelServers.a.adapters.none"},
    ),
    "adapter-beside-its-image": (
        (*ADAPTED, *FROM_IMAGE, 'modelServers.a.adapters.none="/elsewhere/none"'),
        {"modelServers.a.adapters.none"},
    ),
    "servers-that-nothing-may-scrape": (
        (
            *OPENAI,
            SERVER,
            "networkPolicy.enabled=true",
            "monitoring.serviceMonitor.enabled=true",
        ),
        {"networkPolicy.scrapers"},
    ),
    "two-routes": (
        (
            'ingress={"enabled":true,"hosts":["a"]}',
            'httpRoute={"enabled":true,"parentRefs":[{"name":"b"}]}',
        ),
        {"httpRoute.enabled"},
    ),
    "steps-without-gateway": (INCREMENTAL, {"upgrade.incremental.gatewayClassName", "tests.url"}),
    "steps-without-autoscaler": (
        (*STEPS, "autoscaler.enabled=false"),
        {"autoscaler.enabled"},
    ),
    "steps-above-surge": (
        (
            *STEPS,
            "upgrade.incremental.stepSizePercent=50",
            "upgrade.incremental.maxSurgePercent=20",
        ),
        {"upgrade.incremental.stepSizePercent"},
    ),
    "steps-beside-an-ingress": (
        (*STEPS, 'ingress={"enabled":true,"hosts":["a"]}'),
        {"ingress.enabled"},
    ),
    "steps-without-load-host": ((*STEPS, "loadTest.enabled=true"), {"loadTest.host"}),
    "log-elsewhere": ((f'{LOG}="/tmp/decisions.jsonl"',), {LOG}),
    "log-out-of-it": ((f'{LOG}="/var/lib/niche/../decisions.jsonl"',), {LOG}),
    "log-at-a-relative-path": ((f'{LOG}="decisions.jsonl"',), {LOG}),
    "log-on-a-read-only-mount": (
        (
            f'{LOG}="/logs/decisions.jsonl"',
            'extraVolumeMounts=[{"name":"l","mountPath":"/logs","readOnly":true}]',
        ),
        {LOG},
    ),
    "evidence-elsewhere": (
        (
            'niche.gateway.shadow.path="/data/evidence.db"',
            "niche.gateway.replicas=1",
        ),
        {"niche.gateway.shadow.path"},
    ),
    "evidence-in-several-pods": (
        ("niche.gateway.shadow.store_texts=true",),
        {"niche.gateway.shadow"},
    ),
    "evidence-in-a-directory-each": (A_DIRECTORY_EACH, {"niche.gateway.shadow"}),
    "responses-elsewhere": (
        (f'{STORE}.path="/data/responses.db"', "niche.gateway.replicas=1"),
        {f"{STORE}.path"},
    ),
    "responses-in-several-pods": ((f"{STORE}.max_age_hours=1",), {STORE}),
    "responses-in-a-directory-each": (
        (*A_DIRECTORY_EACH[1:], f"{STORE}.max_age_hours=1"),
        {STORE},
    ),
    "responses-in-a-redis-that-no-pod-knows": ((REDIS,), {f"{STORE}.redis_url_env"}),
    "a-directory-each-on-one-node": (
        ("state.persistence.enabled=true", "state.persistence.oneNode=false"),
        {"state.persistence.accessModes"},
    ),
    "several-at-once": (
        ('placement.gateway="x"', 'fullnameOverride="3x"', f'{LOG}="d"'),
        {"placement.gateway", "fullnameOverride", LOG},
    ),
}

# Near the refusals above: conditions are no stricter than they must be.
ACCEPTED: dict[str, tuple[str, ...]] = {
    "log-on-a-writable-mount": (
        f'{LOG}="/logs/decisions.jsonl"',
        'extraVolumeMounts=[{"name":"logs","mountPath":"/logs"}]',
    ),
    "evidence-in-the-only-pod": (
        "niche.gateway.shadow.store_texts=true",
        "workerGroups.cpu.minReplicas=1",
        "workerGroups.cpu.maxReplicas=1",
    ),
    "evidence-of-the-only-replica": (
        "niche.gateway.shadow.store_texts=true",
        "niche.gateway.replicas=1",
    ),
    "evidence-on-one-node": (
        "niche.gateway.shadow.store_texts=true",
        "state.persistence.enabled=true",
    ),
    "responses-of-the-only-replica": (
        f"{STORE}.max_age_hours=1",
        "niche.gateway.replicas=1",
    ),
    "responses-on-one-node": (f"{STORE}.max_age_hours=1", "state.persistence.enabled=true"),
    "responses-in-a-redis": (REDIS, 'extraEnv=[{"name":"REDIS_URL","value":"redis://r"}]'),
    "an-upstream": UPSTREAM,
    "an-upstream-with-replicas": (
        *UPSTREAM,
        'niche.generalist.deployment="own"',
        "niche.generalist.replicas=2",
        'placement.models.generalist="cpu"',
    ),
    "adapter-of-an-image": (
        *ADAPTED,
        *FROM_IMAGE,
        'modelServers.a.adapters.none="/adapters/none"',
    ),
    "adapter-in-a-persistent-cache": (
        *ADAPTED,
        "modelCache.persistence.enabled=true",
        'modelServers.a.adapters.none="/models/adapters/none"',
    ),
    "adapter-of-the-hub": (*ADAPTED, 'modelServers.a.adapters.none="Org/Adapter"'),
    "stages-on-several-pods": (
        'niche.generalist={"name":"generalist","model":"m","engine":"vllm"}',
        "niche.generalist.engine_options.pipeline_parallel_size=2",
        *TWO_GPUS,
    ),
    # Left to `niche config check`, which tells more.
    "two-models-of-one-name": ('niche.specialists[1].name="sql"',),
    "guarantee-without-all-specialists": ("niche.router.guarantee.alpha=0.02",),
}


def _command(helm: str, changes: tuple[str, ...]) -> tuple[str, ...]:
    """Over a stack of fake models: what is changed replaces a part of it."""
    return template(helm, "fake", *changes)


@cache
def _outcomes() -> dict[tuple[str, ...], Outcome]:
    both = [_command(helm, changes) for helm in helms() for changes, _key in BY_SCHEMA.values()]
    newest = [changes for changes, _keys in BY_CHART.values()] + list(ACCEPTED.values())
    return run_all([*both, *(_command(NEWEST, changes) for changes in newest)])


@pytest.mark.parametrize("helm", helms())
@pytest.mark.parametrize("case", BY_SCHEMA)
def test_the_schema_refuses(case, helm):
    """Nothing is rendered, and the error names the key."""
    changes, key = BY_SCHEMA[case]

    outcome = _outcomes()[_command(helm, changes)]

    assert (outcome.code, outcome.output) == (1, "")
    assert re.search(rf"\b{key}\b", outcome.errors)


@pytest.mark.parametrize("case", BY_CHART)
def test_the_chart_refuses(case):
    """Nothing is rendered, and there is a line for each key at fault and no other."""
    changes, keys = BY_CHART[case]

    outcome = _outcomes()[_command(NEWEST, changes)]

    assert (outcome.code, outcome.output) == (1, "")
    assert set(re.findall(r"^([a-z][\w.\[\]-]+): ", outcome.errors, re.MULTILINE)) == keys


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_works_is_not_refused(case):
    """What is near a refusal and works is rendered."""
    outcome = _outcomes()[_command(NEWEST, ACCEPTED[case])]

    assert outcome.code == 0, outcome.errors
