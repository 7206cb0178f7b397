"""Check digits that python-stdnum does not know, from the published rules named at each."""

from __future__ import annotations

import re
import zlib

from .kind import BASE62, UPPER

_MRZ_WEIGHTS = (7, 3, 1)
_VIN_VALUES = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9)))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_TW_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
_SG_LETTERS = {"S": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}


def compact(value: str) -> str:
    """Letters and digits alone, in upper case."""
    return "".join(c for c in value if c.isalnum()).upper()


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights))


def cross_sum(number: int) -> int:
    return sum(map(int, str(number)))


def icao_digit(text: str) -> str:
    """ICAO 9303 part 3: weights 7, 3, 1 over values of 0-9, A-Z, filler 0."""
    values = (int(c, 36) if c != "<" else 0 for c in text)
    return str(sum(value * _MRZ_WEIGHTS[at % 3] for at, value in enumerate(values)) % 10)


def de_rvnr_digit(body: str) -> str:
    """VKVV, paragraph 2: digit sums of the products; the letter counts by its place in the alphabet."""
    digits = body[:8] + f"{UPPER.index(body[8]) + 1:02}" + body[9:11]
    weights = (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1)
    return str(sum(cross_sum(int(d) * w) for d, w in zip(digits, weights)) % 10)


def de_kvnr_digit(body: str) -> str:
    """GKV-Spitzenverband: a letter and eight digits, weights 1 and 2, digit sums."""
    digits = f"{UPPER.index(body[0]) + 1:02}" + body[1:9]
    return str(sum(cross_sum(int(d) * (1 + at % 2)) for at, d in enumerate(digits)) % 10)


def es_nuss(value: str) -> bool:
    """Seguridad Social: province and number, mod 97."""
    digits = compact(value)
    if not re.fullmatch(r"\d{12}", digits):
        return False
    province, number = int(digits[:2]), int(digits[2:10])
    base = number + province * 10_000_000 if number < 10_000_000 else int(digits[:10])
    return (1 <= province <= 53 or province == 66) and base % 97 == int(digits[10:])


def hu_taj_digit(body: str) -> str:
    """Act XX of 1996: weights 3 and 7."""
    return str(weighted(body, (3, 7) * 4) % 10)


def tw_id(value: str) -> bool:
    """Ministry of the Interior: the letter's number, weights 1 9 8 ... 1 1, mod 10."""
    if not re.fullmatch(r"[A-Z][1289]\d{8}", value):
        return False
    digits = str(_TW_LETTERS.index(value[0]) + 10) + value[1:]
    return weighted(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)) % 10 == 0


def hk_id_check(body: str) -> str:
    """Immigration Department: one or two letters and six digits, mod 11; a missing letter counts 36."""
    values = [36] * (8 - len(body)) + [int(c, 36) for c in body]
    rest = -sum(value * weight for value, weight in zip(values, range(9, 1, -1))) % 11
    return "A" if rest == 10 else str(rest)


def sg_nric_check(body: str) -> str:
    """S, T, F, G or M and seven digits, mod 11, with a table of letters for each."""
    total = weighted(body[1:], (2, 7, 6, 5, 4, 3, 2)) + {"S": 0, "F": 0, "T": 4, "G": 4, "M": 3}[body[0]]
    return _SG_LETTERS[{"T": "S", "G": "F"}.get(body[0], body[0])][total % 11]


def uk_nino(value: str) -> bool:
    """HMRC NIM39110."""
    return bool(
        re.fullmatch(r"[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z]\d{6}[A-D]", compact(value))
        and compact(value)[:2] not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}
    )


def vin(value: str) -> bool:
    """49 CFR 565.15: transliteration, weights, mod 11 at the ninth place."""
    if not re.fullmatch(r"[A-HJ-NPR-Z0-9]{17}", value):
        return False
    total = sum((_VIN_VALUES[c] if c in _VIN_VALUES else int(c)) * w for c, w in zip(value, _VIN_WEIGHTS))
    return value[8] == "0123456789X"[total % 11]


def us_dea_digit(body: str) -> str:
    """Digits 1, 3, 5 once and 2, 4, 6 twice."""
    return str(weighted(body[2:], (1, 2, 1, 2, 1, 2)) % 10)


def au_medicare(value: str) -> bool:
    """Services Australia: weights 1 3 7 9, the ninth digit checks, the tenth is the issue."""
    digits = compact(value)
    return (
        bool(re.fullmatch(r"[2-6]\d{8}[1-9]", digits))
        and weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(digits[8])
    )


def crc32_base62(text: str, length: int = 6) -> str:
    """The checksum at the end of GitHub's, npm's and Atlassian's tokens."""
    rest, digits = zlib.crc32(text.encode()), ""
    while rest:
        rest, digit = divmod(rest, 62)
        digits = BASE62[digit] if not digits else BASE62[digit] + digits
    return digits.rjust(length, "0")


def keccak256(data: bytes) -> bytes:
    """Keccak with the padding of before FIPS 202, as Ethereum has it."""
    mask = (1 << 64) - 1

    def turned(lane: int, by: int) -> int:
        return ((lane << by) | (lane >> (64 - by))) & mask if by else lane

    rate = 136
    padded = bytearray(data + b"\x01" + b"\0" * (-(len(data) + 1) % rate))
    padded[-1] |= 0x80
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), rate):
        for lane in range(rate // 8):
            at = start + lane * 8
            state[lane % 5][lane // 5] ^= int.from_bytes(padded[at : at + 8], "little")
        register = 1
        for _ in range(24):
            parity = [row[0] ^ row[1] ^ row[2] ^ row[3] ^ row[4] for row in state]
            for x in range(5):
                change = parity[x - 1] ^ turned(parity[(x + 1) % 5], 1)
                state[x] = [lane ^ change for lane in state[x]]
            x, y, lane = 1, 0, state[1][0]
            for step in range(24):
                x, y = y, (2 * x + 3 * y) % 5
                lane, state[x][y] = state[x][y], turned(lane, (step + 1) * (step + 2) // 2 % 64)
            for y in range(5):
                row = [state[x][y] for x in range(5)]
                for x in range(5):
                    state[x][y] = row[x] ^ (~row[(x + 1) % 5] & mask & row[(x + 2) % 5])
            for bit in range(7):
                if register & 1:
                    state[0][0] ^= 1 << ((1 << bit) - 1)
                register = (register << 1) ^ (0x171 if register & 0x80 else 0)
    return b"".join(state[x][0].to_bytes(8, "little") for x in range(4))


def eip55(address: str) -> str:
    """Mixed case of 40 hex digits, by EIP-55."""
    digest = keccak256(address.lower().encode()).hex()
    return "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(address.lower(), digest))
