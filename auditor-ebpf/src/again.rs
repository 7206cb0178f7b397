//! What a function works on, found again: in the reduced object functions get no pointers.
//!
//! What a program would have on its stack is in an array of one element for each processor. Kernels that this object is
//! for run its programs without preemption (tracepoints, and uprobes before 6.0), and none of those that use the array
//! runs in an interrupt. What lives in maps is looked up by the same keys as before.

use core::{arch::asm, ptr};

use auditor_common::{go::GoPoint, record::Endpoint};
use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::map, maps::PerCpuArray};

use crate::{
    cookie,
    copy::{Call, Progress},
    hooks::call::Registers,
    maps::{GO_POINTS, RAW_SOCKETS, THREADS, TLS_STREAMS, Thread, TlsKey, TlsStream},
    records::{Position, Walk},
    socket_state::SocketState,
};

/// What the programs of a processor are at.
#[repr(C)]
struct UnderWay {
    call: Call,
    progress: Progress,
    endpoint: Endpoint,
    registers: Registers,
}

#[map]
static UNDER_WAY: PerCpuArray<UnderWay> = PerCpuArray::with_max_entries(1, 0);

macro_rules! parts {
    ($($name:ident: $Type:ty;)+) => {
        $(
            /// Null if there is none, which does not happen.
            #[inline(always)]
            pub fn $name() -> *mut $Type {
                match UNDER_WAY.get_ptr_mut(0) {
                    // SAFETY: a map value.
                    Some(under_way) => unsafe { &raw mut (*compared(under_way)).$name },
                    None => ptr::null_mut(),
                }
            }
        )+
    };
}

parts! {
    call: Call;
    progress: Progress;
    endpoint: Endpoint;
    registers: Registers;
}

/// Puts down a value; `None` does not happen.
#[inline(always)]
pub fn begin<T>(place: *mut T, value: T) -> Option<&'static mut T> {
    if place.is_null() {
        return None;
    }
    // SAFETY: a part of a map value, which no other program uses meanwhile.
    unsafe {
        ptr::write(place, value);
        Some(&mut *place)
    }
}

/// A function looks at what this points to, without getting the pointer: it has to be in memory before, and to be read
/// again behind.
#[inline(always)]
pub fn shown<T>(pointer: *const T) {
    // SAFETY: it moves a register to itself; as far as the compiler knows it reads and writes what is there.
    unsafe { asm!("{0} = {0}", inout(reg) pointer => _) };
}

/// A pointer that was compared with null: parts of what it is to are looked for behind that, and not before.
#[inline(always)]
fn compared<T>(mut pointer: *mut T) -> *mut T {
    // SAFETY: it moves a register to itself.
    unsafe { asm!("{0} = {0}", inout(reg) pointer) };
    pointer
}

/// The state of the socket that the call is on.
#[inline(always)]
pub fn state() -> *mut SocketState {
    let call = call();
    if call.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: a map value.
    let sk = unsafe { (*call).object };
    RAW_SOCKETS.get_ptr_mut(&sk).unwrap_or(ptr::null_mut())
}

/// Where the call's direction of its socket is in its records.
#[inline(always)]
pub fn position() -> *mut Position {
    let (call, state) = (call(), state());
    if call.is_null() || state.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: map values.
    unsafe {
        let state = compared(state);
        if (*call).ingress & 1 == 0 {
            &raw mut (*state).records[0]
        } else {
            &raw mut (*state).records[1]
        }
    }
}

/// What is known of the thread of the call.
#[inline(always)]
pub fn thread() -> *mut Thread {
    let thread = bpf_get_current_pid_tgid();
    THREADS.get_ptr_mut(&thread).unwrap_or(ptr::null_mut())
}

/// Its walk through records.
#[inline(always)]
pub fn walk() -> *mut Walk {
    let thread = thread();
    if thread.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: a map value.
    unsafe { &raw mut (*compared(thread)).walk }
}

/// The stream of a TLS object of the current process.
#[inline(always)]
pub fn stream(object: u64) -> *mut TlsStream {
    let key = TlsKey {
        tgid: bpf_get_current_pid_tgid() >> 32,
        object,
    };
    TLS_STREAMS.get_ptr_mut(&key).unwrap_or(ptr::null_mut())
}

/// The stream of the TLS object that the call is on.
#[inline(always)]
pub fn stream_of_call() -> *mut TlsStream {
    let call = call();
    if call.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: a map value.
    stream(unsafe { (*call).object })
}

/// What the probe in a Go program has to know.
#[inline(always)]
pub fn point() -> *const GoPoint {
    GO_POINTS.get_ptr(cookie::placed().index()).unwrap_or(ptr::null())
}
