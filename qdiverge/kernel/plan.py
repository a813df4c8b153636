"""What is done for each parameter, and why; the record that users print."""

from dataclasses import dataclass, field, replace

from qdiverge.kernel.layout import Layout


@dataclass(frozen=True)
class Size:
    """How many samples and rows (samples times actions) each side of the kernel has.

    Attributes:
        samples: Of both sides.
        rows: Of both sides.
        is_symmetric: Whether the sides are one, and half of the pairs is skipped.
    """

    samples: tuple[int, int]
    rows: tuple[int, int]
    is_symmetric: bool

    def pairs(self, per_row_pair: int, per_sample_pair: int = 0) -> int:
        """Return the multiply-adds of a Gram product over both sides."""
        rows, samples = (
            m * (m + 1) // 2 if self.is_symmetric else m * n for m, n in (self.rows, self.samples)
        )
        return rows * per_row_pair + samples * per_sample_pair

    @property
    def actions(self) -> int:
        """Return the rows of one sample, of the side that has more."""
        return max(1, *(rows // n for rows, n in zip(self.rows, self.samples, strict=True)))

    @property
    def num_rows(self) -> int:
        """Return rows whose features are made."""
        return self.rows[0] if self.is_symmetric else sum(self.rows)


@dataclass(frozen=True)
class Entry:
    """How one parameter's part of the kernel is made.

    Attributes:
        name: The parameter, by the network's own name for it.
        block: The module whose block it is added to.
        rule: The layer's rule, or "per sample", "loop", "unused".
        form: "product", "positions", "explicit", "with the weight" or "none".
        operations: Multiply-adds for the whole kernel.
        num_bytes: Bytes held for one sample, of the side with more actions.
        reason: Why this form.
        uses: Which calls of the forward pass use it, with its name in the module.
    """

    name: str
    block: str
    rule: str
    form: str
    operations: int
    num_bytes: int
    reason: str
    uses: tuple[tuple[int, str], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Plan:
    """The parameters' entries, the layouts of the calls, and the chunk that follows from them."""

    entries: tuple[Entry, ...]
    layouts: tuple[Layout | None, ...] = field(default=(), repr=False)
    signature: tuple[str, ...] = field(default=(), repr=False)
    activation_bytes: int = 0

    @property
    def operations(self) -> int:
        """Return the multiply-adds in all, but for the passes to the layers' outputs and back."""
        return sum(entry.operations for entry in self.entries)

    @property
    def num_bytes(self) -> int:
        """Return bytes held for one sample."""
        return sum(entry.num_bytes for entry in self.entries)

    def has_bias(self, weight: Entry) -> bool:
        """Return whether the weight's product takes its layer's bias along."""
        calls = [index for index, _ in weight.uses]
        return any(
            e.form == "with the weight" and [index for index, _ in e.uses] == calls
            for e in self.entries
        )

    def renamed(self, prefix: str) -> "Plan":
        """Return the plan with the names that a wrapped module has."""
        entries = (replace(e, name=prefix + e.name, block=prefix + e.block) for e in self.entries)
        return replace(self, entries=tuple(entries))

    def __str__(self) -> str:
        head = ("parameter", "rule", "form", "multiply-adds", "bytes a sample", "reason")
        rows = [
            (e.name, e.rule, e.form, f"{e.operations:.3g}", f"{e.num_bytes:,}", e.reason)
            for e in self.entries
        ]
        total = ("in all", "", "", f"{self.operations:.3g}", f"{self.num_bytes:,}", "")
        table = [head, *rows, total]
        widths = [max(len(row[i]) for row in table) for i in range(len(head))]
        return "\n".join(
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in table
        )


def block_of(name: str) -> str:
    """Return the module that owns a parameter; a bare one of the network is its own block.

    >>> block_of("head.weight"), block_of("head.parametrizations.weight.original")
    ('head', 'head')
    """
    owner, parametrized, _ = name.partition(".parametrizations.")
    return owner if parametrized else name.rpartition(".")[0] or name
