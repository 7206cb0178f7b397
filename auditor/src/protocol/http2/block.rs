//! A header block becomes a head: what steers parsing, and its fields as lines.
//!
//! Goes in: a complete block and the table of its direction. Comes out: a [`Head`]. A field whose name or
//! value is not known steers nothing.

use crate::protocol::http::Fields;
use crate::protocol::operation;
use crate::secret::Secret;

use super::hpack::{Broken, Decoder};

/// Stands for a name that is not known; no name has a blank.
const UNKNOWN: &[u8] = b"unknown name";

/// One head, or trailers.
#[derive(Default)]
pub(super) struct Head {
    pub(super) method: Option<Box<str>>,
    /// Path and query.
    pub(super) path: Option<Secret>,
    pub(super) authority: Option<String>,
    pub(super) status: Option<u16>,
    /// `:protocol` of an extended CONNECT (RFC 8441).
    pub(super) protocol: Option<Box<str>>,
    pub(super) fields: Fields,
    /// `name: value` lines of the fields that are no pseudo-header fields.
    pub(super) lines: Secret,
    /// Some pseudo-header field was there: it is no trailer section.
    pub(super) is_head: bool,
    /// The names or values of some fields are not known.
    pub(super) is_partial: bool,
    /// A limit was reached; not all of it is here.
    pub(super) is_cut: bool,
}

impl Head {
    pub(super) fn read(block: &[u8], table: &mut Decoder) -> Result<Self, Broken> {
        let mut head = Self::default();
        // The names and values, and what goes around them.
        let mut lines = Vec::with_capacity(block.len() * 2);
        let whole = table.decode(block, &mut |name, value| {
            head.is_partial |= name.is_none() || value.is_none();
            match (name, value) {
                (Some(name @ [b':', ..]), value) => {
                    head.is_head = true;
                    if let Some(value) = value {
                        head.pseudo(name, value);
                    }
                }
                (name, Some(value)) => {
                    if let Some(name) = name {
                        head.fields.take(name, value);
                    }
                    for piece in [name.unwrap_or(UNKNOWN), b": ", value, b"\r\n"] {
                        lines.extend_from_slice(piece);
                    }
                }
                (_, None) => {}
            }
        });
        head.lines = Secret::new(lines);
        head.is_cut = !whole?;
        Ok(head)
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8]) {
        /// Longest method or protocol that is looked at.
        const MAX_WORD: usize = 32;
        let word = || {
            let text = str::from_utf8(value).ok()?;
            (text.len() <= MAX_WORD).then(|| Box::from(text))
        };
        match name {
            b":method" => self.method = word(),
            b":protocol" => self.protocol = word(),
            b":path" => self.path = Some(Secret::copy_of(value)),
            b":authority" => {
                self.authority = str::from_utf8(value).ok().and_then(operation::authority);
            }
            b":status" => self.status = str::from_utf8(value).ok().and_then(|status| status.parse().ok()),
            _ => {}
        }
    }

    /// Path and query as text.
    pub(super) fn target(&self) -> Option<&str> {
        str::from_utf8(self.path.as_ref()?.expose()).ok()
    }
}
