"""The alerts ask for metrics and labels that a worker has; what they say of them is tested by `promtool`."""

import re
from pathlib import Path

import pytest

import infra
from infra.metrics import Metrics, StageMetrics
from streams.topology import STAGES

pytestmark = pytest.mark.hermetic

ALERTS = (Path(infra.__file__).parent / "prometheus" / "alerts.yaml").read_text()
COMMANDS = Path(infra.__file__).parents[1] / "streams" / "commands"


def exposed() -> dict[str, set[str]]:
    """Each series that a worker may show, with the names of its labels."""
    metrics = Metrics()
    stage = StageMetrics(metrics, "matcher")
    stage.received()
    stage.finished("letter", "Undecodable")
    stage.shed("NoSummary")
    stage.waiting(True)
    stage.lag(0, 5)
    stage.latency(1.0)
    metrics.decoder_ends.labels("crash").inc()
    found = re.findall(r"^(vitrine_\w+)(?:{(.*)})? ", metrics.text().decode(), re.M)
    return {name: set(re.findall(r'(\w+)="', labels)) for name, labels in found}


def expressions() -> list[str]:
    return re.findall(r"expr: (?:\|\n)?((?:.|\n)*?)\n        (?:for|labels):", ALERTS)


def test_there_is_an_expression_for_each_alert() -> None:
    assert len(expressions()) == len(re.findall("- alert: ", ALERTS)) > 5


def test_every_metric_and_label_that_is_asked_for_is_one_of_a_worker() -> None:
    series = exposed()
    for asked in expressions():
        names = set(re.findall(r"\bvitrine_\w+", asked))
        assert names <= series.keys(), names - series.keys()
        groups = ",".join(re.findall(r"(?:by|on) \(([^)]*)\)", asked) + re.findall(r"{(\w+)=", asked))
        labels = {label.strip() for label in groups.split(",") if label.strip()}
        assert labels <= set[str]().union(*(series[name] for name in names)), asked


def test_a_stage_without_any_worker_wakes_somebody_while_the_others_have_theirs() -> None:
    asked = next(each for each in expressions() if "absent" in each)
    assert re.findall(r'absent\(vitrine_lag{stage="(\w+)"}\)', asked) == list(STAGES)


def test_every_alert_is_tested_and_its_command_is_there() -> None:
    tests = (Path(infra.__file__).parent / "prometheus" / "alerts_test.yaml").read_text()
    alerts = re.findall(r"- alert: (\w+)", ALERTS)
    assert [name for name in alerts if f"alertname: {name}, exp_alerts: [{{" not in tests] == []
    named = set(re.findall(r"vitrine (\w+)", "".join(re.findall(r"do: .*", ALERTS))))
    assert named <= {path.stem for path in COMMANDS.glob("*.py")}
