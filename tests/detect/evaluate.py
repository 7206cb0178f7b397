#!/usr/bin/env python3
"""Scans a labelled set and compares: recall and precision by detector, states, and the floors they must reach.

Prints tables, then a line `ok NAME` or `FAILED NAME` for each floor. The exit code is 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from labelled import floors
from labelled.catalogue import CLASSES
from labelled.scan import Auditor, Found, Places
from labelled.verdicts import Verdicts
from labelled.write import Label, write_set

_STATES = ("clear", "masked", "hashed", "tokenised", "encrypted", "test")


@dataclass
class Score:
    """What became of the values of one detector."""

    values: int = 0
    found: int = 0
    #: Found as clear, but as another detector's.
    other: Counter[str] = field(default_factory=Counter)
    #: Reported by this detector as a state that is not clear.
    protected: int = 0
    by_carrier: Counter[str] = field(default_factory=Counter)
    missed_by_carrier: Counter[str] = field(default_factory=Counter)
    named: int = 0
    named_found: int = 0
    false: Counter[str] = field(default_factory=Counter)

    @property
    def missed(self) -> int:
        return self.values - self.found - sum(self.other.values()) - self.protected

    @property
    def recall(self) -> float:
        return self.named_found / self.named if self.named else 1.0

    @property
    def precision(self) -> float:
        reported = self.found + sum(self.false.values())
        return self.found / reported if reported else 1.0


class Comparison:
    """Labels against findings."""

    def __init__(self, labels: list[Label], found: list[Found]) -> None:
        self.scores: defaultdict[str, Score] = defaultdict(Score)
        self.states: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.exposed: Counter[str] = Counter()
        self.hidden: Counter[str] = Counter()
        places, explained = Places(found), set()
        beside: defaultdict[str, set[str]] = defaultdict(set)
        negatives: dict[str, str] = {}
        self.missed: list[Label] = []
        for label in labels:
            beside[label.file].update(label.beside)
            hits = places.overlapping(label.file, label.start, label.end)
            if label.set == "positive":
                self._positive(label, hits)
                explained.update(hits)
            elif label.set == "state":
                self._state(label, hits)
                explained.update(hits)
            else:
                negatives[label.file] = label.detector
        for one in found:
            if one not in explained and one.state == "clear" and one.detector not in beside[one.file]:
                self.scores[one.detector].false[negatives.get(one.file, "what stands around")] += 1

    def _positive(self, label: Label, hits: list[Found]) -> None:
        score = self.scores[label.detector]
        clear = {hit.detector for hit in hits if hit.state == "clear"}
        right = label.detector in clear
        others = sorted(clear - {label.detector})
        score.values += 1
        score.found += right
        score.named += label.clue == "name"
        score.named_found += right and label.clue == "name"
        score.by_carrier[label.carrier] += 1
        score.missed_by_carrier[label.carrier] += not right
        for other in others:
            if other not in label.also:
                self.scores[other].false[label.detector] += 1
        if not right and others:
            score.other[others[0]] += 1
        if not right:
            self.missed.append(label)
        if not right and not others:
            score.protected += any(hit.detector == label.detector for hit in hits)

    def _state(self, label: Label, hits: list[Found]) -> None:
        if label.state == "clear":
            # What matters is that the value is reported as clear, whatever its field is called.
            right = {hit.state for hit in hits if hit.detector == label.detector}
            got = "clear" if "clear" in right else min(right, default="not reported")
            self.hidden[label.label] += got != "clear"
            if got != "clear":
                self.missed.append(label)
        else:
            states = {hit.state for hit in hits}
            got = "clear" if "clear" in states else min(states, default="not reported")
            self.exposed[label.label] += got == "clear"
        self.states[label.state][got] += 1

    def class_recall(self, letter: str) -> float:
        scores = [score for id, score in self.scores.items() if CLASSES.get(id) == letter]
        named = sum(score.named for score in scores)
        return sum(score.named_found for score in scores) / named if named else 0.0

    def precision(self) -> float:
        right = sum(score.found for score in self.scores.values())
        wrong = sum(sum(score.false.values()) for score in self.scores.values())
        return right / (right + wrong) if right else 0.0


def _most(counter: Counter[str], most: int = 3) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common(most) if count)


def print_detectors(comparison: Comparison, built: set[str]) -> None:
    print(f"{'detector':<24}{'':<3}{'values':>7}{'found':>7}{'other':>7}{'missed':>7}{'false':>7}{'recall':>8}{'named':>8}{'precis.':>8}")
    for id in [*CLASSES, *sorted(set(comparison.scores) - set(CLASSES))]:
        score, letter = comparison.scores[id], CLASSES.get(id, "?")
        if id not in built:
            print(f"{id:<24}{letter:<3}{score.values:>7}  not built")
            continue
        recall = score.found / score.values if score.values else 1.0
        other = sum(score.other.values())
        print(f"{id:<24}{letter:<3}{score.values:>7}{score.found:>7}{other:>7}{score.missed + score.protected:>7}"
              f"{sum(score.false.values()):>7}{recall:>8.3f}{score.recall:>8.3f}{score.precision:>8.3f}")
        if score.other:
            print(f"{'':<27}found as {_most(score.other)}")
        missed = Counter({name: count for name, count in score.missed_by_carrier.items() if count})
        if missed and recall < 1:
            print(f"{'':<27}missed in {_most(missed, 6)}")
        if score.false:
            print(f"{'':<27}false on {_most(score.false, 5)}")


def print_states(comparison: Comparison) -> None:
    columns = (*_STATES, "not reported")
    print(f"\n{'expected':<12}" + "".join(f"{name:>14}" for name in columns))
    for state in _STATES:
        row = comparison.states[state]
        print(f"{state:<12}" + "".join(f"{row[name]:>14}" for name in columns))


def judge(comparison: Comparison, built: set[str]) -> Verdicts:
    verdicts = Verdicts()
    absent = [id for id in CLASSES if id not in built]
    verdicts.check("every id of the catalogue is built", len(absent) <= floors.NOT_BUILT,
                   f"{len(absent)} not built: {' '.join(absent)}")
    for id, letter in CLASSES.items():
        floor = floors.RECALL_OF_DETECTOR.get(letter)
        if floor is not None and id in built:
            recall = comparison.scores[id].recall
            verdicts.check(f"recall of {id} with a name", recall >= floor, f"{recall:.3f} of at least {floor}")
    for letter, floor in floors.RECALL_OF_CLASS.items():
        recall = comparison.class_recall(letter)
        verdicts.check(f"recall of class {letter} with a name", recall >= floor, f"{recall:.4f} of at least {floor}")
    precision = comparison.precision()
    verdicts.check("precision over all", precision >= floors.PRECISION, f"{precision:.4f} of at least {floors.PRECISION}")
    exposed, hidden = comparison.exposed, comparison.hidden
    verdicts.check("no protected value is reported clear", exposed.total() <= floors.PROTECTED_AS_CLEAR, _most(exposed, 20))
    verdicts.check("no clear value is hidden by what its field promises or its mask leaves",
                   hidden.total() <= floors.CLEAR_AS_PROTECTED, _most(hidden, 20))
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--auditor", type=Path, required=True, help="the program under test")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="write the set to this folder, which is new or holds the same seed's")
    parser.add_argument("--missed", metavar="DETECTOR", help="with --keep: list the places of values that were not found")
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="auditor-detect-"))
    try:
        if not (folder / "labels.jsonl").exists():
            write_set(arguments.seed, folder)
        with (folder / "labels.jsonl").open(encoding="utf-8") as lines:
            labels = [Label(**json.loads(line)) for line in lines]
        auditor = Auditor(arguments.auditor)
        built = set(auditor.detectors())
        comparison = Comparison(labels, list(auditor.scan(folder / "files")))
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)
    print(f"seed {arguments.seed}: {len(labels)} places")
    print_detectors(comparison, built)
    print_states(comparison)
    for label in comparison.missed:
        if label.detector == arguments.missed:
            print(f"missed {folder}/files/{label.file} bytes {label.start} to {label.end} ({label.label})")
    return judge(comparison, built).report()


if __name__ == "__main__":
    sys.exit(main())
