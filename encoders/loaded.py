"""The five engines that a worker runs on, whichever profile (or test) they come from."""

from dataclasses import dataclass

from encoders.engines import FusionNetwork, LanguageModel, MediaDecoder, SpeechModel, VisionTower


@dataclass(frozen=True, slots=True)
class LoadedEngines:
    """Ready to answer. An engine serves one thread at a time: put each behind a `MicroBatcher`."""

    media: MediaDecoder
    speech: SpeechModel
    language: LanguageModel
    vision: VisionTower
    fusion: FusionNetwork
