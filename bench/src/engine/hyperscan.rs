//! Hyperscan as a peer: its shared library is loaded when the bench runs, so that nothing has to be
//! installed to build it. The only unsafe code of this crate.
//!
//! Goes in: the patterns. Comes out: an engine, or why there is none. Names, numbers and types are
//! those of `hs_compile.h`, `hs_runtime.h` and `hs_common.h`, version 5.4.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ptr;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{Engine, Pass, over_windows};
use crate::corpus::Corpus;

/// Row without the start of matches.
pub const PLAIN: &str = "hyperscan";
/// Row with the start of matches, which a tool needs that says where a value is.
pub const START_OF_MATCH: &str = "hyperscan, start of match";

/// What Debian's package installs.
const LIBRARY: &CStr = c"libhs.so.5";
const HS_SUCCESS: c_int = 0;
const HS_MODE_BLOCK: c_uint = 1;
const HS_FLAG_SOM_LEFTMOST: c_uint = 256;

#[repr(C)]
struct CompileError {
    message: *const c_char,
    expression: c_int,
}

type OnMatch = extern "C" fn(c_uint, c_ulonglong, c_ulonglong, c_uint, *mut c_void) -> c_int;
type Compile = unsafe extern "C" fn(
    *const *const c_char,
    *const c_uint,
    *const c_uint,
    c_uint,
    c_uint,
    *const c_void,
    *mut *mut c_void,
    *mut *mut CompileError,
) -> c_int;
type FreeError = unsafe extern "C" fn(*mut CompileError) -> c_int;
type AllocateScratch = unsafe extern "C" fn(*const c_void, *mut *mut c_void) -> c_int;
type Scan = unsafe extern "C" fn(
    *const c_void,
    *const c_char,
    c_uint,
    c_uint,
    *mut c_void,
    Option<OnMatch>,
    *mut c_void,
) -> c_int;
type Free = unsafe extern "C" fn(*mut c_void) -> c_int;
type Version = unsafe extern "C" fn() -> *const c_char;

/// The library's functions. It stays loaded until the process ends.
#[derive(Clone, Copy)]
pub struct Library {
    compile: Compile,
    free_error: FreeError,
    allocate_scratch: AllocateScratch,
    scan: Scan,
    free_scratch: Free,
    free_database: Free,
    version: Version,
}

/// The address of a function of the library, as a function of the type that is asked for.
macro_rules! function {
    ($handle:ident, $name:literal, $type:ty) => {{
        // SAFETY: `handle` is what dlopen gave and the name ends with a zero byte.
        let address = unsafe { libc::dlsym($handle, $name.as_ptr()) };
        if address.is_null() {
            bail!("{LIBRARY:?} has no function {:?}", $name);
        }
        // SAFETY: the address is that of the function of this name, and the type is the one that
        // the headers of version 5 declare for it; data and function pointers are alike in POSIX.
        unsafe { std::mem::transmute::<*mut c_void, $type>(address) }
    }};
}

impl Library {
    /// # Errors
    /// When the library is not there or lacks a function.
    pub fn load() -> anyhow::Result<Self> {
        // SAFETY: the name ends with a zero byte. The library's initialisers set up its own tables
        // alone; it is Debian's, from where the loader looks.
        let handle = unsafe { libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            bail!(
                "{} can not be loaded (Debian's package libhyperscan5)",
                LIBRARY.to_string_lossy()
            );
        }
        Ok(Self {
            compile: function!(handle, c"hs_compile_multi", Compile),
            free_error: function!(handle, c"hs_free_compile_error", FreeError),
            allocate_scratch: function!(handle, c"hs_alloc_scratch", AllocateScratch),
            scan: function!(handle, c"hs_scan", Scan),
            free_scratch: function!(handle, c"hs_free_scratch", Free),
            free_database: function!(handle, c"hs_free_database", Free),
            version: function!(handle, c"hs_version", Version),
        })
    }

    /// As the library says it: `5.4.0 2021-01-26`.
    pub fn version(&self) -> String {
        // SAFETY: hs_version returns a static string that ends with a zero byte.
        let version = unsafe { CStr::from_ptr((self.version)()) };
        version.to_string_lossy().into_owned()
    }
}

/// A compiled set of patterns and what is needed to search with it.
pub struct Hyperscan {
    library: Library,
    database: *mut c_void,
    scratch: *mut c_void,
    rows: [&'static str; 1],
    /// Patterns that the library refused, with its reason.
    pub refused: Vec<String>,
}

impl Hyperscan {
    /// Compiles the patterns; those that the library refuses are left out and named.
    ///
    /// # Errors
    /// When nothing is left or memory runs out.
    pub fn new(library: Library, patterns: &[&str], row: &'static str) -> anyhow::Result<Self> {
        let flags = if row == START_OF_MATCH {
            HS_FLAG_SOM_LEFTMOST
        } else {
            0
        };
        let mut patterns = patterns.to_vec();
        let mut refused = Vec::new();
        let database = loop {
            match compile(&library, &patterns, flags)? {
                Ok(database) => break database,
                Err((Some(at), message)) if at < patterns.len() => {
                    refused.push(format!("{}: {message}", patterns.remove(at)));
                }
                Err((_, message)) => bail!("hyperscan can not compile the patterns: {message}"),
            }
        };
        let mut this = Self {
            library,
            database,
            scratch: ptr::null_mut(),
            rows: [row],
            refused,
        };
        // SAFETY: the database was compiled by this library, and scratch is null, which asks for a
        // new one.
        let status = unsafe { (library.allocate_scratch)(this.database, &raw mut this.scratch) };
        if status != HS_SUCCESS {
            bail!("hyperscan can not allocate scratch space (error {status})");
        }
        Ok(this)
    }

    fn count(&self, window: &[u8]) -> u64 {
        let mut hits = 0_u64;
        let length = c_uint::try_from(window.len()).unwrap_or(c_uint::MAX);
        // SAFETY: database and scratch belong together and are in use nowhere else (they are not
        // Send); `length` is at most the window's; the context is a u64 that outlives the call and
        // that only the callback touches.
        let status = unsafe {
            (self.library.scan)(
                self.database,
                window.as_ptr().cast(),
                length,
                0,
                self.scratch,
                Some(on_match),
                (&raw mut hits).cast(),
            )
        };
        // Fails only for arguments that `new` has checked; a bench that searched nothing must not
        // look fast.
        assert!(status == HS_SUCCESS, "hs_scan failed: {status}");
        hits
    }
}

impl Drop for Hyperscan {
    fn drop(&mut self) {
        // SAFETY: both come from this library, are freed once, and null is allowed for either.
        unsafe {
            (self.library.free_scratch)(self.scratch);
            (self.library.free_database)(self.database);
        }
    }
}

/// The database, or the pattern that is no good and why.
type Compiled = Result<*mut c_void, (Option<usize>, String)>;

fn compile(library: &Library, patterns: &[&str], flags: c_uint) -> anyhow::Result<Compiled> {
    let texts: Vec<CString> = patterns
        .iter()
        .map(|pattern| CString::new(*pattern))
        .collect::<Result<_, _>>()
        .context("a pattern holds a zero byte")?;
    let pointers: Vec<*const c_char> = texts.iter().map(|text| text.as_ptr()).collect();
    let count = c_uint::try_from(patterns.len()).context("too many patterns")?;
    let (flags, ids): (Vec<c_uint>, Vec<c_uint>) = (vec![flags; patterns.len()], (0..count).collect());
    let mut database = ptr::null_mut();
    let mut error: *mut CompileError = ptr::null_mut();
    // SAFETY: the three arrays have `count` elements and outlive the call; a null platform means
    // this machine; the last two are written before the call returns.
    let status = unsafe {
        (library.compile)(
            pointers.as_ptr(),
            flags.as_ptr(),
            ids.as_ptr(),
            count,
            HS_MODE_BLOCK,
            ptr::null(),
            &raw mut database,
            &raw mut error,
        )
    };
    if status == HS_SUCCESS {
        return Ok(Ok(database));
    }
    if error.is_null() {
        bail!("hyperscan fails without a reason (error {status})");
    }
    // SAFETY: after a failure `error` points to a structure whose message is a string that ends with a
    // zero byte; both live until hs_free_compile_error, which is called once and last.
    let (at, message) = unsafe {
        let message = CStr::from_ptr((*error).message).to_string_lossy().into_owned();
        let at = usize::try_from((*error).expression).ok();
        (library.free_error)(error);
        (at, message)
    };
    Ok(Err((at, message)))
}

/// Counts; 0 asks for more.
extern "C" fn on_match(_: c_uint, _: c_ulonglong, _: c_ulonglong, _: c_uint, context: *mut c_void) -> c_int {
    // SAFETY: the context is the counter of `Hyperscan::count`, which waits for this call.
    unsafe { *context.cast::<u64>() += 1 };
    0
}

impl Engine for Hyperscan {
    fn rows(&self) -> &[&'static str] {
        &self.rows
    }

    fn pass(&mut self, corpus: &Corpus, limit: Duration) -> Vec<Pass> {
        vec![over_windows(corpus, limit, |window| self.count(window))]
    }
}
