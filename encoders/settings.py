"""What a profile may say of its models: every number of theirs that decides an answer, in one place, as data.

Defaults are right for public checkpoints on a CPU; a profile's TOML file overrides them by name.
"""

from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

SPACE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a space may be called."""


class Settings(BaseModel):
    """Frozen; an unknown name is an error, so a typing mistake in a profile is seen at once. No number is infinite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ChunkPolicy(Settings):
    """How speech is told from silence, and how long its pieces may be."""

    threshold: float = 0.5
    """Silero's probability of speech; its authors' default."""
    silence_ms: int = 300
    """A pause this long ends a piece."""
    pad_ms: int = 100
    """Kept before and after a piece."""
    cap_ms: int = 4_000
    """Speech that touches the end waits for the next segment up to this length."""
    longest_ms: int = 8_500
    """What the speech model hears in one piece; longer ones are cut where they are quietest."""
    join_ms: int = 0
    """Neighbouring pieces are heard as one while together they are no longer than this; 0: each alone."""
    lead_ms: int = 300
    """Silence at the end that is given again before the next segment."""
    search_ms: int = 2_000
    """How much of the end of what may be kept is searched for the quietest moment."""


class SpeechSettings(Settings):
    """Of a Whisper model in CTranslate2's format."""

    compute_type: str | None = None
    """CTranslate2's; None: "int8" on a CPU, "float16" on CUDA."""
    threads: int = 1
    lengths_s: tuple[int, ...] = (10, 30)
    """The encoder hears a piece in the shortest of these that leaves `rest_s` of silence after it."""
    rest_s: float = 1.0
    """With no silence after the speech, Whisper base repeats itself."""
    word_times: Literal["aligned", "linear"] = "aligned"
    """By the decoder's attention, or spread over the piece by the number of letters (small models attend badly)."""
    language: str | None = None
    """Of a model for one language; None: as asked for, else detected."""
    tokens_per_s: float = 20.0
    """A bound on repetition: fast English has 4 words a second, Whisper 1.3 tokens a word."""
    beam: Annotated[int, Field(ge=1)] = 1
    """Hypotheses that are followed at once; 1 takes the likeliest token each time."""
    no_speech: float = 0.6
    log_probability: float = -1.0
    compression: float = 2.4
    """OpenAI's thresholds. Above the first and below the second, or more repetitive than the third: noise."""
    chunks: ChunkPolicy = ChunkPolicy()

    def compute_type_on(self, device: str) -> str:
        """In which numbers it computes there."""
        return self.compute_type or ("int8" if device == "cpu" else "float16")


class Example(Settings):
    """One worked example in the instructions."""

    heard: str
    answer: str


class LanguageSettings(Settings):
    """Of a chat model in the GGUF format."""

    threads: int = 1
    context_tokens: int = 1024
    """Instructions, words and answer together; over-long words lose their beginning."""
    answer_tokens: int = 72
    """The text tower reads 32 tokens; an answer that comes to this bound is closed after its last whole part."""
    empty_bias: float = 0.0
    """Added to the logit of an answer that begins with `empty`: below 0, a small model finds more products."""
    instructions: str = ""
    examples: tuple[Example, ...] = ()


class NetworkSettings(Settings):
    """Of the towers and what is made of what they say."""

    fusion: Literal["trained", "late"] = "trained"
    """A network that was trained here, or the two halves of a public CLIP-like model side by side, untrained."""
    text_weight: Annotated[float, Field(gt=0)] = 0.3
    """Late fusion: how much the likeness of the texts counts beside that of the pictures."""
    precision: Literal["float32", "bfloat16"] | None = None
    """Of the vision tower; None: float32 on a CPU, bfloat16 on a GPU."""
    channels_last: bool | None = None
    """How the vision tower's pictures lie in memory; None: only on a GPU."""
    compiled: bool = False
    """Whether `torch.compile` makes the vision tower faster at the price of a first call of a minute."""

    def on(self, device: str) -> Self:
        """With what was left open, as it is on this device."""
        gpu = device != "cpu"
        left_open = {"precision": "bfloat16" if gpu else "float32", "channels_last": gpu}
        return self.model_copy(update=left_open | self.model_dump(include=set(left_open), exclude_none=True))


class BatchSizes(Settings):
    """How many questions each model is asked in one call; 1 on a CPU, where a batch saves nothing."""

    vision: Annotated[int, Field(ge=1)] = 1
    fusion: Annotated[int, Field(ge=1)] = 1


class Checkpoint(Settings):
    """Where a model comes from, and where it lies."""

    source: str
    """The official name of a public checkpoint, or the script in this repository that trains it."""
    path: str
    """Inside the models folder, where a pattern takes the first match by name; or anywhere, as an absolute path."""
    licence: str
    files: tuple[str, ...] = ()
    """What is fetched of a public checkpoint; empty: it cannot be fetched."""
    revision: str | None = None
    sha256: dict[str, str] = {}
    """File inside the checkpoint (or its own name) → checksum, as far as it is known for certain."""
    shipped: bool = False
    """It lies in this repository, not in the models folder."""

    @property
    def folder(self) -> str:
        """Where in the models folder what is fetched belongs: in itself, where `path` is that of a single file."""
        alone = any(fnmatch(file, self.path) for file in self.files)
        return "" if alone else self.source.rpartition("/")[2]


class SpeechPart(Checkpoint):
    settings: SpeechSettings = SpeechSettings()
    hotwords: bool = True
    """Whether it was trained with text in front of what it hears, as Whisper was: hotwords stand there."""


class LanguagePart(Checkpoint):
    settings: LanguageSettings = LanguageSettings()


class NetworkPart(Checkpoint):
    settings: NetworkSettings = NetworkSettings()


class Profile(Settings):
    """One choice of models with their settings."""

    name: str
    about: str
    speech: SpeechPart
    language: LanguagePart
    network: NetworkPart
    """Vision tower, text tower and fusion, which belong together."""
    batches: BatchSizes = BatchSizes()
    models: Path | None = None
    """The models folder of this machine; not part of the file."""

    def parts(self) -> dict[str, Checkpoint]:
        """Its checkpoints by what they do."""
        return {"speech": self.speech, "language": self.language, "network": self.network}
