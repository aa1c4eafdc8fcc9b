"""Reading a mail as its receiver would."""

from __future__ import annotations

from email.header import decode_header, make_header


def decoded(header: str) -> str:
    """A header's text, unfolded."""
    unfolded = header.replace("\r\n", "").replace("\n", "")
    return str(make_header(decode_header(unfolded))) if "=?" in unfolded else unfolded


def sections(text: str) -> dict[str, str]:
    """Read the mail as a person would: what is set in belongs to the line above that ends in a colon."""
    sections: dict[str, list[str]] = {}
    heading = ""
    for line in text.splitlines():
        if line.startswith("    ") and heading:
            sections.setdefault(heading, []).append(line[4:])
        else:
            heading = line[:-1].lower() if line.endswith(":") else ""
    return {name: "\n".join(lines) for name, lines in sections.items()}
