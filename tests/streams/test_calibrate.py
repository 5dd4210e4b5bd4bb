"""``vitrine calibrate`` on real services, in spaces of other widths than the demo's: what it stores, a worker reads.

A stream that was recorded here is what real stages made of stand-in media, through the networks of tiny profiles.
"""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from encoders.network_config import Thresholds
from encoders.profiles import load_network, load_profile
from encoders.settings import Profile
from encoders.spaces import space_of
from encoders.thresholds import load_thresholds, store_thresholds
from infra import services
from infra.milvus_vectors import MilvusVectors, Place
from infra.settings import Settings, read_settings
from schemas.embedding import Embedding
from schemas.event import Event
from schemas.ids import ProductId, StreamId
from schemas.room import Room, RoomChanged
from streams import producer
from streams.cli import run
from streams.envelope import Envelope
from streams.opening import match_policy, stages_for
from streams.topics import make_topics
from streams.topology import EMBEDDINGS
from tests.agents.playing import SEGMENT_MS, STREAM, InlineAsk, flow, segment, with_catalogue
from tests.encoders.tiny import tiny_profile
from tests.fakes.engines import fake_engines, fake_media
from tests.fakes.stores import FakeObjects

pytestmark = pytest.mark.broker

LOOKS = ("red mug", "blue mug", "a bare table")
SHOWN = tuple(ProductId("p-" + look.replace(" ", "-")) for look in LOOKS[:2])
TURNS = 16
"""So often each look is shown for a segment: 32 segments show a product, 16 show none."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, service_settings: Settings) -> Iterator[Settings]:
    """Services of this module alone, which the command finds as a user's does."""
    environ = {"VITRINE_DATA": str(tmp_path_factory.mktemp("data")), "VITRINE_CACHE": str(service_settings.cache)}
    with ExitStack() as stack:
        for name, value in environ.items():
            os.environ[name] = value
            stack.callback(os.environ.pop, name)
        settings = read_settings(environ)
        running = services.up(settings, attached=True)
        stack.callback(running.stop)
        make_topics(settings, running.services.kafka)
        yield settings


@pytest.fixture(scope="module", params=["late", "trained"])
def profile(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """A profile of one's own that the environment names."""
    models = tmp_path_factory.mktemp(request.param)
    file = tiny_profile(models, request.param)
    with pytest.MonkeyPatch.context() as environ:
        environ.setenv("VITRINE_PROFILE", str(file))
        environ.setenv("VITRINE_MODELS", str(models))
        yield load_profile(str(file), models)


@pytest.fixture(scope="module")
def recorded(settings: Settings, profile: Profile) -> list[str]:
    """The words of a command on a stream that has gone through the flow; before, the catalogue did."""
    stream = StreamId(f"room/{profile.name}")
    vision, fusion = load_network(profile)
    vectors = MilvusVectors(Place(services.find(settings).milvus, fusion.space, fusion.dim))
    engines = replace(fake_engines(), vision=vision, fusion=fusion)
    ask = with_catalogue(InlineAsk(engines, FakeObjects(), vectors), LOOKS[:2])
    media = [fake_media(f"here is {look} now" if look in LOOKS[:2] else "", look) for look in LOOKS * TURNS]
    made = flow([segment(at, each) for at, each in enumerate(media)], ask).events("product_encoder")
    vectors.close()
    room = RoomChanged(stream_id=stream, room=Room(revision=1, shelf=dict(enumerate(SHOWN, 1))))
    events: list[Event] = [room, *(event.model_copy(update={"stream_id": stream}) for event in made)]
    with producer.connect(settings) as to_kafka:
        for event in events:
            to_kafka.send(Envelope(event, "vitrine/product_encoder", datetime.now(UTC)), EMBEDDINGS.name)
    labels = [
        {"start_ms": at * SEGMENT_MS, "end_ms": (at + 1) * SEGMENT_MS, "product_id": SHOWN[at % len(LOOKS)]}
        for at in range(len(media))
        if at % len(LOOKS) < len(SHOWN)
    ]
    assert profile.models
    file = profile.models / "labels.json"
    file.write_text(json.dumps({"shown": labels}))
    assert {len(event.vector) for event in events if isinstance(event, Embedding)} == {fusion.dim} != {128}
    return ["calibrate", "--labels", stream, str(file)]


def network_of(profile: Profile) -> Path:
    assert profile.models
    return profile.models / "network"


def test_a_dry_run_tells_thresholds_and_stores_none(
    recorded: list[str], profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {file: file.read_bytes() for file in network_of(profile).iterdir()}
    assert run([*recorded, "--precision", "0", "--dry-run"]) == 0
    assert "of 32" in capsys.readouterr().out
    assert {file: file.read_bytes() for file in network_of(profile).iterdir()} == files


def test_a_worker_reads_what_was_stored(
    settings: Settings, recorded: list[str], profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    names_nothing = Thresholds(min_score=2.0, silent_min_score=2.0, margin=0.0, off_shelf_advantage=0.1)
    store_thresholds(names_nothing, profile, settings.thresholds)
    assert load_thresholds(profile, settings.thresholds) == names_nothing
    assert run([*recorded, "--precision", "0"]) == 0
    told = capsys.readouterr().out
    name = "thresholds.json" if profile.network.settings.fusion == "late" else "config.json"
    file = network_of(profile) / name
    assert f"stored in {file}" in told
    stored = Thresholds(**json.loads(file.read_text())["thresholds"])
    assert stored != names_nothing
    policy = stages_for(match_policy(profile, settings.thresholds))["matcher"].begin(STREAM).policy
    assert {name: getattr(policy, name) for name in asdict(stored)} == asdict(stored)


def test_a_stream_of_another_profile_is_refused_with_the_remedy(
    recorded: list[str], profile: Profile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    space = space_of(profile)
    monkeypatch.setenv("VITRINE_PROFILE", "demo")
    assert run(recorded) == 1
    told = capsys.readouterr().err
    assert f"is embedded in {space!r}, not in 'vitrine-demo" in told
    assert "remedy: set VITRINE_PROFILE to the profile whose worker embedded it" in told


def test_a_space_without_a_catalogue_is_told(
    settings: Settings, recorded: list[str], profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    _, fusion = load_network(profile)
    vectors = MilvusVectors(Place(services.find(settings).milvus, fusion.space, fusion.dim))
    for product in SHOWN:
        vectors.replace_product(product, ())
    vectors.close()
    assert run(recorded) == 1
    assert f"error: the catalogue has no product in the space {fusion.space!r}" in capsys.readouterr().err
