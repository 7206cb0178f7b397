//! Server-Sent Events (WHATWG HTML §9.2): the data of each event is a document of its own.
//!
//! Goes in: the stream as it comes. Comes out: text with a mark in front of each event's data and of each
//! other line, and for a place in it the field: that of the data where this is JSON (`$.choices[0].text`),
//! else the name of the line (`data`, `id`, `event`; a comment's is `comment`). At most the name of a
//! line waits. Data that other lines interrupt is no document any more: its rest has the name of the line.

use std::ops::Range;

use super::cursor::{Cursor, text_of};
use super::json::Json;
use super::marked::MARK;
use super::recode::{Recode, Show};
use super::text::Text;
use super::{Field, FieldLookup as _};
use crate::secret::Secret;

/// Longest name of a line, bytes; there are four.
const MAX_NAME: usize = 16;

/// Whether some line of `sample` is data that is JSON.
pub(super) fn has_json(sample: &[u8]) -> bool {
    let lines = sample.split(|b| matches!(b, b'\r' | b'\n'));
    lines
        .filter_map(|line| line.strip_prefix(b"data:"))
        .any(|data| matches!(data.trim_ascii_start().first(), Some(b'{' | b'[')))
}

/// Makes text of a stream of events.
#[derive(Default)]
pub(super) struct Recoder {
    state: State,
    /// The name of the line, as far as it is there.
    name: Secret,
    /// Where the line begins.
    source: u64,
    data: Data,
    /// The last byte was a carriage return: a line feed behind it ends no other line.
    after_return: bool,
}

/// The data of the event, as far as it came.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Data {
    #[default]
    None,
    /// The next line of data goes on with what was shown last.
    Open,
    /// Another line came in between.
    Interrupted,
    /// It is not known whether there was any.
    Lost,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Name,
    /// Behind the colon, where one blank is left out.
    Colon,
    Value,
}

impl Recoder {
    fn byte(&mut self, byte: u8, source: u64, show: &mut Show<'_>) {
        let is_end = matches!(byte, b'\r' | b'\n');
        let ends_other = byte == b'\n' && std::mem::take(&mut self.after_return);
        self.after_return = byte == b'\r';
        match self.state {
            _ if ends_other => {}
            State::Name if is_end && self.name.is_empty() => self.data = Data::None,
            State::Name if byte == b':' => {
                self.head(source, show);
                self.state = State::Colon;
            }
            State::Name if is_end || self.name.len() == MAX_NAME => {
                // A line that is no field is shown whole.
                self.whole(show);
                self.state = State::Value;
                self.value(byte, source, show);
            }
            State::Name => {
                if self.name.is_empty() {
                    self.source = source;
                }
                self.name.extend(&[byte]);
            }
            State::Colon if byte == b' ' => self.state = State::Value,
            State::Colon | State::Value => self.value(byte, source, show),
        }
    }

    fn value(&mut self, byte: u8, source: u64, show: &mut Show<'_>) {
        self.state = State::Value;
        match byte {
            b'\r' | b'\n' => {
                show(b"\n", source);
                self.state = State::Name;
                self.name.clear();
            }
            MARK => show(b" ", source),
            byte => show(&[byte], source),
        }
    }

    /// The mark in front of a line, unless it goes on with the data of the line before.
    fn head(&mut self, colon: u64, show: &mut Show<'_>) {
        let name = std::mem::take(&mut self.name);
        let source = if name.is_empty() { colon } else { self.source };
        let is_data = name.expose() == b"data";
        let data = self.data;
        self.data = match (is_data, data) {
            (true, _) => Data::Open,
            (false, Data::Open) => Data::Interrupted,
            (false, data) => data,
        };
        if is_data && data == Data::Open {
            return;
        }
        show(&[MARK], source);
        if is_data && data == Data::Lost {
            show(b":\t", colon);
            return;
        }
        if is_data && data == Data::Interrupted {
            show(b"data:\t", source);
            return;
        }
        if name.is_empty() {
            show(b"comment", source);
        } else {
            show_plain(name.expose(), source, show);
        }
        show(b": ", colon);
    }

    /// The beginning of a line without a name.
    fn whole(&mut self, show: &mut Show<'_>) {
        let name = std::mem::take(&mut self.name);
        if self.data == Data::Open {
            self.data = Data::Interrupted;
        }
        show(&[MARK], self.source);
        show(b"line: ", self.source);
        show_plain(name.expose(), self.source, show);
    }
}

fn show_plain(bytes: &[u8], source: u64, show: &mut Show<'_>) {
    for (byte, source) in bytes.iter().zip(source..) {
        show(&[if *byte == MARK { b' ' } else { *byte }], source);
    }
}

impl Recode for Recoder {
    fn feed(&mut self, bytes: &[u8], source: u64, show: &mut Show<'_>) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let plain = match self.state {
                State::Value => memchr::memchr3(b'\r', b'\n', MARK, rest).unwrap_or(rest.len()),
                State::Name | State::Colon => 0,
            };
            if plain > 0 {
                show(&rest[..plain], source + at as u64);
                self.after_return = false;
                at += plain;
            } else {
                self.byte(rest[0], source + at as u64, show);
                at += 1;
            }
        }
    }

    fn finish(&mut self, show: &mut Show<'_>) {
        if self.state == State::Name && !self.name.is_empty() {
            self.whole(show);
        }
        *self = Self::default();
    }

    /// What follows is the rest of a line.
    fn give_up(&mut self, show: &mut Show<'_>) {
        self.finish(show);
        self.state = State::Value;
        self.data = Data::Lost;
    }
}

/// Fields of the text that a [`Recoder`] makes.
#[derive(Clone, Default)]
pub(super) struct Events {
    at: usize,
    json: Json,
    /// The data of the event is JSON.
    is_json: bool,
    /// The name of the line.
    name: String,
    /// Where the value of the line begins.
    value: usize,
}

impl Events {
    /// A line begins behind `start`.
    fn begin(&mut self, bytes: &[u8], start: usize) {
        let head = &bytes[start..bytes.len().min(start + MAX_NAME + 2)];
        let length = memchr::memchr(b':', head).unwrap_or(0);
        self.name = text_of(bytes, start..start + length);
        self.value = (start + length + 2).min(bytes.len());
        let first = bytes[self.value..].iter().find(|b| !b.is_ascii_whitespace());
        let is_begun = bytes[..self.value].ends_with(b": ");
        self.is_json = self.name == "data" && is_begun && matches!(first, Some(b'{' | b'['));
        self.json = Json::from(self.value);
    }
}

impl Cursor for Events {
    fn at(&self) -> usize {
        self.at
    }

    fn run(&mut self, bytes: &[u8], to: usize) {
        if let Some(mark) = memchr::memrchr(MARK, &bytes[self.at.min(to)..to]) {
            self.begin(bytes, self.at + mark + 1);
        }
        if self.is_json && to > self.json.at() {
            self.json.run(bytes, to);
        }
        self.at = to;
    }

    fn rebase(&mut self, bytes: &[u8]) {
        let moved = self.at;
        if self.is_json {
            self.json.rebase(bytes);
            // It may stand behind the cursor, where the value begins.
            self.json = std::mem::take(&mut self.json).moved(self.value.saturating_sub(moved));
        }
        self.value = self.value.saturating_sub(moved);
        self.at = 0;
    }

    fn field(&mut self, bytes: &[u8], at: Range<usize>) -> Field {
        if self.is_json && self.json.at() <= at.start {
            return self.json.field(bytes, at);
        }
        let end = memchr::memchr2(MARK, b'\n', &bytes[at.end..]).map_or(bytes.len(), |end| at.end + end);
        let inner = Text.field_at(bytes, at.clone());
        Field {
            path: (!self.name.is_empty()).then(|| self.name.clone()),
            value: self.value.min(at.start)..end,
            ..inner
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: &[u8], piece: usize) -> String {
        let mut recoder = Recoder::default();
        let (mut text, mut last) = (Vec::new(), 0);
        let mut show = |shown: &[u8], source: u64| {
            assert!(source >= last && source <= bytes.len() as u64, "places ascend");
            last = source;
            text.extend_from_slice(shown);
        };
        for (n, data) in bytes.chunks(piece).enumerate() {
            recoder.feed(data, (n * piece) as u64, &mut show);
        }
        recoder.finish(&mut show);
        String::from_utf8_lossy(&text).replace('\u{1e}', "^")
    }

    #[test]
    fn the_data_of_an_event_is_one_text() {
        for (stream, expected) in [
            ("data: {\"a\":1}\n\ndata:2\n\n", "^data: {\"a\":1}\n^data: 2\n"),
            ("data: {\ndata:  1}\r\n\r\n", "^data: {\n 1}\n"),
            ("id: 7\revent: x\rdata: y\r\r", "^id: 7\n^event: x\n^data: y\n"),
            (
                ": hello\ndata\nretry:3",
                "^comment: hello\n^line: data\n^retry: 3",
            ),
            ("a line without a name\n\n", "^line: a line without a name\n"),
            ("data: a^b\n", "^data: a b\n"),
            (
                "data: {\nid: 7\ndata: 1}\ndata: 2\n\ndata: 3\n",
                "^data: {\n^id: 7\n^data:\t1}\n2\n^data: 3\n",
            ),
            ("da", "^line: da"),
        ] {
            let stream = stream.replace('^', "\u{1e}");
            for piece in [1, 2, 5, 1000] {
                assert_eq!(text(stream.as_bytes(), piece), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn any_stream_gives_the_same_however_it_is_cut(
            stream in "(data|id|:|: |\r|\n|\r\n|[a-z{}\" \u{1e}é]){0,80}", piece in 1..60_usize,
        ) {
            prop_assert_eq!(text(stream.as_bytes(), piece), text(stream.as_bytes(), 1000));
        }
    }
}
