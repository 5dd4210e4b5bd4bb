"""The committed schemas are those of the models, and the document names every topic, event and stage of the table."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.asyncapi import EVENTS, FOLDER, files, write
from streams.drawing import as_mermaid, as_text
from streams.topology import FLOW, TOPICS

pytestmark = pytest.mark.hermetic


def test_the_committed_schemas_are_current_or_python_m_streams_asyncapi_was_forgotten() -> None:
    committed = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")}
    wanted = files()
    stale = sorted(name for name in committed | wanted if committed.get(name) != wanted.get(name))
    assert not stale, "run python -m streams.asyncapi"


def test_what_is_generated_no_more_is_removed(tmp_path: Path) -> None:
    (tmp_path / "vitrine.gone.v1.json").write_text("{}")
    write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(files())


def test_every_reference_in_the_document_leads_somewhere() -> None:
    written = files()
    document = json.loads(written["asyncapi.json"])
    for reference in _references(document):
        if reference.startswith("./"):
            assert reference[2:] in written
        else:
            assert _at(document, reference.removeprefix("#/").split("/"))


def test_the_document_has_every_topic_event_and_stage() -> None:
    document = json.loads(files()["asyncapi.json"])
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {topic.name for topic in TOPICS}
    assert {event.ce_type for event in EVENTS} <= set(document["components"]["messages"])
    reading = {f"{row.stage}.receive" for row in FLOW}
    writing = {f"{row.stage}.send" for row in FLOW if row.writes}
    assert set(document["operations"]) == reading | writing


@pytest.mark.parametrize("draw", [as_text, as_mermaid])
def test_both_drawings_name_every_stage_and_what_it_reads(draw: Callable[[], str]) -> None:
    drawn = draw()
    for row in FLOW:
        assert row.stage in drawn
        assert row.reads.name in drawn


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return here + [found for value in node.values() for found in _references(value)]
    if isinstance(node, list):
        return [found for value in node for found in _references(value)]
    return []


def _at(document: object, path: list[str]) -> object:
    for step in path:
        assert isinstance(document, dict)
        document = document[step]
    return document
