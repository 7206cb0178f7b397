//! What a probe in a Go program has to know besides its registers: one entry of the map `GO_POINTS`.

use crate::tls::AttachCookie;

/// Most points at once; a program has five or six.
pub const MAX_POINTS: u32 = 8192;

/// Value of [`GoPoint::count_at`] when the count is in `rax`.
pub const IN_RAX: u32 = u32::MAX;

/// One probed instruction.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoPoint {
    /// Link-time address of the instruction. The difference to where it runs is that of all code.
    pub address: u64,
    /// Link-time address of `net.(*TCPConn).Read`; 0 when the program has none.
    pub tcp_read: u64,
    /// Bytes from the stack pointer to the slot that holds the `*tls.Conn`.
    pub conn_at: u32,
    /// Bytes from the stack pointer to the slot that holds the count, or [`IN_RAX`].
    pub count_at: u32,
}

/// Size of [`GoPoint`] in words of 64 bits.
pub const POINT_WORDS: usize = 3;

const _: () = assert!(size_of::<GoPoint>() == POINT_WORDS * 8);

impl GoPoint {
    /// As the map holds it.
    pub const fn words(self) -> [u64; POINT_WORDS] {
        [
            self.address,
            self.tcp_read,
            self.conn_at as u64 | (self.count_at as u64) << 32,
        ]
    }
}

impl AttachCookie {
    /// The cookie of a Go program's point: bits 32–63 are its index in `GO_POINTS`.
    pub const fn of_point(library: u8, index: u32) -> Self {
        Self(library as u64 | (index as u64) << 32)
    }

    /// Index in `GO_POINTS`.
    pub const fn index(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_lies_in_memory_as_its_words_do() {
        let point = GoPoint {
            address: 0x40_1000,
            tcp_read: 0x56_9cc0,
            conn_at: 0x68,
            count_at: IN_RAX,
        };
        assert_eq!(point.words(), [0x40_1000, 0x56_9cc0, 0xffff_ffff_0000_0068]);
        assert_eq!(core::mem::offset_of!(GoPoint, tcp_read), 8);
        assert_eq!(core::mem::offset_of!(GoPoint, conn_at), 16);
        assert_eq!(core::mem::offset_of!(GoPoint, count_at), 20);
    }

    #[test]
    fn a_cookie_of_a_point_gives_back_library_and_index() {
        let cookie = AttachCookie::of_point(20, 4711);
        assert_eq!((cookie.library(), cookie.index()), (20, 4711));
    }
}
