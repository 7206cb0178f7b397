//! Fields of YAML in block style (YAML 1.2 §8): `$.buyer.cards[1].number`.
//!
//! Goes in: lines. Comes out: the path by indentation, key and siblings. It validates nothing; what is in
//! flow style (`{a: 1}`) has the path of what holds it and the key in front of it. [`MAX_DEPTH`] levels are
//! followed; below, the path ends in `..*`.

use std::fmt::Write as _;
use std::ops::Range;

use super::cursor::{Cursor, MAX_SIBLINGS, Name, REACH, siblings};
use super::json::push_key;
use super::text::Text;
use super::{Field, FieldLookup as _};

/// Levels of nesting that are followed.
const MAX_DEPTH: usize = 64;
/// Longest beginning of a line in which a key is looked for, bytes.
const LOOK: usize = 512;

#[derive(Clone, Default)]
pub(super) struct Yaml {
    at: usize,
    begun: bool,
    levels: Vec<Level>,
    deeper: bool,
    /// Where the value of the line begins.
    value: usize,
    /// Lines that are indented more are text.
    block: Option<usize>,
}

#[derive(Clone)]
struct Level {
    indent: usize,
    step: Step,
    /// Keys before this one, beside it.
    names: Vec<Name>,
}

#[derive(Clone)]
enum Step {
    Key(Name),
    Item(u64),
}

impl Yaml {
    /// A line begins at `start`.
    fn line(&mut self, bytes: &[u8], start: usize) {
        let rest = &bytes[start..];
        let end = memchr::memchr(b'\n', &rest[..rest.len().min(LOOK)]).unwrap_or(rest.len().min(LOOK));
        let line = &rest[..end];
        let mut indent = line.iter().take_while(|b| **b == b' ').count();
        self.value = start + indent;
        let content = &line[indent..];
        if content.trim_ascii().is_empty() || content[0] == b'#' {
            return;
        }
        if self.block.is_some_and(|block| indent > block) {
            return;
        }
        self.block = None;
        if line.starts_with(b"---") || line.starts_with(b"...") {
            self.levels.clear();
            self.deeper = false;
            return;
        }
        let mut at = indent;
        while line[at..].starts_with(b"- ") || &line[at..] == b"-" {
            self.item(indent);
            let blanks = line[at + 1..].iter().take_while(|b| **b == b' ').count();
            at += 1 + blanks;
            indent = at;
        }
        if let Some((length, behind)) = key(&line[at..]) {
            self.key(indent, Name::At(start + at, start + at + length));
            at += behind;
            at += line[at..].iter().take_while(|b| **b == b' ').count();
            self.block = matches!(line.get(at), Some(b'|' | b'>')).then_some(indent);
        }
        self.value = start + at;
    }

    fn item(&mut self, indent: usize) {
        self.deeper = false;
        while self.levels.pop_if(|level| level.indent > indent).is_some() {}
        if let Some(Level {
            indent: own,
            step: Step::Item(index),
            ..
        }) = self.levels.last_mut()
            && *own == indent
        {
            *index += 1;
        } else {
            self.push(indent, Step::Item(0), Vec::new());
        }
    }

    fn key(&mut self, indent: usize, name: Name) {
        self.deeper = false;
        let mut names = Vec::new();
        while let Some(level) = self.levels.pop_if(|level| level.indent >= indent) {
            names = level.names;
            if let Step::Key(before) = level.step
                && level.indent == indent
            {
                if names.len() < MAX_SIBLINGS {
                    names.push(before);
                }
            } else {
                names.clear();
            }
        }
        self.push(indent, Step::Key(name), names);
    }

    fn push(&mut self, indent: usize, step: Step, names: Vec<Name>) {
        if self.levels.len() == MAX_DEPTH {
            self.deeper = true;
        } else {
            self.levels.push(Level { indent, step, names });
        }
    }
}

/// The length of a key, without quotes, and of what stands in front of its value.
fn key(line: &[u8]) -> Option<(usize, usize)> {
    let first = *line.first()?;
    if matches!(
        first,
        b'{' | b'[' | b'&' | b'*' | b'!' | b'|' | b'>' | b'%' | b'@'
    ) {
        return None;
    }
    let from = match first {
        b'"' | b'\'' => 2 + memchr::memchr(first, &line[1..])?,
        _ => 0,
    };
    let colon = memchr::memchr_iter(b':', &line[from..])
        .map(|colon| from + colon)
        .find(|colon| line.get(colon + 1).is_none_or(u8::is_ascii_whitespace))?;
    (colon > 0 && !line[from..colon].contains(&b'#')).then_some((colon, colon + 1))
}

fn name_of(name: &Name, bytes: &[u8]) -> String {
    name.text(bytes).trim().trim_matches(['"', '\'']).to_owned()
}

impl Cursor for Yaml {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        if !self.begun && to > 0 {
            self.begun = true;
            self.line(bytes, 0);
        }
        let from = self.at.min(to);
        for end in memchr::memchr_iter(b'\n', &bytes[from..to]) {
            if from + end + 1 < bytes.len() {
                self.line(bytes, from + end + 1);
            }
        }
        self.at = to;
    }

    fn rebase(&mut self, bytes: &[u8]) {
        for level in &mut self.levels {
            level.names.iter_mut().for_each(|name| name.keep(bytes));
            if let Step::Key(name) = &mut level.step {
                name.keep(bytes);
            }
        }
        self.value = self.value.saturating_sub(self.at);
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        if !self.begun {
            self.begun = true;
            self.line(bytes, 0);
        }
        if self.levels.is_empty() {
            // Text behind what some files have in front of it.
            return Text.field_at(bytes, at);
        }
        let mut path = String::from("$");
        for level in &self.levels {
            match &level.step {
                Step::Key(name) => push_key(&mut path, &name_of(name, bytes)),
                // Writing to a string cannot fail.
                Step::Item(index) => drop(write!(path, "[{index}]")),
            }
        }
        if self.deeper {
            path.push_str("..*");
        }
        let value = self.value.min(at.start);
        let end = memchr::memchr(b'\n', &bytes[at.end..]).map_or(bytes.len(), |end| at.end + end);
        let end = end - usize::from(end > at.end && bytes[end - 1] == b'\r');
        let is_flow = matches!(bytes.get(value), Some(b'{' | b'['));
        let inner = is_flow.then(|| Text.field_at(bytes, at.clone()));
        let holder = self
            .levels
            .iter()
            .rfind(|level| matches!(level.step, Step::Key(_)));
        let key = match (&inner, holder.map(|level| &level.step)) {
            (Some(inner), _) if inner.key.is_some() => inner.key.clone(),
            (_, Some(Step::Key(name))) => Some(name_of(name, bytes)),
            _ => None,
        };
        let before = holder.map_or(&[][..], |level| &level.names).iter();
        let before = before.map(|name| name_of(name, bytes));
        let indent = holder.map_or(0, |level| level.indent);
        let siblings = siblings(before.chain(names_behind(bytes, end, indent)), key.as_deref());
        let text = &bytes[value..end];
        let quote = usize::from(matches!(text, [b'"', .., b'"'] | [b'\'', .., b'\'']));
        let inside = value + quote <= at.start && at.end + quote <= end;
        let quote = if inside { quote } else { 0 };
        Field {
            path: Some(path),
            key,
            siblings,
            value: inner.map_or(value + quote..end - quote, |inner| inner.value),
        }
    }
}

/// Keys on the lines that follow with the same indentation, within reach.
fn names_behind(bytes: &[u8], from: usize, indent: usize) -> Vec<String> {
    let reach = &bytes[from..bytes.len().min(from + REACH)];
    let mut names = Vec::new();
    for line in reach.split(|b| *b == b'\n').skip(1) {
        let own = line.iter().take_while(|b| **b == b' ').count();
        if line.trim_ascii().is_empty() || own > indent {
            continue;
        }
        if own < indent || names.len() == MAX_SIBLINGS {
            break;
        }
        match key(&line[own..line.len().min(LOOK)]) {
            Some((length, _)) if own + length <= line.len() => {
                let name = String::from_utf8_lossy(&line[own..own + length]);
                names.push(name.trim().trim_matches(['"', '\'']).to_owned());
            }
            _ => break,
        }
    }
    names
}
