"""A stand-in GeoReport v2 back end, in XML and JSON, with mySociety's updates.

Its status words: acknowledged → `investigating`, in progress → `in_progress`, resolved → `fixed`,
rejected → `not_councils_responsibility`, cancelled → `cancelled`. In `requests` they are `open` or `closed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Literal

import msgspec
from aiohttp import web

from adapters.open311_wire import CONTENT_TYPES, Format, write_records
from adapters.sandbox.core import Case, Faults, HttpSandbox, Ledger, Lifecycle, Scope

WORDS: Final[Mapping[str, str]] = {
    "received": "open",
    "acknowledged": "investigating",
    "in_progress": "in_progress",
    "resolved": "fixed",
    "rejected": "not_councils_responsibility",
    "cancelled": "cancelled",
}
_CLOSED: Final = frozenset({"resolved", "rejected", "cancelled"})
_MOST: Final = 1000


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How this back end behaves."""

    api_key: str | None = None
    jurisdiction_id: str | None = None
    deduplication: Literal["lookup", "key", "none"] = "lookup"
    lookup_field: str = "account_id"
    tokens: bool = False
    """Answer a POST with a token instead of the reference."""
    token_delay: float = 0.0
    """Seconds until a token leads to a reference."""
    updates: bool = True
    """Whether it knows mySociety's updates."""
    services: list[str] = []
    """The service codes that it knows; none given: any."""


class _ErrorAnswer(Exception):
    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.code = code


class Open311Sandbox(HttpSandbox):
    """One organisation's GeoReport v2 endpoint."""

    protocol: ClassVar[str] = "open311"
    path: ClassVar[str] = "/open311/v2"

    def __init__(
        self, code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: Options
    ) -> None:
        super().__init__(code, ledger, faults, lifecycle)
        self.options = options
        at, form = self.path, "{form:xml|json}"
        self.route("POST", f"{at}/requests.{form}", self._guarded(self._post), scope=Scope.DELIVER)
        self.route("GET", f"{at}/requests.{form}", self._guarded(self._list))
        self.route("GET", f"{at}/requests/{{id}}.{form}", self._guarded(self._one))
        self.route("GET", f"{at}/tokens/{{id}}.{form}", self._guarded(self._token))
        self.route("GET", f"{at}/services.{form}", self._guarded(self._services))
        self.route("GET", f"{at}/discovery.{form}", self._guarded(self._discovery))
        if options.updates:
            self.route("GET", f"{at}/servicerequestupdates.{form}", self._guarded(self._updates))

    async def refusal(self, request: web.Request) -> web.Response:
        """Say no as Open311 does."""
        return _error(_format(request), 400, "unsupported_area", "Outside the area that we cover")

    def _guarded(
        self, handler: Callable[[web.Request, Mapping[str, str]], web.Response]
    ) -> Callable[[web.Request], Any]:
        """Check the jurisdiction and turn errors into answers. An empty parameter is an absent one."""

        async def handle(request: web.Request) -> web.Response:
            given = dict(request.query)
            if request.method == "POST":
                given |= {key: str(value) for key, value in (await request.post()).items()}
            given = {key: value for key, value in given.items() if value}
            try:
                self._check_jurisdiction(given)
                return handler(request, given)
            except _ErrorAnswer as error:
                return _error(_format(request), error.status, error.code, str(error))

        return handle

    def _check_jurisdiction(self, given: Mapping[str, str]) -> None:
        wanted = self.options.jurisdiction_id
        if wanted is None:
            return
        if "jurisdiction_id" not in given:
            raise _ErrorAnswer(400, "400", "jurisdiction_id was not provided")
        if given["jurisdiction_id"] != wanted:
            raise _ErrorAnswer(404, "404", "jurisdiction_id was not found")

    def _post(self, request: web.Request, given: Mapping[str, str]) -> web.Response:
        options = self.options
        if options.api_key is not None and given.get("api_key") != options.api_key:
            raise _ErrorAnswer(403, "403", "api_key is missing or not valid")
        if "service_code" not in given:
            raise _ErrorAnswer(400, "400", "service_code was not provided")
        if options.services and given["service_code"] not in options.services:
            raise _ErrorAnswer(404, "404", "service_code was not found")
        if not ({"lat", "long"} <= given.keys() or "address_string" in given or "address_id" in given):
            raise _ErrorAnswer(400, "400", "one of lat and long, address_string or address_id is needed")
        if len(given.get("description", "")) > 4000:
            raise _ErrorAnswer(400, "400", "description is longer than 4,000 characters")
        case, repeat = self.ledger.take(
            given.get("attribute[delivery_id]", ""),
            {key: value for key, value in given.items() if key != "api_key"},
            service=given["service_code"],
            deduplicate=options.deduplication == "key",
            raw=request._read_bytes or b"",  # noqa: SLF001  the bytes that post() has read
        )
        if not repeat:
            self.opened(case)
        named = {"token": f"t-{case.external_reference}"} if options.tokens else self._reference(case)
        record = named | {"service_notice": "Reported to the crew", "account_id": given.get("account_id")}
        return _answer(_format(request), [record], "service_requests", "request", status=201)

    def _list(self, request: web.Request, given: Mapping[str, str]) -> web.Response:
        cases = self._found(given)
        if size := given.get("page_size"):
            first = (int(given.get("page", "1")) - 1) * int(size)
            cases = cases[first : first + int(size)]
        records = [self._record(case) for case in cases[:_MOST]]
        return _answer(_format(request), records, "service_requests", "request")

    def _found(self, given: Mapping[str, str]) -> list[Case]:
        if "service_request_id" in given:
            cases = [self.ledger.get(reference) for reference in given["service_request_id"].split(",")]
            return [case for case in cases if case is not None]
        field = self.options.lookup_field
        if self.options.deduplication == "lookup" and field in given:
            by_delivery = self.ledger.by_delivery(given[field])
            return [case for case in by_delivery if case.fields.get(field, given[field]) == given[field]]
        start, end = _times(given)
        wanted = [case for case in self.ledger if start <= case.received_at <= end]
        if "service_code" in given:
            wanted = [case for case in wanted if case.service in given["service_code"].split(",")]
        if "status" in given:
            wanted = [case for case in wanted if _open_or_closed(case) in given["status"].split(",")]
        return wanted

    def _one(self, request: web.Request, given: Mapping[str, str]) -> web.Response:  # noqa: ARG002
        case = self.ledger.get(request.match_info["id"])
        if case is None:
            raise _ErrorAnswer(404, "404", "service_request_id was not found")
        return _answer(_format(request), [self._record(case)], "service_requests", "request")

    def _token(self, request: web.Request, given: Mapping[str, str]) -> web.Response:  # noqa: ARG002
        token = request.match_info["id"]
        case = self.ledger.get(token.removeprefix("t-"))
        if case is None:
            raise _ErrorAnswer(404, "404", "token was not found")
        ready = self.ledger.clock() >= case.received_at + timedelta(seconds=self.options.token_delay)
        record = {"token": token, "service_request_id": case.external_reference if ready else None}
        return _answer(_format(request), [record], "service_requests", "request")

    def _updates(self, request: web.Request, given: Mapping[str, str]) -> web.Response:
        start, end = _times(given)
        records = [
            {
                "update_id": change.update_id,
                "service_request_id": change.external_reference,
                "status": WORDS.get(change.status, change.status),
                "updated_datetime": _write(change.at),
                "description": change.note,
                "media_url": None,
            }
            for change in self.ledger.changes_between(start, end)
        ]
        return _answer(_format(request), records, "service_requests_updates", "request_update")

    def _services(self, request: web.Request, given: Mapping[str, str]) -> web.Response:  # noqa: ARG002
        codes = self.options.services or sorted({case.service for case in self.ledger})
        records = [
            {"service_code": code, "service_name": code, "metadata": False, "type": "realtime"}
            for code in codes
        ]
        return _answer(_format(request), records, "services", "service")

    def _discovery(self, request: web.Request, given: Mapping[str, str]) -> web.Response:  # noqa: ARG002
        formats = ["text/xml", "application/json"]
        endpoint = {
            "specification": "http://wiki.open311.org/GeoReport_v2",
            "url": self.url,
            "changeset": "2026-01-01T00:00:00Z",
            "type": "test",
        }
        if _format(request) == "json":
            body = {"contact": "sandbox", "endpoints": [endpoint | {"formats": formats}]}
            return web.Response(body=msgspec.json.encode(body), headers=_headers("json"))
        return _answer("xml", [{"endpoint": [endpoint]}], "discovery", "endpoints")

    def _record(self, case: Case) -> dict[str, Any]:
        changed = case.history[-1].at if case.history else case.received_at
        record: dict[str, Any] = self._reference(case) | {
            "status": _open_or_closed(case),
            "status_notes": case.history[-1].note if case.history else "",
            "service_name": case.service,
            "service_code": case.service,
            "requested_datetime": _write(case.received_at),
            "updated_datetime": _write(changed),
            "address": case.fields.get("address_string"),
        }
        if self.options.deduplication == "lookup":
            record[self.options.lookup_field] = case.delivery_id
        return record

    def _reference(self, case: Case) -> dict[str, Any]:
        return {"service_request_id": case.external_reference}


def make(
    code: str, ledger: Ledger, faults: Faults, lifecycle: Lifecycle, options: Mapping[str, Any]
) -> Open311Sandbox:
    """Make the back end. Raises `msgspec.ValidationError` for wrong options."""
    return Open311Sandbox(code, ledger, faults, lifecycle, msgspec.convert(options, Options))


def _open_or_closed(case: Case) -> str:
    return "closed" if case.status in _CLOSED else "open"


def _format(request: web.Request) -> Format:
    return "json" if request.match_info["form"] == "json" else "xml"


def _headers(form: Format) -> dict[str, str]:
    return {"Content-Type": CONTENT_TYPES[form]}


def _answer(
    form: Format, records: Iterable[Mapping[str, Any]], root: str, item: str, *, status: int = 200
) -> web.Response:
    return web.Response(status=status, body=write_records(records, form, root, item), headers=_headers(form))


def _error(form: Format, status: int, code: str, description: str) -> web.Response:
    return _answer(form, [{"code": code, "description": description}], "errors", "error", status=status)


def _times(given: Mapping[str, str]) -> tuple[datetime, datetime]:
    """Read the asked window; without one it is everything."""
    try:
        start = datetime.fromisoformat(given.get("start_date", "1970-01-01T00:00:00Z"))
        end = datetime.fromisoformat(given.get("end_date", "9999-12-31T00:00:00Z"))
    except ValueError:
        raise _ErrorAnswer(400, "400", "start_date or end_date is no time") from None
    if start.tzinfo is None or end.tzinfo is None:
        raise _ErrorAnswer(400, "400", "start_date or end_date has no zone")
    if "start_date" in given and "end_date" in given and end - start > timedelta(days=90):
        raise _ErrorAnswer(400, "400", "start_date and end_date are more than 90 days apart")
    return start, end


def _write(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
