"""How far a real update is from the linear one that every verdict assumes."""

import torch
from torch import Tensor

from qdiverge.errors import InvalidValueError
from qdiverge.tensor_checks import check_finite

LARGEST_ERROR = 0.3  # above it a verdict says that it does not apply


def linearisation_error(predicted: Tensor, actual: Tensor) -> float:
    """Return ‖ΔQ − αKDδ‖ / ‖αKDδ‖, the relative error of the linear prediction.

    0 where both are zero, ∞ where only the prediction is.

    Args:
        predicted: αKDδ ``[N]``.
        actual: Q after the update minus Q before ``[N]``.

    Raises:
        InvalidTypeError: one is no floating-point tensor.
        InvalidValueError: NaN, infinity or different shapes.

    >>> linearisation_error(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5]))
    0.1
    """
    check_finite("predicted", predicted)
    check_finite("actual", actual)
    if predicted.shape != actual.shape:
        raise InvalidValueError(
            f"actual must have the shape of predicted, {list(predicted.shape)}",
            got=list(actual.shape),
        )
    scale = float(torch.linalg.vector_norm(predicted.double()))
    error = float(torch.linalg.vector_norm((actual - predicted).double()))
    return error / scale if scale > 0 else (0.0 if error == 0 else float("inf"))
