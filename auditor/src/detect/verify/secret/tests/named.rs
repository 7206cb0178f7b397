//! Values that are secret by the name of their field.

use super::*;
use crate::detect::candidate::{Proof, Value};

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
        "foxx1234",
        "abcdefgh****1234",
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
        "****1234",
        "eyJhbGci...",
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
