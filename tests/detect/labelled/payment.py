"""Cards, bank accounts and wallets."""

from __future__ import annotations

from stdnum import bic, bitcoin, iban, luhn
from stdnum.us import rtn

from . import checks
from .kind import HEX, Kind, Source, grouped, shaped

#: Issuer prefixes with a length, as the schemes publish them.
ISSUERS = [
    ("4", 16), ("4", 16), ("4", 16), ("4", 13), ("4", 19), ("51", 16), ("52", 16), ("53", 16), ("54", 16), ("55", 16),
    ("2221", 16), ("2720", 16), ("2500", 16), ("34", 15), ("37", 15), ("6011", 16), ("644", 16), ("65", 16), ("305", 14),
    ("36", 14), ("38", 14), ("3528", 16), ("3589", 16), ("62", 16), ("62", 19), ("5018", 16), ("6304", 16), ("6759", 18),
    ("2200", 16), ("2204", 16), ("508528", 16), ("9792", 16), ("506699", 16), ("606282", 16),
]
_BANKS = ["DEUT", "BNPA", "INGB", "UBSW", "BARC", "CHAS", "NDEA", "PKOP", "UNCR", "SOGE", "COBA", "ABNA", "RABO", "HSBC"]
_ISO = ["DE", "FR", "NL", "CH", "GB", "US", "SE", "PL", "IT", "ES", "AT", "BE", "DK", "FI"]
#: Country and the shape of its account number, from the IBAN registry; python-stdnum judges.
_IBANS = [
    ("DE", "##################"), ("FR", "##########%%%%%%%%%%%##"), ("GB", "@@@@##############"), ("NL", "@@@@##########"),
    ("IT", "@##########%%%%%%%%%%%%"), ("AT", "################"), ("CH", "#####%%%%%%%%%%%%"),
    ("PL", "########################"),
    ("SE", "####################"), ("IE", "@@@@##############"), ("LU", "###%%%%%%%%%%%%%"), ("DK", "##############"),
    ("RO", "@@@@%%%%%%%%%%%%%%%%"), ("GR", "#######%%%%%%%%%%%%%%%%"), ("TR", "#####0%%%%%%%%%%%%%%%%"),
    ("SA", "##%%%%%%%%%%%%%%%%%%"),
]


def card(source: Source) -> str:
    prefix, length = source.choice(ISSUERS)
    body = prefix + source.digits(length - 1 - len(prefix))
    number = body + luhn.calc_check_digit(body)
    groups = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4), 19: (6, 13)}.get(length)
    separator = source.choice(["", "", "", " ", "-"])
    return grouped(number, groups, separator) if groups and separator else number


def _track(source: Source) -> str:
    number = checks.compact(card(source))
    faker = source.faker("en_US")
    expiry = f"{source.date(2026, 2032):%y%m}"
    if source.choice([True, False]):
        name = f"{faker.last_name()}/{faker.first_name()}".upper()
        return f"%B{number}^{name}^{expiry}{source.choice(['101', '201'])}{source.digits(10)}?"
    return f";{number}={expiry}{source.choice(['101', '201'])}{source.digits(8)}?"


def _expiry(source: Source) -> str:
    return f"{source.date(2026, 2032):{source.choice(['%m/%y', '%m/%Y', '%Y-%m', '%m%y'])}}"


def make_iban(source: Source) -> str:
    while True:
        country, form = source.choice(_IBANS)
        body = source.pattern(form)
        number = country + iban.calc_check_digits(f"{country}00{body}") + body
        if iban.is_valid(number, check_country=False):
            return source.choice([number, number, grouped(number, (4,) * 9, " ")])


def _bitcoin(source: Source) -> str:
    if source.choice([True, False]):
        payload = source.choice([b"\0", b"\5"]) + source.random.randbytes(20)
        return _base58(payload + _double_sha(payload)[:4])
    values = [0, *_fives(source.random.randbytes(source.choice([20, 32])))]
    expanded = [3, 3, 0, 2, 3, *values]
    check = bitcoin.bech32_checksum([*expanded, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [(check >> 5 * (5 - at)) & 31 for at in range(6)]
    return "bc1" + "".join("qpzry9x8gf2tvdw0s3jn54khce6mua7l"[value] for value in values)


def _double_sha(data: bytes) -> bytes:
    from hashlib import sha256

    return sha256(sha256(data).digest()).digest()


def _base58(data: bytes) -> str:
    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = alphabet[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def _fives(data: bytes) -> list[int]:
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return [int(bits[at : at + 5], 2) for at in range(0, len(bits), 5)]


def _with_card(source: Source) -> dict[str, str]:
    return {"card_number": checks.compact(card(source))}


def _routing(source: Source) -> str:
    # Primary federal reserve routing symbols are 01 to 12, thrifts 21 to 32.
    return f"{source.choice([*range(1, 13), *range(21, 33)]):02}{source.digits(7)}"


KINDS = [
    Kind("card_track", ["track2", "track_data", "magstripe", "track1", "track2_data"], "track", _track, None,
         "ISO 7813, made with Luhn", also=("payment_card",)),
    Kind("payment_card", ["card_number", "cardNumber", "cc_number", "creditCardNumber", "pan", "kreditkartennummer",
                          "numero_carte", "numero_tarjeta", "kaartnummer", "card_no"], "card number", card,
         lambda value: luhn.is_valid(checks.compact(value)), "stdnum's Luhn behind known issuer prefixes", fixed=6),
    Kind("card_cvv", ["cvv", "cvc", "cvv2", "security_code", "card_security_code"], "CVV", shaped("###", "###", "####"), None,
         "three or four digits", _with_card),
    Kind("card_expiry", ["expiry", "expiry_date", "exp_date", "card_expiry", "expirationDate"], "expiry", _expiry, None,
         "month and year", _with_card),
    # A PIN block is sixteen hexadecimal digits, and encrypted.
    Kind("card_pin", ["card_pin", "pin", "pin_code", "atm_pin", "cardPin"], "PIN", shaped("####"), None, "four digits",
         _with_card, also=("password",)),
    Kind("iban", ["iban", "bank_account_iban", "IBAN", "payee_iban", "kontonummer_iban", "rekeningnummer"], "IBAN", make_iban,
         iban.is_valid),
    Kind("swift_bic", ["bic", "swift", "swift_code", "bic_code", "swiftBic"], "BIC",
         lambda s: s.choice(_BANKS) + s.choice(_ISO) + s.pattern("^@") + s.choice(["", "XXX", s.pattern("###")]), bic.is_valid),
    Kind("aba_routing", ["routing_number", "aba", "routingNumber", "aba_routing_number", "rtn"], "routing number", _routing,
         rtn.is_valid),
    Kind("bank_account", ["account_number", "bank_account_number", "accountNumber", "kontonummer", "numero_cuenta",
                          "bankAccount"], "bank account", shaped("########", "##########", "############"), None,
         "digits of a usual length"),
    Kind("uk_sort_code", ["sort_code", "sortCode", "bank_sort_code", "sortcode"], "sort code", shaped("##-##-##", "######"),
         None, "six digits"),
    Kind("btc_address", ["btc_address", "bitcoin_address", "wallet_address", "payout_address"], "wallet", _bitcoin,
         bitcoin.is_valid),
    Kind("eth_address", ["eth_address", "ethereum_address", "wallet_address", "walletAddress"], "wallet",
         lambda s: "0x" + checks.eip55(s.text(HEX, 40)),
         # In letters of one case it has no checksum.
         lambda v: v[:2] == "0x" and v[2:] in (checks.eip55(v[2:]), v[2:].lower(), v[2:].upper()), "EIP-55"),
]
