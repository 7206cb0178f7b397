//! Keys and credentials that standards define, whoever issues them.

use super::CREDENTIAL;
use crate::detect::catalogue::{Convention, DetectorInfo, Trigger};
use crate::detect::verify::secret::{
    basic, bearer, connection_string, jwt, otpauth, pem, session_cookie, url_credentials,
};

pub(super) static PRIVATE_KEY: DetectorInfo = DetectorInfo {
    id: "private_key",
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
        prefixes: &["BEGIN "],
        verify: pem::verify,
    }],
    ..CREDENTIAL
};

pub(super) static JWT: DetectorInfo = DetectorInfo {
    id: "jwt",
    keys: &["jwt", "jwttoken", "idtoken"],
    words: &["jwt"],
    siblings: &[],
    explanation: "Three base64url parts, the first of which decodes to JSON with `alg`; five parts with `enc` are ciphertext. Says whether `exp` has passed. Claims that hold an e-mail address or a name add gdpr.",
    source: "RFC 7515, RFC 7516, RFC 7519",
    convention: Convention::Secret(3),
    triggers: &[Trigger::Prefix {
        prefixes: &["eyJ"],
        verify: jwt::verify,
    }],
    ..CREDENTIAL
};

pub(super) static BASIC_AUTH: DetectorInfo = DetectorInfo {
    id: "basic_auth",
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
    ..CREDENTIAL
};

pub(super) static BEARER_TOKEN: DetectorInfo = DetectorInfo {
    id: "bearer_token",
    keys: &["authorization", "proxyauthorization", "bearertoken", "bearer"],
    words: &[],
    siblings: &[],
    explanation: "Bearer and a token that says nothing of itself, in an Authorization header or without order.",
    source: "RFC 6750",
    convention: Convention::Secret(0),
    triggers: &[Trigger::Prefix {
        prefixes: &["Bearer ", "bearer ", "BEARER "],
        verify: bearer::verify,
    }],
    ..CREDENTIAL
};

pub(super) static URL_CREDENTIALS: DetectorInfo = DetectorInfo {
    id: "url_credentials",
    keys: &[],
    words: &[],
    siblings: &[],
    explanation: "User and password between the scheme of a URL and its host.",
    source: "RFC 3986, section 3.2.1",
    convention: Convention::Secret(0),
    triggers: &[Trigger::At {
        verify: url_credentials::verify,
    }],
    ..CREDENTIAL
};

pub(super) static CONNECTION_STRING: DetectorInfo = DetectorInfo {
    id: "connection_string",
    keys: &["connectionstring", "dsn", "databaseurl", "databasedsn"],
    words: &[],
    siblings: &[],
    explanation: "Password= or Pwd= beside other parameters of a connection string; user and password before @tcp( or @unix(.",
    source: "ADO.NET connection string syntax; PostgreSQL libpq, connection strings; Go MySQL driver, DSN",
    convention: Convention::Secret(0),
    triggers: &[
        Trigger::Prefix {
            prefixes: &["Password=", "password=", "PASSWORD=", "Pwd=", "pwd=", "PWD="],
            verify: connection_string::verify,
        },
        Trigger::At {
            verify: connection_string::verify_data_source,
        },
    ],
    ..CREDENTIAL
};

pub(super) static SESSION_COOKIE: DetectorInfo = DetectorInfo {
    id: "session_cookie",
    keys: &[
        "phpsessid",
        "jsessionid",
        "connectsid",
        "aspnetsessionid",
        "laravelsession",
        "cisession",
        "sessioncookie",
    ],
    words: &[],
    siblings: &[],
    explanation: "The value of a framework's session cookie, or of `session`, `sid` and their like in a Cookie or Set-Cookie line.",
    source: "RFC 6265; OWASP session management cheat sheet; PHP, Jakarta Servlet, Express, ASP.NET, Django, Laravel manuals",
    convention: Convention::Secret(0),
    triggers: &[
        Trigger::Prefix {
            prefixes: &[
                "PHPSESSID=",
                "JSESSIONID=",
                "connect.sid=",
                "ASP.NET_SessionId=",
                "ASPSESSIONID",
                "laravel_session=",
                "ci_session=",
                "sessionid=",
                "session_id=",
                "session=",
                "sessid=",
                "SESSIONID=",
                "SESSION=",
                "SID=",
                "sid=",
            ],
            verify: session_cookie::verify,
        },
        Trigger::Named {
            check: session_cookie::check,
        },
    ],
    ..CREDENTIAL
};

pub(super) static OTPAUTH: DetectorInfo = DetectorInfo {
    id: "otpauth",
    keys: &["otpauthurl", "otpauthuri", "totpuri", "totpurl"],
    words: &[],
    siblings: &[],
    explanation: "An otpauth URI with its seed.",
    source: "Google Authenticator: key URI format; RFC 4648",
    convention: Convention::Secret(10),
    triggers: &[Trigger::Prefix {
        prefixes: &["otpauth://"],
        verify: otpauth::verify,
    }],
    ..CREDENTIAL
};
