//! Reading memory of programs and of the kernel into words on the stack.
//!
//! Never through a zeroed array: clearing even 16 bytes is a call of `memset`, and its frame counts in the 512 bytes that
//! all nested calls share.

use core::{ffi::c_void, mem::MaybeUninit};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};

/// `N` words of user memory; `None` when they can not be read.
#[inline(always)]
pub fn user<const N: usize>(at: u64, into: &mut MaybeUninit<[u64; N]>) -> Option<&[u64; N]> {
    let length = size_of::<[u64; N]>() as u32;
    // SAFETY: the helper fills all of `into` or fails; any bits are a value.
    unsafe {
        let failed = bpf_probe_read_user(into.as_mut_ptr().cast(), length, at as *const c_void) != 0;
        if failed {
            None
        } else {
            Some(into.assume_init_ref())
        }
    }
}

/// The word at an offset from a kernel address; 0 when it can not be read.
#[inline(always)]
pub fn kernel(base: u64, offset: u32) -> u64 {
    let mut value = MaybeUninit::<u64>::uninit();
    // SAFETY: the helper fills the word, with zeros when it fails.
    unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            8,
            (base + u64::from(offset)) as *const c_void,
        );
        value.assume_init()
    }
}
