"""Values that are nobody's data and look a little like it: times, ids, digests, versions, prices, prose."""

from __future__ import annotations

import base64
import uuid

from stdnum import ean, isbn

from .kind import BASE62, HEX, LOWER, Draw, Kind, Source, shaped

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Names that say "this is an id" or a counter, as interfaces have them.
ID_NAMES = [
    "id", "order_id", "orderId", "transaction_id", "transactionId", "invoice_no", "request_id", "item_id", "productId",
    "customer_id", "user_id", "account_id", "session_no", "event_id", "message_id", "tracking_number", "parcel_id", "job_id",
    "batch_id", "ref", "reference", "ticket_id", "shipment_id", "entity_id", "parent_id", "bestellnummer", "numero_commande",
    "pedido_id", "seq", "offset", "sku", "asset_id", "device_seq", "row_id", "external_id", "receipt_no",
]


def epoch(source: Source, unit: int) -> str:
    """A time of 2015 to 2030 in seconds times `unit`."""
    return str(source.number(1_420_000_000, 1_893_000_000) * unit + (source.number(0, unit - 1) if unit > 1 else 0))


def uuid4(source: Source) -> str:
    return str(uuid.UUID(int=source.random.getrandbits(128), version=4))


def uuid7(source: Source) -> str:
    number = (source.number(1_600_000_000_000, 1_890_000_000_000) << 80) | source.random.getrandbits(80)
    number = number & ~(0xF << 76) | (7 << 76)
    return str(uuid.UUID(int=number & ~(0x3 << 62) | (0x2 << 62)))


def ulid(source: Source) -> str:
    return "01" + source.text(_CROCKFORD, 24)


def snowflake(source: Source) -> str:
    """Milliseconds since Twitter's or Discord's epoch, 22 bits of machine and sequence."""
    return str((source.number(10_000_000_000, 500_000_000_000) << 22) | source.random.getrandbits(22))


def long_id(source: Source) -> str:
    """9 to 19 digits."""
    return source.nonzero(source.number(9, 19))


def _with_check(length: int, module) -> Draw:
    def draw(source: Source) -> str:
        body = source.choice(["40", "50", "76", "87", "30"]) + source.digits(length - 3)
        return body + module.calc_check_digit(body)

    return draw


def _isbn(source: Source) -> str:
    body = "978" + source.choice("0123") + source.digits(8)
    number = body + ean.calc_check_digit(body)
    return source.choice([number, isbn.format(number)])


def _html(source: Source) -> str:
    colour, wide = source.text(HEX, 6), source.number(10, 1900)
    return f'<div class="c-{source.text(LOWER, 6)}" style="color:#{colour};width:{wide}px">{source.faker("en_US").word()}</div>'


def _stamp(source: Source) -> str:
    moment = source.moment()
    layout = source.choice(["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y%m%d%H%M%S", "%d/%b/%Y:%H:%M:%S +0000"])
    return f"{moment:{layout}}"


def _k8s(source: Source) -> str:
    name = source.choice(["checkout", "orders-api", "gateway", "mailer"])
    return f"{name}-{source.text('bcdfghjklmnpqrstvwxz2456789', 10)}-{source.text('bcdfghjklmnpqrstvwxz2456789', 5)}"


def _product(source: Source) -> str:
    words = ["Trail", "Runner", "Espresso", "Compact", "Pro", "Lamp", "Nordic", "Kettle", "Desk", "Ultra", "Wool"]
    return f"{source.choice(words)} {source.choice(words)} {source.number(2, 900)}"


#: Sentences with a date, an address or a number that is nobody's, some with words that also stand before such values.
_PROSE = [
    "Meeting moved to {date}, same room.", "Born out of need, version {version} came on {date}.", "Released on {date} for all regions.",
    "A star was born {count} years ago.", "The idea was born in {year}.", "Birth rates fell by {count} percent since {year}.",
    "Upgrade the gateway to {version} before {date}.", "IP version {count} is enough here.", "IP rights end in {year}.",
    "Our IP range is 10.{count}.2.0, not public.", "MAC OS {version} is out.", "mac mini, model of {year}, {count} GB.",
    "Run {uuid} ended after {count} minutes.", "Advertising cost {count} EUR in {year}, job {uuid}.", "Invoice {id} of {date} is paid.",
    "Order {id} was shipped on {date}.", "Card games on {date}, bring {count} decks.", "The account of {date} has {count} pages.",
    "Passport control opens at {count}, gate {count}.", "My phone died after {count} days.", "PIN the note {count} to the board.",
    "Tax due on {date}: {count}.", "Insurance ends on {date}.", "Patients: {count}, beds: {count}, week {count}.",
]


def _prose(source: Source) -> str:
    date = source.date(1990, 2025)
    return source.choice(_PROSE).format(
        date=f"{date:{source.choice(['%d.%m.%Y', '%Y-%m-%d', '%d/%m/%Y', '%d %B %Y'])}}",
        version=".".join(str(source.number(1, 40)) for _ in range(source.number(2, 4))),
        count=source.number(2, 900), year=date.year, uuid=uuid4(source), id=source.nonzero(source.number(6, 12)),
    )


def _negative(id: str, names: list[str], draw: Draw) -> Kind:
    return Kind(id, names, names[0].replace("_", " "), draw)



KINDS = [
    _negative("epoch_seconds", ["created", "timestamp", "iat", "updated_ts", "expires_at"], lambda s: epoch(s, 1)),
    _negative("epoch_milliseconds", ["ts", "timestampMs", "created_ms", "eventTime"], lambda s: epoch(s, 1_000)),
    _negative("epoch_microseconds", ["ts_us", "time_micros", "startMicros"], lambda s: epoch(s, 1_000_000)),
    _negative("epoch_nanoseconds", ["timeUnixNano", "ts_ns", "start_nanos"], lambda s: epoch(s, 1_000_000_000)),
    _negative("uuid_v4", ["uuid", "request_id", "correlation_id", "guid"], uuid4),
    _negative("uuid_v7", ["event_id", "id", "message_uuid"], uuid7),
    _negative("ulid", ["ulid", "run_id", "id"], ulid),
    _negative("snowflake", ["snowflake", "tweet_id", "guild_id", "id_str"], snowflake),
    _negative("hex_digest", ["checksum", "etag", "digest", "content_hash"], lambda s: s.text(HEX, s.choice([32, 40, 64]))),
    _negative("base64_blob", ["blob", "thumbnail", "payload", "data"],
              lambda s: base64.b64encode(s.random.randbytes(s.number(24, 180))).decode()),
    _negative("etag", ["ETag", "if_none_match"], lambda s: f'W/"{s.text(HEX, 20)}"'),
    _negative("traceparent", ["traceparent", "trace_context"], lambda s: f"00-{s.text(HEX, 32)}-{s.text(HEX, 16)}-01"),
    _negative("ean", ["ean", "gtin", "barcode"], _with_check(13, ean)),
    _negative("isbn", ["isbn", "isbn13"], _isbn),
    _negative("semver", ["version", "app_version", "sdk"], lambda s: f"{s.number(0, 20)}.{s.number(0, 40)}.{s.number(0, 400)}"),
    _negative("counter", ["seq", "offset", "total_bytes", "requests_total"], lambda s: str(s.number(1, 9_999_999_999))),
    _negative("price", ["price", "total", "amount_minor", "net"], lambda s: f"{s.random.uniform(0.5, 90_000):.2f}"),
    _negative("order_id", ID_NAMES, long_id),
    _negative("product", ["product", "title", "item", "label"], _product),
    _negative("html", ["html", "template", "body"], _html),
    _negative("lorem", ["description", "text", "comment", "summary"], lambda s: s.faker("la").sentence(12)),
    _negative("prose", ["note", "comment", "message"], _prose),
    _negative("timestamp", ["updated_at", "date", "logged_at", "modified"], _stamp),
    _negative("git_hash", ["commit", "sha", "revision"], lambda s: s.text(HEX, s.choice([7, 12, 40]))),
    _negative("k8s_name", ["pod", "pod_name", "instance"], _k8s),
    _negative("random_text", ["nonce", "cursor", "next_page", "cache_key"], lambda s: s.text(BASE62, s.number(8, 44))),
    _negative("private_ip", ["pod_ip", "bind", "upstream"], shaped("10.1##.2#.1#", "192.168.1.1##", "127.0.0.1")),
    _negative("boolean", ["enabled", "is_default", "verified"], lambda s: s.choice(["true", "false", "yes", "no", "0", "1"])),
    _negative("small_number", ["count", "page", "retries", "quantity"], lambda s: str(s.number(0, 9_999))),
    _negative("coordinates_of_screen", ["x", "y", "width"], lambda s: str(s.number(0, 3_840))),
    _negative("path", ["path", "file", "url"], lambda s: f"/srv/{s.text(LOWER, 6)}/{s.digits(4)}/{s.text(LOWER, 9)}.json"),
]
