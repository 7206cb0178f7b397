"""What a kind of value is, and where randomness comes from: one seed, so that a set can be made again."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from faker import Faker

DIGITS = "0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = UPPER.lower()
BASE62 = DIGITS + UPPER + LOWER
BASE64 = BASE62 + "+/"
BASE64URL = BASE62 + "-_"
HEX = "0123456789abcdef"
#: Draws until a value is valid before the recipe is called broken.
MOST_DRAWS = 200_000

T = TypeVar("T")


class Source:
    """Everything random, from one seed."""

    def __init__(self, seed: int, scope: str) -> None:
        self.seed = f"{seed}/{scope}"
        self.random = random.Random(self.seed)
        self._fakers: dict[str, Faker] = {}

    def faker(self, locale: str) -> Faker:
        if locale not in self._fakers:
            faker = Faker(locale)
            faker.seed_instance(f"{self.seed}/{locale}")
            self._fakers[locale] = faker
        return self._fakers[locale]

    def choice(self, options: Sequence[T]) -> T:
        return self.random.choice(options)

    def number(self, low: int, high: int) -> int:
        """Both ends included."""
        return self.random.randint(low, high)

    def text(self, alphabet: str, length: int) -> str:
        return "".join(self.random.choices(alphabet, k=length))

    def digits(self, length: int) -> str:
        return self.text(DIGITS, length)

    def nonzero(self, length: int) -> str:
        """Digits of which the first is not zero."""
        return self.choice(DIGITS[1:]) + self.digits(length - 1)

    def pattern(self, form: str) -> str:
        """`#` a digit, `^` a digit but zero, `@` a capital letter, `%` a capital letter or digit; others stand for themselves."""
        alphabets = {"#": DIGITS, "^": DIGITS[1:], "@": UPPER, "%": UPPER + DIGITS}
        return "".join(self.choice(alphabets[c]) if c in alphabets else c for c in form)

    def date(self, first: int = 1940, last: int = 2004) -> datetime.date:
        start = datetime.date(first, 1, 1)
        days = (datetime.date(last, 12, 31) - start).days
        return start + datetime.timedelta(days=self.number(0, days))

    def moment(self, first: int = 2021, last: int = 2025) -> datetime.datetime:
        return datetime.datetime.combine(self.date(first, last), datetime.time()) + datetime.timedelta(
            seconds=self.number(0, 86_399), microseconds=self.number(0, 999_999)
        )


Draw = Callable[[Source], str]
Judge = Callable[[str], bool]


@dataclass(frozen=True)
class Kind:
    """One detector's values: how they look, which are valid, and what people call the fields they are in."""

    #: Id of the detector.
    id: str
    #: Names of fields as interfaces and databases write them, in several languages; not taken from the catalogue.
    names: Sequence[str]
    #: What a sentence calls the value.
    word: str
    #: A value of the right shape, not necessarily a valid one.
    draw: Draw
    #: Whether a value is valid; None when the shape is all there is.
    judge: Judge | None = None
    #: Who says so, when it is not python-stdnum: for the report of the oracle.
    judged_by: str = "python-stdnum"
    #: Fields that stand beside such a value by its nature (a card beside its security code).
    beside: Callable[[Source], dict[str, str]] | None = None
    #: The value has line breaks, or is a whole header: only some carriers can hold it.
    carriers: Sequence[str] = field(default=())
    #: The catalogue promises it under a name only, whatever its class: keys without a mark of their own.
    needs_name: bool = False
    #: Detectors that are right about it too.
    also: Sequence[str] = ()
    #: First characters that the oracle leaves as they are: an issuer or a country, of which it has no list.
    fixed: int = 0

    def make(self, source: Source) -> str:
        """A valid value."""
        for _ in range(MOST_DRAWS):
            value = self.draw(source)
            if self.judge is None or self.judge(value):
                return value
        raise ValueError(f"{self.id}: no valid value in {MOST_DRAWS} draws")


def one_of(*draws: Draw) -> Draw:
    """Any of several shapes."""
    return lambda source: source.choice(draws)(source)


def shaped(*forms: str) -> Draw:
    """Any of several patterns of `Source.pattern`."""
    return lambda source: source.pattern(source.choice(forms))


def closed(body: Draw, check: Callable[[str], str]) -> Draw:
    """A body with its check characters after it; rejects and draws again while there are none for it."""

    def draw(source: Source) -> str:
        for _ in range(MOST_DRAWS):
            start = body(source)
            try:
                return start + str(check(start))
            except Exception:  # noqa: BLE001 - stdnum raises many kinds for a body that has no check digit
                continue
        raise ValueError("no body has a check digit")

    return draw


def grouped(value: str, sizes: Sequence[int], separator: str) -> str:
    """`value` cut into groups of these sizes."""
    parts, at = [], 0
    for size in sizes:
        parts.append(value[at : at + size])
        at += size
    return separator.join(part for part in parts if part)
