"""The golden parity table printed at the end of a test run."""

from __future__ import annotations

from dataclasses import dataclass

from tests.model.golden_checks.registry import Comparison


@dataclass(frozen=True)
class ParityRow:
    """One fixture's largest difference against its tolerance."""

    name: str
    worst: float
    tolerance: float
    worst_of: str
    compared: int
    exact: int

    @classmethod
    def of(cls, name: str, compare: Comparison) -> ParityRow:
        """The row of a finished (or failed) comparison."""
        return cls(
            name,
            compare.worst,
            compare.tolerance,
            compare.worst_of,
            compare.compared,
            compare.exact,
        )

    def __str__(self) -> str:
        difference = f"{self.worst:9.2e} / {self.tolerance:7.0e}" if self.tolerance else "exact"
        counts = f"{self.compared - self.exact} close, {self.exact} exact"
        return f"{self.name:<44} {difference:>19}  {counts:<26} {self.worst_of}"


PARITY_ROWS: list[ParityRow] = []
