#!/usr/bin/env python3
"""False alarms among values that machines make, and whether a field of cards is told from a field of ids.

Hundreds of thousands of times, identifiers and digests under names that say so: hardly any may be reported. Prints a
table, then `ok NAME` or `FAILED NAME`; the exit code is 1 when a rate is too high.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from stdnum import luhn

from labelled import floors, negatives, payment
from labelled.checks import compact
from labelled.kind import HEX, Draw, Source
from labelled.scan import Auditor, Found
from labelled.verdicts import Verdicts

#: Values of each kind; at one in 10,000, twenty may be reported.
VALUES = 200_000
#: Records in a file.
RECORDS = 2_000
#: Documents that hold one number and nothing that speaks for it.
LONE_DOCUMENTS = 4_000
#: Fields whose name says nothing, and records in each.
FIELDS = 500
#: The same for ids: reported are the fields in which so many in a row pass Luhn by chance.
ID_FIELDS = 4_000
FIELD_RECORDS = 40
_TIMES = ["created", "timestamp", "ts", "iat", "updated_at", "time", "start", "expires", "received", "t"]
_NEUTRAL = ["value", "data", "field_7", "col3", "v", "content", "attr", "f1", "item_value", "x_val"]
#: Lines that hold a number and say nothing of it.
_LINES = ["{}\n", "processed {} in 12 ms\n", "skipping {}\n", "[\"{}\"]\n", "{{\"v\": {}}}\n", "done: {}\n", "a;{};b\n"]

MACHINE_VALUES: dict[str, tuple[list[str], Draw]] = {
    "epoch seconds": (_TIMES, lambda s: negatives.epoch(s, 1)),
    "epoch milliseconds": (_TIMES, lambda s: negatives.epoch(s, 1_000)),
    "epoch microseconds": (_TIMES, lambda s: negatives.epoch(s, 1_000_000)),
    "epoch nanoseconds": (_TIMES, lambda s: negatives.epoch(s, 1_000_000_000)),
    "epoch seconds under an id's name": (negatives.ID_NAMES, lambda s: negatives.epoch(s, 1)),
    "UUID": (negatives.ID_NAMES, negatives.uuid4),
    "hex digest": (["checksum", "digest", "etag", "sha", "hash", "fingerprint", *negatives.ID_NAMES[:6]],
                   lambda s: s.text(HEX, s.choice((32, 40, 64)))),
    "snowflake": (negatives.ID_NAMES, negatives.snowflake),
    "id of 9 to 19 digits": (negatives.ID_NAMES, negatives.long_id),
}


def _records(source: Source, names: list[str], draw: Draw, together: bool) -> Iterator[str]:
    """JSON lines with one value each: of one field, or each of a field of its own."""
    name = source.choice(names)
    for row in range(RECORDS):
        value = draw(source)
        quoted = value if value.isdigit() and row % 2 else f'"{value}"'
        if together:
            yield f'{{"row":{row},"{name}":{quoted}}}\n'
        else:
            yield f'{{"r{row}":{{"{source.choice(names)}":{quoted}}}}}\n'


def write_machine_values(seed: int, folder: Path) -> None:
    for kind, (names, draw) in MACHINE_VALUES.items():
        source = Source(seed, kind)
        (folder / kind).mkdir(parents=True)
        for file in range(VALUES // RECORDS):
            path = folder / kind / f"{file}.ndjson"
            path.write_text("".join(_records(source, names, draw, file % 2 == 0)), encoding="utf-8")


def card_like(source: Source) -> str:
    """Digits that begin like a card and pass Luhn."""
    return compact(payment.card(source))


def write_lone_documents(seed: int, folder: Path) -> None:
    source = Source(seed, "lone")
    (folder / "lone").mkdir()
    for file in range(LONE_DOCUMENTS):
        (folder / "lone" / f"{file}.txt").write_text(source.choice(_LINES).format(card_like(source)), encoding="utf-8")


def _issuer_id(source: Source) -> str:
    """An id of sixteen digits that begins like a card: one in ten passes Luhn."""
    return source.choice(["4", "51", "53", "55", "2221", "6011"]).ljust(16, "0")[:4].replace("0", "7") + source.digits(12)


def write_fields(seed: int, folder: Path) -> None:
    for kind, draw, fields in (("field of cards", card_like, FIELDS), ("field of ids", _issuer_id, ID_FIELDS)):
        source = Source(seed, kind)
        (folder / kind).mkdir()
        for file in range(fields):
            name = source.choice(_NEUTRAL)
            lines = (json.dumps({"row": row, name: draw(source), "ok": True}) + "\n" for row in range(FIELD_RECORDS))
            (folder / kind / f"{file}.ndjson").write_text("".join(lines), encoding="utf-8")


def judge(found: list[Found]) -> Verdicts:
    verdicts = Verdicts()
    clear = [one for one in found if one.state == "clear"]
    print(f"{'values':<36}{'of':>9}{'reported':>9}{'rate':>12}")
    alarms = Counter(one.file.split("/")[0] for one in clear)
    detectors = {kind: Counter(one.detector for one in clear if one.file.split("/")[0] == kind) for kind in alarms}

    def rate(kind: str, values: int, most: float) -> None:
        share = alarms[kind] / values
        by = ", ".join(f"{id} {count}" for id, count in detectors.get(kind, Counter()).most_common(4))
        print(f"{kind:<36}{values:>9}{alarms[kind]:>9}{share:>12.6f}  {by}")
        verdicts.check(f"false alarms: {kind}", share < most, f"{share:.6f} is not below {most:.6f} ({by})")

    for kind in MACHINE_VALUES:
        rate(kind, VALUES, floors.RATE_OF_MACHINE_VALUES)
    rate("lone", LONE_DOCUMENTS, floors.RATE_OF_CARD_LIKE_DIGITS)
    alarmed = len({one.file for one in clear if one.file.startswith("field of ids/")})
    print(f"{'fields of ids':<36}{ID_FIELDS:>9}{alarmed:>9}{alarmed / ID_FIELDS:>12.6f}")
    verdicts.check("false alarms: fields of ids", alarmed / ID_FIELDS < floors.RATE_OF_ID_FIELDS,
                   f"{alarmed} of {ID_FIELDS} fields")
    cards = sum(one.detector == "payment_card" for one in clear if one.file.startswith("field of cards/"))
    share = cards / (FIELDS * FIELD_RECORDS)
    print(f"{'field of cards':<36}{FIELDS * FIELD_RECORDS:>9}{cards:>9}{share:>12.6f}")
    verdicts.check("cards of a field that does not say so are found", share >= floors.RECALL_OF_CARD_FIELDS,
                   f"{share:.4f} of at least {floors.RECALL_OF_CARD_FIELDS}")
    return verdicts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--auditor", type=Path, required=True, help="the program under test")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    assert luhn.is_valid(card_like(Source(arguments.seed, "self-test")))
    with tempfile.TemporaryDirectory(prefix="auditor-rates-") as name:
        folder = Path(name)
        write_machine_values(arguments.seed, folder)
        write_lone_documents(arguments.seed, folder)
        write_fields(arguments.seed, folder)
        found = list(Auditor(arguments.auditor).scan(folder))
    return judge(found).report()


if __name__ == "__main__":
    sys.exit(main())
