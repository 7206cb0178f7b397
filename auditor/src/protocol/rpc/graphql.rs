//! Documents of GraphQL (specification of October 2021, §2): which operation they hold.
//!
//! Goes in: a document as it stands in a string of JSON. Comes out: whether it is one, and the name of its only
//! operation. Every byte is passed once; what the operations select is not looked at.

use super::as_name;

/// What a document holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operations<'a> {
    /// One operation, and its name if that can be shown.
    One(Option<&'a str>),
    /// Several, or fragments only: which one is called is said elsewhere.
    Other,
}

/// Tells what a document holds; `None` when `text` is none.
pub(super) fn operations(text: &[u8]) -> Option<Operations<'_>> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = definition(&mut lexer)?;
    // Of a document that is broken further on, what is in front of that is believed.
    while let Some(next) = definition(&mut lexer) {
        found = match (found, next) {
            (Definition::Fragment, next) => next,
            (found, Definition::Fragment) => found,
            (Definition::Operation(_), Definition::Operation(_)) => return Some(Operations::Other),
        };
    }
    Some(match found {
        Definition::Operation(name) => Operations::One(name.and_then(as_name)),
        Definition::Fragment => Operations::Other,
    })
}

/// A definition at the top of a document.
enum Definition<'a> {
    Operation(Option<&'a [u8]>),
    Fragment,
}

/// Reads one definition, up to the end of its selection.
fn definition<'a>(lexer: &mut Lexer<'a>) -> Option<Definition<'a>> {
    let found = match lexer.next()? {
        Token::Open => {
            lexer.close();
            return Some(Definition::Operation(None));
        }
        Token::Word(b"query" | b"mutation" | b"subscription") => {
            let mut next = lexer.next()?;
            let name = match next {
                Token::Word(name) => {
                    next = lexer.next()?;
                    Some(name)
                }
                _ => None,
            };
            match next {
                Token::Open => {}
                Token::Sign(b'(' | b'@') => lexer.open()?,
                _ => return None,
            }
            Definition::Operation(name)
        }
        Token::Word(b"fragment") => {
            let _name = lexer.next()?;
            if lexer.next()? != Token::Word(b"on") {
                return None;
            }
            lexer.open()?;
            Definition::Fragment
        }
        _ => return None,
    };
    lexer.close();
    Some(found)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a [u8]),
    /// The beginning of a selection or of an object.
    Open,
    Close,
    Text,
    Sign(u8),
}

/// Tokens of a document whose characters are escaped as in JSON.
struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    /// Up to the selection of a definition whose head was begun. Objects stand in arguments only, which are
    /// in parentheses.
    fn open(&mut self) -> Option<()> {
        let mut depth = usize::from(self.text[..self.at].ends_with(b"("));
        loop {
            match self.next()? {
                Token::Sign(b'(') => depth += 1,
                Token::Sign(b')') => depth = depth.saturating_sub(1),
                Token::Open if depth == 0 => return Some(()),
                _ => {}
            }
        }
    }

    /// Behind the selection that was opened, or the end.
    fn close(&mut self) {
        let mut depth = 1_usize;
        while depth > 0 {
            match self.next() {
                Some(Token::Open) => depth += 1,
                Some(Token::Close) => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let start = self.at;
            match self.character()? {
                b'#' => while self.character()? != b'\n' {},
                b'"' => {
                    self.string();
                    return Some(Token::Text);
                }
                b'{' => return Some(Token::Open),
                b'}' => return Some(Token::Close),
                byte if is_word(byte) && self.text[start] == byte => {
                    let rest = &self.text[start..];
                    let length = rest.iter().take_while(|b| is_word(**b)).count();
                    self.at = start + length;
                    return Some(Token::Word(&rest[..length]));
                }
                b',' => {}
                byte if byte.is_ascii_whitespace() => {}
                byte => return Some(Token::Sign(byte)),
            }
        }
    }

    /// Behind a string, or a string of three quotes, whose first quote has passed.
    fn string(&mut self) -> Option<()> {
        let is_block = self.text[self.at..].starts_with(br#"\"\""#);
        if is_block {
            self.at += 4;
        }
        loop {
            match self.character()? {
                b'"' if !is_block => return Some(()),
                b'"' if self.text[self.at..].starts_with(br#"\"\""#) => {
                    self.at += 4;
                    return Some(());
                }
                b'\\' => {
                    self.character()?;
                }
                _ => {}
            }
        }
    }

    /// The next character; one that is escaped by its number counts as a sign of no meaning.
    fn character(&mut self) -> Option<u8> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        if byte != b'\\' {
            return Some(byte);
        }
        let escaped = *self.text.get(self.at)?;
        self.at += 1;
        Some(match escaped {
            b'n' | b'r' => b'\n',
            b't' => b' ',
            b'u' => 0,
            other => other,
        })
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_operation_of_a_document_has_its_name() {
        for (text, expected) in [
            ("{ me { name } }", Some(Operations::One(None))),
            ("query A {a}", Some(Operations::One(Some("A")))),
            ("query{a}", Some(Operations::One(None))),
            (r"\n # query X{x}\n query A {a}", Some(Operations::One(Some("A")))),
            (
                "query A($c: C = {a: 1}) @x(y: {}) {a}",
                Some(Operations::One(Some("A"))),
            ),
            (
                "query A @x {a} fragment F on T {b}",
                Some(Operations::One(Some("A"))),
            ),
            (
                "fragment F on T @x {b} mutation A {a}",
                Some(Operations::One(Some("A"))),
            ),
            (r#"{a(b: \"} query B\")} query C{c}"#, Some(Operations::Other)),
            (
                r#"query A {a(b: \"\\\"} query B{\")}"#,
                Some(Operations::One(Some("A"))),
            ),
            (
                r#"query A {a(b: \"\"\"it\"s } query B{\"\"\")}"#,
                Some(Operations::One(Some("A"))),
            ),
            ("query A{a} query B{b}", Some(Operations::Other)),
            ("fragment F on T {b}", Some(Operations::Other)),
            ("query N4111111111111111 {a}", Some(Operations::One(None))),
            ("query A {a", Some(Operations::One(Some("A")))),
            ("query A", None),
            ("query shoes for ada", None),
            ("fragment of a vase", None),
            ("shoes", None),
            ("", None),
        ] {
            assert_eq!(operations(text.as_bytes()), expected, "{text}");
        }
    }
}
