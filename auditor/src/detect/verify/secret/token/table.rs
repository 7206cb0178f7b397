//! The published form of each token: prefix, alphabet, length, checksum.
//!
//! Goes in: the first bytes of a text. Comes out: the forms whose prefix stands there. A table only;
//! the vendors' documentation is cited at each group, and in the catalogue's rows.

use super::check::{self, Finding};

/// Characters of a token's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// `A-Z 0-9`.
    UpperDigits,
    /// `0-9 a-f`.
    Hex,
    /// `0-9 a-f -`.
    HexDash,
    /// `A-Z a-z 0-9`.
    Base62,
    /// Base 62 and `_`.
    Base62Underscore,
    /// Base 62 and `+ / =`.
    Base64,
    /// Base 62 and `- _`.
    Url,
    /// Base 62 and `- _ .`.
    UrlDot,
    /// Base 62 and `- _ =`.
    Base64Url,
}

impl Alphabet {
    /// Tells the characters of the alphabet.
    pub(super) fn test(self) -> fn(u8) -> bool {
        match self {
            Self::UpperDigits => |b| b.is_ascii_uppercase() || b.is_ascii_digit(),
            Self::Hex => |b| matches!(b, b'0'..=b'9' | b'a'..=b'f'),
            Self::HexDash => |b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'),
            Self::Base62 => |b| b.is_ascii_alphanumeric(),
            Self::Base62Underscore => |b| b.is_ascii_alphanumeric() || b == b'_',
            Self::Base64 => |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='),
            Self::Url => |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'),
            Self::UrlDot => |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'),
            Self::Base64Url => |b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='),
        }
    }
}

/// The form of one kind of token.
pub(crate) struct Form {
    /// Literal beginning, public.
    pub(crate) prefix: &'static str,
    pub(crate) alphabet: Alphabet,
    /// Fewest and most characters behind the prefix.
    pub(crate) body: (usize, usize),
    /// Share of random words that begin so and have this length and alphabet, as bits; capped.
    pub(crate) bits: f32,
    pub(crate) reason: &'static str,
    /// What else the body must hold.
    pub(crate) check: fn(&[u8]) -> Option<Finding>,
    /// The prefix is an ordinary beginning: a mask behind it says nothing.
    pub(crate) weak: bool,
    /// All tokens with this prefix are for tests, as this source says.
    pub(crate) test: Option<&'static str>,
}

const fn form(prefix: &'static str, alphabet: Alphabet, body: (usize, usize), bits: f32) -> Form {
    Form {
        prefix,
        alphabet,
        body,
        bits,
        reason: "has a vendor's public prefix, alphabet and length",
        check: check::any,
        weak: false,
        test: None,
    }
}

impl Form {
    const fn checked(self, check: fn(&[u8]) -> Option<Finding>) -> Self {
        Self { check, ..self }
    }

    const fn weak(self) -> Self {
        Self { weak: true, ..self }
    }

    const fn test(self, source: &'static str) -> Self {
        Self {
            test: Some(source),
            ..self
        }
    }
}

/// OpenAI's keys of before 2024; not in the table, as other vendors' prefixes begin with its own.
pub(super) static OPENAI_LEGACY: Form = form("sk-", Alphabet::Base62, (48, 48), 20.0)
    .checked(check::openai_legacy)
    .weak();

/// Forms whose prefix `text` begins with.
pub(super) fn forms_at(text: &[u8]) -> impl Iterator<Item = &'static Form> {
    let first = text.first().copied().unwrap_or_default();
    let slot = usize::from(first & 0x7f);
    let (from, to) = if first.is_ascii() {
        (SLOTS[slot], SLOTS[slot + 1])
    } else {
        (0, 0)
    };
    FORMS[usize::from(from)..usize::from(to)]
        .iter()
        .filter(move |form| text.starts_with(form.prefix.as_bytes()))
}

/// Where in [`FORMS`] the prefixes with each first byte begin.
static SLOTS: [u8; 129] = {
    let mut slots = [0; 129];
    let (mut byte, mut at) = (0, 0);
    while byte < 128 {
        slots[byte] = at;
        while (at as usize) < FORMS.len() && FORMS[at as usize].prefix.as_bytes()[0] as usize == byte {
            at += 1;
        }
        byte += 1;
    }
    slots[128] = at;
    slots
};

/// All forms, by the first byte of the prefix.
pub(crate) const FORMS: &[Form] = &[
    // AWS IAM user guide: unique identifiers.
    form("AKIA", Alphabet::UpperDigits, (16, 16), 15.0).checked(check::aws),
    form("ASIA", Alphabet::UpperDigits, (16, 16), 15.0).checked(check::aws),
    form("ABIA", Alphabet::UpperDigits, (16, 16), 15.0).checked(check::aws),
    form("ACCA", Alphabet::UpperDigits, (16, 16), 15.0).checked(check::aws),
    // Google Cloud: API keys; OAuth 2.0 clients; access tokens.
    form("AIza", Alphabet::Url, (35, 35), 16.0).checked(check::varied),
    // Atlassian: prefixes that Bitbucket's team confirmed in August 2025.
    form("ATATT3xFfGF0", Alphabet::Base64Url, (60, 400), 18.0).checked(check::atlassian),
    form("ATCTT3xFfGN0", Alphabet::Base64Url, (60, 400), 18.0).checked(check::atlassian),
    form("ATBB", Alphabet::Base62, (32, 32), 10.0).checked(check::bitbucket),
    // Google Cloud: API keys; OAuth 2.0 clients; access tokens.
    form("GOCSPX-", Alphabet::Url, (28, 28), 19.0),
    // New Relic: API keys.
    form("NRAK-", Alphabet::UpperDigits, (27, 27), 18.0),
    form("NRII-", Alphabet::Url, (32, 32), 18.0),
    form("NRIQ-", Alphabet::Url, (32, 32), 18.0),
    form("NRRA-", Alphabet::Hex, (42, 42), 18.0),
    // SendGrid: API keys.
    form("SG.", Alphabet::UrlDot, (66, 66), 16.0).checked(check::sendgrid),
    // Twilio: SIDs of API keys.
    form("SK0", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK1", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK2", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK3", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK4", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK5", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK6", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK7", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK8", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SK9", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SKa", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SKb", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SKc", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SKd", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SKe", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    form("SKf", Alphabet::Hex, (31, 31), 12.0)
        .checked(check::varied)
        .weak(),
    // Databricks: personal access tokens.
    form("dapi", Alphabet::HexDash, (32, 34), 14.0).checked(check::databricks),
    // Doppler: auth token formats.
    form("dp.pt.", Alphabet::UrlDot, (40, 100), 18.0).checked(check::doppler),
    form("dp.st.", Alphabet::UrlDot, (40, 100), 18.0).checked(check::doppler),
    form("dp.ct.", Alphabet::UrlDot, (40, 100), 18.0).checked(check::doppler),
    form("dp.sa.", Alphabet::UrlDot, (40, 100), 18.0).checked(check::doppler),
    form("dp.scim.", Alphabet::UrlDot, (40, 100), 18.0).checked(check::doppler),
    form("dp.audit.", Alphabet::UrlDot, (40, 100), 18.0).checked(check::doppler),
    // GitHub: token formats of April 2021, fine-grained tokens of October 2022.
    form("ghp_", Alphabet::Base62, (36, 36), 10.0).checked(check::crc32_base62),
    form("gho_", Alphabet::Base62, (36, 36), 10.0).checked(check::crc32_base62),
    form("ghu_", Alphabet::Base62, (36, 36), 10.0).checked(check::crc32_base62),
    form("ghs_", Alphabet::Base62, (36, 36), 10.0).checked(check::crc32_base62),
    form("ghr_", Alphabet::Base62, (36, 36), 10.0).checked(check::crc32_base62),
    form("github_pat_", Alphabet::Base62Underscore, (82, 82), 18.0).checked(check::github_fine_grained),
    // GitLab: token overview, token prefixes; routable tokens hold dots.
    form("glpat-", Alphabet::UrlDot, (20, 320), 18.0),
    form("gldt-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glrt-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glrtr-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glcbt-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glptt-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glft-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glimt-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glagent-", Alphabet::UrlDot, (20, 320), 18.0),
    form("gloas-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glsoat-", Alphabet::UrlDot, (20, 320), 18.0),
    form("glffct-", Alphabet::UrlDot, (20, 320), 18.0),
    // HashiCorp Vault 1.10: service, batch and recovery tokens.
    form("hvs.", Alphabet::Url, (24, 512), 15.0).checked(check::varied),
    form("hvb.", Alphabet::Url, (24, 512), 15.0).checked(check::varied),
    form("hvr.", Alphabet::Url, (24, 512), 15.0).checked(check::varied),
    // Mailgun: API keys; an ordinary word, so it needs a clue.
    form("key-", Alphabet::Hex, (32, 32), 5.0)
        .checked(check::varied)
        .weak(),
    // npm: token format of September 2021.
    form("npm_", Alphabet::Base62, (36, 36), 10.0).checked(check::crc32_base62),
    // PyPI: API tokens.
    form("pypi-", Alphabet::Url, (50, 1024), 14.0).checked(check::pypi),
    // Stripe: API keys, webhook signatures.
    form("rk_live_", Alphabet::Base62, (16, 247), 18.0),
    form("rk_test_", Alphabet::Base62, (16, 247), 18.0).test("Stripe's test mode"),
    form("sk_live_", Alphabet::Base62, (16, 247), 18.0),
    form("sk_test_", Alphabet::Base62, (16, 247), 18.0).test("Stripe's test mode"),
    // OpenAI: project, service account and administration keys.
    form("sk-proj-", Alphabet::Url, (40, 220), 12.0).checked(check::openai),
    form("sk-svcacct-", Alphabet::Url, (40, 220), 12.0).checked(check::openai),
    form("sk-admin-", Alphabet::Url, (40, 220), 12.0).checked(check::openai),
    // Anthropic: keys of the API and of administrators.
    form("sk-ant-", Alphabet::Url, (80, 160), 18.0).checked(check::anthropic),
    // Stripe: API keys, webhook signatures.
    form("whsec_", Alphabet::Base64, (24, 88), 15.0).checked(check::varied),
    // Slack: token types.
    form("xoxb-", Alphabet::Url, (24, 512), 18.0).checked(check::slack),
    form("xoxp-", Alphabet::Url, (24, 512), 18.0).checked(check::slack),
    form("xoxa-", Alphabet::Url, (24, 512), 18.0).checked(check::slack),
    form("xoxr-", Alphabet::Url, (24, 512), 18.0).checked(check::slack),
    form("xoxs-", Alphabet::Url, (24, 512), 18.0).checked(check::slack),
    form("xoxc-", Alphabet::Url, (24, 512), 18.0).checked(check::slack),
    form("xapp-", Alphabet::Url, (24, 512), 18.0).checked(check::slack),
    form("xoxe-", Alphabet::Url, (24, 512), 18.0).checked(check::slack),
    form("xoxe.xoxb-", Alphabet::Url, (24, 512), 20.0).checked(check::slack),
    form("xoxe.xoxp-", Alphabet::Url, (24, 512), 20.0).checked(check::slack),
    // Google Cloud: API keys; OAuth 2.0 clients; access tokens.
    form("ya29.", Alphabet::UrlDot, (20, 2048), 15.0).checked(check::varied),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_knows_every_form() {
        for form in FORMS {
            let text = [form.prefix.as_bytes(), b"?"].concat();
            assert!(
                forms_at(&text).any(|found| found.prefix == form.prefix),
                "{}",
                form.prefix
            );
            assert!(form.prefix.len() >= 3 && form.prefix.as_bytes()[0].is_ascii_alphanumeric());
            assert!(form.body.0 <= form.body.1 && form.bits <= 20.0);
        }
        assert_eq!(forms_at(b"").count() + forms_at(b"\xff").count(), 0);
        assert_eq!(usize::from(SLOTS[128]), FORMS.len());
    }
}
