"""A folder and a world for each chaos test."""

from __future__ import annotations

import uuid

import pytest

from tests.conftest import TEMPLATE
from tests.conftest import _database as migrated_database


@pytest.fixture
def chaos_folder(open_folder):
    """A folder that does not yet exist, where the database's own user may go."""
    return open_folder / f"chaos-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
async def module_database_url(server_url):
    """A migrated database for all tests of one file."""
    async with migrated_database(server_url, TEMPLATE) as url:
        yield url
