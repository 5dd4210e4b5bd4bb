"""A worker's probes, asked from outside: is it ready, and how long did its models work?"""

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

ANSWERS_WITHIN_S = 5.0


def unready(probes: str) -> str:
    """Why ``/ready`` does not say yes, in one line; empty: it is ready."""
    try:
        with urlopen(f"http://{probes}/ready", timeout=ANSWERS_WITHIN_S):
            return ""
    except HTTPError as no:
        return no.read().decode(errors="replace").strip() or f"{no.code}"
    except OSError as silent:
        return f"the worker does not answer yet ({getattr(silent, 'reason', silent)})"


def metrics(probes: str) -> str:
    """The text of ``/metrics``. Raises `OSError` when nothing answers."""
    with urlopen(f"http://{probes}/metrics", timeout=ANSWERS_WITHIN_S) as answer:
        return str(answer.read().decode())


def totals(exposition: str, name: str, label: str) -> dict[str, float]:
    """The sum of the samples called `name` for each value of `label`."""
    sums: dict[str, float] = {}
    for sample in _samples(exposition):
        if sample.name == name and label in sample.labels:
            sums[sample.labels[label]] = sums.get(sample.labels[label], 0.0) + sample.value
    return sums


def _samples(exposition: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(exposition):
        yield from family.samples
