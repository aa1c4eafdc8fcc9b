"""Commands that are imported when they are asked for: one that answers at once should not first read all the others."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class Later(click.Group):
    """A group that knows where its commands are, and imports none before its name, or the list of all, is wanted."""

    def __init__(self, *given: Any, where: Mapping[str, str], **named: Any) -> None:
        """`where`: a command's name → `module:attribute`."""
        super().__init__(*given, **named)
        self._where = where

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted([*super().list_commands(ctx), *self._where])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command; `None` when there is none of that name."""
        if cmd_name not in self._where:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._where[cmd_name].partition(":")
        found = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, click.Command)
        return found
