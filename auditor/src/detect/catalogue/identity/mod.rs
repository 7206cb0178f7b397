//! Category `identity`: numbers that a state gives a person, one file per region.

mod baltic;
mod british_isles;
mod central;
mod german_speaking;
mod nordic;
mod south_eastern;
mod southern;
#[cfg(test)]
mod tests;
mod us;
mod western;

use super::DetectorInfo;

/// The rows of this category, by region.
pub(super) const ROWS: &[&[&DetectorInfo]] = &[
    us::ROWS,
    british_isles::ROWS,
    western::ROWS,
    german_speaking::ROWS,
    nordic::ROWS,
    baltic::ROWS,
    central::ROWS,
    southern::ROWS,
    south_eastern::ROWS,
];
