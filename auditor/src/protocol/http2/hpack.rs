//! Header compression of HTTP/2 (RFC 7541), for someone who reads along.
//!
//! Goes in: the header blocks of one direction, in order. Comes out: fields, in which a name or a value
//! may be unknown. Unlike an endpoint, who reads along may have missed blocks: the entries they
//! added are not known, and an index that could mean one of them is never resolved to another. That
//! works because the newest entry has the lowest index: what was added since is in its place,
//! whatever came before. The table is bounded by [`MAX_TABLE`], whatever the peers agreed on.

mod huffman;
mod static_table;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::secret::Secret;

use static_table::STATIC_TABLE;

/// Most bytes of a table, counted as RFC 7541 §4.1 does. Older entries are unknown beyond it.
pub const MAX_TABLE: usize = 64 * 1024;
/// Most decoded bytes of one block; fields behind them only change the table.
pub const MAX_DECODED: usize = 256 * 1024;
/// What a table may hold until its encoder says otherwise (RFC 9113 §6.5.2).
const DEFAULT_SIZE: u64 = 4096;
/// Bytes an entry counts besides its name and value (RFC 7541 §4.1).
const OVERHEAD: usize = 32;
/// Longest integer in bytes: what it says does not fit 32 bits beyond that (RFC 7541 §5.1).
const MAX_INTEGER: usize = 6;

/// A name or value; `None` when it is not known.
pub type Text<'a> = Option<&'a [u8]>;

/// The block is not one: nothing that follows in this direction can rely on the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// The state of one direction.
pub struct Decoder {
    entries: VecDeque<Entry>,
    /// Bytes of all entries.
    size: usize,
    /// What the encoder keeps its table within.
    limit: u64,
    /// False while changes of `limit` may have been missed.
    limit_is_known: bool,
    /// Every block was seen: indices beyond the table are errors, not unknown entries.
    complete: bool,
    /// Decoded strings, reused.
    name: Secret,
    value: Secret,
}

struct Entry {
    /// Name and value, unless they are unknown.
    text: Option<Secret>,
    name: usize,
    /// Bytes it counts.
    size: usize,
}

impl Entry {
    fn name(&self) -> Text<'_> {
        self.text.as_ref().map(|text| &text.expose()[..self.name])
    }

    fn value(&self) -> Text<'_> {
        self.text.as_ref().map(|text| &text.expose()[self.name..])
    }
}

impl Decoder {
    /// Of a direction seen from its first block.
    pub fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            limit: DEFAULT_SIZE,
            limit_is_known: true,
            complete: true,
            name: Secret::default(),
            value: Secret::default(),
        }
    }

    /// Blocks were missed: what the table holds is not known any more.
    pub fn forget(&mut self) {
        self.entries.clear();
        self.size = 0;
        self.limit_is_known = false;
        self.complete = false;
    }

    /// Whether every block so far was seen.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Hands the fields of a block to `field`. What it cannot read makes it forget the table.
    /// False when [`MAX_DECODED`] was reached, so that not all fields were shown.
    pub fn decode(
        &mut self,
        block: &[u8],
        field: &mut dyn FnMut(Text<'_>, Text<'_>),
    ) -> Result<bool, Broken> {
        let mut left = MAX_DECODED;
        let mut input = Input { bytes: block };
        while !input.bytes.is_empty() {
            if let Err(broken) = self.field(&mut input, &mut left, field) {
                self.forget();
                return Err(broken);
            }
        }
        self.name.clear();
        self.value.clear();
        Ok(left > 0)
    }

    /// One representation (RFC 7541 §6).
    fn field(
        &mut self,
        input: &mut Input<'_>,
        left: &mut usize,
        show: &mut dyn FnMut(Text<'_>, Text<'_>),
    ) -> Result<(), Broken> {
        let first = *input.bytes.first().ok_or(Broken)?;
        match first {
            0x80.. => {
                let index = input.integer(7)?;
                let (name, value) = self.lookup(index)?;
                spend(left, name, value, show);
            }
            0x20..0x40 => {
                self.limit = input.integer(5)?;
                self.limit_is_known = true;
                self.evict(self.room());
            }
            _ => {
                let is_added = first >= 0x40;
                self.literal(input, if is_added { 6 } else { 4 })?;
                let known = self.named();
                spend(
                    left,
                    known.then(|| self.name.expose()),
                    Some(self.value.expose()),
                    show,
                );
                if is_added {
                    self.insert(known);
                }
            }
        }
        Ok(())
    }

    /// Reads a literal into `name` and `value`; an unknown name is left empty, which no name is.
    fn literal(&mut self, input: &mut Input<'_>, prefix: u32) -> Result<(), Broken> {
        let index = input.integer(prefix)?;
        let mut name = std::mem::take(&mut self.name);
        name.clear();
        if index == 0 {
            input.string(&mut name)?;
            if name.is_empty() {
                return Err(Broken);
            }
        } else if let (Some(known), _) = self.lookup(index)? {
            name.extend(known);
        }
        self.name = name;
        self.value.clear();
        input.string(&mut self.value)
    }

    fn named(&self) -> bool {
        !self.name.is_empty()
    }

    /// The entry of an index (RFC 7541 §2.3.3).
    fn lookup(&self, index: u64) -> Result<(Text<'_>, Text<'_>), Broken> {
        let index = usize::try_from(index).map_err(|_| Broken)?;
        if let Some((name, value)) = index.checked_sub(1).and_then(|at| STATIC_TABLE.get(at)) {
            return Ok((Some(name.as_bytes()), Some(value.as_bytes())));
        }
        let at = index.checked_sub(STATIC_TABLE.len() + 1).ok_or(Broken)?;
        match self.entries.get(at) {
            Some(entry) => Ok((entry.name(), entry.value())),
            // Beyond what fits into a table of the size that was agreed on, nothing can be.
            None if self.limit_is_known && at as u64 >= self.limit / OVERHEAD as u64 => Err(Broken),
            None if self.complete && self.limit <= MAX_TABLE as u64 => Err(Broken),
            None => Ok((None, None)),
        }
    }

    /// Adds what `name` and `value` hold (RFC 7541 §4.4).
    ///
    /// An entry that is too long empties the table and is not in it. Where the limit is not known it is
    /// added all the same: had the encoder left it out, it would have nothing older to refer to.
    fn insert(&mut self, known: bool) {
        let size = self.name.len() + self.value.len() + OVERHEAD;
        if self.limit_is_known && size as u64 > self.limit {
            self.entries.clear();
            self.size = 0;
            return;
        }
        let known = known && size <= MAX_TABLE;
        let entry = Entry {
            text: known.then(|| Secret::new([self.name.expose(), self.value.expose()].concat())),
            name: self.name.len(),
            size: if known { size } else { OVERHEAD },
        };
        self.evict(self.room().saturating_sub(entry.size));
        self.size += entry.size;
        self.entries.push_front(entry);
    }

    /// Bytes that entries may count.
    fn room(&self) -> usize {
        match usize::try_from(self.limit) {
            Ok(limit) if self.limit_is_known => limit.min(MAX_TABLE),
            _ => MAX_TABLE,
        }
    }
    /// Drops the oldest entries until the others count at most `size` bytes.
    fn evict(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size;
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows a field as long as the block may be decoded further.
fn spend(left: &mut usize, name: Text<'_>, value: Text<'_>, show: &mut dyn FnMut(Text<'_>, Text<'_>)) {
    let length = name.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + 1;
    *left = left.saturating_sub(length);
    if *left > 0 {
        show(name, value);
    }
}

/// What is left of a block.
struct Input<'a> {
    bytes: &'a [u8],
}

impl Input<'_> {
    /// An integer with a prefix of so many bits (RFC 7541 §5.1).
    fn integer(&mut self, prefix: u32) -> Result<u64, Broken> {
        let mask = (1_u8 << prefix) - 1;
        let (first, rest) = self.bytes.split_first().ok_or(Broken)?;
        let first = first & mask;
        self.bytes = rest;
        let mut value = u64::from(first);
        if first < mask {
            return Ok(value);
        }
        for at in 0..MAX_INTEGER {
            let byte = *self.bytes.get(at).ok_or(Broken)?;
            value += u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                self.bytes = &self.bytes[at + 1..];
                return Ok(value);
            }
        }
        Err(Broken)
    }

    /// A string (RFC 7541 §5.2), appended to `text`.
    fn string(&mut self, text: &mut Secret) -> Result<(), Broken> {
        let coded = self.bytes.first().ok_or(Broken)? & 0x80 != 0;
        let length = usize::try_from(self.integer(7)?).map_err(|_| Broken)?;
        let (string, rest) = self.bytes.split_at_checked(length).ok_or(Broken)?;
        self.bytes = rest;
        if coded {
            huffman::decode(string, text)
        } else {
            text.extend(string);
            Ok(())
        }
    }
}
