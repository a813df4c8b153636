"""Where the samples are in a layer's tensors: [N, …], time first, or folded into one axis."""

from dataclasses import dataclass

from torch import Tensor

from qdiverge.kernel.sample_mixing import same_rows


@dataclass(frozen=True)
class Layout:
    """The axis that holds the samples, alone or folded with ``num_folded`` positions each.

    Attributes:
        axis: The axis among the leading ones.
        num_folded: Positions of each sample that are folded into the axis.
        is_time_major: Whether the folded positions come before the samples.
    """

    axis: int
    num_folded: int
    is_time_major: bool

    def to_samples(self, tensor: Tensor, num_event: int) -> Tensor:
        """Return [n, T, *event]: samples first, every other leading axis folded into T."""
        axis, fold = self.axis, self.num_folded
        if fold > 1:
            num = tensor.shape[axis] // fold
            tensor = tensor.unflatten(axis, (fold, num) if self.is_time_major else (num, fold))
            axis += self.is_time_major
        event = tensor.shape[tensor.dim() - num_event :]
        return tensor.movedim(axis, 0).reshape(tensor.shape[axis], -1, *event)


def find_layout(two: Tensor, three: Tensor, num_event: int) -> Layout | None:
    """Return the layout in which two samples are the first two of three; None if unclear."""
    lead = [t.shape[: t.dim() - num_event] for t in (two, three)]
    if len(lead[0]) != len(lead[1]) or two.shape[len(lead[0]) :] != three.shape[len(lead[1]) :]:
        return None
    changing = [d for d, (m, n) in enumerate(zip(*lead, strict=True)) if m != n]
    if len(changing) != 1:
        return None
    axis = changing[0]
    fold = lead[0][axis] // 2
    if fold == 0 or lead[0][axis] != 2 * fold or lead[1][axis] != 3 * fold:
        return None
    candidates = [Layout(axis, fold, major) for major in ((False, True) if fold > 1 else (False,))]
    fitting = [
        c
        for c in candidates
        if same_rows(c.to_samples(two, num_event), c.to_samples(three, num_event))
    ]
    return fitting[0] if len(fitting) == 1 else None
