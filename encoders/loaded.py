"""The five engines that a worker runs on, whichever profile (or test) they come from."""

from dataclasses import dataclass

from encoders.engines import Floats, FusionNetwork, Heard, LanguageModel, MediaDecoder, SpeechModel, VisionTower


@dataclass(frozen=True, slots=True)
class LoadedEngines:
    """Ready to answer. An engine serves one thread at a time: put each behind a `MicroBatcher`."""

    media: MediaDecoder
    speech: SpeechModel
    language: LanguageModel
    vision: VisionTower
    fusion: FusionNetwork


@dataclass(frozen=True, slots=True)
class NotLoaded:
    """In the place of models that nobody is to ask. Raises `RuntimeError` where somebody does: that is our bug."""

    part: str
    known: tuple[str, int] | None = None
    """The name and the width of a network's space, where they were read without it (`encoders/spaces.py`)."""

    @property
    def name(self) -> str:
        raise self._asked()

    @property
    def space(self) -> str:
        return self._known()[0]

    @property
    def dim(self) -> int:
        return self._known()[1]

    @property
    def tower(self) -> str:
        raise self._asked()

    def encode(self, *_: object, **__: object) -> list[Floats]:
        raise self._asked()

    def embed(self, *_: object, **__: object) -> list[Floats]:
        raise self._asked()

    def hear(self, *_: object, **__: object) -> Heard:
        raise self._asked()

    def complete(self, *_: object, **__: object) -> str:
        raise self._asked()

    def _known(self) -> tuple[str, int]:
        if self.known is None:
            raise self._asked()
        return self.known

    def _asked(self) -> RuntimeError:
        return RuntimeError(f"the {self.part} model was not loaded, since nothing here was to ask it")


@dataclass(frozen=True, slots=True)
class Identities:
    """What the answers of three models follow from, as text: equal text, equal answers (see `encoders/identity.py`)."""

    speech: str
    language: str
    vision: str


def use_one_thread() -> None:
    """Let torch compute on one thread: several such processes do more than one process with several threads."""
    import torch  # here: it takes seconds, and few who name the engines compute with it

    torch.set_num_threads(1)
