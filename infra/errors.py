"""The named failures of the outside world. Each says what happened, with which value, and what to do about it.

InfraError
├── BadSetting        an environment variable that cannot be used
├── ServiceFailed     an embedded service did not start, stopped, or damaged its data
│   ├── PortTaken     the port that was asked for is in use
│   └── JarRejected   a jar of the broker is missing or is not the pinned one
├── NotRunning        nothing answers where a service is expected
│   └── DependencyDown  a store that was there does not answer now: wait and try again
├── ServiceRefused    a service answered, and would not do what was asked
├── TopicDiffers      an existing topic is not as the topology wants it
└── ObjectRefused     an object may not be read, is not what was promised, or is not there
"""

from __future__ import annotations

from pathlib import Path


class InfraError(Exception):
    """Something outside the process is not as it must be; ``str()`` is fit for a terminal."""

    def __init__(self, what: str, *, remedy: str = "", log: Path | None = None) -> None:
        self.what = what
        self.remedy = remedy
        self.log = log
        lines = [what, *([f"log: {log}"] if log else []), *([f"remedy: {remedy}"] if remedy else [])]
        super().__init__("\n".join(lines))


class BadSetting(InfraError):
    """An environment variable holds a value that cannot be used."""


class ServiceFailed(InfraError):
    """An embedded service did not start, stopped by itself, or says that its data is damaged."""


class PortTaken(ServiceFailed):
    """Something else listens on the port that a setting asks for."""


class JarRejected(ServiceFailed):
    """A jar of the broker could not be had, or its sha256 is not the pinned one."""


class NotRunning(InfraError):
    """Nothing answers at the address where a service is expected."""


class DependencyDown(NotRunning):
    """A store does not answer at the moment; the caller waits and tries again."""


class ServiceRefused(InfraError):
    """A service answered, and would not do what was asked: rights, a setting it does not know, a limit."""


class TopicDiffers(InfraError):
    """An existing topic differs from what the topology wants; it is never silently used."""


class ObjectRefused(InfraError):
    """An object may not be read, is larger or other than promised, or does not exist."""
