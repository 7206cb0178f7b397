//! The only type that may hold captured bytes or a value found in them.
//!
//! Goes in: bytes from the kernel, a file, or a decoder. Comes out: a borrow, for the stages that
//! look at it. It never prints, formats, serialises or clones its content, and it overwrites the
//! memory when dropped.

use std::io::Write as _;

use zeroize::Zeroize as _;

/// Bytes that may contain personal data or secrets.
///
/// There is deliberately no `Debug`, `Display`, `Serialize` or `Clone`.
#[derive(Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes ownership of `bytes`; the memory is zeroed on drop.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Copies `bytes` into memory that is zeroed on drop.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The content. The borrow must not be formatted, logged or stored outside a `Secret`.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Appends without leaving an unzeroed copy behind when the buffer has to move.
    pub fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut grown = Vec::with_capacity(needed.next_power_of_two());
            grown.extend_from_slice(&self.0);
            self.0.zeroize();
            self.0 = grown;
        }
        self.0.extend_from_slice(bytes);
    }

    /// Drops the first `n` bytes (all of them when `n` is larger).
    pub fn consume(&mut self, n: usize) {
        let n = n.min(self.0.len());
        let rest = self.0.len() - n;
        self.0.copy_within(n.., 0);
        self.0[rest..].zeroize();
        self.0.truncate(rest);
    }

    /// Zeroes and empties the buffer, keeping its capacity.
    pub fn clear(&mut self) {
        self.0.as_mut_slice().zeroize();
        self.0.clear();
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Makes panics say where they happened and nothing else: the message of a failed slice or
/// `unwrap` can repeat the text it failed on.
pub fn hide_panic_messages() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("without a name");
        // Standard error may be closed; there is nobody else to tell.
        let _ = writeln!(
            std::io::stderr(),
            "auditor: internal error in thread {thread} at {place}; its message is left out, as it may hold captured bytes"
        );
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consume_keeps_the_rest_and_zeroes_what_it_moved_away() {
        let mut secret = Secret::copy_of(b"abcdef");
        secret.consume(4);
        assert_eq!(secret.expose(), b"ef");
        secret.consume(10);
        assert!(secret.is_empty());
    }

    #[test]
    fn extend_grows_and_keeps_the_content() {
        let mut secret = Secret::default();
        for _ in 0..100 {
            secret.extend(b"0123456789");
        }
        assert_eq!(secret.len(), 1000);
        assert!(secret.expose().chunks(10).all(|c| c == b"0123456789"));
    }

    /// Reads this process's memory as the kernel shows it, wherever the allocator has it.
    fn memory(start: usize, length: usize) -> Vec<u8> {
        use std::os::unix::fs::FileExt as _;
        let mut bytes = vec![0; length];
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut bytes, start as u64).unwrap();
        bytes
    }

    #[test]
    fn what_was_dropped_cleared_or_left_behind_in_growing_is_overwritten() {
        const LENGTH: usize = 4096;
        // Not a constant in the program, so that what is found is what was written here.
        let mark = std::process::id().to_le_bytes().repeat(LENGTH / 4);
        let holds = |start: usize| {
            memory(start, LENGTH)
                .windows(16)
                .any(|found| found == &mark[..16])
        };
        let start = |secret: &Secret| secret.expose().as_ptr() as usize;

        let dropped = Secret::copy_of(&mark);
        let place = start(&dropped);
        assert!(holds(place), "the search finds what is there");
        drop(dropped);
        assert!(!holds(place));

        let mut cleared = Secret::copy_of(&mark);
        cleared.clear();
        assert!(!holds(start(&cleared)));

        let mut grown = Secret::copy_of(&mark);
        let (before, room) = (start(&grown), grown.0.capacity());
        grown.extend(&vec![0; room + 1]);
        assert!(start(&grown) == before || !holds(before));
        assert!(holds(start(&grown)));
    }
}
