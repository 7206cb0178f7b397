//! Where the bytes are that a call moved, and how they are read.
//!
//! They are in user memory, unless the kernel moves them for a program: then in pages of a file or a pipe.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};

use crate::{
    globals::{PAGE_OFFSET_BASE, PAGE_STRUCT_SHIFT, VMEMMAP_BASE},
    words,
};

/// One piece, and an array of those behind it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bytes {
    pub buffer: u64,
    pub length: u64,
    pub array: u64,
    pub count: u64,
    /// One of [`place`].
    pub place: u64,
}

/// What [`Bytes`] points to.
pub mod place {
    /// The pieces and their array, of `struct iovec`, are in user memory.
    pub const USER: u64 = 0;
    /// The pieces are in user memory, their array in the kernel's.
    pub const USER_PIECES: u64 = 1;
    /// All is in kernel memory, the array of `struct kvec`, which is laid out like `struct iovec`.
    pub const KERNEL: u64 = 2;
    /// The array, of `struct bio_vec`, names pages.
    pub const PAGES: u64 = 3;
}

/// Bits in a page's number of bytes.
const PAGE_SHIFT: u64 = 12;

impl Bytes {
    /// One buffer of `length` bytes in user memory.
    #[inline(always)]
    pub fn buffer(buffer: u64, length: u64) -> Self {
        Self {
            buffer,
            length,
            array: 0,
            count: 0,
            place: place::USER,
        }
    }

    /// `count` iovecs at `array` in user memory.
    #[inline(always)]
    pub fn vector(array: u64, count: u64) -> Self {
        Self {
            buffer: 0,
            length: 0,
            array,
            count,
            place: place::USER,
        }
    }

    /// Goes on to the next piece; false when its entry in the array can not be read. There has to be one.
    #[inline(always)]
    pub fn next(&mut self) -> bool {
        let mut entry = MaybeUninit::uninit();
        let Some([first, second]) = self.entry(self.array, &mut entry) else {
            return false;
        };
        let (mut buffer, mut length) = (*first, *second);
        if self.place == place::PAGES {
            // `struct bio_vec {struct page *bv_page; unsigned int bv_len, bv_offset;}`
            buffer = page_address(buffer) + (length >> 32);
            length &= 0xffff_ffff;
        }
        self.buffer = buffer;
        self.length = length;
        self.array += 16;
        self.count -= 1;
        true
    }

    /// An entry of the array.
    #[inline(always)]
    pub fn entry<'a>(&self, at: u64, into: &'a mut MaybeUninit<[u64; 2]>) -> Option<&'a [u64; 2]> {
        if self.place == place::USER {
            words::user(at, into)
        } else {
            words::of_kernel(at, into)
        }
    }

    /// Copies `n` bytes of a piece; false when they can not be read.
    ///
    /// # Safety
    /// `into` has room for them.
    #[inline(always)]
    pub unsafe fn read(&self, at: u64, into: *mut u8, n: u32) -> bool {
        // SAFETY: the caller vouches for the room; a bad address is an error code.
        unsafe {
            if self.place >= place::KERNEL {
                bpf_probe_read_kernel(into.cast(), n, at as *const c_void) == 0
            } else {
                bpf_probe_read_user(into.cast(), n, at as *const c_void) == 0
            }
        }
    }
}

/// Whether the address of a page can be told.
#[inline(always)]
pub fn pages_are_known() -> bool {
    VMEMMAP_BASE.load() != 0 && PAGE_OFFSET_BASE.load() != 0 && PAGE_STRUCT_SHIFT.load() != 0
}

/// Where the kernel has the bytes of a `struct page` (arch/x86/include/asm/page_64.h, pgtable_64.h: all pages are in one
/// array, and all memory is mapped in one piece, in the same order). Only to be read through a helper that bears a fault.
#[inline(always)]
pub fn page_address(page: u64) -> u64 {
    let first = words::kernel(VMEMMAP_BASE.load(), 0);
    let direct = words::kernel(PAGE_OFFSET_BASE.load(), 0);
    let number = page.wrapping_sub(first) >> (PAGE_STRUCT_SHIFT.load() & 63);
    direct.wrapping_add(number << PAGE_SHIFT)
}
