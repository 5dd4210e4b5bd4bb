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
        digest = sha256(data).hexdigest()
        self.kept[f"memory:{digest}"] = data
        return Reference(dataref=f"memory:{digest}", sha256=digest, size_bytes=len(data))

    def get(self, reference: Reference) -> bytes:
        if reference.dataref not in self.kept:
            raise Refused(Reason.MISSING, f"{reference.dataref} does not exist")
        return self.kept[reference.dataref]
