//! What a uprobe was told when it was attached.

use core::ffi::c_void;

use auditor_common::tls::AttachCookie;

/// The attach cookie of a uprobe program with this context.
#[cfg(not(feature = "reduced"))]
#[inline(always)]
pub fn cookie(ctx: *mut c_void) -> AttachCookie {
    // SAFETY: the context is what the helper wants.
    AttachCookie(unsafe { aya_ebpf::helpers::generated::bpf_get_attach_cookie(ctx) })
}

/// Kernels before 5.15 have no cookies: the daemon loads the program once for each, as its constant.
#[cfg(feature = "reduced")]
#[inline(always)]
pub fn cookie(_ctx: *mut c_void) -> AttachCookie {
    placed()
}

/// The constant, which the daemon replaces.
#[cfg(feature = "reduced")]
#[inline(always)]
pub fn placed() -> AttachCookie {
    let cookie;
    // SAFETY: it sets a register. The compiler must not know the number.
    unsafe { core::arch::asm!("{0} = {1} ll", out(reg) cookie, const auditor_common::tls::COOKIE_PLACE) };
    AttachCookie(cookie)
}
