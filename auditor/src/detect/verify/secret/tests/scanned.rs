//! Fields as a scanner reports them: the best reading of a value under its name, medium or better.

use std::sync::LazyLock;

use super::*;
use crate::detect::{Confidence, Fingerprinter, Scanner, explain};

type Told = Vec<(&'static str, State, bool)>;

fn reported(key: Option<&str>, value: &str) -> Told {
    static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Scanner::new(Fingerprinter::new([0; 32])));
    explain(&SCANNER, value, key)
        .into_iter()
        .filter(|found| found.confidence > Confidence::Low)
        .map(|found| (found.detector, found.state, found.under_masked))
        .collect()
}

#[test]
fn a_field_is_reported_as_what_it_holds() {
    let (token, id, secret) = (with_sum("ghp_"), hex(32), base62(40));
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJl";
    let live = format!("sk_live_{}", base62(24));
    let mut wrong = Vec::new();
    for (key, value, expected) in [
        ("password", "hunter2", Some(("password", State::Clear, false))),
        ("userPassword", "hunter2", Some(("password", State::Clear, false))),
        ("db_password", "hunter2", Some(("password", State::Clear, false))),
        ("Passwort", "hunter2", Some(("password", State::Clear, false))),
        ("mot_de_passe", "hunter2", Some(("password", State::Clear, false))),
        ("contraseña", "hunter2", Some(("password", State::Clear, false))),
        ("hasło", "hunter2", Some(("password", State::Clear, false))),
        ("şifre", "hunter2", Some(("password", State::Clear, false))),
        ("lösenord", "hunter2", Some(("password", State::Clear, false))),
        ("пароль", "hunter2", Some(("password", State::Clear, false))),
        ("パスワード", "hunter2", Some(("password", State::Clear, false))),
        ("pin", "4711", Some(("password", State::Clear, false))),
        ("otp", "471100", Some(("password", State::Clear, false))),
        (
            "client_secret",
            "kT9vB2wQx81LmN0p",
            Some(("password", State::Clear, false)),
        ),
        (
            "X-Api-Key",
            "kT9vB2wQx81LmN0p",
            Some(("password", State::Clear, false)),
        ),
        (
            "refresh_token",
            "kT9vB2wQx81LmN0p",
            Some(("password", State::Clear, false)),
        ),
        ("password", "********", Some(("password", State::Masked, false))),
        ("password", "[REDACTED]", Some(("password", State::Masked, false))),
        (
            "api_key",
            "************1234",
            Some(("password", State::Masked, false)),
        ),
        (
            "client_secret",
            "********",
            Some(("password", State::Masked, false)),
        ),
        (
            "password",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            Some(("password", State::Hashed, false)),
        ),
        (
            "password_hash",
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
            Some(("password", State::Hashed, false)),
        ),
        (
            "api_key",
            "abcdefgh****1234",
            Some(("password", State::Clear, true)),
        ),
        ("token", jwt, Some(("jwt", State::Clear, false))),
        (
            "token",
            token.as_str(),
            Some(("github_token", State::Clear, false)),
        ),
        (
            "api_key",
            live.as_str(),
            Some(("stripe_key", State::Clear, false)),
        ),
        (
            "api_key",
            "sk_live_************4242",
            Some(("stripe_key", State::Masked, false)),
        ),
        (
            "token",
            "glpat-****************q17a",
            Some(("gitlab_token", State::Masked, false)),
        ),
        (
            "github_token",
            "ghp_****************q17a",
            Some(("github_token", State::Masked, false)),
        ),
        (
            "secret",
            "sk_test_4eC39HqLyjWDarjtT1zdp7dc",
            Some(("stripe_key", State::Test, false)),
        ),
        (
            "aws_secret_access_key",
            secret.as_str(),
            Some(("aws_secret_access_key", State::Clear, false)),
        ),
        (
            "aws_secret_access_key",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            Some(("aws_secret_access_key", State::Test, false)),
        ),
        (
            "DD_API_KEY",
            id.as_str(),
            Some(("datadog_key", State::Clear, false)),
        ),
        (
            "twilio_auth_token",
            id.as_str(),
            Some(("twilio_key", State::Clear, false)),
        ),
        (
            "database_url",
            "postgres://svc:hunter2@db.corp.de/app",
            Some(("url_credentials", State::Clear, false)),
        ),
        (
            "PHPSESSID",
            "u2f0q8r1d3k5m7p9s1t3v5x7z9",
            Some(("session_cookie", State::Clear, false)),
        ),
        ("password_reset_url", "https://corp.de/reset?u=1", None),
        ("password_policy", "strict", None),
        ("password_policy", "Strong-12", None),
        ("password_strength", "very weak", None),
        ("token_type", "Bearer", None),
        (
            "token_type",
            "urn:ietf:params:oauth:token-type:access_token",
            None,
        ),
        ("token_count", "1024", None),
        ("token_name", "my-ci-token-1", None),
        ("token_expires_at", "2025-01-31T00:00:00Z", None),
        ("expires", "3600", None),
        ("secret_name", "prod/db-1", None),
        ("secret_arn", "arn:aws:secretsmanager:eu:1:secret:db", None),
        ("api_key_id", "ak-2025-prod", None),
        ("password_hint", "Name of first pet", None),
        ("password", "password", None),
        ("password", "true", None),
        (
            "password",
            "${DB_PASSWORD}",
            Some(("password", State::Masked, false)),
        ),
        ("token", "your-token-here", None),
        ("max_tokens", "4096", None),
        ("prompt_tokens", "1200", None),
        ("pinned", "true", None),
        ("secretary", "Jane Doe", None),
        ("spin", "4711", None),
        ("tokenizer", "cl100k_base", None),
        ("authorization_status", "approved", None),
    ] {
        let got = reported(Some(key), value);
        if got.first().copied() != expected || got.len() > 1 {
            wrong.push(format!("{key}: {value}: {got:?}, not {expected:?}"));
        }
    }
    for (text, expected) in [
        (
            format!("Authorization: Bearer {}", base62(32)),
            vec![("bearer_token", State::Clear, false)],
        ),
        (
            "dsn=postgres://svc:hunter2@db.corp.de:5432/app".into(),
            vec![("url_credentials", State::Clear, false)],
        ),
        (
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----".into(),
            vec![("private_key", State::Clear, false)],
        ),
        (
            format!("AKIA{}\n{}", upper(16), base62(40)),
            vec![
                ("aws_access_key_id", State::Clear, false),
                ("aws_secret_access_key", State::Clear, false),
            ],
        ),
        (
            format!("Cookie: a=b; session={}", base62(30)),
            vec![("session_cookie", State::Clear, false)],
        ),
        (
            format!("pasted: abc8Q~{}.", base62(34)),
            vec![("azure_secret", State::Clear, false)],
        ),
        (
            format!("pasted: {}NRAL", hex(36)),
            vec![("newrelic_key", State::Clear, false)],
        ),
    ] {
        let got = reported(None, &text);
        if got != expected {
            wrong.push(format!("{text}: {got:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
