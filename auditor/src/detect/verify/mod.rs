//! Verifiers: one file per kind of value.
//!
//! Goes in: a place where the scanner saw a trigger. Comes out: a [`super::candidate::Match`] with
//! the reasons that lie in the value, or nothing. A verifier looks at a bounded number of bytes and
//! allocates only once it is convinced.

pub(crate) mod bank;
pub(crate) mod birth;
pub(crate) mod bitcoin;
pub(crate) mod card;
pub(crate) mod card_details;
pub(crate) mod clinical;
pub(crate) mod cue;
pub(crate) mod device;
pub(crate) mod email;
pub(crate) mod ethereum;
pub(crate) mod health;
pub(crate) mod iban;
pub(crate) mod mrz;
pub(crate) mod national;
pub(crate) mod network;
pub(crate) mod passport;
pub(crate) mod person;
pub(crate) mod phone;
pub(crate) mod place;
pub(crate) mod secret;
pub(crate) mod special;
pub(crate) mod ssn;
pub(crate) mod text;
pub(crate) mod track;
pub(crate) mod vin;
