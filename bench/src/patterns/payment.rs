//! Category `payment`.

use super::Shape::Regex;
use super::{Row, named};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    (
        "card_track",
        Regex(r"%B\d{12,19}\^[^^]{2,26}\^\d{4}|;\d{12,19}=\d{7,}"),
    ),
    (
        "payment_card",
        Regex(
            r"\b(?:4\d{3}|5[0-8]\d{2}|2[2-7]\d{2}|3[0-9]\d{2}|6\d{3}|9\d{3})[ .-]?(?:\d{4}[ .-]?\d{4}[ .-]?\d{1,7}|\d{6}[ .-]?\d{4,5})\b",
        ),
    ),
    (
        "card_cvv",
        named!(
            "cvv2?|cvc2?|csc|cid|security_?code|card_?verification_?(?:code|value)",
            r"\d{3,4}"
        ),
    ),
    (
        "card_expiry",
        named!(
            "exp|expiry|expiration|valid_?thru|(?:card_?)?exp(?:iry|iration)?_?(?:date|month|year)",
            r"\d{1,2}[/-]\d{2,4}|\d{4}-\d{2}|\d{4}|\d{1,2}"
        ),
    ),
    ("card_pin", named!("card_?pin|pin_?code|pin|atm_?pin", r"\d{4,6}")),
    (
        "iban",
        Regex(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"),
    ),
    (
        "swift_bic",
        named!(
            "bic|bic_?code|swift|swift_?code|swift_?bic",
            "[a-z]{6}[a-z0-9]{2}(?:[a-z0-9]{3})?"
        ),
    ),
    (
        "aba_routing",
        named!("aba|aba_?number|routing|routing_?(?:no|number)|rtn", r"\d{9}"),
    ),
    (
        "bank_account",
        named!(
            "(?:bank_?)?account_?(?:no|num|number)|acct_?(?:no|num|number)|konto(?:nummer)?",
            r"\d{6,17}"
        ),
    ),
    ("uk_sort_code", named!("sort_?code", r"\d{2}[ -]?\d{2}[ -]?\d{2}")),
    (
        "btc_address",
        Regex(r"\b(?:bc1[02-9ac-hj-np-z]{25,87}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b"),
    ),
    ("eth_address", Regex(r"\b0x[A-Fa-f0-9]{40}\b")),
];
