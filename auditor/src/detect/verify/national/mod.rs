//! Numbers that a state gives a person or a firm: one file per country or small group.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`crate::detect::candidate::Proof`], or nothing. Pure, and total: any bytes may come.

pub(crate) mod brazil;
pub(crate) mod calendar;
pub(crate) mod canada;
pub(crate) mod china;
pub(crate) mod hong_kong;
pub(crate) mod india;
pub(crate) mod israel;
pub(crate) mod japan;
pub(crate) mod korea;
#[cfg(test)]
mod measure;
pub(crate) mod mexico;
pub(crate) mod oceania;
pub(crate) mod south_africa;
pub(crate) mod south_america;
pub(crate) mod southeast_asia;
pub(crate) mod taiwan;
pub(crate) mod united_states;
