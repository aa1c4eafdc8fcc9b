"""What can go wrong, each as one sentence an operator can act on.

LoadTestError
├── ScenarioError   a scenario or the bank of messages cannot be used
├── TargetError     nothing usable answers at the address
└── ProductError    a process that was to be measured did not start
"""

from __future__ import annotations


class LoadTestError(Exception):
    """The load test cannot go on."""


class ScenarioError(LoadTestError):
    """A file cannot be used. Says which, where and what."""


class TargetError(LoadTestError):
    """Nothing usable answers at the address."""


class ProductError(LoadTestError):
    """A process that was to be measured did not start."""
