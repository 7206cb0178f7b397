//! Values that are secret because their field's name says so: passwords, PINs, API keys, tokens.
//!
//! Goes in: the whole value of a field whose name is one of the row's. Comes out: a proof, or
//! nothing for what such a field holds besides a secret: settings, words for the secret itself,
//! references to where it is kept, protected values. `changeme` is a secret: a weak one that opens
//! something until it is changed. A name that only contains such a word needs a value that looks
//! like a secret, so `password_policy` and `token_type` stay silent.

use super::{dummy, example};
use crate::content::Format;
use crate::detect::candidate::{Proof, Value};
use crate::detect::catalogue::Convention;
use crate::detect::state;

/// Fewest characters: a PIN.
const SHORTEST: usize = 4;

/// Judges the whole value of a field.
pub(crate) fn check(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    let is_literal = value.format == Format::Json && !value.quoted;
    if text.len() < SHORTEST
        || is_literal
        || is_protected(text)
        || is_placeholder(text)
        || is_reference(text)
        || is_setting(text)
        || is_sentence(text)
        || is_expression(value)
    {
        return None;
    }
    let source = example::of(text);
    Some(strength(text).or_test(source))
}

/// Masked within what its kind allows, hashed, encrypted. A mask that leaves more is no protection
/// (`abcdefgh****1234`, and passwords hold `xx` by chance), but for a text cut off by dots.
fn is_protected(text: &[u8]) -> bool {
    let is_cut = text.ends_with(b"...") || text.ends_with("…".as_bytes());
    state::of(text).is_some_and(|found| is_cut || !found.judge(Convention::Secret(0)).1)
}

/// The more a value looks like a secret, the less its name has to say. Below two bits a part of a
/// name does not do.
fn strength(text: &[u8]) -> Proof {
    let lower = text.iter().any(u8::is_ascii_lowercase);
    let upper = text.iter().any(u8::is_ascii_uppercase);
    let digit = text.iter().any(u8::is_ascii_digit);
    // Identifiers and paths hold the other signs.
    let sign = text.iter().any(|b| {
        matches!(
            b,
            b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'&' | b'*' | b'?' | b'~' | b'|'
        )
    });
    let classes = [lower, upper, digit, sign].into_iter().filter(|has| *has).count();
    let spaced = text.contains(&b' ');
    if !spaced && text.len() >= 20 && lower && upper && digit && dummy::entropy(text) >= 3.8 {
        Proof::new(4.0, "is long and has no order")
    } else if !spaced && text.len() >= 8 && classes >= 3 && sign {
        Proof::new(3.0, "mixes letters, digits and signs")
    } else {
        Proof::new(1.5, "is no setting, reference or placeholder")
    }
}

/// True for what stands where a secret is to be filled in: repeats, manuals' words, and the words
/// for the secret itself (labels and schemas: `"password": "Password"`).
pub(super) fn is_placeholder(text: &[u8]) -> bool {
    text.iter().all(|b| *b == text[0])
        || ITSELF.iter().any(|word| text.eq_ignore_ascii_case(word))
        || dummy::says_filler(text)
        || text.starts_with(b"<")
        || text.starts_with(b"TODO")
}

/// True for what says where the secret is: an environment variable, a template, a file, a store.
pub(super) fn is_reference(text: &[u8]) -> bool {
    if KEPT_AT.iter().any(|known| text.starts_with(known)) {
        return true;
    }
    let is_name = |name: &[u8]| {
        name.len() >= 2
            && name
                .iter()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
            && name[0].is_ascii_uppercase()
    };
    match text {
        [b'$', b'{' | b'(', ..]
        | [b'{', b'{', ..]
        | [b'#', b'{', ..]
        | [b'<', b'%', ..]
        | [b'%', b'(', ..]
        | [b'!', b'G' | b'R' | b'S', b'e', ..] => true,
        // `$PASSWORD`, `%PASSWORD%`, `:password`, `%s`.
        [b'$', name @ ..] => is_name(name) || name.iter().all(u8::is_ascii_digit),
        [b'%', name @ .., b'%'] => is_name(name),
        [b'%', b's' | b'v' | b'd'] => true,
        _ => false,
    }
}

/// True for values of settings around secrets: switches, kinds, states, types, times, ids.
fn is_setting(text: &[u8]) -> bool {
    if SETTINGS.iter().any(|word| text.eq_ignore_ascii_case(word)) || text.starts_with(b"urn:") {
        return true;
    }
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let is_epoch = digits == text.len() && matches!(digits, 10 | 13) && text[0] == b'1';
    // `3600s`, `30 days`, `1.5`, `-1`, `2025-01-31T…`.
    let unit = text[digits..].trim_ascii_start();
    let is_duration = digits > 0
        && [
            b"s".as_slice(),
            b"ms",
            b"m",
            b"h",
            b"d",
            b"min",
            b"sec",
            b"hours",
            b"days",
            b"seconds",
            b"minutes",
            b"%",
        ]
        .contains(&unit);
    let is_number = digits < text.len()
        && text
            .iter()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'))
        && text.iter().filter(|b| !b.is_ascii_digit()).count() == 1;
    let is_date = matches!(
        text,
        [
            b'1' | b'2',
            b'0'..=b'9',
            b'0'..=b'9',
            b'0'..=b'9',
            b'-',
            b'0' | b'1',
            b'0'..=b'9',
            b'-',
            b'0'..=b'3',
            b'0'..=b'9',
            ..
        ]
    );
    is_epoch || is_duration || is_number || is_date || matches!(text[0], b'{' | b'[' | b'(') || is_path(text)
}

/// `/auth/reset`, `./secret.txt`: a path is no secret. Base 64 has slashes too, but more letters
/// of all kinds.
fn is_path(text: &[u8]) -> bool {
    let rooted = text.starts_with(b"/")
        || text.starts_with(b"./")
        || text.starts_with(b"../")
        || text.starts_with(b"~/");
    rooted && !(text.len() >= 20 && dummy::is_mixed(text) && dummy::entropy(text) >= 4.5)
}

/// Words of a label or message: `Forgot your password?`, `Passwort vergessen`. Passphrases have
/// spaces as well, but neither sentence marks nor the word for what they are.
fn is_sentence(text: &[u8]) -> bool {
    let spaces = text.iter().filter(|b| **b == b' ').count();
    let says = |word: &[u8]| {
        text.windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word))
    };
    spaces > 0
        && (spaces > 8
            || matches!(text.last(), Some(b'.' | b'?' | b':'))
            || SAID_OF_SECRETS.iter().any(|word| says(word)))
}

/// Code: `getPassword()`, `user.password`, `config["token"]`, unless a format quotes its strings.
fn is_expression(value: &Value<'_>) -> bool {
    if value.quoted
        || !matches!(
            value.format,
            Format::Text | Format::Sql | Format::Html | Format::Yaml
        )
    {
        return false;
    }
    let text = value.text;
    let word = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'(' | b')' | b'[' | b']' | b'\'' | b'"')
    };
    let calls = text.contains(&b'(') && text.iter().all(word);
    let dotted = text
        .rsplit(|b| *b == b'.')
        .next()
        .is_some_and(|last| last.len() < text.len() && is_placeholder(last));
    calls || dotted || text.starts_with(b":") || text.contains(&b'[')
}

/// Words for the secret itself: labels and schemas.
const ITSELF: [&[u8]; 26] = [
    b"password",
    b"passwd",
    b"passphrase",
    b"passcode",
    b"secret",
    b"token",
    b"apikey",
    b"api_key",
    b"api-key",
    b"client_secret",
    b"clientsecret",
    b"access_token",
    b"accesstoken",
    b"refresh_token",
    b"refreshtoken",
    b"id_token",
    b"auth_token",
    b"authtoken",
    b"passwort",
    b"kennwort",
    b"motdepasse",
    b"senha",
    b"wachtwoord",
    b"credentials",
    b"current-password",
    b"new-password",
];

/// Beginnings of places where secrets are kept.
const KEPT_AT: [&[u8]; 32] = [
    b"http://",
    b"https://",
    b"env:",
    b"env.",
    b"env(",
    b"ENV[",
    b"process.env",
    b"os.environ",
    b"os.getenv",
    b"System.getenv",
    b"secrets.",
    b"secret://",
    b"secretref:",
    b"vault:",
    b"vault://",
    b"arn:",
    b"projects/",
    b"op://",
    b"@Microsoft.KeyVault",
    b"ref+",
    b"ssm:",
    b"ssm://",
    b"awssm://",
    b"gcpsm://",
    b"sm://",
    b"file:",
    b"/run/",
    b"/var/",
    b"/etc/",
    b"sops:",
    b"keyring:",
    b"-----BEGIN",
];

/// Values of settings around secrets.
const SETTINGS: [&[u8]; 58] = [
    b"true",
    b"false",
    b"null",
    b"none",
    b"undefined",
    b"unknown",
    b"enabled",
    b"disabled",
    b"enable",
    b"disable",
    b"required",
    b"optional",
    b"valid",
    b"invalid",
    b"expired",
    b"active",
    b"inactive",
    b"unset",
    b"empty",
    b"missing",
    b"present",
    b"changed",
    b"string",
    b"object",
    b"number",
    b"integer",
    b"boolean",
    b"text",
    b"hidden",
    b"default",
    b"basic",
    b"bearer",
    b"oauth",
    b"oauth2",
    b"access",
    b"refresh",
    b"opaque",
    b"header",
    b"query",
    b"cookie",
    b"body",
    b"manual",
    b"auto",
    b"automatic",
    b"random",
    b"generated",
    b"weak",
    b"medium",
    b"strong",
    b"strict",
    b"never",
    b"always",
    b"sent",
    b"verified",
    b"pending",
    b"strength",
    b"success",
    b"failed",
];

/// Words of sentences about secrets.
const SAID_OF_SECRETS: [&[u8]; 16] = [
    b"passwor",
    b"kennwort",
    b"passe",
    b"contrase",
    b"senha",
    b"wachtwoord",
    b"secret",
    b"token",
    b"must",
    b"enter",
    b"please",
    b"forgot",
    b"required",
    b"invalid",
    b"incorrect",
    b"api key",
];
