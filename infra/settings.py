"""The environment → one frozen :class:`Settings`, read once; everything else receives values.

An unknown ``VITRINE_`` variable is an error: a misspelt address would otherwise start an embedded broker silently.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from infra import values
from infra.errors import BadSetting

T = TypeVar("T")

SETTINGS: dict[str, str] = {
    "VITRINE_DATA": "folder of all that is kept: broker, vectors, objects (default: .vitrine in the current folder)",
    "VITRINE_CACHE": "folder of what can be fetched again: the broker's jars (default: the user's cache folder, "
    "or cache in VITRINE_DATA where the user has no home)",
    "VITRINE_KAFKA": "host:port[,host:port] of a Kafka cluster; empty: an embedded broker is started",
    "VITRINE_KAFKA_PORT": "port of the embedded broker; 0: a free one is chosen and kept",
    "VITRINE_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL",
    "VITRINE_KAFKA_SASL_MECHANISM": "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
    "VITRINE_KAFKA_SASL_USERNAME": "user name for SASL",
    "VITRINE_KAFKA_SASL_PASSWORD": "password for SASL",
    "VITRINE_KAFKA_SSL_CAFILE": "certificate authorities (PEM) that the cluster's certificate is checked against",
    "VITRINE_KAFKA_SSL_CERTFILE": "client certificate (PEM)",
    "VITRINE_KAFKA_SSL_KEYFILE": "key of the client certificate (PEM)",
    "VITRINE_MILVUS": "URI of a Milvus server (http://host:port[/database]); empty: Milvus Lite is started",
    "VITRINE_MILVUS_PORT": "port of the embedded Milvus Lite; 0: a free one is chosen and kept",
    "VITRINE_MILVUS_TOKEN": "token for the Milvus server (user:password)",
    "VITRINE_MODELS": "folder of model files for profiles that are not shipped",
    "VITRINE_THRESHOLDS": "folder of the thresholds that vitrine calibrate keeps (default: <VITRINE_DATA>/thresholds)",
    "VITRINE_PROFILE": "name of the model profile, or the path of a TOML file of your own",
    "VITRINE_DEVICE": "cpu or cuda",
    "VITRINE_HOTWORDS": "so many tokens of the product names on a shelf are told to the recogniser before it hears; "
    "from 0, none (the default), to 223. It hears more of them, also where a host names something else",
    "VITRINE_DECODER": "child: media are read in a process of their own; inside: in the worker's, for debugging",
    "VITRINE_DECODE_S": "processor seconds for the sound or the frames of one piece of media; wall time: half more",
    "VITRINE_DECODE_MB": "memory for that, beside the media's own bytes (Linux); at least 128",
    "VITRINE_OBJECTS": "where objects are written: a folder or an fsspec URI such as s3://bucket/prefix",
    "VITRINE_DATAREF_ROOTS": "further roots, separated by spaces, that a dataref may be read from",
    "VITRINE_PROBES": "host:port of /live, /ready and /metrics; port 0: a free one",
    "VITRINE_RETENTION_DAYS": "days that topics keep records, fixed at their creation (default: 7); objects and live "
    "rows are kept a day longer, dead letters a week",
    "VITRINE_SILENT_H": "hours after which a stream that fell silent is ended by vitrine tidy (default: 24), at most "
    "three quarters of VITRINE_RETENTION_DAYS; 0: never",
    "VITRINE_PARTITIONS": "partitions of each topic at its creation",
    "VITRINE_STALLED_AFTER_S": "a worker that is behind and has stood still for so long ends itself",
    "VITRINE_MODE": "replay: every segment is answered in full, however late; live: a stream that is behind is shed",
    "VITRINE_BOUND_S": "live mode: a segment is answered within so many seconds of its close (default: 12)",
    "VITRINE_SHED_BEYOND_S": "live mode: so many seconds behind means fewer frames, no summary, skipped (default: a "
    "quarter, half and three quarters of VITRINE_BOUND_S)",
    "VITRINE_CALM_MESSAGES": "live mode: so many segments in a row hardly behind, and one rule less is applied",
    "VITRINE_FAILURES": "vitrine run gives up after so many failures of its workers",
    "VITRINE_FAILURES_WITHIN_MIN": "those of so many minutes count",
}

SECRET = ("PASSWORD", "TOKEN")
"""How the names of settings end whose values are never shown."""

SET_UP = "VITRINE_PYTHON"
"""The Python that ``infra/setup.sh`` makes the environment with; no setting, and no mistake where it is exported."""

HOST_OF_SERVICE = "_SERVICE_HOST"
OF_SERVICE = re.compile(
    "_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT|_PORT_[0-9]+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?"
)
"""What Kubernetes tells every pod of a Service called ``vitrine`` or ``vitrine-…``; no setting, and no mistake."""

MOST_HOTWORDS = 223
"""Whisper's decoder holds no more of what was said before."""

STALLED_AFTER_S = 120
"""Longer than any message may take: a model call, and a rebalance of 60 s before it."""


class Mode(StrEnum):
    """What becomes of a stream that falls behind."""

    REPLAY = "replay"
    """It is answered in full, later and later."""
    LIVE = "live"
    """What it is given is reduced by named rules, so that the answers stay current."""


PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
"""Those of a user name and a password: a token or a Kerberos ticket would need code that fetches it anew."""


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """How to speak to a real cluster; passed through to every Kafka client."""

    protocol: str = "PLAINTEXT"
    mechanism: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""

    def options(self) -> dict[str, str]:
        """Keyword arguments that kafka-python's clients understand; empty for a plain connection."""
        named = {
            "security_protocol": self.protocol if self.protocol != "PLAINTEXT" else "",
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "ssl_cafile": self.cafile,
            "ssl_certfile": self.certfile,
            "ssl_keyfile": self.keyfile,
        }
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the environment decides. ``kafka`` and ``milvus`` are empty where the embedded service is meant."""

    data: Path
    cache: Path
    objects: str
    dataref_roots: tuple[str, ...]
    kafka: str
    kafka_port: int
    kafka_security: KafkaSecurity
    milvus: str
    milvus_port: int
    milvus_token: str = field(repr=False)
    models: Path | None
    thresholds: Path
    profile: str
    device: str
    hotwords: int
    decoder: str
    decode_s: int
    decode_mb: int
    probes_host: str
    probes_port: int
    retention_days: int
    silent_h: int
    partitions: int
    stalled_after_s: int
    mode: Mode
    bound_s: float
    shed_beyond_s: tuple[float, float, float]
    calm_messages: int
    failures: int
    failures_within_min: int


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. Raises :class:`BadSetting`, which names the variable, its value and the remedy."""
    read = _Reader(without_services(os.environ if environ is None else environ))
    read.refuse_unknown()
    data = read("VITRINE_DATA", ".vitrine", values.path)
    objects = read("VITRINE_OBJECTS", str(data / "objects"), values.root)
    bound_s = read("VITRINE_BOUND_S", "12", values.bound)
    host, port = read("VITRINE_PROBES", "127.0.0.1:0", values.host_port)
    return Settings(
        data=data,
        cache=read("VITRINE_CACHE", str(_user_cache(data)), values.path),
        objects=objects,
        dataref_roots=(objects, *read("VITRINE_DATAREF_ROOTS", "", values.roots)),
        kafka=read("VITRINE_KAFKA", "", values.bootstrap),
        kafka_port=read("VITRINE_KAFKA_PORT", "0", values.port),
        kafka_security=_security(read),
        milvus=read("VITRINE_MILVUS", "", values.milvus_uri),
        milvus_port=read("VITRINE_MILVUS_PORT", "0", values.port),
        milvus_token=read("VITRINE_MILVUS_TOKEN", "", str),
        models=read("VITRINE_MODELS", "", values.existing_folder),
        thresholds=read("VITRINE_THRESHOLDS", str(data / "thresholds"), values.path),
        profile=read("VITRINE_PROFILE", "demo", values.profile),
        device=read("VITRINE_DEVICE", "cpu", values.one_of("cpu", "cuda")),
        hotwords=read("VITRINE_HOTWORDS", "0", values.at_least(0, MOST_HOTWORDS)),
        decoder=read("VITRINE_DECODER", "child", values.one_of("child", "inside")),
        decode_s=read("VITRINE_DECODE_S", "20", values.positive),
        decode_mb=read("VITRINE_DECODE_MB", "1024", values.at_least(128)),
        probes_host=host,
        probes_port=port,
        retention_days=read("VITRINE_RETENTION_DAYS", "7", values.positive),
        silent_h=read("VITRINE_SILENT_H", "24", values.at_least(0)),
        partitions=read("VITRINE_PARTITIONS", "4", values.positive),
        stalled_after_s=read("VITRINE_STALLED_AFTER_S", str(STALLED_AFTER_S), values.positive),
        mode=read("VITRINE_MODE", Mode.REPLAY.value, lambda text: Mode(values.one_of(*Mode)(text))),
        bound_s=bound_s,
        shed_beyond_s=read("VITRINE_SHED_BEYOND_S", _quarters(bound_s), values.three_below(bound_s)),
        calm_messages=read("VITRINE_CALM_MESSAGES", "3", values.positive),
        failures=read("VITRINE_FAILURES", "10", values.positive),
        failures_within_min=read("VITRINE_FAILURES_WITHIN_MIN", "10", values.positive),
    )


def without_services(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the addresses of Kubernetes' Services: that of ``vitrine-kafka`` makes a
    ``VITRINE_KAFKA_PORT`` with a URL in it, unless the pod sets its own."""
    services = [name.removesuffix(HOST_OF_SERVICE) for name in environ if name.endswith(HOST_OF_SERVICE)]

    def tells(name: str) -> bool:
        behind = (name.removeprefix(service) for service in services if name.startswith(service))
        return any(map(OF_SERVICE.fullmatch, behind)) and (name not in SETTINGS or "://" in environ[name])

    return {name: text for name, text in environ.items() if not tells(name)}


@dataclass(frozen=True)
class _Reader:
    environ: Mapping[str, str]

    def __call__(self, name: str, default: str, convert: Callable[[str], T]) -> T:
        text = self.environ.get(name, "").strip() or default
        try:
            return convert(text)
        except ValueError as wrong:
            secret = name.endswith(SECRET) or "@" in text
            shown = "(hidden)" if secret else repr(text)
            raise BadSetting(f"{name}={shown}: {wrong}", remedy=f"set it to: {SETTINGS[name]}, or unset it") from wrong

    def refuse_unknown(self) -> None:
        for name in sorted(self.environ):
            if name.startswith("VITRINE_") and name not in (*SETTINGS, SET_UP):
                near = difflib.get_close_matches(name, SETTINGS, n=1)
                hint = f"did you mean {near[0]}" if near else f"known are {', '.join(SETTINGS)}"
                # its value is not shown: a misspelt name may have been meant for a password
                raise BadSetting(f"{name} is not a setting of Vitrine", remedy=f"{hint}, else unset it")


def _security(read: _Reader) -> KafkaSecurity:
    """A half that is missing is told here: no client says more of it than that no broker answers."""
    said = KafkaSecurity(
        protocol=read("VITRINE_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", values.one_of(*PROTOCOLS)),
        mechanism=read("VITRINE_KAFKA_SASL_MECHANISM", "", values.one_of("", *MECHANISMS)),
        username=read("VITRINE_KAFKA_SASL_USERNAME", "", str),
        password=read("VITRINE_KAFKA_SASL_PASSWORD", "", str),
        cafile=read("VITRINE_KAFKA_SSL_CAFILE", "", values.existing_file),
        certfile=read("VITRINE_KAFKA_SSL_CERTFILE", "", values.existing_file),
        keyfile=read("VITRINE_KAFKA_SSL_KEYFILE", "", values.existing_file),
    )
    if said.mechanism and not said.protocol.startswith("SASL"):
        raise BadSetting(
            f"VITRINE_KAFKA_SASL_MECHANISM={said.mechanism!r}, but VITRINE_KAFKA_SECURITY_PROTOCOL={said.protocol!r} "
            "knows no user",
            remedy="set VITRINE_KAFKA_SECURITY_PROTOCOL to SASL_SSL (or SASL_PLAINTEXT), or unset the mechanism",
        )
    halves = {"MECHANISM": said.mechanism, "USERNAME": said.username, "PASSWORD": said.password}
    lacking = [f"VITRINE_KAFKA_SASL_{half}" for half, value in halves.items() if not value]
    if said.protocol.startswith("SASL") and lacking:
        lacks = lacking[0]
        raise BadSetting(
            f"VITRINE_KAFKA_SECURITY_PROTOCOL={said.protocol!r} without {lacks}",
            remedy=f"set {lacks} to: {SETTINGS[lacks]}",
        )
    return said


def _quarters(bound_s: float) -> str:
    return " ".join(str(bound_s * quarter / 4) for quarter in (1, 2, 3))


def _user_cache(data: Path) -> Path:
    """A user whom the system does not know, as containers and units run one, has no home unless ``HOME`` says so."""
    try:
        home = Path.home()
    except RuntimeError:
        return data / "cache"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "vitrine"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "vitrine"
