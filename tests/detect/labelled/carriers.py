"""Where values stand: JSON, NDJSON, forms, CSV, XML, SQL, headers, cookies, log lines, sentences. A carrier returns a
document as text with the places of its values."""

from __future__ import annotations

import json
import urllib.parse
import xml.sax.saxutils as xml
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .kind import HEX, Source

#: Sentences around a value and the word for it.
_SENTENCES = [
    "Hello, the {word} is {value}, please confirm.", "My {word}: {value}. Thanks!", "Customer called about {word} {value} today.",
    "Please use {word} {value} for the form", "Ticket closed; {word} was {value}",
]
#: Lines around a value that needs no word.
_BARE = ["{value}", "see {value} for details", "pasted into the ticket: {value}", "value {value} was rejected"]


@dataclass
class Document:
    """Bytes being written, and where in them the values are."""

    data: bytearray = field(default_factory=bytearray)
    places: list[tuple[int, int]] = field(default_factory=list)

    def text(self, text: str) -> Document:
        self.data += text.encode()
        return self

    def value(self, text: str) -> Document:
        """A value, escaped as it will stand in the file."""
        start = len(self.data)
        self.data += text.encode()
        self.places.append((start, len(self.data)))
        return self


@dataclass(frozen=True)
class Cell:
    """What a carrier carries: values of one field, and fields beside it."""

    name: str
    word: str
    values: Sequence[str]
    beside: dict[str, str] = field(default_factory=dict)


Write = Callable[[Source, Cell], Document]


@dataclass(frozen=True)
class Carrier:
    """A way to carry values."""

    name: str
    #: How many values of one field it holds.
    rows: int
    #: Extension of the file.
    suffix: str
    #: Whether the values have a name, a word near by, or nothing.
    clue: str
    write: Write


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _neutral(source: Source) -> dict[str, object]:
    """Fields that stand in every second record of the world and are nobody's data."""
    moment = source.moment()
    fields: dict[str, object] = {
        "status": source.choice(["active", "pending", "closed", "new"]),
        "created_at": moment.isoformat(timespec="seconds") + "Z",
        "version": source.number(1, 40),
        "etag": source.text(HEX, 16),
        "currency": source.choice(["EUR", "USD", "GBP", "SEK"]),
        "amount": round(source.random.uniform(1, 900), 2),
        "region": source.choice(["eu-west-1", "us-east-2", "ap-south-1"]),
        "trace": source.text(HEX, 32),
        "enabled": source.choice([True, False]),
    }
    return {key: fields[key] for key in source.random.sample(sorted(fields), 3)}


def _object(document: Document, source: Source, cell: Cell, value: str) -> None:
    """One JSON object with the value in it, between fields that mean nothing."""
    before, after = _neutral(source), _neutral(source)
    document.text("{" + "".join(f"{json.dumps(k)}: {json.dumps(v)}, " for k, v in before.items()))
    document.text(f"{json.dumps(cell.name, ensure_ascii=False)}: \"").value(_json(value)).text('"')
    rest = {**{k: v for k, v in after.items() if k not in before}, **cell.beside}
    document.text("".join(f", {json.dumps(k)}: {json.dumps(v)}" for k, v in rest.items()) + "}")


def _json_key(source: Source, cell: Cell) -> Document:
    document = Document()
    _object(document, source, cell, cell.values[0])
    return document


def _json_nested(source: Source, cell: Cell) -> Document:
    outer = source.choice(["data", "payload", "result", "event"])
    inner = source.choice(["attributes", "details", "record", "object"])
    document = Document().text(f'{{"{outer}": {{"type": "update", "{inner}": ')
    _object(document, source, cell, cell.values[0])
    return document.text("}}\n")


def _json_list(source: Source, cell: Cell) -> Document:
    document = Document().text('{"items": [')
    for at, value in enumerate(cell.values):
        document.text(",\n  " if at else "\n  ")
        _object(document, source, cell, value)
    return document.text(f'\n], "total": {len(cell.values)}}}\n')


def _ndjson(source: Source, cell: Cell) -> Document:
    document = Document()
    for value in cell.values:
        _object(document, source, cell, value)
        document.text("\n")
    return document


def _form(source: Source, cell: Cell) -> Document:
    document = Document().text(f"action=save&step={source.number(1, 9)}&{urllib.parse.quote_plus(cell.name)}=")
    document.value(urllib.parse.quote_plus(cell.values[0]))
    for key, value in cell.beside.items():
        document.text(f"&{key}={urllib.parse.quote_plus(value)}")
    return document.text("&submit=1")


def _cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n;') else text


def _csv(source: Source, cell: Cell) -> Document:
    document = Document().text(",".join(["row", "status", cell.name, *cell.beside, "updated"]) + "\n")
    for row, value in enumerate(cell.values, 1):
        document.text(f"{row},{source.choice(['open', 'done'])},").value(_cell(value))
        document.text("".join(f",{_cell(text)}" for text in cell.beside.values()))
        document.text(f",{source.moment():%Y-%m-%d}\n")
    return document


def _tag(name: str) -> str:
    # Marks above and below letters, as Thai and Hindi have them, are characters of XML names.
    return "".join(c if c.isalnum() or c in "_-." or not c.isascii() else "_" for c in name)


def _xml_element(source: Source, cell: Cell) -> Document:
    name = _tag(cell.name)
    document = Document().text('<?xml version="1.0" encoding="UTF-8"?>\n<records>\n')
    for value in cell.values:
        document.text(f"  <record status=\"{source.choice(['open', 'done'])}\">\n    <{name}>")
        document.value(xml.escape(value)).text(f"</{name}>\n")
        document.text("".join(f"    <{k}>{xml.escape(v)}</{k}>\n" for k, v in cell.beside.items()))
        document.text("  </record>\n")
    return document.text("</records>\n")


def _xml_attribute(source: Source, cell: Cell) -> Document:
    document = Document().text(f'<batch run="{source.number(1, 99)}">\n  <entry {_tag(cell.name)}="')
    document.value(xml.escape(cell.values[0], {'"': "&quot;"})).text('"')
    document.text("".join(f' {k}="{xml.escape(v)}"' for k, v in cell.beside.items()))
    return document.text(' state="ok"/>\n</batch>\n')


def _sql(source: Source, cell: Cell) -> Document:
    columns = ", ".join(["row_no", cell.name, *cell.beside, "created"])
    document = Document().text(f"INSERT INTO {source.choice(['records', 'people', 'entries'])} ({columns}) VALUES\n")
    for at, value in enumerate(cell.values):
        document.text(f"({at + 1}, '").value(value.replace("'", "''")).text("'")
        document.text("".join(f", '{text}'" for text in cell.beside.values()))
        document.text(f", '{source.moment():%Y-%m-%d}')" + (";\n" if at + 1 == len(cell.values) else ",\n"))
    return document


def _request(line: str) -> Document:
    return Document().text(f"{line} HTTP/1.1\r\nHost: api.acme.io\r\nAccept: */*\r\n")


def _header_name(name: str) -> str:
    if name.lower().endswith("authorization"):
        return name
    ascii_name = name.encode("ascii", "ignore").decode().replace("_", "-")
    return "X-" + ascii_name


def _header(source: Source, cell: Cell) -> Document:
    document = _request(f"GET /v1/{source.choice(['status', 'orders', 'me'])}").text(f"{_header_name(cell.name)}: ")
    document.value(cell.values[0]).text("\r\n")
    document.text("".join(f"X-{k.replace('_', '-')}: {v}\r\n" for k, v in cell.beside.items()))
    return document.text("\r\n")


def _cookie(source: Source, cell: Cell) -> Document:
    document = _request("GET /").text(f"Cookie: theme=dark; {urllib.parse.quote(cell.name)}=")
    document.value(urllib.parse.quote(cell.values[0], safe=""))
    document.text("".join(f"; {k}={urllib.parse.quote(v, safe='')}" for k, v in cell.beside.items()))
    return document.text("; lang=en\r\n\r\n")


def _set_cookie(source: Source, cell: Cell) -> Document:
    document = Document().text(f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: {urllib.parse.quote(cell.name)}=")
    return document.value(urllib.parse.quote(cell.values[0], safe="")).text("; Path=/; HttpOnly\r\n\r\n")


def _query(source: Source, cell: Cell) -> Document:
    start = f"GET /v1/{source.choice(['search', 'lookup'])}?page={source.number(1, 9)}&{urllib.parse.quote_plus(cell.name)}="
    document = Document().text(start).value(urllib.parse.quote_plus(cell.values[0]))
    document.text("".join(f"&{k}={urllib.parse.quote_plus(v)}" for k, v in cell.beside.items()))
    return document.text(" HTTP/1.1\r\nHost: api.acme.io\r\n\r\n")


def _log(source: Source, cell: Cell) -> Document:
    document = Document()
    for value in cell.values:
        quote = '"' if any(c in value for c in ' ",=') else ""
        moment = source.moment().isoformat(timespec="milliseconds")
        service = source.choice(["billing", "gateway", "intake"])
        document.text(f"{moment}Z INFO {service} record saved {cell.name}={quote}")
        document.value(value.replace('"', '\\"') if quote else value).text(quote)
        document.text("".join(f" {k}={v}" for k, v in cell.beside.items()) + f" took_ms={source.number(1, 900)}\n")
    return document


def _around(document: Document, template: str, word: str, value: str) -> Document:
    before, after = template.replace("{word}", word).split("{value}")
    return document.text(before).value(value).text(after + "\n")


def _sentence(source: Source, cell: Cell) -> Document:
    return _around(Document(), source.choice(_SENTENCES), cell.word, cell.values[0])


def _alone(source: Source, cell: Cell) -> Document:
    return _around(Document(), source.choice(_BARE), cell.word, cell.values[0])


CARRIERS = [
    Carrier("json_key", 1, "json", "name", _json_key),
    Carrier("json_nested", 1, "json", "name", _json_nested),
    Carrier("json_list", 3, "json", "name", _json_list),
    Carrier("ndjson", 5, "ndjson", "name", _ndjson),
    Carrier("form", 1, "form", "name", _form),
    Carrier("csv", 8, "csv", "name", _csv),
    Carrier("xml_element", 2, "xml", "name", _xml_element),
    Carrier("xml_attribute", 1, "xml", "name", _xml_attribute),
    Carrier("sql", 3, "sql", "name", _sql),
    Carrier("header", 1, "http", "name", _header),
    Carrier("cookie", 1, "http", "name", _cookie),
    Carrier("set_cookie", 1, "http", "name", _set_cookie),
    Carrier("query", 1, "http", "name", _query),
    Carrier("log", 3, "log", "name", _log),
    Carrier("sentence", 1, "txt", "word", _sentence),
    Carrier("bare", 1, "txt", "none", _alone),
]
