//! Credentials in clear: each vendor's token, and what pairs and files tell.

use super::*;

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
    let start = format!("ATATT3xFfGF0{body}=");
    let good = format!("{start}{:08X}", crc32(start.as_bytes()));
    assert_eq!(found(good.as_bytes(), Format::Text)[0].1.bits(), 20.0);
    let other = format!("{start}1A2B3C4D");
    assert_eq!(found(other.as_bytes(), Format::Text)[0].1.bits(), 18.0);
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
