"""Measurements to run by hand; not part of the tests."""
