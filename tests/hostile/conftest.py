"""The server as people start it, over the sandbox that the whole run shares."""

from collections.abc import Iterator

import pytest

from tests.served import served
from tests.stand import Sandbox


@pytest.fixture(scope="module")
def address(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(
        tmp_path_factory.mktemp("hostile"),
        GAMEHUB_URL=world.gamehub_url,
        GAMEHUB_TOKEN=world.gamehub_token,
        GAMELOG_URL=world.gamelog_url,
        GAMELOG_AGENT_CODE=world.agent_code,
        GAMELOG_AGENT_TOKEN=world.agent_token,
    ) as address:
        yield address
