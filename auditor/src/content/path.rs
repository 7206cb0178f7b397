//! Fields of URL paths: the segment, named by the one before it (`/users/42` is a `users`).
//!
//! Goes in: a path, escapes undone but for `%2F`. Comes out: a key, and no path, because a
//! segment may be a value.

use std::ops::Range;

use super::cursor::text_of;
use super::{Field, FieldLookup};

pub(super) struct Path;

impl FieldLookup for Path {
    fn field_at(&self, bytes: &[u8], at: Range<usize>) -> Field {
        let at_start = at.start.min(bytes.len());
        let at_end = at.end.clamp(at_start, bytes.len());
        let start = memchr::memrchr(b'/', &bytes[..at_start]).map_or(0, |slash| slash + 1);
        let end = memchr::memchr(b'/', &bytes[at_end..]).map_or(bytes.len(), |slash| at_end + slash);
        let before = &bytes[..start.saturating_sub(1)];
        let name_at = memchr::memrchr(b'/', before).map_or(0, |slash| slash + 1);
        let key = text_of(bytes, name_at..before.len());
        Field {
            key: (!key.is_empty()).then_some(key),
            value: start..end,
            ..Field::default()
        }
    }

    fn snapshot(&self) -> Option<Box<dyn FieldLookup + Send>> {
        Some(Box::new(Self))
    }
}
