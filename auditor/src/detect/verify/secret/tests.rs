//! Tables of credentials: each kind clear, masked, published as an example, and what only looks
//! like one.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::content::Format;
use crate::detect::State;
use crate::detect::candidate::{Match, Place, Proof, Value, neighbour_before};
use crate::detect::catalogue::{self, DetectorInfo, Trigger};
use crate::detect::checksum::{base62_6, crc32};

fn rows() -> impl Iterator<Item = &'static DetectorInfo> {
    catalogue::all()
        .iter()
        .copied()
        .filter(|row| row.category == "secret")
}

/// What the triggers of this category find in a text, asked as a scanner asks: prefixes at word
/// starts, at signs everywhere.
fn found(text: &[u8], format: Format) -> Vec<(&'static DetectorInfo, Match)> {
    let mut all = Vec::new();
    for row in rows() {
        for trigger in row.triggers {
            for at in 0..text.len() {
                let place = Place {
                    bytes: text,
                    at,
                    format,
                };
                let starts_word = !neighbour_before(text, at).is_some_and(|b| b.is_ascii_alphanumeric());
                match trigger {
                    Trigger::Prefix { prefixes, verify }
                        if starts_word && prefixes.iter().any(|p| text[at..].starts_with(p.as_bytes())) =>
                    {
                        all.extend(verify(&place).map(|found| (row, found)));
                    }
                    Trigger::At { verify } if text[at] == b'@' => {
                        all.extend(verify(&place).map(|found| (row, found)));
                    }
                    _ => {}
                }
            }
        }
    }
    all
}

/// The best of what is found: its detector, state and whether the mask hides too little.
fn told(text: &str) -> Option<(&'static str, State, bool)> {
    found(text.as_bytes(), Format::Text)
        .into_iter()
        .filter(|(_, found)| found.bits() >= 6.0)
        .max_by(|(_, one), (_, other)| one.bits().total_cmp(&other.bits()))
        .map(|(row, found)| (row.id, found.state, found.under_masked))
}

/// The texts of which something else is told than expected; all of a table at once.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn check(&mut self, text: &str, expected: Option<(&'static str, State, bool)>) {
        let got = told(text);
        if got != expected {
            self.0.push(format!("{text}: {got:?}, not {expected:?}"));
        }
    }

    fn assert_none(&self) {
        assert!(self.0.is_empty(), "{:#?}", self.0);
    }
}

/// `length` characters without order, from `alphabet`.
fn drawn(alphabet: &[u8], length: usize) -> String {
    let mut seed = 0x2545_F491_4F6C_DD1D_u64;
    (0..length)
        .map(|_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            char::from(alphabet[(seed >> 33) as usize % alphabet.len()])
        })
        .collect()
}

fn base62(length: usize) -> String {
    drawn(
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        length,
    )
}

fn hex(length: usize) -> String {
    drawn(b"0123456789abcdef", length)
}

fn upper(length: usize) -> String {
    drawn(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length)
}

fn with_sum(prefix: &str) -> String {
    let body = base62(30);
    let sum = base62_6(crc32(body.as_bytes()));
    format!("{prefix}{body}{}", std::str::from_utf8(&sum).unwrap())
}

#[test]
fn every_vendors_token_is_told_in_clear() {
    let mut wrong = Wrong::default();
    let table = [
        ("aws_access_key_id", format!("AKIA{}", upper(16))),
        ("github_token", with_sum("ghp_")),
        ("github_token", with_sum("ghs_")),
        (
            "github_token",
            format!("github_pat_{}_{}", base62(22), base62(59)),
        ),
        ("gitlab_token", format!("glpat-{}", base62(20))),
        ("gitlab_token", format!("glpat-{}.01.{}", base62(27), base62(9))),
        ("gitlab_token", format!("glrt-t1_{}", base62(20))),
        (
            "slack_token",
            format!("xoxb-123456789012-1234567890123-{}", base62(24)),
        ),
        (
            "slack_token",
            format!("xapp-1-A0123456789-1234567890123-{}", hex(64)),
        ),
        ("slack_token", format!("xoxe.xoxp-1-{}", base62(160))),
        (
            "slack_token",
            format!(
                "https://hooks.slack.com/services/T012AB3C4/B012AB3C4/{}",
                base62(24)
            ),
        ),
        ("stripe_key", format!("sk_live_{}", base62(24))),
        ("stripe_key", format!("rk_live_51{}", base62(97))),
        ("stripe_key", format!("whsec_{}", base62(32))),
        ("google_api_key", format!("AIza{}", base62(35))),
        ("google_api_key", format!("GOCSPX-{}", base62(28))),
        ("google_api_key", format!("ya29.a0{}", base62(120))),
        (
            "azure_secret",
            format!("AccountName=a;AccountKey={}==", base62(86)),
        ),
        (
            "azure_secret",
            format!("Endpoint=sb://a/;SharedAccessKey={}=", base62(43)),
        ),
        (
            "azure_secret",
            format!(
                "https://a.blob.core.windows.net/c?sv=2022-11-02&se=2030-01-01&sig={}%3D",
                base62(43)
            ),
        ),
        ("openai_key", format!("sk-{}T3BlbkFJ{}", base62(20), base62(20))),
        (
            "openai_key",
            format!("sk-proj-{}T3BlbkFJ{}", base62(58), base62(58)),
        ),
        ("anthropic_key", format!("sk-ant-api03-{}AA", base62(93))),
        ("npm_token", with_sum("npm_")),
        ("pypi_token", format!("pypi-AgEIcHlwaS5vcmc{}", base62(120))),
        (
            "pypi_token",
            format!("pypi-AgENdGVzdC5weXBpLm9yZw{}", base62(120)),
        ),
        ("sendgrid_key", format!("SG.{}.{}", base62(22), base62(43))),
        ("mailchimp_key", format!("{}-us21", hex(32))),
        ("twilio_key", format!("SK{}", hex(32))),
        ("atlassian_token", format!("ATATT3xFfGF0{}=1A2B3C4D", base62(170))),
        ("atlassian_token", format!("ATBB{}1A2B3C4D", base62(24))),
        ("vault_token", format!("hvs.{}", base62(90))),
        ("databricks_token", format!("dapi{}", hex(32))),
        ("databricks_token", format!("dapi{}-2", hex(32))),
        ("doppler_token", format!("dp.pt.{}", base62(43))),
        ("doppler_token", format!("dp.st.prd.{}", base62(43))),
        ("newrelic_key", format!("NRAK-{}", upper(27))),
        ("bearer_token", format!("Authorization: Bearer {}", base62(32))),
        (
            "bearer_token",
            format!("curl -H 'authorization: bearer {}'", hex(40)),
        ),
        (
            "url_credentials",
            "postgres://svc:hunter2@db.internal:5432/app".into(),
        ),
        ("url_credentials", "redis://:hunter2@10.0.0.1:6379/0".into()),
        ("url_credentials", "amqp:\\/\\/svc:hunter2@mq\\/vhost".into()),
        ("url_credentials", "https://bot:changeme@git.corp.de/a.git".into()),
        (
            "connection_string",
            "Server=db;Database=app;User Id=svc;Password=hunter2;".into(),
        ),
        (
            "connection_string",
            "host=db user=svc password=hunter2 dbname=app".into(),
        ),
        ("connection_string", "Driver={ODBC};Server=db;Pwd='p w;d';".into()),
        (
            "connection_string",
            "jdbc:mysql://db/app?user=svc&password=hunter2".into(),
        ),
        ("connection_string", "svc:hunter2@tcp(db:3306)/app".into()),
        ("session_cookie", format!("Cookie: a=b; session={}", base62(32))),
        (
            "session_cookie",
            format!("Set-Cookie: connect.sid=s%3A{}; Path=/; HttpOnly", base62(32)),
        ),
        ("session_cookie", format!("GET / PHPSESSID={}", hex(26))),
        (
            "otpauth",
            format!("otpauth://totp/corp:jane?secret={}&issuer=corp", upper(32)),
        ),
        (
            "private_key",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----".into(),
        ),
        ("basic_auth", "Authorization: Basic c3ZjOlMzY3IzdC1wYXNz".into()),
        (
            "jwt",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJl".into(),
        ),
    ];
    for (id, text) in &table {
        for text in [
            text.clone(),
            format!("x: \"{text}\","),
            format!("\\n{text} and more"),
        ] {
            wrong.check(&text, Some((*id, State::Clear, false)));
        }
    }
    wrong.assert_none();
}

#[test]
fn every_prefix_of_the_table_has_a_row_and_a_hidden_form() {
    let mut wrong = Wrong::default();
    for row in rows() {
        for trigger in row.triggers {
            let Trigger::Prefix { prefixes, verify } = trigger else {
                continue;
            };
            for prefix in *prefixes {
                assert!(
                    prefix.len() >= 3 && prefix.as_bytes()[0].is_ascii_alphanumeric(),
                    "{prefix}"
                );
                if !std::ptr::fn_addr_eq(*verify, token::verify as fn(&Place<'_>) -> Option<Match>) {
                    continue;
                }
                let form = token::form(prefix).unwrap_or_else(|| panic!("{prefix} has no form"));
                for hidden in [
                    "****************q17a",
                    "****",
                    "…4242",
                    "[REDACTED]",
                    "<redacted>",
                    "REDACTED",
                    "${TOKEN}",
                ] {
                    let text = format!("{prefix}{hidden}");
                    let expected = (!form.weak).then_some((row.id, State::Masked, false));
                    wrong.check(&text, expected);
                }
                let text = format!("{prefix}0a1b2c3d4e****q17a");
                let expected = (!form.weak).then_some((row.id, State::Clear, true));
                wrong.check(&text, expected);
                for filler in [form.body.0, form.body.1] {
                    for byte in ["0", "a", "A"] {
                        wrong.check(&format!("{prefix}{}", byte.repeat(filler)), None);
                    }
                }
            }
        }
    }
    wrong.assert_none();
}

#[test]
fn no_prefix_hides_another_row_behind_it() {
    let rows: Vec<_> = rows()
        .flat_map(|row| row.triggers.iter().map(move |trigger| (row, trigger)))
        .filter_map(|(row, trigger)| match trigger {
            Trigger::Prefix { prefixes, .. } => Some((row, *prefixes)),
            _ => None,
        })
        .flat_map(|(row, prefixes)| prefixes.iter().map(move |prefix| (row.id, *prefix)))
        .collect();
    for (n, (id, prefix)) in rows.iter().enumerate() {
        for (other, later) in &rows[n + 1..] {
            // A secret beside a key id is looked for where the id is.
            let paired = *other == "aws_secret_access_key";
            assert!(
                paired || !later.starts_with(prefix),
                "{prefix} of {id} hides {later} of {other}"
            );
        }
    }
}

#[test]
fn masks_behind_schemes_and_names_are_told() {
    let mut wrong = Wrong::default();
    for (id, text, state, under_masked) in [
        (
            "bearer_token",
            "Authorization: Bearer ********",
            State::Masked,
            false,
        ),
        (
            "bearer_token",
            "Authorization: Bearer [REDACTED]",
            State::Masked,
            false,
        ),
        (
            "bearer_token",
            "Authorization: Bearer abcdefgh****1234",
            State::Clear,
            true,
        ),
        (
            "basic_auth",
            "Authorization: Basic ********",
            State::Masked,
            false,
        ),
        (
            "url_credentials",
            "postgres://svc:***@db/app",
            State::Masked,
            false,
        ),
        (
            "url_credentials",
            "postgres://svc:xxxxx@db/app",
            State::Masked,
            false,
        ),
        (
            "url_credentials",
            "postgres://svc:[FILTERED]@db/app",
            State::Masked,
            false,
        ),
        (
            "url_credentials",
            "postgres://svc:${DB_PASSWORD}@db/app",
            State::Masked,
            false,
        ),
        (
            "connection_string",
            "Server=db;Uid=svc;Pwd=******;",
            State::Masked,
            false,
        ),
        (
            "connection_string",
            "Server=db;Password=${DB_PASSWORD};",
            State::Masked,
            false,
        ),
        ("session_cookie", "Cookie: session=****", State::Masked, false),
        (
            "session_cookie",
            "Cookie: JSESSIONID=[REDACTED]",
            State::Masked,
            false,
        ),
        (
            "azure_secret",
            "AccountName=a;AccountKey=***",
            State::Masked,
            false,
        ),
        (
            "slack_token",
            "https://hooks.slack.com/services/T012AB3C4/B012AB3C4/****",
            State::Masked,
            false,
        ),
        (
            "slack_token",
            "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
            State::Masked,
            false,
        ),
        (
            "otpauth",
            "otpauth://totp/a?secret=********&issuer=b",
            State::Masked,
            false,
        ),
    ] {
        wrong.check(&text, Some((id, state, under_masked)));
    }
    wrong.assert_none();
}

#[test]
fn published_examples_are_test_values() {
    let mut wrong = Wrong::default();
    for (id, text) in [
        ("aws_access_key_id", "AKIAIOSFODNN7EXAMPLE"),
        ("aws_access_key_id", "AKIAI44QH8DHBEXAMPLE"),
        ("github_token", "gho_16C7e42F292c6912E7710c838347Ae178B4a"),
        ("stripe_key", "sk_test_4eC39HqLyjWDarjtT1zdp7dc"),
        ("google_api_key", "AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe"),
        (
            "azure_secret",
            "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;",
        ),
        ("bearer_token", "Authorization: Bearer mF_9.B5f-4.1JqM"),
        (
            "otpauth",
            "otpauth://totp/Example:alice@google.com?secret=JBSWY3DPEHPK3PXP&issuer=Example",
        ),
        ("url_credentials", "postgres://user:password@db/app"),
        ("basic_auth", "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
    ] {
        wrong.check(&text, Some((id, State::Test, false)));
    }
    wrong.assert_none();
}

#[test]
fn what_only_looks_like_a_credential_is_none() {
    let mut wrong = Wrong::default();
    let long = base62(60);
    for text in [
        "AKIA is a prefix",
        "ghp_short",
        "glpat-your-token-here-please",
        "sk-ant-api03-your-api-key-here",
        "sk-learn and sk-proj-x",
        "sk_live_xyz",
        "xoxb-token",
        "key-value, key-0123",
        "SK0 and SKU",
        "region us1, us-east-1, eu-us2",
        "SG.UN",
        "dapifoo",
        "npm_config_registry",
        "pypi-server",
        "hvs.x",
        "BEGIN TRANSACTION",
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkq\n-----END CERTIFICATE-----",
        "Bearer of good news",
        "Bearer authentication is used",
        "Authorization: Bearer <token>",
        "Authorization: Bearer your-token-here",
        "Basic knowledge of it",
        "mailto:jane@corp.de",
        "https://corp.de/@jane",
        "https://corp.de:8080/a@b",
        "http://user@host/",
        "time 12:30 jane@corp.de",
        "scp jane:file@host",
        "Password=hunter2",
        "password=",
        "Server=db;Password=;",
        "Server=db;Password=<password>;",
        "Server=db;Password=your-password;",
        "session=0123456789abcdef0123",
        "Cookie: session=1",
        "Cookie: theme=dark; lang=session",
        "otpauth://totp/a?issuer=b",
        "sig=abc",
        "eyJ and eyJ.eyJ.x",
        "hooks.slack.com/docs",
        "AccountKey=abc",
        "0123456789abcdef0123456789abcdef-user1",
    ] {
        wrong.check(&text, None);
    }
    // Cut out of something longer.
    for prefix in ["AKIA", "ghp_", "sk_live_", "AIza"] {
        wrong.check(&format!("Zm9v+{prefix}{long}"), None);
        wrong.check(&format!("a_{prefix}{long}"), None);
    }
    wrong.assert_none();
}

#[test]
fn a_wrong_checksum_is_no_token() {
    for prefix in ["ghp_", "npm_"] {
        let good = with_sum(prefix);
        let (_, found_good) = found(good.as_bytes(), Format::Text).pop().unwrap();
        assert_eq!(found_good.bits(), 20.0);
        let bad = format!("{prefix}{}", base62(36));
        let (_, found_bad) = found(bad.as_bytes(), Format::Text).pop().unwrap();
        assert!(found_bad.bits() < 6.0);
    }
    let body = format!("{}{}", base62(100), "-_a");
    let sum = crc32(body.as_bytes());
    let good = format!("ATATT3xFfGF0{body}={sum:08X}");
    assert!(found(good.as_bytes(), Format::Text)[0].1.bits() > 18.0);
}

#[test]
fn a_secret_access_key_is_found_beside_its_key_id() {
    let id = format!("AKIA{}", upper(16));
    let secret = format!("{}/{}+{}", base62(12), base62(20), &base62(18)[12..]);
    assert_eq!(secret.len(), 40);
    let example = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    for (text, expected) in [
        (format!("{id}\n{secret}\n"), Some(State::Clear)),
        (format!("id={id}\nregion=eu\nsecret={secret}"), Some(State::Clear)),
        (format!(r#"{{"s":"{secret}","k":"{id}"}}"#), Some(State::Clear)),
        (format!("{id} {example}"), Some(State::Test)),
        (format!("{id}\n1\n2\n3\n4\n5\n6\n{secret}"), None),
        (format!("{id} {}", hex(40)), None),
        (format!("{id} {secret}x"), None),
        (format!("{id} /usr/local/lib/python3/site-packages/abcd"), None),
    ] {
        let found = found(text.as_bytes(), Format::Text)
            .into_iter()
            .find(|(row, _)| row.id == "aws_secret_access_key");
        assert_eq!(found.map(|(_, found)| found.state), expected, "{text}");
    }
}

#[test]
fn a_service_account_file_is_told_by_its_key_id() {
    let file = format!(
        "{{\"type\": \"service_account\",\n\"private_key_id\": \"{}\",\n\"private_key\": \"-----BEGIN PRIVATE KEY-----\\nMIIE",
        hex(40)
    );
    assert_eq!(told(&file), Some(("google_api_key", State::Clear, false)));
    assert_eq!(told(&file.replace("service_account", "user")), None);
}

fn value(text: &str) -> Value<'_> {
    Value {
        text: text.as_bytes(),
        quoted: true,
        format: Format::Json,
    }
}

#[test]
fn a_vendors_key_under_its_name_has_the_vendors_form() {
    let (id, key) = (hex(32), hex(40));
    for (check, good, bad) in [
        (
            keyed::check_datadog as fn(&Value<'_>) -> Option<Proof>,
            id.clone(),
            "0".repeat(32),
        ),
        (keyed::check_datadog, key.clone(), hex(36)),
        (keyed::check_twilio, id.clone(), "enabled".into()),
        (
            keyed::check_mailgun,
            format!("{id}-{}-{}", &key[..8], &key[8..16]),
            format!("{id}-{}", &key[..8]),
        ),
        (
            keyed::check_newrelic,
            format!("{}NRAL", &key[..36]),
            "x".repeat(40),
        ),
        (keyed::check_vault, format!("s.{}", base62(24)), "s.x".into()),
        (aws::check, format!("{}/+", base62(38)), hex(40)),
        (
            azure::check_client_secret,
            format!("abc8Q~{}", base62(34)),
            base62(40),
        ),
        (session_cookie::check, base62(32), "dark".into()),
    ] {
        assert!(
            check(&value(&good)).is_some_and(|proof| proof.test.is_none()),
            "{good}"
        );
        assert!(check(&value(&bad)).is_none(), "{bad}");
    }
    assert!(
        aws::check(&value("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
            .unwrap()
            .test
            .is_some()
    );
}

#[test]
fn a_field_named_like_a_password_holds_one_unless_its_value_is_something_else() {
    for text in [
        "hunter2",
        "changeme",
        "admin",
        "letmein",
        "123456",
        "1234",
        "Tr0ub4dor&3",
        "correct horse battery staple",
        "p@ssw0rd!",
        "пароль123",
        "aGVsbG8gd29ybGQgMTIz",
        "s3cr3t",
        "$uper$ecret1",
        "qwertz",
        "S0mmer2024",
    ] {
        assert!(password::check(&value(text)).is_some(), "{text}");
    }
    for text in [
        "",
        "abc",
        "true",
        "False",
        "null",
        "none",
        "enabled",
        "required",
        "Bearer",
        "string",
        "password",
        "Passwort",
        "********",
        "[REDACTED]",
        "<password>",
        "{{ password }}",
        "${DB_PASSWORD}",
        "$DB_PASSWORD",
        "%DB_PASSWORD%",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "https://corp.de/reset?u=1",
        "/auth/reset",
        "arn:aws:secretsmanager:eu:1:secret:db",
        "vault:secret/data/db",
        "op://vault/item",
        "env:DB_PASSWORD",
        "process.env.DB_PASSWORD",
        "2025-01-31T00:00:00Z",
        "1700000000",
        "3600s",
        "30 days",
        "0.75",
        "xxxxxxxx",
        "00000000",
        "your-api-key-here",
        "YOUR_API_KEY",
        "Forgot your password?",
        "Please enter a password",
        "Passwort vergessen",
        "[\"a\"]",
        "{\"min\":8}",
        "urn:ietf:params:oauth:token-type:jwt",
        "-----BEGIN CERTIFICATE-----",
        "%s",
    ] {
        assert!(password::check(&value(text)).is_none(), "{text}");
    }
    let unquoted = |text| Value {
        text,
        quoted: false,
        format: Format::Text,
    };
    for text in [
        b"user.password".as_slice(),
        b"getPassword()",
        b"config[\"token\"]",
        b"request.password",
    ] {
        assert!(password::check(&unquoted(text)).is_none());
    }
    let number = Value {
        text: b"12345678",
        quoted: false,
        format: Format::Json,
    };
    assert!(password::check(&number).is_none());
}

#[test]
fn a_part_of_a_name_does_not_do_for_a_setting() {
    // Four bits of a partial name and these stay below medium.
    for text in [
        "strict-mode",
        "my-ci-token-1",
        "page_2",
        "mobile",
        "Next step",
        "sha512crypt",
        "admins only",
    ] {
        assert!(
            password::check(&value(text)).is_none_or(|proof| proof.bits < 2.0),
            "{text}"
        );
    }
    assert!(password::check(&value("kT9#vB2$wQ")).unwrap().bits >= 3.0);
    assert!(password::check(&value(&base62(32))).unwrap().bits >= 4.0);
}

#[test]
fn hostile_runs_take_linear_time() {
    const SIZE: usize = 1 << 20;
    let key = format!("AKIA{} ", upper(16));
    for unit in [
        "eyJ",
        "eyJ.",
        "eyJ-",
        "eyJhbGciOiJIUzI1NiJ9.",
        "://",
        "@",
        "a:b@",
        "://a:b@",
        "x:@",
        "sk_live_",
        "sk_live_ ",
        "ghp_*",
        "glpat-x.",
        "AIza-",
        "Password=",
        "Server=;Password=a;",
        "password=a ",
        "session=",
        "; session=",
        "Cookie: session=a;",
        "Bearer ",
        "Bearer a.",
        "Basic ",
        "sig=",
        "?sig=a%3D&se=&sv=",
        "us1",
        "-us1",
        "key-",
        "SK0",
        "otpauth://totp/?secret=",
        "private_key_id",
        "BEGIN ",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        "hooks.slack.com/services/a/",
        "AccountKey=",
        key.as_str(),
        "xoxb-1-",
        "xoxe.xoxp-",
        "dp.pt.",
        "hvs.",
        "@tcp(",
        "a:b@tcp(",
        "pypi-AgEI",
        "sk-ant-a1-",
        "sk-",
    ] {
        let text = unit.repeat(SIZE / unit.len());
        let begun = Instant::now();
        run(text.as_bytes());
        // Measured: 0.2 s at most; a quadratic verifier would need minutes.
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{unit:?} took {:?}",
            begun.elapsed()
        );
    }
}

/// Asks every verifier at every place its trigger fits, by first bytes.
fn run(text: &[u8]) {
    let mut by_byte: Vec<Vec<(&str, fn(&Place<'_>) -> Option<Match>)>> = vec![Vec::new(); 256];
    for row in rows() {
        for trigger in row.triggers {
            match trigger {
                Trigger::Prefix { prefixes, verify } => prefixes
                    .iter()
                    .for_each(|prefix| by_byte[usize::from(prefix.as_bytes()[0])].push((*prefix, *verify))),
                Trigger::At { verify } => by_byte[usize::from(b'@')].push(("@", *verify)),
                _ => {}
            }
        }
    }
    for at in 0..text.len() {
        for (prefix, verify) in &by_byte[usize::from(text[at])] {
            if text[at..].starts_with(prefix.as_bytes()) {
                let place = Place {
                    bytes: text,
                    at,
                    format: Format::Text,
                };
                let _ = verify(&place);
            }
        }
    }
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<&'static str> = rows()
        .flat_map(|row| row.triggers)
        .flat_map(|trigger| match trigger {
            Trigger::Prefix { prefixes, .. } => *prefixes,
            _ => &[],
        })
        .copied()
        .chain([
            "-----",
            "****",
            "…",
            "[REDACTED]",
            "@",
            "://",
            ":",
            "=",
            "; ",
            "Cookie: ",
            "?secret=",
            "%3D",
            "\\u2026",
            "%",
        ])
        .collect();
    prop_oneof![
        3 => prop::sample::select(known).prop_map(|text| text.as_bytes().to_vec()),
        1 => "[a-zA-Z0-9]{0,50}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

proptest! {
    #[test]
    fn no_verifier_panics_and_every_range_lies_in_the_text(parts in prop::collection::vec(pieces(), 0..12)) {
        let text = parts.concat();
        for (_, found) in found(&text, Format::Text) {
            prop_assert!(found.range.start < found.range.end && found.range.end <= text.len());
            prop_assert!(!found.under_masked || found.state == State::Clear);
        }
    }

    #[test]
    fn no_check_of_a_value_panics(text in prop::collection::vec(any::<u8>(), 1..513), quoted: bool) {
        for row in rows() {
            for trigger in row.triggers {
                if let Trigger::Named { check } = trigger {
                    for format in [Format::Json, Format::Text, Format::Form] {
                        let _ = check(&Value { text: &text, quoted, format });
                    }
                }
            }
        }
    }
}
