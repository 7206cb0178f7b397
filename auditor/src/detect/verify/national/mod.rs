//! Numbers that a state gives a person or a firm: one file per country or small group.
//!
//! Goes in: the letters and digits of a value in one of its row's forms, in upper case. Comes out:
//! a [`crate::detect::candidate::Proof`], or nothing. Pure, and total: any bytes may come.

pub(crate) mod austria;
pub(crate) mod baltic;
pub(crate) mod benelux;
pub(crate) mod brazil;
pub(crate) mod bulgaria;
pub(crate) mod canada;
pub(crate) mod china;
pub(crate) mod croatia;
pub(crate) mod czechia;
pub(crate) mod date;
pub(crate) mod denmark;
pub(crate) mod finland;
pub(crate) mod france;
pub(crate) mod germany;
pub(crate) mod greece;
pub(crate) mod hong_kong;
pub(crate) mod hungary;
pub(crate) mod iceland;
pub(crate) mod india;
pub(crate) mod ireland;
pub(crate) mod israel;
pub(crate) mod italy;
pub(crate) mod japan;
pub(crate) mod korea;
#[cfg(test)]
mod measure;
pub(crate) mod mexico;
pub(crate) mod norway;
pub(crate) mod oceania;
pub(crate) mod poland;
pub(crate) mod portugal;
pub(crate) mod romania;
pub(crate) mod slovenia;
pub(crate) mod south_africa;
pub(crate) mod south_america;
pub(crate) mod southeast_asia;
pub(crate) mod spain;
pub(crate) mod sweden;
pub(crate) mod switzerland;
pub(crate) mod taiwan;
pub(crate) mod turkey;
pub(crate) mod united_kingdom;
pub(crate) mod united_states;
