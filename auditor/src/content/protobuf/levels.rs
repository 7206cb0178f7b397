//! Where in a message a field lies: the messages around it, its path, and what is known of it.
//!
//! Goes in: fields as they come, and a [`Schema`] where there is one. Comes out: the beginnings of their lines. Messages
//! inside of each other are bounded, and so is a path.

use crate::content::cursor::safe_name;
use crate::content::marked;
use crate::content::recode::Show;

use super::known::{Known, Shape};
use super::path::{Counts, Index, Path};
use super::schema::{MessageId, Nature, Schema};

/// Messages inside of each other that are followed; below, only text is.
const MAX_DEPTH: usize = 32;
/// Longest key of a map that becomes a name, bytes.
const MAX_KEY: usize = 64;

/// The messages that are open.
#[derive(Default)]
pub(super) struct Levels {
    inner: Vec<Level>,
    /// Of the outermost message.
    counts: Counts,
    outermost: Option<MessageId>,
    path: Path,
}

/// A message inside of another.
struct Level {
    /// Place in the outermost message where it ends; that of a group is the end of what holds it.
    end: u64,
    /// Field number of a group, which has an end of its own.
    group: Option<u32>,
    /// Length of the path around it.
    path: usize,
    counts: Counts,
    /// None when it is not known which one it is.
    message: Option<MessageId>,
    nature: Nature,
    /// Where the last step of the path begins, when fields have that for their name.
    named: Option<usize>,
    /// What an `Any` says that it holds.
    any: Option<MessageId>,
}

/// A field of the message that is open, with what is known of it.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) number: u32,
    pub(super) known: Option<&'a Known>,
}

impl Levels {
    /// For a message that is known.
    pub(super) fn of(outermost: MessageId) -> Self {
        let mut levels = Self {
            outermost: Some(outermost),
            ..Self::default()
        };
        levels.path.begin();
        levels
    }

    /// Place where the innermost message ends.
    pub(super) fn end(&self) -> u64 {
        self.inner.last().map_or(u64::MAX, |level| level.end)
    }

    pub(super) fn may_nest(&self) -> bool {
        self.inner.len() < MAX_DEPTH
    }

    /// Leaves the messages that end at `position`.
    pub(super) fn close(&mut self, position: u64) {
        while let Some(level) = self.inner.pop_if(|level| level.end == position) {
            self.path.truncate(level.path);
        }
    }

    /// Leaves the group of this number; false when it is none that is open.
    pub(super) fn close_group(&mut self, number: u32) -> bool {
        let level = self.inner.pop_if(|level| level.group == Some(number));
        if let Some(level) = &level {
            self.path.truncate(level.path);
        }
        level.is_some()
    }

    /// Leaves all, and their names.
    pub(super) fn clear(&mut self) {
        self.inner.clear();
        self.path.truncate(0);
        self.outermost = None;
    }

    /// What is known of a field of the message that is open.
    pub(super) fn known<'a>(&self, schema: Option<&'a Schema>, number: u32) -> Option<&'a Known> {
        let message = match self.inner.last() {
            Some(level) => level.message,
            None => self.outermost,
        };
        schema?.field(message?, number)
    }

    /// What an `Any` that is open holds in this field.
    pub(super) fn any(&self, number: u32) -> Option<MessageId> {
        let level = self.inner.last().filter(|_| number == 2)?;
        level.any
    }

    /// Goes into a message, which ends at `end` or with its group.
    pub(super) fn open(&mut self, schema: Option<&Schema>, spot: Spot<'_>, end: u64, is_group: bool) {
        let path = self.path.len();
        let index = self.count(spot.number);
        let message = self.any(spot.number).or(match spot.known {
            Some(Known {
                shape: Shape::Message(message),
                ..
            }) => *message,
            _ => None,
        });
        let nature = message
            .zip(schema)
            .map_or(Nature::Plain, |(message, schema)| schema.nature(message));
        let is_several = |known: &Known| known.is_repeated && nature != Nature::Entry;
        let step = match (spot.known, self.named()) {
            (Some(known), Some(step)) => {
                if is_several(known) {
                    self.path.push_index(index);
                }
                Some(step)
            }
            (Some(known), None) => {
                let index = is_several(known).then_some(index);
                self.path.push_step(known.name.as_bytes(), index)
            }
            (None, _) => {
                self.path.push(spot.number, index);
                None
            }
        };
        self.inner.push(Level {
            end,
            group: is_group.then_some(spot.number),
            path,
            counts: Counts::default(),
            message,
            nature,
            named: step.filter(|_| nature == Nature::Wrapper),
            any: None,
        });
    }

    /// Where the step begins whose name the fields of the message have that is open.
    fn named(&self) -> Option<usize> {
        self.inner.last().and_then(|level| level.named)
    }

    /// Counts one more occurrence of a field; tells how many there were before.
    pub(super) fn count(&mut self, number: u32) -> u32 {
        let level = self.inner.last_mut();
        level
            .map_or(&mut self.counts, |level| &mut level.counts)
            .next(number)
    }

    /// The beginning of a field's line.
    pub(super) fn begin_field(&mut self, spot: Spot<'_>, source: u64, show: &mut Show<'_>) {
        let index = self.count(spot.number);
        let Some(known) = spot.known else {
            let around = self.path.len();
            self.path.push(spot.number, index);
            self.begin(source, show);
            self.path.truncate(around);
            return;
        };
        let mut line = [0; marked::LINE];
        let length = match self.named() {
            Some(step) => {
                let (holder, name, index) = self.path.last_step(step);
                marked::begin_in(&mut line, holder, index, name)
            }
            None => {
                let index = Index::of(known.is_repeated.then_some(index));
                marked::begin_in(&mut line, self.path.text(), index.text(), known.name.as_bytes())
            }
        };
        show(&line[..length], source);
    }

    /// The beginning of a line of what is in the message that is open, and in no field of it.
    pub(super) fn begin(&mut self, source: u64, show: &mut Show<'_>) {
        show(self.path.line(), source);
    }

    /// Hears a value that says what another field of its message is: the key of a map, or the type of an `Any`.
    pub(super) fn hear(&mut self, schema: Option<&Schema>, number: u32, text: &[u8]) {
        let Some(level) = self.inner.last_mut().filter(|_| number == 1) else {
            return;
        };
        match level.nature {
            Nature::Any => level.any = type_in(schema, text),
            Nature::Entry if level.named.is_none() && text.len() <= MAX_KEY => {
                level.named = name_of(text).and_then(|name| self.path.push_step(name.as_bytes(), None));
            }
            _ => (),
        }
    }
}

/// The type of a URL such as `type.googleapis.com/package.Message`.
fn type_in(schema: Option<&Schema>, url: &[u8]) -> Option<MessageId> {
    let url = str::from_utf8(url).ok()?;
    schema?.message(url.rsplit('/').next()?)
}

/// A key as a name that can stand in a path.
fn name_of(key: &[u8]) -> Option<String> {
    let key = str::from_utf8(key).ok().filter(|key| !key.is_empty())?;
    let plain = |c: char| if c.is_control() || c == ':' { '_' } else { c };
    Some(safe_name(key).chars().map(plain).collect())
}
