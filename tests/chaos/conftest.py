"""A folder and a world for each chaos test."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE
from tests.conftest import _database as migrated_database


def pytest_collection_modifyitems(items):
    """A test here starts whole front doors and breaks them: it has longer than others, each wait having its own limit."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture
def chaos_folder(open_folder):
    """A folder that does not yet exist, where the database's own user may go."""
    return open_folder / f"chaos-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
async def module_database_url(server_url):
    """A migrated database for all tests of one file."""
    async with migrated_database(server_url, TEMPLATE) as url:
        yield url
