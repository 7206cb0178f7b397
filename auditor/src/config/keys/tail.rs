//! Keys of findings over the network.

use super::{Key, Kind};

pub(super) const KEYS: &[Key] = &[
    Key {
        path: "tail.listen",
        kind: Kind::OptionalAddress,
        default: "",
        unit: "",
        meaning: "Where findings are served over TLS, to users whom the API server knows and permits; not set: nowhere. See tail.md.",
    },
    Key {
        path: "tail.cert_file",
        kind: Kind::OptionalPath,
        default: "",
        unit: "",
        meaning: "The certificate that is shown there, with its chain, PEM. Read again when it changes.",
    },
    Key {
        path: "tail.key_file",
        kind: Kind::OptionalPath,
        default: "",
        unit: "",
        meaning: "The key of that certificate, PEM; only its owner and group can read it. Read again when it changes.",
    },
    Key {
        path: "tail.audience",
        kind: Kind::OptionalText,
        default: "",
        unit: "",
        meaning: "Whom tokens have to be meant for; not set: the API server. With an own one, such as `auditor.dev`, a token that is shown here opens nothing else.",
    },
    Key {
        path: "tail.max_streams",
        kind: Kind::Number(1, 256),
        default: "16",
        unit: "streams",
        meaning: "Clients that are served at once.",
    },
    Key {
        path: "tail.recheck_seconds",
        kind: Kind::Number(1, 3600),
        default: "60",
        unit: "seconds",
        meaning: "How often the API server is asked whether a client may still read; if not, or if it does not answer, the stream ends.",
    },
];
