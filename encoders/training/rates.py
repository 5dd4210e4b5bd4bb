"""Where a training stands → its learning rate against the peak: the one course that trainings follow."""

import math

WARM_UP_STEPS = 200


def share_of_peak(step_number: int, share: float, warm_up: int = WARM_UP_STEPS) -> float:
    """Warm-up by steps, then a cosine over the ``share`` of the time (or of the steps) that is spent."""
    cosine = 0.02 + 0.49 * (1 + math.cos(math.pi * min(1.0, share)))
    return min(1.0, (step_number + 1) / max(1, warm_up)) * cosine
