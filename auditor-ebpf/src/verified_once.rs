//! Functions that more than one program needs, which the verifier walks through once.
//!
//! They are global functions, and get pointers. Kernels before 5.12 take none: there, in the reduced object, a function
//! finds again what the pointer is to, see [`crate::again`]. So each pointer is declared with how it is found; the other
//! arguments, which are numbers, come after a semicolon. A caller sees the same function in both objects.

/// Declares such a function. Its pointers are null or valid.
#[cfg(not(feature = "reduced"))]
macro_rules! verified_once {
    (
        $(#[$about:meta])*
        $vis:vis unsafe fn $name:ident(
            $($pointer:ident: *$kind:tt $Type:ty = $finder:ident($($key:expr),*)),+
            $(; $($number:ident: $Number:ty),+)?
        ) -> $Answer:ty $body:block
    ) => {
        $(#[$about])*
        #[unsafe(no_mangle)]
        #[inline(never)]
        $vis unsafe extern "C" fn $name($($pointer: *$kind $Type),+ $(, $($number: $Number),+)?) -> $Answer $body
    };
}

#[cfg(feature = "reduced")]
macro_rules! verified_once {
    (
        $(#[$about:meta])*
        $vis:vis unsafe fn $name:ident(
            $($pointer:ident: *$kind:tt $Type:ty = $finder:ident($($key:expr),*)),+
            $(; $($number:ident: $Number:ty),+)?
        ) -> $Answer:ty $body:block
    ) => {
        $(#[$about])*
        #[inline(always)]
        $vis unsafe fn $name($($pointer: *$kind $Type),+ $(, $($number: $Number),+)?) -> $Answer {
            #[unsafe(no_mangle)]
            #[inline(never)]
            unsafe extern "C" fn $name($($($number: $Number),+)?) -> $Answer {
                $(let $pointer: *$kind $Type = $crate::again::$finder($($key),*);)+
                $body
            }
            $($crate::again::shown($pointer);)+
            // SAFETY: it gets no pointers.
            unsafe { $name($($($number),+)?) }
        }
    };
}

/// Makes what is handed to such functions: a call, and how far it is copied.
#[cfg(not(feature = "reduced"))]
macro_rules! handed {
    ($name:ident: $part:ident = $value:expr) => {
        let mut $name = $value;
        let $name = &mut $name;
    };
}

#[cfg(feature = "reduced")]
macro_rules! handed {
    ($name:ident: $part:ident = $value:expr) => {
        let Some($name) = $crate::again::begin($crate::again::$part(), $value) else {
            return Default::default();
        };
    };
}

pub(crate) use {handed, verified_once};
