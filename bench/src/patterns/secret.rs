//! Category `secret`.

use super::Shape::Regex;
use super::{Row, named};

/// The rows of this file.
pub const ROWS: &[Row] = &[
    (
        "aws_access_key_id",
        Regex(r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    ),
    (
        "aws_secret_access_key",
        named!("(?:aws_?)?secret_?access_?key|aws_?secret_?key", "[a-z0-9/+]{40}"),
    ),
    (
        "github_token",
        Regex(r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}\b"),
    ),
    ("gitlab_token", Regex(r"\bgl(?:pat|dt|rt)-[A-Za-z0-9_-]{20,}")),
    (
        "slack_token",
        Regex(
            r"\bxox[abep]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}|\bhooks\.slack\.com/services/[A-Za-z0-9/]{30,}",
        ),
    ),
    (
        "stripe_key",
        Regex(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}|\bwhsec_[A-Za-z0-9+/]{24,}"),
    ),
    (
        "google_api_key",
        Regex(r"\bAIza[A-Za-z0-9_-]{35}|\bGOCSPX-[A-Za-z0-9_-]{28}|\bya29\.[A-Za-z0-9_-]{20,}"),
    ),
    (
        "azure_secret",
        Regex(
            r"\bAccountKey=[A-Za-z0-9+/]{86}==|[?&]sig=[A-Za-z0-9%+/]{43,}|[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31}",
        ),
    ),
    (
        "openai_key",
        Regex(r"\bsk-[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}|\bsk-proj-[A-Za-z0-9_-]{40,}"),
    ),
    (
        "anthropic_key",
        Regex(r"\bsk-ant-[a-z0-9]{3,8}-[A-Za-z0-9_-]{20,}"),
    ),
    ("npm_token", Regex(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("pypi_token", Regex(r"\bpypi-AgE[A-Za-z0-9_-]{50,}")),
    (
        "sendgrid_key",
        Regex(r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ),
    ("mailgun_key", Regex(r"\bkey-[a-f0-9]{32}\b")),
    ("mailchimp_key", Regex(r"\b[a-f0-9]{32}-us\d{1,2}\b")),
    ("twilio_key", Regex(r"\b(?:SK|AC)[a-f0-9]{32}\b")),
    ("atlassian_token", Regex(r"\bATATT3[A-Za-z0-9_=-]{100,}")),
    ("vault_token", Regex(r"\bhv[bsr]\.[A-Za-z0-9_-]{24,}")),
    ("databricks_token", Regex(r"\bdapi[a-f0-9]{32}\b")),
    (
        "doppler_token",
        Regex(r"\bdp\.(?:audit|ct|pt|sa|scim|st)\.[A-Za-z0-9._-]{40,}"),
    ),
    (
        "newrelic_key",
        Regex(r"\bNRAK-[A-Z0-9]{27}\b|\bNRJS-[a-f0-9]{19}\b"),
    ),
    (
        "datadog_key",
        named!(
            "(?:dd|datadog)_?(?:api|app|application)_?key",
            "[a-f0-9]{32}(?:[a-f0-9]{8})?"
        ),
    ),
    (
        "private_key",
        Regex(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"),
    ),
    (
        "jwt",
        Regex(r"\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ),
    ("basic_auth", Regex(r"(?i)\bbasic [a-z0-9+/]{8,}={0,2}")),
    ("bearer_token", Regex(r"(?i)\bbearer [a-z0-9._~+/-]{16,}")),
    (
        "url_credentials",
        Regex(r#"\b[a-z][a-z0-9+.-]*://[^\s:/@"']+:[^\s/@"']+@[A-Za-z0-9.-]+"#),
    ),
    (
        "connection_string",
        Regex(r#"(?i)\b(?:password|pwd)\s{0,3}=\s{0,3}[^;\s"'&]{3,}"#),
    ),
    (
        "session_cookie",
        Regex(
            r"(?i)\b(?:session_?id|sid|phpsessid|jsessionid|asp\.net_sessionid|laravel_session)=[a-z0-9%._~+/-]{16,}",
        ),
    ),
    ("otpauth", Regex(r"\botpauth://[ht]otp/\S+")),
    (
        "password",
        named!(
            "password|passwd|pwd|passphrase|pass|pin|secret|client_?secret|api_?key|access_?token|auth_?token|otp",
            r#"[^"'\s,;&}]{4,}"#
        ),
    ),
];
