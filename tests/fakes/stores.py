"""An object store in memory."""

from dataclasses import dataclass, field
from hashlib import sha256

from infra.objects import Refused
from schemas.reasons import Reason
from schemas.reference import Reference


@dataclass
class FakeObjects:
    """Keeps bytes under their checksum."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def put(self, data: bytes) -> Reference:
        reference = self.named(sha256(data).hexdigest(), len(data))
        self.kept[reference.dataref] = data
        return reference

    def named(self, sha256: str, size_bytes: int) -> Reference:
        return Reference(dataref=f"memory:{sha256}", sha256=sha256, size_bytes=size_bytes)

    def get(self, reference: Reference) -> bytes:
        if reference.dataref not in self.kept:
            raise Refused(Reason.MISSING, f"{reference.dataref} does not exist")
        return self.kept[reference.dataref]
