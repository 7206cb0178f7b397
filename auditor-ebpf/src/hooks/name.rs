//! Where the `struct sockaddr` beside a message is.

/// Where it is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Name {
    /// Its address, or the thread that noted it; 0: there is none.
    pub at: u64,
    /// One of [`place`].
    pub place: u64,
}

/// What [`Name::at`] means.
pub mod place {
    pub const USER: u64 = 0;
    pub const KERNEL: u64 = 1;
    /// In the map of the receive functions, under this thread.
    pub const NOTED: u64 = 2;
}

impl Name {
    /// An address in kernel memory; 0: none.
    #[inline(always)]
    pub fn kernel(at: u64) -> Self {
        Self {
            at,
            place: place::KERNEL,
        }
    }

    /// An address in user memory; 0: none.
    #[inline(always)]
    pub fn user(at: u64) -> Self {
        Self {
            at,
            place: place::USER,
        }
    }
}
