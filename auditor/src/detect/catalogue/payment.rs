//! Category `payment`.

use super::{CCPA, Class, Convention, DetectorInfo, GDPR, PCI_DSS, Trigger};
use crate::detect::Severity;
use crate::detect::verify::{card, iban};

pub(super) static PAYMENT_CARD: DetectorInfo = DetectorInfo {
    id: "payment_card",
    category: "payment",
    regulations: &[PCI_DSS, GDPR, CCPA],
    class: Class::B,
    severity: Severity::Critical,
    keys: &[
        "cardnumber", "cardno", "cardnum", "card", "creditcard", "creditcardnumber", "creditcardno",
        "debitcard", "debitcardnumber", "ccnumber", "ccnum", "ccno", "cc", "pan", "primaryaccountnumber",
        "paymentcard", "paymentcardnumber", "bankcard", "bankcardnumber", "cardpan", "fullpan",
        "creditcardnum", "acctpan", "kreditkarte", "kreditkartennummer", "kartennummer",
        "numerocarte", "numerodecarte", "cartebancaire", "numerotarjeta", "numerodetarjeta", "tarjeta",
        "tarjetadecredito", "numerocartao", "numerodocartao", "cartaodecredito", "numerocarta",
        "cartadicredito", "kaartnummer", "kortnummer", "numerkarty", "номеркарты", "卡号", "信用卡号",
        "カード番号", "카드번호",
    ],
    words: &[
        "card", "pan", "cc", "visa", "mastercard", "amex", "maestro", "karte", "kreditkarte", "carte",
        "tarjeta", "cartao", "kaart", "karta",
    ],
    siblings: &[
        "cvv", "cvc", "cvv2", "cvc2", "csc", "cid", "securitycode", "expiry", "expirydate", "expiration",
        "expirationdate", "exp", "expmonth", "expyear", "expirymonth", "expiryyear", "expirationmonth",
        "expirationyear", "validthru", "cardholder", "cardholdername", "holder", "holdername",
        "nameoncard", "brand", "cardbrand", "cardtype", "network", "scheme",
    ],
    explanation: "12 to 19 digits that pass Luhn and begin with a prefix some card scheme issues at \
        that length; in one run or grouped by one kind of space, dash or dot.",
    source: "ISO/IEC 7812-1; the schemes' published issuer ranges",
    convention: Convention::Card,
    trigger: Trigger::Digits { lengths: &[12, 13, 14, 15, 16, 17, 18, 19], verify: card::verify },
};

pub(super) static IBAN: DetectorInfo = DetectorInfo {
    id: "iban",
    category: "payment",
    regulations: &[GDPR, CCPA],
    class: Class::A,
    severity: Severity::High,
    keys: &[
        "iban", "ibannumber", "ibancode", "accountiban", "internationalbankaccountnumber",
        "bankaccountiban", "debtoriban", "creditoriban", "kontoiban",
    ],
    words: &["iban"],
    siblings: &["bic", "swift", "swiftbic", "biccode", "swiftcode", "bankname", "accountholder"],
    explanation: "A country of the IBAN registry, its length and the kinds of characters it allows, \
        and the mod 97 check digits; groups of four may be spaced.",
    source: "ISO 13616-1; SWIFT IBAN registry",
    convention: Convention::Iban,
    trigger: Trigger::Country { verify: iban::verify },
};
