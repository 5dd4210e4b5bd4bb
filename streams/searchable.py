"""How much of the catalogue topic is not yet in the vector store.

The stage acknowledges a product only after its rows are upserted and the catalogue's revision is recorded, so its
group's committed offset tells what can be searched in the embedding space that it loads. A new space is empty until
the catalogue is loaded again.
"""

from collections.abc import Callable

from infra.errors import InfraError
from infra.settings import Settings
from streams.ask import Ask
from streams.reading import Reader
from streams.status import committed_offsets
from streams.topology import PRODUCTS

STAGE = "catalog_encoder"


def embedded_elsewhere(ask: Ask, committed: Callable[[], int]) -> bool:
    """Whether the group is done with what this space does not have: another one was in use meanwhile.

    `committed`: what the group will read next. False where one of both does not answer.
    """
    try:
        return ask.vectors.revision() < ask.catalogue_from < committed()
    except InfraError:
        return False


def products_to_go(settings: Settings, reader: Reader) -> int:
    """Records of ``catalog.products`` that are not searchable yet. Raises `NotRunning`, `ServiceRefused`."""
    (stretch,) = reader.stretches(PRODUCTS.name)
    done = committed_offsets(settings, "", [STAGE])[STAGE].get(stretch.partition, 0)
    return max(0, stretch.since(done).length)
