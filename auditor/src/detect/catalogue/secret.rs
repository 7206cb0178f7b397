//! Category `secret`: what opens something.

use super::{Class, Convention, DetectorInfo, GDPR, SECRET, Trigger};
use crate::detect::Severity;
use crate::detect::verify::{basic, jwt, pem, token};

/// The rows of this file.
pub(super) const ROWS: &[&DetectorInfo] =
    &[&AWS_ACCESS_KEY_ID, &GITHUB_TOKEN, &PRIVATE_KEY, &JWT, &BASIC_AUTH];

static AWS_ACCESS_KEY_ID: DetectorInfo = DetectorInfo {
    id: "aws_access_key_id",
    category: "secret",
    regulations: &[SECRET],
    class: Class::A,
    severity: Severity::Critical,
    keys: &["awsaccesskeyid", "accesskeyid", "awsaccesskey", "awskeyid"],
    words: &["awsaccesskeyid", "accesskeyid"],
    siblings: &[
        "secretaccesskey",
        "awssecretaccesskey",
        "sessiontoken",
        "awssessiontoken",
    ],
    explanation: "AKIA, ASIA, ABIA or ACCA and sixteen base 32 characters.",
    source: "AWS IAM user guide, unique identifiers",
    convention: Convention::Secret(4),
    triggers: &[Trigger::Prefix {
        prefixes: &["AKIA", "ASIA", "ABIA", "ACCA"],
        verify: token::verify_aws,
    }],
    ..DetectorInfo::BASE
};

static GITHUB_TOKEN: DetectorInfo = DetectorInfo {
    id: "github_token",
    category: "secret",
    regulations: &[SECRET],
    class: Class::A,
    severity: Severity::Critical,
    keys: &[
        "githubtoken",
        "ghtoken",
        "githubpat",
        "githubaccesstoken",
        "githubpersonalaccesstoken",
    ],
    words: &["githubtoken", "ghtoken", "githubpat"],
    siblings: &[],
    explanation: "ghp_, gho_, ghu_, ghs_ or ghr_, thirty characters and their CRC-32 in base 62; or \
        github_pat_ and its two parts.",
    source: "GitHub engineering, token formats of 2021-04 and 2022-10",
    convention: Convention::Secret(4),
    triggers: &[Trigger::Prefix {
        prefixes: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        verify: token::verify_github,
    }],
    ..DetectorInfo::BASE
};

static PRIVATE_KEY: DetectorInfo = DetectorInfo {
    id: "private_key",
    category: "secret",
    regulations: &[SECRET],
    class: Class::A,
    severity: Severity::Critical,
    keys: &[
        "privatekey",
        "privatekeypem",
        "sshprivatekey",
        "rsaprivatekey",
        "tlsprivatekey",
    ],
    words: &["privatekey"],
    siblings: &[],
    explanation: "A PEM, OpenSSH or PGP block that says PRIVATE KEY and holds base 64.",
    source: "RFC 7468, RFC 5958, RFC 9580",
    convention: Convention::Secret(10),
    triggers: &[Trigger::Prefix {
        prefixes: &["-----BEGIN "],
        verify: pem::verify,
    }],
    ..DetectorInfo::BASE
};

static JWT: DetectorInfo = DetectorInfo {
    id: "jwt",
    category: "secret",
    regulations: &[SECRET, GDPR],
    class: Class::A,
    severity: Severity::Critical,
    keys: &["jwt", "jwttoken", "idtoken"],
    words: &["jwt"],
    siblings: &[],
    explanation: "Three base64url parts, the first of which decodes to JSON with `alg`; five parts \
        with `enc` are ciphertext. Says whether `exp` has passed.",
    source: "RFC 7515, RFC 7516, RFC 7519",
    convention: Convention::Secret(3),
    triggers: &[Trigger::Prefix {
        prefixes: &["eyJ"],
        verify: jwt::verify,
    }],
    ..DetectorInfo::BASE
};

static BASIC_AUTH: DetectorInfo = DetectorInfo {
    id: "basic_auth",
    category: "secret",
    regulations: &[SECRET],
    class: Class::A,
    severity: Severity::Critical,
    keys: &["basicauth"],
    words: &["authorization", "basicauth"],
    siblings: &[],
    explanation: "Basic and base 64 that decodes to a readable user name, a colon and a password.",
    source: "RFC 7617",
    convention: Convention::Secret(0),
    triggers: &[Trigger::Prefix {
        prefixes: &["Basic ", "basic ", "BASIC "],
        verify: basic::verify,
    }],
    ..DetectorInfo::BASE
};
