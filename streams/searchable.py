"""How much of the catalogue topic is not yet in the vector store.

The stage acknowledges a product only after its rows are upserted and the catalogue's revision is recorded, so its
group's committed offset tells what can be searched in the embedding space that it loads. A new space is empty until
the catalogue is loaded again.
"""

from collections.abc import Callable

from kafka import TopicPartition

from infra.errors import InfraError
from infra.settings import Settings
from streams import groups
from streams.ask import Ask
from streams.reading import Reader
from streams.topology import PRODUCTS, group_id

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
    group = group_id(STAGE)
    committed = groups.offsets(settings, [group])[group].get(TopicPartition(PRODUCTS.name, stretch.partition))
    done = max(stretch.start, committed.offset if committed else 0)
    return max(0, stretch.end - done)
