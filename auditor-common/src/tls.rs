//! The attach cookie: tells a TLS program which function it sits on and how to read its arguments.

/// Decoded form of the 64-bit attach cookie.
///
/// Layout: bits 0–7 library, 8 ingress, 9–11 [`Shape`], 16–31 bytes between the stack pointer at
/// the probe and at the function's entry, 32–48 where the object keeps what identifies it, plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachCookie(pub u64);

/// In programs of the reduced object, which are loaded once for each cookie: the 64-bit constant that the daemon
/// replaces with the cookie.
pub const COOKIE_PLACE: u64 = 0x7fc3_91d2_a6e5_4b08;

/// How the moved length is reported. Arguments are always `(object, buffer, length, …)`.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The return value, as a C `int`, is the count when positive: `SSL_read`, `SSL_write`.
    ReturnsCount = 0,
    /// Returns 1 (or more) on success and stores the count through its 4th argument.
    CountInArg4 = 1,
    /// The same through its 5th argument (OpenSSL 3.3 and later, `ssl_write_internal`).
    CountInArg5 = 2,
    /// The return value, as a C `ssize_t`, is the count when positive: GnuTLS, s2n.
    ReturnsSize = 3,
    /// As [`Shape::ReturnsCount`], unless the 4th argument has [`PEEK`] set: NSS.
    ReturnsCountUnlessPeek = 4,
    /// `EVP_AEAD_CTX_seal`: what is sealed is its 7th and 8th argument, whatever it returns.
    Seal = 5,
    /// `EVP_AEAD_CTX_seal_scatter`: its 8th and 9th.
    SealScatter = 6,
}

/// `MSG_PEEK` (bits/socket.h), and `PR_MSG_PEEK` of NSPR: the bytes stay where they are.
pub const PEEK: u64 = 2;

impl AttachCookie {
    /// Packs a cookie; `stack_delta` is in bytes.
    pub const fn new(library: u8, ingress: bool, shape: Shape, stack_delta: u16) -> Self {
        Self(library as u64 | (ingress as u64) << 8 | (shape as u64) << 9 | (stack_delta as u64) << 16)
    }

    /// The same cookie with where an object has the address that identifies it, bytes behind its start.
    pub const fn identified_at(self, offset: u16) -> Self {
        Self(self.0 | (offset as u64 + 1) << 32)
    }

    pub const fn library(self) -> u8 {
        self.0 as u8
    }

    pub const fn ingress(self) -> u8 {
        (self.0 >> 8 & 1) as u8
    }

    /// Raw [`Shape`] value.
    pub const fn shape(self) -> u8 {
        (self.0 >> 9 & 7) as u8
    }

    pub const fn stack_delta(self) -> u64 {
        self.0 >> 16 & 0xffff
    }

    /// Where an object has the address that identifies it; `None` when nothing but its own address does.
    pub const fn identity(self) -> Option<u64> {
        (self.0 >> 32 & 0x1_ffff).checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_gives_back_what_was_packed() {
        let cookie = AttachCookie::new(7, true, Shape::CountInArg5, 24);
        assert_eq!(
            (
                cookie.library(),
                cookie.ingress(),
                cookie.shape(),
                cookie.stack_delta()
            ),
            (7, 1, Shape::CountInArg5 as u8, 24)
        );
        assert_eq!(cookie.identity(), None);
        for offset in [0, 16, u16::MAX] {
            let identified = cookie.identified_at(offset);
            assert_eq!(identified.identity(), Some(u64::from(offset)));
            assert_eq!((identified.stack_delta(), identified.library()), (24, 7));
        }
    }
}
