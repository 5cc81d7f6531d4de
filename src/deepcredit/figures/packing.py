"""Arrays for the page's explorers, packed small."""

import base64
import zlib
from typing import Any

import numpy as np


def packed(values: np.ndarray, low: float, high: float, bits: int) -> dict[str, Any]:
    """An array between `low` and `high` in 8 or 16 bits, as differences along its last axis, compressed, in base64.

    Values outside the range are drawn to its end; those that are not numbers (of a run that diverged) to the upper one.
    """
    top = 2**bits - 1
    whole = np.nan_to_num((values - low) / (high - low), nan=1.0, posinf=1.0, neginf=0.0)
    steps = np.rint(np.clip(whole, 0.0, 1.0) * top).astype(np.int64)
    differences = np.diff(steps, axis=-1, prepend=0).astype(f"<u{bits // 8}")
    planes = np.frombuffer(differences.tobytes(), np.uint8).reshape(-1, bits // 8).T
    content = zlib.compress(planes.tobytes(), 9)
    text = base64.b64encode(content).decode("ascii")
    return {"shape": list(values.shape), "low": low, "high": high, "bits": bits, "data": text}
