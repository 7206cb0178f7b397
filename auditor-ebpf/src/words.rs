//! Reading memory of programs and of the kernel into words on the stack.
//!
//! Never through a zeroed array: clearing even 16 bytes is a call of `memset`, and its frame counts in the 512 bytes that
//! all nested calls share.

use core::{arch::asm, ffi::c_void, mem::MaybeUninit};

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

/// `N` words of kernel memory; `None` when they can not be read.
#[inline(always)]
pub fn of_kernel<const N: usize>(at: u64, into: &mut MaybeUninit<[u64; N]>) -> Option<&[u64; N]> {
    let length = size_of::<[u64; N]>() as u32;
    // SAFETY: as above.
    unsafe {
        let failed = bpf_probe_read_kernel(into.as_mut_ptr().cast(), length, at as *const c_void) != 0;
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

/// A zero the compiler does not know: a row of known ones would become a call of `memset`.
#[inline(always)]
pub fn zero() -> u64 {
    let zero;
    // SAFETY: it sets a register.
    unsafe { asm!("{0} = 0", out(reg) zero) };
    zero
}

/// Keeps an argument that a function does not look at: without it its callers would pass what happens to be in the register.
#[cfg(feature = "reduced")]
#[inline(always)]
pub fn used(number: u64) {
    // SAFETY: it moves a register to itself.
    unsafe { asm!("{0} = {0}", inout(reg) number => _) };
}

/// The pointer to hand to a global function. All of `value` is written to memory before, also what the function does not
/// read: older verifiers ask for it.
#[inline(always)]
pub fn written<T>(value: &mut T) -> *mut T {
    let mut pointer: *mut T = value;
    // Not without an instruction: its line would have the place of the next one's, which kernels do not take.
    // SAFETY: it moves a register to itself; as far as the compiler knows it reads what is there.
    unsafe { asm!("{0} = {0}", inout(reg) pointer) };
    pointer
}

/// The pointer to hand to a global function that writes all of `value` and reads none of it. Kernels before 6.3 take no
/// pointer to a stack that was not written.
#[inline(always)]
pub fn uninit<T>(value: &mut MaybeUninit<T>) -> *mut T {
    let words: *mut u32 = value.as_mut_ptr().cast();
    let zero = zero() as u32;
    for word in 0..size_of::<T>() / 4 {
        // SAFETY: within the value. Volatile: the compiler knows that nobody reads it.
        unsafe { core::ptr::write_volatile(words.add(word), zero) };
    }
    value.as_mut_ptr()
}
