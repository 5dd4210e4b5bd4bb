"""A claim check: where bytes lie that are too big for a message, and how to know them again."""

from typing import Annotated

from pydantic import Field

from schemas.event import Value


class Reference(Value):
    """Bytes outside Kafka: the CloudEvents ``dataref`` with their checksum and size."""

    dataref: str
    """URI: ``file:``, ``s3:``, … inside the allowed roots."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0)]
