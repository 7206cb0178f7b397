//! Names of people: the gate that keeps codes, messages and settings out.
//!
//! Goes in: the whole value of a field with a person's name for a key. Comes out: how far it looks
//! like such a name. There is no list of names: people have any.

use crate::content::Format;
use crate::detect::candidate::{Proof, Value};
use crate::detect::verify::text::{Plain, is_constant, is_empty_word, is_letter};

/// Words of a name at most.
const MOST_WORDS: usize = 5;

/// Judges a value as a name of a person.
pub(crate) fn name(value: &Value<'_>) -> Option<Proof> {
    if value.format == Format::Json && !value.quoted {
        return None;
    }
    let plain = Plain::of(value)?;
    let text = plain.text();
    let joins = |c: char| matches!(c, ' ' | '\'' | '’' | '-' | '.' | ',' | '·' | '・' | '=');
    if text.len() > 120 || !text.chars().all(|c| is_letter(c) || joins(c)) || text.contains("..") {
        return None;
    }
    let words = || text.split([' ', ',']).filter(|word| !word.is_empty());
    let (mut count, mut proper) = (0, 0);
    for word in words() {
        let first = word.chars().find(|c| is_letter(*c))?;
        // A host name or a file: `corp.example`.
        let dotted = word.trim_end_matches('.').contains('.') && word.len() > 8;
        if is_empty_word(word) || is_constant(word) || dotted {
            return None;
        }
        count += 1;
        proper += usize::from(!first.is_lowercase());
    }
    let letters = text.chars().filter(|c| is_letter(*c)).count();
    let shouted = text.chars().all(|c| !c.is_lowercase()) && text.chars().any(char::is_uppercase);
    if letters < 2 || count > MOST_WORDS || count == 1 && shouted && letters > 2 {
        return None;
    }
    Some(match (count, proper) {
        (2.., 2..) => Proof::new(2.5, "is written like a name: words with a capital letter"),
        (_, 1..) => Proof::new(1.5, "is written like a name"),
        (2.., 0) => Proof::new(1.0, "is a few words"),
        _ => Proof::new(0.5, "is a word"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::verify::text::quoted;

    #[test]
    fn names_of_any_script_pass() {
        for text in [
            "Jane",
            "Jane Doe",
            "JANE DOE",
            "jane doe",
            "Doe, Jane",
            "J. R. R. Tolkien",
            "O'Neill",
            "Jean-Luc Picard",
            "María José Carreño Quiñones",
            "Müller",
            "Nguyễn Văn An",
            "Иван Петров",
            "王伟",
            "山田 太郎",
            "김민준",
            "محمد علي",
            "राम कुमार",
            "สมชาย ใจดี",
            "Ng",
            "McDonald",
            "van der Berg",
            r"Ren\u00e9e",
        ] {
            assert!(name(&quoted(text)).is_some(), "{text}");
        }
    }

    #[test]
    fn codes_messages_and_settings_do_not() {
        for text in [
            "",
            "J",
            "true",
            "null",
            "N/A",
            "unknown",
            "ADMIN",
            "FIRST_NAME",
            "firstName",
            "user123",
            "12",
            "is required",
            "must not be blank",
            "string",
            "[first]",
            "{{name}}",
            "a@b.de",
            "***",
            "J***",
            "https://a.b",
            "one two three four five six",
            "api.internal.net",
            "?",
            "-",
        ] {
            assert!(name(&quoted(text)).is_none(), "{text}");
        }
        let number = Value {
            text: b"true",
            quoted: false,
            format: Format::Json,
        };
        assert!(name(&number).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_name_or_not(text in prop::collection::vec(any::<u8>(), 1..300), format in 0..3) {
            let format = [Format::Json, Format::Form, Format::Xml][format as usize];
            let _ = name(&Value { text: &text, quoted: true, format });
        }
    }
}
