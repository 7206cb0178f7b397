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
mod western;
mod africa;
mod east_asia;
mod north_america;
mod oceania;
mod south_america;
mod south_asia;
mod southeast_asia;
mod travel;
mod us;
mod west_asia;

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
    north_america::ROWS,
    south_america::ROWS,
    oceania::ROWS,
    africa::ROWS,
    west_asia::ROWS,
    south_asia::ROWS,
    east_asia::ROWS,
    southeast_asia::ROWS,
    travel::ROWS,
];
