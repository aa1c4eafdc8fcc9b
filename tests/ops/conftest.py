"""The gateway on a real socket, as the API's tests have it."""

from tests.gateway.api.conftest import api  # noqa: F401
