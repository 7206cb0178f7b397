"""Checks that passed or failed, in the lines that `cargo xtask test` counts."""

from __future__ import annotations


class Verdicts:
    """Collects checks; prints them in the end."""

    def __init__(self) -> None:
        self._lines: list[tuple[bool, str, str]] = []

    def check(self, name: str, passed: bool, detail: str) -> None:
        self._lines.append((passed, name, detail))

    def report(self) -> int:
        """Prints a line for each and returns the exit code: 1 when one failed."""
        print()
        for passed, name, detail in self._lines:
            print(f"ok      {name}" if passed else f"FAILED  {name}: {detail}", flush=True)
        return 0 if all(passed for passed, *_ in self._lines) else 1
