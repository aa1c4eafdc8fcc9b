"""The page behind a mail's link, where an organisation says how a case goes on. It shows nothing of it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from html import escape
from typing import Final

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>How does it go on?</title>
</head>
<body>
<main>
<h1>How does it go on?</h1>
<form method="post">
{hidden}
<fieldset>
<legend>Choose one</legend>
{choices}
</fieldset>
<p><label for="note">Anything to add (for our staff; please no personal details)</label></p>
<p><textarea id="note" name="note" rows="4" cols="40" maxlength="2000"></textarea></p>
<p><button type="submit">Tell us</button></p>
</form>
</main>
</body>
</html>
"""
_CHOICE: Final = '<p><label><input type="radio" name="status" value="{status}" required> {text}</label></p>'


def render(values: Mapping[str, str], statuses: Mapping[str, str]) -> str:
    """Make the page for one delivery. `values` hold the link's `delivery` and `token`."""
    hidden = {key: values[key] for key in ("delivery", "token")}
    # Of its own for every page, so that a form sent twice counts once and a status given again later counts
    # again.
    hidden["update_id"] = secrets.token_hex(8)
    return _PAGE.format(
        hidden="\n".join(
            f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in hidden.items()
        ),
        choices="\n".join(
            _CHOICE.format(status=escape(status), text=escape(text)) for status, text in statuses.items()
        ),
    )
