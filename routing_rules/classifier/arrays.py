"""The kinds of arrays the engine's parts hand to each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Columns = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.int8]


def shares(scores: Floats) -> Floats:
    """Return scores as shares of one: softmax, row by row where there are rows."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    found: Floats = (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32, copy=False)
    return found
