//! Files that were looked at: the kernel programs tell of others only.

/// A file as the kernel names it: the key of the map `KNOWN_FILES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileKey {
    /// `super_block.s_dev`: the minor number in 20 bits, the major number above (linux/kdev_t.h).
    pub device: u64,
    pub inode: u64,
}

/// Size of [`FileKey`] in words of 64 bits.
pub const KEY_WORDS: usize = 2;

/// Most files that are known; past it those unused for longest are told of again.
pub const MAX_FILES: u32 = 32_768;

const _: () = assert!(size_of::<FileKey>() == KEY_WORDS * 8);

impl FileKey {
    /// As the map holds it.
    pub const fn words(self) -> [u64; KEY_WORDS] {
        [self.device, self.inode]
    }
}
