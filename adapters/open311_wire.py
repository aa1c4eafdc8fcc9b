"""Open311's two formats: lists of flat records as XML or JSON, read safely.

XML with a document type declaration is refused, and with it every entity: what is left of XML cannot grow
beyond the bytes that arrived, and those are limited by whoever read them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal
from xml.etree import ElementTree as ET

import msgspec

Format = Literal["xml", "json"]
Record = dict[str, Any]

CONTENT_TYPES: Final[Mapping[Format, str]] = {
    "xml": "text/xml; charset=utf-8",
    "json": "application/json; charset=utf-8",
}
_MEDIA: Final[Mapping[Format, frozenset[str]]] = {
    "xml": frozenset({"text/xml", "application/xml"}),
    "json": frozenset({"application/json", "text/json"}),
}
_DECLARATION: Final = b'<?xml version="1.0" encoding="utf-8"?>\n'
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class WireError(ValueError):
    """The bytes are not what they should be. The message quotes nothing of them."""


def read_records(body: bytes, content_type: str, form: Format, roots: Sequence[str]) -> list[Record]:
    """Read a list of records. `roots` are the names that the XML's root may have.

    A JSON record keeps its types and drops nulls; an XML record is all strings, and flat.
    Raises `WireError`.
    """
    if content_type not in _MEDIA[form]:
        raise WireError(f"the answer is not {form.upper()}")
    return _read_json(body) if form == "json" else _read_xml(body, roots)


def write_records(records: Iterable[Mapping[str, Any]], form: Format, root: str, item: str) -> bytes:
    """Write a list of records as Open311 does: in XML lower-case booleans and an empty element for null."""
    if form == "json":
        return msgspec.json.encode(list(records))
    top = ET.Element(root)
    for record in records:
        _fill(ET.SubElement(top, item), record)
    body: bytes = ET.tostring(top, encoding="utf-8")
    return _DECLARATION + body


def _read_json(body: bytes) -> list[Record]:
    try:
        records = msgspec.json.decode(body, type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WireError("the answer could not be read") from None
    return [{key: value for key, value in record.items() if value is not None} for record in records]


def _read_xml(body: bytes, roots: Sequence[str]) -> list[Record]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise WireError("the answer is not UTF-8") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise WireError("the answer has a document type declaration")
    try:
        top = ET.fromstring(text)  # noqa: S314  see the module's docstring
    except (ET.ParseError, ValueError):
        raise WireError("the answer could not be read") from None
    if top.tag not in roots:
        raise WireError("the answer holds something else")
    return [{str(item.tag): item.text.strip(" \t\r\n") for item in thing if item.text} for thing in top]


def _fill(element: ET.Element, record: Mapping[str, Any]) -> None:
    for key, value in record.items():
        child = ET.SubElement(element, key)
        if isinstance(value, bool):
            child.text = "true" if value else "false"
        elif isinstance(value, list):
            for item in value:
                _fill(ET.SubElement(child, key.removesuffix("s")), item)
        elif value is not None:
            child.text = _NOT_XML.sub("\ufffd", str(value))
