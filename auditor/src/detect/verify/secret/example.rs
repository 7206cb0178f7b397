//! Credentials that their vendors or standards published as examples: they open nothing.
//!
//! Goes in: a whole value. Comes out: who published it. Lists only what stands in public
//! documentation.

/// Values and who published them, sorted by nothing: there are few.
static PUBLISHED: [(&str, &[&str]); 7] = [
    (
        "AWS documentation",
        &[
            "AKIAIOSFODNN7EXAMPLE",
            "AKIAI44QH8DHBEXAMPLE",
            "ASIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY",
        ],
    ),
    (
        "GitHub documentation of OAuth apps",
        &[
            "gho_16C7e42F292c6912E7710c838347Ae178B4a",
            "ghu_16C7e42F292c6912E7710c838347Ae178B4a",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        ],
    ),
    (
        "Microsoft documentation of the Azure emulators",
        &[
            "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
            "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==",
        ],
    ),
    (
        "Google Cloud documentation of API keys",
        &["AIzaSyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe"],
    ),
    (
        "RFC 6749 and RFC 6750",
        &[
            "mF_9.B5f-4.1JqM",
            "2YotnFZFEjr1zCsicMWpAA",
            "tGzv3JOkF0XG5Qx2TlKWIA",
            "gX1fBat3bV",
            "7Fjfp0ZBr1KtDRbnfVdmIw",
        ],
    ),
    (
        "the key URI format of Google Authenticator",
        &["JBSWY3DPEHPK3PXP", "HXDMVJECJJWSRB3HWIZR4IFUGFTMXBOZ"],
    ),
    ("RFC 6265", &["31d4d96e407aad42"]),
];

/// Who published `value` as an example, if anybody did.
pub(super) fn of(value: &[u8]) -> Option<&'static str> {
    PUBLISHED
        .iter()
        .find(|(_, values)| values.iter().any(|known| known.as_bytes() == value))
        .map(|(source, _)| *source)
}

/// `is a test value: <source>`, as evidence has it.
pub(super) fn reason(source: &str) -> String {
    format!("is a test value: {source}")
}
