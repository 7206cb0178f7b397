//! Values that were published to be used in tests and samples, with who published them.
//!
//! Goes in: a normalised value. Comes out: the name of the source, or nothing. Lists only what is
//! public.

/// Card numbers from the test pages of payment providers, digits only.
static CARDS: [(&str, &[&str]); 7] = [
    (
        "the schemes' and PayPal's lists of test cards",
        &[
            "4111111111111111",
            "4012888888881881",
            "4222222222222",
            "5555555555554444",
            "5105105105105100",
            "378282246310005",
            "371449635398431",
            "378734493671000",
            "6011111111111117",
            "6011000990139424",
            "30569309025904",
            "38520000023237",
            "3530111333300000",
            "3566002020360505",
            "5019717010103742",
            "6331101999990016",
            "5454545454545454",
            "4444333322221111",
            "5200828282828210",
        ],
    ),
    (
        "Stripe's test cards",
        &[
            "4242424242424242",
            "4000056655665556",
            "2223003122003222",
            "6011981111111113",
            "3056930009020004",
            "36227206271667",
            "6555900000604105",
            "6200000000000005",
            "6200000000000047",
            "6205500000000000004",
            "5200828282828210",
            "4000002500003155",
            "4000002760003184",
            "4000003800000446",
            "4000000760000002",
        ],
    ),
    (
        "Adyen's test cards",
        &[
            "4111111145551142",
            "4988438843884305",
            "4166676667666746",
            "4871049999999910",
            "5577000055770004",
            "5136333333333335",
            "2222400070000005",
            "5555341244441115",
            "6771798021000008",
            "6011601160116611",
            "3569990010095841",
            "36006666333344",
            "370000000000002",
            "4917610000000000",
            "2222410740360010",
        ],
    ),
    (
        "Authorize.Net's test cards",
        &[
            "4007000000027",
            "4012888818888",
            "6011000000000012",
            "3088000000000017",
            "38000000000006",
            "5424000000000015",
        ],
    ),
    (
        "Braintree's test cards",
        &[
            "4005519200000004",
            "4009348888881881",
            "4012000033330026",
            "4012000077777777",
            "4217651111111119",
            "4500600000000061",
            "2223000048400011",
            "6304000000000000",
            "4000111111111115",
            "5105105105105100",
        ],
    ),
    (
        "Worldpay's test cards",
        &[
            "4462030000000000",
            "6759649826438453",
            "4917300800000000",
            "343434343434343",
        ],
    ),
    (
        "Mastercard's and Visa's sandboxes",
        &["5204740009900014", "5123456789012346", "4508750015741019"],
    ),
];

/// The source of a test card, if it is one.
pub(crate) fn card(digits: &[u8]) -> Option<&'static str> {
    if digits.starts_with(b"40000000000") {
        return Some("Stripe's test cards");
    }
    CARDS
        .iter()
        .find(|(_, cards)| cards.iter().any(|card| card.as_bytes() == digits))
        .map(|(source, _)| *source)
}

/// The source of a social security number that belongs to nobody.
pub(crate) fn ssn(digits: &[u8]) -> Option<&'static str> {
    match digits {
        b"078051120" => Some("the wallet-insert number that SSA withdrew"),
        b"219099999" => Some("an SSA pamphlet of 1940"),
        b"123456789" => Some("the ascending digits every form sample uses"),
        [b'9', b'8', b'7', b'6', b'5', b'4', b'3', b'2', b'0'..=b'9'] => {
            Some("the range SSA sets aside for advertisements")
        }
        [b'9', b'9', b'9', ..] => Some("Synthea's synthetic patients"),
        _ => None,
    }
}

/// The source of an example IBAN, upper case without spaces.
pub(crate) fn iban(iban: &[u8]) -> Option<&'static str> {
    const REGISTRY: [&str; 12] = [
        "GB29NWBK60161331926819",
        "DE89370400440532013000",
        "FR1420041010050500013M02606",
        "ES9121000418450200051332",
        "IT60X0542811101000000123456",
        "NL91ABNA0417164300",
        "BE68539007547034",
        "AT611904300234573201",
        "CH9300762011623852957",
        "SE4550000000058398257466",
        "NO9386011117947",
        "PL61109010140000071219812874",
    ];
    REGISTRY
        .iter()
        .any(|known| known.as_bytes() == iban)
        .then_some("the examples of the IBAN registry")
}

/// The reason a host name can hold no real mailbox, lower case.
pub(crate) fn host(host: &[u8]) -> Option<&'static str> {
    let under = |zone: &[u8]| {
        host.strip_suffix(zone)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
    };
    if [
        b"example.com".as_slice(),
        b"example.org",
        b"example.net",
        b"example.edu",
    ]
    .into_iter()
    .any(under)
    {
        return Some("a domain reserved for documentation by RFC 2606");
    }
    [b"test".as_slice(), b"example", b"invalid", b"localhost"]
        .into_iter()
        .any(under)
        .then_some("a top level reserved by RFC 6761")
}

/// True for the fictional North American numbers 555-0100 to 555-0199; `national` has ten or
/// seven digits.
pub(crate) fn is_fictional_nanp(national: &[u8]) -> bool {
    national.len() >= 7 && national[national.len() - 7..].starts_with(b"55501")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::checksum::luhn;

    #[test]
    fn all_test_cards_would_pass_as_cards() {
        for card in CARDS.iter().flat_map(|(_, cards)| cards.iter()) {
            assert!(luhn(card.as_bytes()), "{card}");
        }
    }

    #[test]
    fn reserved_hosts_are_known_and_their_neighbours_are_not() {
        for (name, expected) in [
            ("example.com", true),
            ("mail.example.org", true),
            ("a.test", true),
            ("localhost", true),
            ("myexample.com", false),
            ("example.com.br", false),
            ("contest", false),
        ] {
            assert_eq!(host(name.as_bytes()).is_some(), expected, "{name}");
        }
    }
}
