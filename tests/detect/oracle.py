#!/usr/bin/env python3
"""Holds every validator against python-stdnum: valid, random and damaged values, both ways.

A value is put into a column with a name of the detector's own, so that nothing but its validity decides; it must be
found exactly when the judge calls it valid, or be a test value. Prints a table, then `ok NAME` or `FAILED NAME`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from labelled import floors
from labelled.catalogue import CLASSES
from labelled.kind import DIGITS, LOWER, UPPER, Kind, Source
from labelled.kinds import KINDS
from labelled.scan import Auditor
from labelled.verdicts import Verdicts

#: Values of each of the three sorts, for every detector with a judge.
VALUES = 700
#: Rows of a file: fewer than it takes to learn from a field's values, which would judge the column, not the value.
ROWS = 4
#: Where a detector differs from its judge on purpose: which way, most of all values, and why.
DIFFERENCES: dict[str, tuple[float, str]] = {
    "github_token": (0.30, "a wrong checksum costs bits, and the name makes up for them"),
    "npm_token": (0.30, "a wrong checksum costs bits, and the name makes up for them"),
    "aba_routing": (0.005, "only prefixes of the Federal Reserve are taken"),
    "us_itin": (0.08, "groups 50 to 65 are issued since 2013, IRS publication 4757"),
    "mx_curp": (0.005, "beginnings that the register replaces are taken"),
    "ar_cuit": (0.005, "prefixes 25 and 26 are given to people too"),
    "mx_rfc": (0.25, "numbers with a wrong check sign are in use; without it the name decides"),
    "es_nuss": (0.002, "short serials are counted with and without their first zero"),
    "pt_nif": (0.005, "only first digits that are given are taken"),
    "be_nrn": (0.002, "days that were not known are 00"),
    "se_personnummer": (0.05, "nobody alive was born before 1900, or will be after 2049; coordination numbers are read"),
    "ee_isikukood": (0.003, "nobody alive was born before 1900, or in the next century"),
    "lt_asmens_kodas": (0.003, "nobody alive was born before 1900, or in the next century"),
    "ro_cnp": (0.003, "nobody alive was born before 1900"),
    "bg_egn": (0.002, "nobody alive was born before 1900, or will be after today"),
    "is_kennitala": (0.004, "nobody alive was born before 1900, or will be after 2049"),
    "lv_personas_kods": (0.01, "numbers since 2017 begin with 32, and no check digit of theirs is published; firms' numbers, and "
                               "centuries that nobody alive was born in, are not taken"),
    "pl_pesel": (0.003, "nobody alive was born before 1900, or will be after 2049"),
    "si_emso": (0.002, "nobody alive was born before 1900"),
    "cz_rodne_cislo": (0.04, "since 1986 no number with a remainder of ten is given, and 20 on the month since 2004 only"),
    "cn_resident_id": (0.04, "of the region only the province is looked at: counties come and go"),
    "kr_rrn": (0.25, "numbers given since October 2020 have no check digit"),
    "dk_cpr": (0.02, "nobody alive was born before 1900, or will be after 2049"),
    "id_nik": (0.02, "a woman's day is 40 higher, and nobody's 80"),
    "de_personalausweis": (0.002, "letters XXX inside read as a mask that hides too little"),
    "vin": (0.35, "the check digit is mandatory in North America and China only"),
    "ca_phn": (0.08, "Ontario's numbers pass Luhn"),
    "payment_card": (0.002, "a group of a damaged number can be a card number itself"),
}


@dataclass
class Tally:
    """Values of one detector."""

    valid: int = 0
    invalid: int = 0
    #: Valid and not found; not valid and found.
    missed: int = 0
    accepted: int = 0
    example: str = ""

    @property
    def share(self) -> float:
        return (self.missed + self.accepted) / max(self.valid + self.invalid, 1)


def is_valid(kind: Kind, value: str) -> bool:
    assert kind.judge
    try:
        return kind.judge(value)
    except (ValueError, KeyError, IndexError):
        return False


def damaged(source: Source, value: str, fixed: int) -> str:
    """One character replaced by another of its sort, or two neighbours changed places."""
    places = [at for at, c in enumerate(value) if at >= fixed and c.isalnum() and c.isascii()]
    at = source.choice(places)
    letters = list(value)
    if source.choice([True, False]):
        alphabet = next(alphabet for alphabet in (DIGITS, UPPER, LOWER) if value[at] in alphabet)
        letters[at] = source.choice(alphabet)
    else:
        other = source.choice([place for place in places if abs(place - at) <= 1])
        letters[at], letters[other] = letters[other], letters[at]
    return "".join(letters)


def values_of(kind: Kind, seed: int) -> list[str]:
    source = Source(seed, f"oracle/{kind.id}")
    valid = [kind.make(source) for _ in range(VALUES)]
    drawn = [kind.draw(source) for _ in range(VALUES)]
    return [*valid, *drawn, *(damaged(source, value, kind.fixed) for value in valid)]


def write(folder: Path, kind: Kind, name: str, values: list[str]) -> None:
    (folder / kind.id).mkdir()
    for start in range(0, len(values), ROWS):
        rows = "".join(f'{row},"{value}"\n' for row, value in enumerate(values[start : start + ROWS]))
        (folder / kind.id / f"{start}.csv").write_text(f"row,{name}\n{rows}", encoding="utf-8")


def compare(kind: Kind, values: list[str], states: dict[tuple[str, int], str]) -> Tally:
    tally = Tally()
    for at, value in enumerate(values):
        start = at - at % ROWS
        # The first line is the header.
        state = states.get((f"{kind.id}/{start}.csv", at - start + 2))
        valid = is_valid(kind, value)
        tally.valid += valid
        tally.invalid += not valid
        # Numbers that are never given to anyone are test values, as they are in use as such.
        missed, accepted = valid and state is None, not valid and state == "clear"
        tally.missed += missed
        tally.accepted += accepted
        if missed or accepted:
            tally.example = tally.example or value
    return tally


def print_unjudged() -> None:
    others = [KINDS[id] for id in CLASSES if KINDS[id].judged_by != "python-stdnum"]
    print("\nnot known to python-stdnum, judged by:")
    for kind in others:
        if kind.judge:
            print(f"  {kind.id:<24}{kind.judged_by}")
    print("\nwithout a judge (no check digit, or none that is published); evaluate.py asks that these are found:")
    for kind in others:
        if not kind.judge:
            print(f"  {kind.id:<24}{kind.judged_by}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--auditor", type=Path, required=True, help="the program under test")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", action="store_true", help="show a synthetic value for each disagreement")
    arguments = parser.parse_args()
    auditor = Auditor(arguments.auditor)
    names = {id: row["keys"][0] for id, row in auditor.detectors().items() if row["keys"]}  # type: ignore[index]
    kinds = [KINDS[id] for id in CLASSES if KINDS[id].judge and id in names]
    values = {kind.id: values_of(kind, arguments.seed) for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="auditor-oracle-") as name:
        folder = Path(name)
        for kind in kinds:
            write(folder, kind, names[kind.id], values[kind.id])
        states = {(one.file, one.line): one.state for one in auditor.scan(folder, "low")
                  if one.file.startswith(f"{one.detector}/") and one.state in ("clear", "test")}
    verdicts = Verdicts()
    print(f"{'detector':<24}{'valid':>7}{'invalid':>9}{'missed':>8}{'accepted':>9}")
    for kind in kinds:
        tally = compare(kind, values[kind.id], states)
        most, why = DIFFERENCES.get(kind.id, (floors.DISAGREEMENT, ""))
        example = f"  {tally.example}" if arguments.examples else ""
        print(f"{kind.id:<24}{tally.valid:>7}{tally.invalid:>9}{tally.missed:>8}{tally.accepted:>9}  {why}{example}")
        verdicts.check(f"{kind.id} agrees with {kind.judged_by}", tally.share <= most,
                       f"{tally.missed} valid values missed, {tally.accepted} others accepted")
    print_unjudged()
    return verdicts.report()


if __name__ == "__main__":
    sys.exit(main())
