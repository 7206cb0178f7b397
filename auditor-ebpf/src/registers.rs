//! The registers that a probe looks at.

/// Declares a struct of them, each field with its register. They are copied out of the context one by one: the verifier takes
/// no pointers into it, and the compiler must not choose between two of its fields by a computed offset.
macro_rules! registers {
    ($($field:ident: $register:ident,)+) => {
        struct Registers {
            $($field: u64,)+
        }

        impl Registers {
            #[inline(always)]
            fn of(ctx: *mut core::ffi::c_void) -> Self {
                let regs: *const aya_ebpf::bindings::pt_regs = ctx.cast();
                // SAFETY: the context of uprobe and uretprobe programs is `struct pt_regs`.
                unsafe {
                    Self {
                        $($field: core::ptr::read_volatile(&raw const (*regs).$register),)+
                    }
                }
            }
        }
    };
}

pub(crate) use registers;
