//! Category `identity`: numbers that a state gives a person, one file per region.

mod africa;
mod baltic;
mod british_isles;
mod central;
mod east_asia;
mod german_speaking;
mod nordic;
mod north_america;
mod oceania;
mod south_america;
mod south_asia;
mod south_eastern;
mod southeast_asia;
mod southern;
#[cfg(test)]
mod tests;
mod travel;
mod us;
mod west_asia;
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
