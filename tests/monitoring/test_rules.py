"""Recording and alert rules: each fires exactly when it should."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.dashboards import DASHBOARDS, query
from tests.monitoring.metrics import niche_series, selectors
from tests.monitoring.prometheus import promtool
from tests.monitoring.rule_cases import ALERTS, RECORDS
from tests.monitoring.tools import needs_prometheus

ROOT = Path(__file__).parents[2]
FILE = ROOT / "helm" / "niche" / "files" / "rules" / "niche.yaml"
RULES = [
    rule
    for group in yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
ALERT_RULES = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}


def checked(folder: Path, step: str, series: dict[str, str], **expected: Any) -> tuple[int, str]:
    """The verdict of promtool on what is expected of these series."""
    given = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": step, "input_series": given, **expected}
    groups = [of["name"] for of in yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]]
    file = {
        "rule_files": [str(FILE)],
        "evaluation_interval": step,
        # Else in any order, and an alert may see what was recorded a step before.
        "group_eval_order": groups,
        "tests": [test],
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(file), encoding="utf-8")
    return promtool("test", "rules", str(path))


def has_value(expr: str, value: float | None, labels: dict[str, str]) -> dict[str, Any]:
    """An expression that has one value, or none, as promtool expects it; rounding does not
    matter."""
    pairs = ", ".join(f'{label}="{text}"' for label, text in labels.items())
    yes = [] if value is None else [{"labels": f"{{{pairs}}}", "value": 1}]
    return {"expr": f"abs(({expr}) - {value or 0}) < bool 1e-9", "exp_samples": yes}


def firing(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """An alert as Alertmanager gets it."""
    rule = ALERT_RULES[name]
    annotations = dict(rule["annotations"])
    for label, value in labels.items():
        words = annotations["summary"].replace(f"{{{{ $labels.{label} }}}}", value)
        annotations["summary"] = words
    return {"exp_labels": labels | rule["labels"], "exp_annotations": annotations}


@needs_prometheus
@pytest.mark.parametrize("case", ALERTS, ids=lambda case: f"{case.name}: {case.happens}")
def test_alerts(case, tmp_path):
    """An alert fires, with its labels and words, exactly when it should."""
    expected = [] if case.fires is None else [firing(case.name, case.fires)]
    test = {"eval_time": case.at, "alertname": case.name, "exp_alerts": expected}

    status, said = checked(tmp_path, case.step, case.series, alert_rule_test=[test])

    assert status == 0, said


@needs_prometheus
@pytest.mark.parametrize("case", RECORDS, ids=lambda case: f"{case.name} {case.value}")
def test_records(case, tmp_path):
    """A recording rule has the value that follows from the series by hand."""
    test = {"eval_time": case.at, **has_value(case.name, case.value, case.labels)}

    status, said = checked(tmp_path, case.step, case.series, promql_expr_test=[test])

    assert status == 0, said


def test_every_alert_is_tested_both_ways():
    """Each has a case in which it fires, and one in which it does not."""
    fired = {case.name for case in ALERTS if case.fires is not None}
    silent = {case.name for case in ALERTS if case.fires is None}

    assert fired == silent == set(ALERT_RULES)


def test_every_record_is_checked():
    """Each recording rule has a case."""
    assert {case.name for case in RECORDS} == RECORDED


@needs_prometheus
def test_promtool_accepts_the_file():
    """Prometheus loads the rules; no two are the same."""
    status, said = promtool("check", "rules", "--lint=all", "--lint-fatal", str(FILE))

    assert status == 0, said


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_metric_and_label_of_a_rule_exists(rule):
    """A rule asks for our own metrics, with labels that they have, or for records."""
    series = niche_series()
    for name, labels in selectors(rule["expr"]):
        if name not in RECORDED:
            assert labels <= series[name] | {"job"}, name


@pytest.mark.parametrize("name", ALERT_RULES)
def test_every_alert_has_a_runbook(name):
    """Its annotation points at an entry that says what it means, where to look and what to do."""
    path, _, anchor = ALERT_RULES[name]["annotations"]["runbook"].partition("#")
    _, found, rest = (ROOT / path).read_text(encoding="utf-8").partition(f"\n### {name}\n")
    entry = rest.split("\n### ")[0]

    assert anchor == name.lower()
    assert found
    assert [word for word in ("**Means**", "**Look at**", "**Do**") if word in entry] == [
        "**Means**",
        "**Look at**",
        "**Do**",
    ]


def test_every_runbook_is_of_an_alert():
    """No entry is left over."""
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")

    assert [line[4:] for line in text.splitlines() if line.startswith("### ")] == list(ALERT_RULES)


def test_every_panel_that_a_runbook_names_exists():
    """What an entry quotes is the title of a panel, or of a row of panels."""
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    quoted = {" ".join(title.split()) for title in re.findall(r'"([A-Z][^"]*)"', text)}
    titles = {panel["title"] for of in DASHBOARDS.values() for panel in of["panels"]}

    assert quoted
    assert quoted - titles == set()


@pytest.mark.parametrize("name", ALERT_RULES)
def test_every_alert_says_how_urgent_it_is(name):
    """The severities are those that the runbooks explain."""
    assert ALERT_RULES[name]["labels"]["severity"] in {"page", "ticket", "info"}


OVERALL = query("savings", "Quality difference", "lower bound")
QUALITY = "niche_evidence_quality_difference_ratio"


def quality_of(specialist: str, value: float) -> dict[str, str]:
    return {f'{QUALITY}{{job="niche", bound="low", specialist="{specialist}"}}': f"{value}x60"}


def shares(**per_step: int) -> dict[str, str]:
    """Requests of each model; all but `big` are specialists."""
    answered = 'niche_requests_total{{job="niche", status_class="2xx", model="{}"}}'
    state = 'niche_specialist_state{{job="niche", state="active", specialist="{}"}}'
    return {answered.format(model): f"0+{count}x60" for model, count in per_step.items()} | {
        state.format(model): "1x60" for model in per_step if model != "big"
    }


@needs_prometheus
@pytest.mark.parametrize(
    ("series", "value"),
    [
        (shares(big=50, a=30, b=20) | quality_of("a", 0.1) | quality_of("b", -0.3), -0.03),
        (shares(big=50, a=30, b=0) | quality_of("a", 0.16), 0.06),
        (shares(big=50, a=30, b=20) | quality_of("a", 0.1), None),
    ],
    ids=["weighted by share", "one without traffic does not matter", "one is unknown"],
)
def test_the_difference_over_all_traffic(series, value, tmp_path):
    """The dashboard's figure is each specialist's difference times its share, or none where a share
    has no difference."""
    expr = OVERALL.expr.replace("$__range", "30m").replace("$job", ".+")
    test = {"eval_time": "40m", **has_value(expr, value, {})}

    status, said = checked(tmp_path, "1m", series, promql_expr_test=[test])

    assert status == 0, said
