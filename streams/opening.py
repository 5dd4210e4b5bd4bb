"""Settings and a profile → what a worker asks: its models, its stores, and the stages as the profile tunes them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from agents.matcher import Matcher, MatchPolicy
from agents.transcriber import Transcriber
from encoders.apart import DecoderApart
from encoders.batcher import BatchPolicy
from encoders.decoding import Limits
from encoders.loaded import NotLoaded
from encoders.profiles import load_engines, load_profile
from encoders.settings import Profile
from encoders.spaces import space_of, width_of
from encoders.thresholds import load_thresholds
from infra.errors import BadSetting
from infra.metrics import Metrics
from infra.milvus_vectors import MilvusVectors, Place
from infra.objects import ObjectStore
from infra.services import Services
from infra.settings import Settings
from infra.workers import bare_environment
from schemas.ids import StreamId
from streams.ask import Ask
from streams.stages import STEPS, Stage
from streams.topology import uses_milvus

ASKS = {
    "speech": ("transcriber", "catalog_encoder"),
    "language": ("summarizer", "catalog_encoder"),
    "network": ("frame_encoder", "product_encoder", "catalog_encoder"),
}
"""Part of a profile → the stages that ask it; the matcher needs no more of the network than the name of its space."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Ready to work; nothing has been read from Kafka yet."""

    ask: Ask
    table: Mapping[str, Stage[Any]]


def open_worker(settings: Settings, found: Services, run: str, stages: Sequence[str], metrics: Metrics) -> Opened:
    """Load those models of the settings' profile that these stages ask, and connect the stores of a run.

    Raises:
        UnknownProfile, MissingModel: the message says where the files are expected and how to get them.
        BrokenModel, BadThresholds: the message names the file and says what is wrong with it.
        BadSetting: the profile's recogniser cannot be told hotwords.
    """
    profile = load_profile(settings.profile, settings.models)
    if settings.hotwords and not profile.speech.hotwords:
        raise BadSetting(
            f"VITRINE_HOTWORDS={settings.hotwords}: profile {profile.name!r} has a recogniser that was trained without",
            remedy="unset it, or take another profile",
        )
    engines = load_engines(profile, settings.device, [part for part, by in ASKS.items() if set(by) & set(stages)])
    if uses_milvus(stages) and isinstance(engines.fusion, NotLoaded):
        engines = replace(engines, fusion=NotLoaded("network", (space_of(profile), width_of(profile))))
    space, dim = (engines.fusion.space, engines.fusion.dim) if uses_milvus(stages) else ("", 0)
    if settings.decoder == "child":
        engines = replace(engines, media=decoder_apart(settings, metrics))
    ask = Ask(
        engines,
        ObjectStore(settings.objects, settings.dataref_roots),
        MilvusVectors(Place(found.milvus, space, dim, run, settings.milvus_token)),
        {"vision": BatchPolicy(profile.batches.vision), "fusion": BatchPolicy(profile.batches.fusion)},
        lambda lane, seconds, _questions: metrics.model_s.labels(lane).observe(seconds),
    )
    policy = match_policy(profile, settings.thresholds) if "matcher" in stages else MatchPolicy()
    return Opened(ask, stages_for(policy, settings.hotwords))


def decoder_apart(settings: Settings, metrics: Metrics) -> DecoderApart:
    """The child process that reads media, not started yet; its deaths are counted."""
    limits = Limits(settings.decode_s, 1.5 * settings.decode_s, settings.decode_mb)
    return DecoderApart(limits, bare_environment(), lambda how: metrics.decoder_ends.labels(how.value).inc())


def match_policy(profile: Profile, kept: Path | None = None) -> MatchPolicy:
    """The thresholds that belong to the profile's network, or were calibrated for its space."""
    return MatchPolicy(**asdict(load_thresholds(profile, kept)))


def stages_for(policy: MatchPolicy, hotwords: int = 0) -> Mapping[str, Stage[Any]]:
    """The stages, of which the matcher goes by this policy.

    `hotwords`: so many tokens of the shelf's product names are told to the recogniser.
    """
    begins = {
        "transcriber": lambda key: Transcriber(StreamId(key), hotword_tokens=hotwords),
        "matcher": lambda key: Matcher(StreamId(key), policy),
    }
    return STEPS | {name: replace(STEPS[name], begin=begin) for name, begin in begins.items()}
