"""Writes a labelled set: files to scan, and beside them `labels.jsonl`, which says what is where."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import identity_europe, identity_world, negatives, states
from .carriers import CARRIERS, Carrier, Cell
from .catalogue import CLASSES
from .kind import Kind, Source
from .kinds import KINDS

#: Different values of each detector, and how often all of them together stand in each carrier.
VALUES = 100
PLACES = 24
#: The same for values that are nobody's data, and for protected ones.
NEGATIVE_VALUES = 240
NEGATIVE_PLACES = 40
STATE_VALUES = 20
STATE_PLACES = 16
#: Carriers that only those kinds use which name them.
_SPECIAL_CARRIERS = {"set_cookie"}
_STATE_CARRIERS = {"json_key", "json_list", "ndjson", "form", "csv", "xml_element", "sql", "header", "query", "log"}
#: Names that say no country: under these, a number that two countries' checks accept is neither's to tell.
_SHARED_NAMES = {"national_id", "citizen_id", "id_number", "id_no", "tax_id"}
#: What fields that stand beside a value are found as.
_BESIDE = {"card_number": "payment_card", "aws_access_key_id": "aws_access_key_id", "longitude": "geolocation"}


@dataclass(frozen=True)
class Label:
    """One value: where it is and what it is."""

    file: str
    #: Bytes from the start of the file.
    start: int
    end: int
    #: `positive`, `negative` or `state`.
    set: str
    #: Detector, or the kind of negative.
    detector: str
    #: Expected state; empty for negatives.
    state: str
    #: What the report calls it.
    label: str
    carrier: str
    #: `name`, `word` or `none`.
    clue: str
    also: Sequence[str]
    beside: Sequence[str]


def carriers_of(kind: Kind) -> Iterator[Carrier]:
    """Carriers in which a finding may be asked for: class D needs a name, and only class A needs nothing."""
    letter = CLASSES.get(kind.id, "negative")
    for carrier in CARRIERS:
        if kind.carriers:
            wanted = carrier.name in kind.carriers
        elif carrier.name in _SPECIAL_CARRIERS:
            wanted = False
        else:
            enough = {"name": True, "word": letter in ("A", "B", "C", "negative"), "none": letter in ("A", "negative")}
            # Text around a value holds no fields beside it.
            wanted = enough[carrier.clue] and (carrier.clue == "name" or not (kind.needs_name or kind.beside))
        if wanted:
            yield carrier


class Writer:
    """Files and labels under one folder."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        self._labels = (folder / "labels.jsonl").open("w", encoding="utf-8")
        self._count = itertools.count()

    def close(self) -> None:
        self._labels.close()

    def write(self, source: Source, carrier: Carrier, cell: Cell, **about: object) -> None:
        document = carrier.write(source, cell)
        name = f"{about['detector']}/{carrier.name}-{next(self._count)}.{carrier.suffix}"
        path = self.files / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(document.data)
        for start, end in document.places:
            label = Label(file=name, start=start, end=end, carrier=carrier.name, clue=carrier.clue, **about)  # type: ignore[arg-type]
            self._labels.write(json.dumps(asdict(label)) + "\n")


def _names_for(carrier: Carrier, names: Sequence[str]) -> Sequence[str]:
    """Names of HTTP headers are ASCII."""
    return [name for name in names if name.isascii()] if carrier.name == "header" else names


def _accepts(kind: Kind, value: str) -> bool:
    try:
        return kind.judge is not None and kind.judge(value)
    except (ValueError, KeyError, IndexError):
        return False


def _ambiguous(kind: Kind, values: Sequence[str]) -> frozenset[str]:
    """Those that another identity number's check accepts by chance. A check that takes most of them is a looser one
    of the same form: there the stricter one is to win."""
    found: set[str] = set()
    for other in (*identity_world.KINDS, *identity_europe.KINDS):
        accepted = [value for value in values if other is not kind and _accepts(other, value)]
        found.update(accepted if len(accepted) < len(values) / 2 else ())
    return frozenset(found)


def _spread(writer: Writer, source: Source, kind: Kind, values: Sequence[str], carrier: Carrier, places: int,
            suffix: str, **about: object) -> None:
    """Puts `places` values into documents of this carrier."""
    endless = itertools.cycle(source.random.sample(list(values), len(values)))
    names = _names_for(carrier, kind.names)
    ambiguous = _ambiguous(kind, values) if not _SHARED_NAMES.isdisjoint(names) else frozenset()
    for _ in range(math.ceil(places / carrier.rows) if names else 0):
        beside = kind.beside(source) if kind.beside else {}
        name = source.choice(names)
        if name in _SHARED_NAMES:
            told = (value for value in endless if value not in ambiguous)
        else:
            told = endless
        cell = Cell(name + suffix, kind.word, list(itertools.islice(told, carrier.rows)), beside)
        writer.write(source, carrier, cell, beside=[_BESIDE[name] for name in beside if name in _BESIDE], **about)


def positives(writer: Writer, seed: int) -> None:
    for id, kind in KINDS.items():
        source = Source(seed, id)
        values = [kind.make(source) for _ in range(VALUES)]
        for carrier in carriers_of(kind):
            _spread(writer, source, kind, values, carrier, PLACES, "", set="positive", detector=id, state="clear", label=id,
                    also=kind.also)


def negative_values(writer: Writer, seed: int) -> None:
    for kind in negatives.KINDS:
        source = Source(seed, kind.id)
        values = [kind.make(source) for _ in range(NEGATIVE_VALUES)]
        for carrier in carriers_of(kind):
            _spread(writer, source, kind, values, carrier, NEGATIVE_PLACES, "", set="negative", detector=kind.id, state="",
                    label=kind.id, also=())


def state_values(writer: Writer, seed: int) -> None:
    for case in states.CASES:
        source = Source(seed, case.label)
        values = [case.make(source) for _ in range(STATE_VALUES)]
        for carrier in CARRIERS:
            if carrier.name in _STATE_CARRIERS:
                _spread(writer, source, case.kind, values, carrier, STATE_PLACES // 2, case.suffix, set="state",
                        detector=case.detector, state=case.state, label=case.label, also=case.kind.also)


def write_set(seed: int, folder: Path) -> None:
    """The whole set. The same seed gives the same bytes."""
    writer = Writer(folder)
    positives(writer, seed)
    negative_values(writer, seed)
    state_values(writer, seed)
    writer.close()
