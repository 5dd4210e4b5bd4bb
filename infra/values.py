"""The text of a setting → its value.

All of these raise `ValueError`, which says what is wrong with the text; what is empty means that nothing is set.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit


def path(text: str) -> Path:
    """An absolute path, ``~`` being the user's home."""
    return Path(text).expanduser().absolute()


def profile(text: str) -> str:
    """A name as it is; the path of a file for whoever reads it in another folder."""
    return str(path(text)) if text.endswith(".toml") else text


def existing_folder(text: str) -> Path | None:
    """A folder that is there; None where none is named."""
    if text and not path(text).is_dir():
        raise ValueError("there is no such folder")
    return path(text) if text else None


def existing_file(text: str) -> str:
    """The path of a file that is there; empty where none is named."""
    if text and not path(text).is_file():
        raise ValueError("there is no such file")
    return str(path(text)) if text else ""


def root(text: str) -> str:
    """An fsspec URI without a trailing slash; a plain path becomes a ``file:`` URI's path, absolute."""
    scheme, apart, _ = text.partition("://")
    if not apart:
        return str(path(text))
    _refuse_credentials(text, "what the store's own client reads, such as AWS_PROFILE for s3")
    import fsspec  # half a second, which only those who ask for it pay

    if scheme not in fsspec.available_protocols():
        raise ValueError(f"fsspec knows no {scheme}://; s3, gs, az and file are some that it knows")
    bare = text.rstrip("/")
    return bare if "://" in bare else text  # of file:/// the slashes are all there is


def roots(text: str) -> tuple[str, ...]:
    """Several, with spaces between them."""
    return tuple(root(word) for word in text.split())


def port(text: str) -> int:
    """The number of a port; 0: a free one."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("not a port between 0 and 65535")
    return int(text)


def host_port(text: str) -> tuple[str, int]:
    """``host:port`` in its parts, an IPv6 host without its brackets."""
    host, colon, number = text.rpartition(":")
    if not colon or not host:
        raise ValueError("not of the form host:port")
    return host.strip("[]"), port(number)


def bootstrap(text: str) -> str:
    """The addresses of a cluster's brokers, as Kafka's clients take them."""
    servers = [server.strip() for server in text.split(",") if server.strip()]
    if text and not servers:  # a broker of our own in its place would be a surprise
        raise ValueError("there is no address between the commas")
    for server in servers:
        if "://" in server:
            raise ValueError("a bootstrap address has no scheme; write host:port")
        if "@" in server:
            raise ValueError("user and password go into VITRINE_KAFKA_SASL_USERNAME and VITRINE_KAFKA_SASL_PASSWORD")
        host_port(server)
    return ",".join(servers)


def milvus_uri(text: str) -> str:
    """The address of a Milvus server."""
    if text and (urlsplit(text).scheme not in ("http", "https", "tcp", "unix") or not urlsplit(text).netloc):
        raise ValueError("not a URI of a server such as http://host:19530")
    _refuse_credentials(text, "VITRINE_MILVUS_TOKEN")
    return text


def _refuse_credentials(uri: str, where: str) -> None:
    """An address is written into files and messages; a password in it would be too."""
    if "@" in urlsplit(uri).netloc:
        raise ValueError(f"user and password go into {where}")


def at_least(least: int, most: float = float("inf")) -> Callable[[str], int]:
    """A whole number within these bounds, which belong to them."""

    def convert(text: str) -> int:
        if not text.isascii() or not text.isdigit() or int(text) < least:
            raise ValueError(f"not a whole number of at least {least}")
        if int(text) > most:
            raise ValueError(f"more than {most}")
        return int(text)

    return convert


positive = at_least(1)


def seconds(text: str, least: float = 0.1) -> float:
    """A tenth of a second to a day."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not least <= found <= 86_400:
        raise ValueError(f"not a number of seconds between {least:g} and 86400")
    return found


def bound(text: str) -> float:
    """Seconds of which a quarter is such a number of seconds too."""
    return seconds(text, least=0.4)


def three_below(bound_s: float) -> Callable[[str], tuple[float, float, float]]:
    """Three ascending numbers of seconds below this one, with spaces or commas between them."""

    def convert(text: str) -> tuple[float, float, float]:
        words = text.replace(",", " ").split()
        if len(words) != 3:
            raise ValueError("not three numbers of seconds, such as 3 6 9")
        first, second, third = map(seconds, words)
        if not first < second < third < bound_s:
            raise ValueError(f"not three ascending numbers below VITRINE_BOUND_S, which is {bound_s:g}")
        return first, second, third

    return convert


def one_of(*allowed: str) -> Callable[[str], str]:
    """One of these words."""

    def convert(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"not one of {', '.join(word for word in allowed if word)}")
        return text

    return convert
