//! Credentials that are hidden or published as examples, and what only looks like one.

use super::*;

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
                if !std::ptr::fn_addr_eq(*verify, token::verify as Verifier) {
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
        wrong.check(text, Some((id, state, under_masked)));
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
        wrong.check(text, Some((id, State::Test, false)));
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
        wrong.check(text, None);
    }
    // Cut out of something longer.
    for prefix in ["AKIA", "ghp_", "sk_live_", "AIza"] {
        wrong.check(&format!("Zm9v+{prefix}{long}"), None);
        wrong.check(&format!("a_{prefix}{long}"), None);
    }
    wrong.assert_none();
}
