"""Runs the scanner and reads what it found."""

from __future__ import annotations

import bisect
import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Found:
    """One finding: nothing of it is a value."""

    file: str
    start: int
    end: int
    line: int
    detector: str
    state: str
    declared_masked: bool
    under_masked: bool


class Auditor:
    """The program under test."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def detectors(self) -> dict[str, dict[str, object]]:
        """Rows of the catalogue this build has, by id."""
        command: list[str | Path] = [self.program, "detectors", "list", "--format", "json"]
        rows = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return {row["id"]: row for row in rows}

    def scan(self, folder: Path, confidence: str = "medium") -> Iterator[Found]:
        """Findings of all states in the files of a folder.

        Raises when anything could not be read: exit code 2.
        """
        options = ["--format", "json", "--min-confidence", confidence, "--states", "all"]
        command: list[str | Path] = [self.program, "scan", *options, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout
            for line in process.stdout:
                finding = json.loads(line)
                place = finding["location"]
                yield Found(
                    str(Path(finding["path"]).relative_to(folder)), place["start"], place["end"], place.get("line", 0),
                    finding["detector"], finding["state"], finding.get("declared_masked", False),
                    finding.get("under_masked", False),
                )
        if process.returncode not in (0, 1):
            raise RuntimeError(f"auditor scan ended with {process.returncode}")


class Places:
    """Finds what overlaps a range of a file."""

    def __init__(self, found: Sequence[Found]) -> None:
        by_file: defaultdict[str, list[Found]] = defaultdict(list)
        for one in found:
            by_file[one.file].append(one)
        self._files = {file: sorted(ones, key=lambda one: one.start) for file, ones in by_file.items()}

    def overlapping(self, file: str, start: int, end: int) -> list[Found]:
        ones = self._files.get(file, [])
        # Findings of one file hardly overlap each other: a few before the first one that starts behind suffice.
        at = bisect.bisect_left(ones, end, key=lambda one: one.start)
        return [one for one in ones[max(0, at - 16) : at] if one.end > start]
