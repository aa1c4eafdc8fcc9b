"""How signed REST joins the conformance suite: Jobcentre Plus, a CRM that renames everything, and one asked first."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.rest import RestAdapter
from adapters.rest_names import RestNames
from adapters.sandbox.core import Mode, SandboxBackend
from adapters.sandbox.rest import make
from tests.adapters.conformance import Case

CLIENT = {"client_id": "front-door:barnet", "client_secret": "sandbox & secret"}
SIGNING = {"signing_secret": "0123456789abcdef0123456789abcdef"}
NAMES = RestNames(
    delivery="ExternalId__c",
    reference="CitizenRef__c",
    service="CaseType",
    details="",
    fields={"description": "Description", "name": "SuppliedName", "email": "SuppliedEmail"},
    lookup_parameter="ExternalId__c",
    cases="result.records",
    answer_reference="result.CaseNumber",
    answer_status="result.Status",
    changes="result.records",
    cursor="result.next",
    more="result.hasMore",
    change_reference="CaseNumber",
    change_delivery="ExternalId__c",
    change_status="Status",
    change_at="LastModifiedDate",
    change_note="Comments",
    change_id="HistoryId",
)


def case(name: str, *, options: dict[str, Any], **settings: Any) -> Case:
    """Make a case; `settings` go into the connection, `options` to the back end."""

    def connection(backend: SandboxBackend) -> dict[str, Any]:
        oauth = {"token_url": f"{backend.url}/oauth/token"} if settings.get("auth") == "oauth2" else {}
        return {"url": backend.url, **oauth, **settings}

    recognised = options.get("deduplicate", True)
    return Case(
        name=name,
        protocol="rest",
        make=make,
        connection=connection,
        adapter=RestAdapter.from_connection,
        options=lambda _url: options,
        expect={} if recognised else {Mode.DUPLICATE: None},
        statuses=("ACKNOWLEDGED", "IN_PROGRESS", "COMPLETED"),
    )


CASES = [
    case(
        "rest-oauth2-signed",
        auth="oauth2",
        **CLIENT,
        **SIGNING,
        options={"auth": "oauth2", **CLIENT, **SIGNING},
    ),
    case(
        "rest-crm",
        auth="api_key",
        api_key="sandbox-key",
        names=msgspec.to_builtins(NAMES),
        constants={"Origin": "Front door"},
        options={"auth": "api_key", "api_key": "sandbox-key", "names": msgspec.to_builtins(NAMES)},
    ),
    case("rest-lookup", auth="none", deduplication="lookup", options={"deduplicate": False}),
]
