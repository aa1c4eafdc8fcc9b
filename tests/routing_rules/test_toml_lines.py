"""Lines of keys in TOML texts, however the values are laid out."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from routing_rules.toml_lines import Lines
from tests.routing_rules.stand_ins import unhurried

KEYS = st.sampled_from(["a", "b", "long-key", "c1"])
VALUES = st.recursive(
    st.one_of(st.integers(0, 9), st.sampled_from(['"text"', "'x # y'", '"[{"', "true", '"""two\nlines"""'])),
    lambda inner: st.lists(inner, max_size=3).map(
        lambda entries: "[\n" + "".join(f"  {entry}, # note\n" for entry in entries) + "]"
    ),
    max_leaves=4,
)


@unhurried
@given(
    st.lists(
        st.tuples(KEYS, st.lists(st.tuples(KEYS, VALUES), max_size=3, unique_by=lambda pair: pair[0])),
        max_size=4,
    )
)
def test_the_line_of_a_key_is_where_it_was_written(tables: list[tuple[str, list[tuple[str, Any]]]]) -> None:
    """Long strings, lists over several lines and comments do not shift the lines of what follows."""
    text, expected, counts = "# top\n", {}, {}
    for name, pairs in tables:
        index = counts.get(name, -1) + 1
        counts[name] = index
        text += f"\n[[{name}]]\n"
        expected[(name, index)] = text.count("\n")
        for key, value in pairs:
            expected[(name, index, key)] = text.count("\n") + 1
            text += f"{key} = {value}\n"
    tomllib.loads(text)
    lines = Lines(text)
    assert {path: lines.find(path) for path in expected} == expected


def test_the_line_of_an_entry_inside_lists_and_inline_tables_is_found() -> None:
    """Paths reach into values that go over several lines."""
    text = """\
x = { a = 1, b = [
  "one", "two",
  # not an entry: "three"
  "four",
] }
y = [
  { k = 1 },
  { k = 2 },
]
"""
    tomllib.loads(text)
    lines = Lines(text)
    assert [lines.find(("x", "b", index)) for index in range(3)] == [2, 2, 4]
    assert lines.find(("y", 1, "k")) == 8
    assert lines.find(("y", 0)) == 7
    assert lines.find(("z",)) is None
    assert lines.find(()) is None
