"""Values that somebody protected, by every convention there is, and values whose protection is only said."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from . import checks, contact, identity_europe, identity_world, payment, secret
from .kind import BASE62, BASE64, BASE64URL, HEX, Kind, Source, grouped

_KINDS = {kind.id: kind for module in (payment, contact, identity_world, identity_europe, secret) for kind in module.KINDS}
_RUNS = ["*", "*", "•", "●", "x", "X", "#", "█"]
_CARD_NAMES = _KINDS["payment_card"].names


@dataclass(frozen=True)
class Protected:
    """Values of one detector in one state."""

    #: What the report calls it.
    label: str
    detector: str
    #: State that must not be reported as another; clear for what only claims to be protected.
    state: str
    make: Callable[[Source], str]
    #: Ending of the field's name.
    suffix: str = ""

    @property
    def kind(self) -> Kind:
        return _KINDS[self.detector]


def _clear(detector: str) -> Callable[[Source], str]:
    return lambda source: _KINDS[detector].make(source)


def _run(source: Source, length: int) -> str:
    return source.choice(_RUNS) * length


def _card(head: int, tail: int, separator: str = "") -> Callable[[Source], str]:
    def make(source: Source) -> str:
        number = "4" + source.digits(15)
        masked = number[:head] + _run(source, 16 - head - tail) + number[16 - tail :]
        return grouped(masked, (4, 4, 4, 4), separator) if separator else masked

    return make


def _email(source: Source) -> str:
    local, host = _KINDS["email_address"].make(source).split("@")
    shown = source.choice([local[0], local[:1] + "***" + local[-1], local[:2]])
    return f"{shown}{'*' * 5}@{host}" if "*" not in shown else f"{shown}@{host}"


def _iban(source: Source) -> str:
    number = checks.compact(payment.make_iban(source))
    return number[:2] + _run(source, len(number) - 6) + number[-4:]


def _hex(length: int) -> Callable[[Source], str]:
    return lambda source: "a" + source.text(HEX, length - 1)


def _bcrypt(source: Source) -> str:
    return f"$2{source.choice('aby')}$12$" + source.text(BASE62 + "./", 53)


def _argon(source: Source) -> str:
    return f"$argon2id$v=19$m=65536,t=3,p=4${source.text(BASE64, 22)}${source.text(BASE64, 43)}"


def _jwe(source: Source) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"RSA-OAEP","enc":"A256GCM"}').decode().rstrip("=")
    return ".".join([head, *(source.text(BASE64URL, length) for length in (171, 16, 40, 22))])


def _between(source: Source) -> str:
    return source.nonzero(6) + source.text("abcdefghjkmnpqrstuvwyz", 6) + source.digits(4)


def _token(prefix: str) -> Callable[[Source], str]:
    return lambda source: prefix + source.text(BASE62, 24)


def _placeholder(source: Source) -> str:
    return source.choice(["[REDACTED]", "<EMAIL_ADDRESS>", "[Filtered]", "[FILTERED]", "{{x}}", "${x}", "{{{REDACTED-card}}}",
                          "REDACTED", "null", "n/a", "?", "***", "<REDACTED>", "[MASKED]"])


_TEST_CARDS = ["4111111111111111", "4242424242424242", "5555555555554444", "378282246310005", "6011111111111117",
               "4012888888881881", "3530111333300000", "30569309025904", "4000056655665556", "5105105105105100"]


def _test_phone(source: Source) -> str:
    return f"+1 212 555 01{source.digits(2)}"


def _test_email(source: Source) -> str:
    return f"{source.text('abcdefghij', 6)}@{source.choice(['example.com', 'example.org', 'mail.test', 'shop.example'])}"


def _test_ip(source: Source) -> str:
    return source.choice([f"192.0.2.{source.number(1, 254)}", f"198.51.100.{source.number(1, 254)}",
                          f"203.0.113.{source.number(1, 254)}", f"2001:db8::{source.text(HEX, 4)}"])


def _test_ssn(source: Source) -> str:
    return source.choice(["078-05-1120", f"987-65-432{source.digits(1)}", f"999-{source.number(10, 99)}-{source.nonzero(4)}"])


CASES = [
    # Masked within the convention.
    *(Protected(f"card, first {head} and last {tail}", "payment_card", "masked", _card(head, tail, separator))
      for head, tail, separator in [(0, 4, ""), (6, 4, ""), (0, 4, " "), (0, 4, "-"), (8, 4, ""), (0, 0, "")]),
    Protected("SSN, last four", "us_ssn", "masked", lambda s: f"{_run(s, 3)}-{_run(s, 2)}-{s.digits(4)}"),
    Protected("phone, last four", "phone_number", "masked", lambda s: f"+49 *** *** {s.digits(4)}"),
    Protected("phone, last four, North America", "phone_number", "masked", lambda s: f"(***) ***-{s.digits(4)}"),
    Protected("e-mail, two characters or a run", "email_address", "masked", _email),
    Protected("IBAN, country and last four", "iban", "masked", _iban),
    Protected("personnummer, birth day hidden", "se_personnummer", "masked", lambda s: f"******-{s.digits(4)}"),
    Protected("PESEL, last four", "pl_pesel", "masked", lambda s: "*******" + s.digits(4)),
    Protected("Aadhaar, last four", "in_aadhaar", "masked", lambda s: f"XXXX XXXX {s.digits(4)}"),
    *(Protected(f"placeholder for {detector}", detector, "masked", _placeholder)
      for detector in ["payment_card", "email_address", "us_ssn", "password", "phone_number", "person_name", "iban"]),
    Protected("password, stars", "password", "masked", lambda s: "*" * s.number(6, 14)),
    # Hashed.
    *(Protected(f"{detector}, {length} hex digits", detector, "hashed", _hex(length))
      for detector, length in [("payment_card", 64), ("email_address", 32), ("email_address", 64), ("us_ssn", 40),
                               ("phone_number", 56), ("iban", 96), ("us_ssn", 128), ("password", 64)]),
    Protected("password, bcrypt", "password", "hashed", _bcrypt),
    Protected("password, Argon2", "password", "hashed", _argon),
    Protected("password, crypt", "password", "hashed", lambda s: f"$6${s.text(BASE62, 8)}${s.text(BASE62 + './', 86)}"),
    Protected("password, SSHA", "password", "hashed", lambda s: "{SSHA}" + base64.b64encode(s.random.randbytes(28)).decode()),
    Protected("password, PBKDF2", "password", "hashed",
              lambda s: f"pbkdf2_sha256$600000${s.text(BASE62, 12)}${s.text(BASE64, 43)}="),
    Protected("e-mail, sha256:", "email_address", "hashed", lambda s: "sha256:" + s.text(HEX, 64)),
    # Tokenised and encrypted.
    *(Protected(f"card, {prefix}", "payment_card", "tokenised", _token(prefix))
      for prefix in ["tok_", "pm_", "card_", "src_"]),
    Protected("card, letters between six and four", "payment_card", "tokenised", _between),
    *(Protected(f"{detector}, Vault transit", detector, "encrypted", lambda s: f"vault:v1:{s.text(BASE64, 60)}==")
      for detector in ["us_ssn", "payment_card", "email_address"]),
    Protected("card, JWE", "payment_card", "encrypted", _jwe),
    Protected("IBAN, enc:", "iban", "encrypted", lambda s: "enc:" + s.text(BASE64, 44)),
    # Published for tests.
    Protected("test cards", "payment_card", "test", lambda s: s.choice(_TEST_CARDS)),
    Protected("reserved domains", "email_address", "test", _test_email),
    Protected("555-01xx", "phone_number", "test", _test_phone),
    Protected("documentation addresses", "ip_address", "test", _test_ip),
    Protected("SSNs of nobody", "us_ssn", "test", _test_ssn),
    Protected("the example key of AWS", "aws_access_key_id", "test", lambda s: "AKIAIOSFODNN7EXAMPLE"),
    Protected("the example IBAN", "iban", "test", lambda s: "GB29NWBK60161331926819"),
    Protected("Stripe's test keys", "stripe_key", "test", lambda s: "sk_test_" + s.text(BASE62, 24)),
    # Said to be protected and not: a clear value stays one, whatever its field is called.
    *(Protected(f"clear {detector} under *{suffix}", detector, "clear", _clear(detector), suffix)
      for detector in ["payment_card", "us_ssn", "email_address", "iban"]
      for suffix in ["_masked", "_hash", "_token", "_encrypted"]),
    # A mask that leaves more than its convention allows.
    *(Protected(f"card, first {head} and last {tail} left", "payment_card", "clear", _card(head, tail))
      for head, tail in [(10, 4), (6, 6), (12, 0)]),
    Protected("SSN, five digits left", "us_ssn", "clear", lambda s: f"***-{s.number(10, 99)}-{s.digits(4)}"),
    Protected("IBAN, half left", "iban", "clear", lambda s: f"DE{s.digits(8)}******{s.digits(4)}"),
]
