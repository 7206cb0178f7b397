#!/usr/bin/env python3
"""Compares the table of numbering plans with the metadata it was made from: libphonenumber's, as PyPI's `phonenumbers` has it.

Says `ok` or `FAILED`, and which rows differ. With --print it prints the rows as they should be.
"""

from __future__ import annotations

import argparse
import re
import re._parser as parser  # The standard library's own; it has no public one.
import sys
from pathlib import Path

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from labelled.verdicts import Verdicts

TABLE = Path(__file__).parents[2] / "auditor/src/detect/verify/phone/plans.rs"
#: National numbers that are shorter are no number of a person.
SHORTEST = 5
_ROW = re.compile(r'\("(\d+)", &\[([\d, ]+)\], "(\d+)"\)')

Rows = dict[str, tuple[list[int], str]]


def _first(pattern: parser.SubPattern) -> tuple[set[str], bool]:
    """Digits that a text may begin with which the pattern matches, and whether it may be empty."""
    digits: set[str] = set()
    for code, argument in pattern:
        name, empty = str(code), True
        if name == "LITERAL":
            digits.add(chr(argument))
            empty = False
        elif name == "IN":
            for kind, what in argument:
                if str(kind) == "LITERAL":
                    digits.add(chr(what))
                elif str(kind) == "RANGE":
                    digits |= {chr(at) for at in range(what[0], what[1] + 1)}
                else:
                    digits |= set("0123456789")
            empty = False
        elif name == "SUBPATTERN":
            more, empty = _first(argument[-1])
            digits |= more
        elif name == "BRANCH":
            parts = [_first(part) for part in argument[1]]
            digits |= set().union(*(more for more, _ in parts))
            empty = any(may_be for _, may_be in parts)
        elif name == "MAX_REPEAT":
            more, may_be = _first(argument[2])
            digits |= more
            empty = argument[0] == 0 or may_be
        if not empty:
            return digits, False
    return digits, True


def made() -> Rows:
    """For each country code the lengths of national numbers and their first digits."""
    rows: Rows = {}
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        lengths: set[int] = set()
        digits: set[str] = set()
        for region in regions:
            plan = (PhoneMetadata.metadata_for_nongeo_region(code) if region == "001"
                    else PhoneMetadata.metadata_for_region(region))
            for kind in (plan.fixed_line, plan.mobile, plan.personal_number, plan.voip):
                if kind is not None and kind.national_number_pattern is not None:
                    lengths |= {length for length in kind.possible_length if length >= SHORTEST}
                    digits |= _first(parser.parse(kind.national_number_pattern))[0]
        if lengths:
            rows[str(code)] = (sorted(lengths), "".join(sorted(digits)))
    return rows


def written() -> Rows:
    """The rows of the table."""
    found = _ROW.findall(TABLE.read_text(encoding="utf-8"))
    return {code: ([int(length) for length in lengths.split(",")], digits) for code, lengths, digits in found}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--print", action="store_true", help="print the rows as they should be")
    expected, table = made(), written()
    if arguments.parse_args().print:
        for code, (lengths, digits) in sorted(expected.items()):
            print(f'    ("{code}", &{lengths}, "{digits}"),')
        return 0
    verdicts = Verdicts()
    differ = [code for code in sorted({*expected, *table}) if expected.get(code) != table.get(code)]
    verdicts.check("the numbering plans are those of the metadata", not differ, f"differ: {' '.join(differ)}")
    version = phonenumbers.__version__
    verdicts.check("the table names the version of its metadata", f"libphonenumber {version}" in TABLE.read_text(encoding="utf-8"),
                   f"it is {version}")
    return verdicts.report()


if __name__ == "__main__":
    sys.exit(main())
