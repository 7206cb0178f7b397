//! Addresses of ledgers that anyone can read.

use crate::detect::Severity;
use crate::detect::catalogue::{Class, Convention, DetectorInfo, GDPR, Trigger};
use crate::detect::verify::{bitcoin, ethereum};

pub(super) static BTC_ADDRESS: DetectorInfo = DetectorInfo {
    id: "btc_address",
    category: "payment",
    regulations: &[GDPR],
    class: Class::A,
    severity: Severity::High,
    keys: &[
        "btcaddress",
        "bitcoinaddress",
        "btc",
        "bitcoin",
        "btcwallet",
        "bitcoinwallet",
        "walletaddress",
        "cryptoaddress",
        "depositaddress",
        "payoutaddress",
        "bitcoinadresse",
        "adressebitcoin",
        "direccionbitcoin",
        "indirizzobitcoin",
        "enderecobitcoin",
        "bitcoinadres",
        "adresbitcoin",
        "bitcoinadress",
        "bitcoinadresi",
    ],
    words: &["bitcoin", "btc"],
    siblings: &[],
    explanation: "A Bitcoin address whose checksum holds: base58check, bech32 or bech32m.",
    source: "BIP 13, BIP 173, BIP 350",
    convention: Convention::LastFour,
    triggers: &[
        Trigger::Prefix {
            prefixes: &["bc1q", "bc1p", "BC1Q", "BC1P", "tb1q", "tb1p"],
            verify: bitcoin::verify,
        },
        Trigger::Word {
            lengths: 26..=35,
            first: b"13mn2",
            verify: bitcoin::verify,
        },
        Trigger::Named {
            check: bitcoin::address,
        },
    ],
    ..DetectorInfo::BASE
};

pub(super) static ETH_ADDRESS: DetectorInfo = DetectorInfo {
    id: "eth_address",
    category: "payment",
    regulations: &[GDPR],
    class: Class::A,
    severity: Severity::High,
    keys: &[
        "ethaddress",
        "ethereumaddress",
        "eth",
        "ethwallet",
        "ethereumwallet",
        "walletaddress",
        "cryptoaddress",
        "wallet",
        "ethereumadresse",
        "adresseethereum",
        "direccionethereum",
        "indirizzoethereum",
        "enderecoethereum",
        "ethereumadres",
        "adresethereum",
        "ethereumadress",
        "ethereumadresi",
        "cuzdanadresi",
    ],
    words: &["ethereum", "eth", "wallet"],
    siblings: &[],
    explanation: "0x and forty hexadecimal digits; their mixed case is a checksum, without it a name must say what they are.",
    source: "ERC-55",
    convention: Convention::LastFour,
    triggers: &[
        Trigger::Word {
            lengths: 42..=42,
            first: b"0",
            verify: ethereum::verify,
        },
        Trigger::Named {
            check: ethereum::address,
        },
    ],
    ..DetectorInfo::BASE
};
