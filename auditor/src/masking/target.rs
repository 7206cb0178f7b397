//! What masking coverage has to be between two ends: `masking.targets`.
//!
//! Goes in: requirements in the language of [`Requirement`], as far as they say a least share of protected values.
//! Comes out: the strictest one for a kind of data between two ends, for the metric next to its coverage.

use super::Party;
use super::require::{RequireError, Requirement};

/// Most of them; each is looked at for each kind of data of two ends.
pub const MOST: usize = 64;

/// All that are configured.
#[derive(Clone, Debug, Default)]
pub struct Targets(Vec<Requirement>);

/// Why targets can not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("there are {0} targets, and at most {MOST} are taken: join some")]
    TooMany(usize),
    #[error("target `{0}`: {1}")]
    Unreadable(String, RequireError),
    #[error("target `{0}`: a target has the form `DATA masked >= N%`, with `in`, `from` or `to`")]
    NoShare(String),
}

impl Targets {
    /// Reads sentences; `known` are own detectors.
    ///
    /// # Errors
    /// The first sentence that can not be used.
    pub fn parse(texts: &[String], known: &[&str]) -> Result<Self, TargetError> {
        if texts.len() > MOST {
            return Err(TargetError::TooMany(texts.len()));
        }
        let read = |text: &String| {
            let requirement = Requirement::parse(text, known)
                .map_err(|error| TargetError::Unreadable(text.clone(), error))?;
            if requirement.is_least_share() {
                Ok(requirement)
            } else {
                Err(TargetError::NoShare(text.clone()))
            }
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The highest share that is asked for, from 0 to 1; `None` when no target is about this.
    pub fn of(&self, detector: &str, source: &Party, destination: &Party) -> Option<f64> {
        let asked = self
            .0
            .iter()
            .filter(|one| one.is_about_ends(detector, source, destination));
        asked.map(Requirement::share).max_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(name: &str) -> Party {
        Party {
            namespace: "shop".to_owned(),
            kind: "Deployment".to_owned(),
            name: name.to_owned(),
            external: false,
        }
    }

    fn targets(texts: &[&str]) -> Result<Targets, TargetError> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        Targets::parse(&texts, &["staff_number"])
    }

    #[test]
    fn the_strictest_target_about_a_kind_of_data_between_two_ends_holds() {
        let targets = targets(&[
            "everything masked >= 50%",
            "payment_card masked >= 99.5% from workload=checkout",
            "payment masked >= 90%",
            "staff_number protected >= 100% in namespace hr",
        ])
        .unwrap();
        let (checkout, ledger) = (party("checkout"), party("ledger"));
        for (detector, source, destination, share) in [
            ("payment_card", &checkout, &ledger, 0.995),
            ("payment_card", &ledger, &checkout, 0.9),
            ("email_address", &checkout, &ledger, 0.5),
            ("staff_number", &checkout, &ledger, 0.5),
        ] {
            assert_eq!(
                targets.of(detector, source, destination),
                Some(share),
                "{detector}"
            );
        }
        assert_eq!(Targets::default().of("payment_card", &checkout, &ledger), None);
    }

    #[test]
    fn what_is_no_least_share_of_protected_values_is_refused_by_its_words() {
        for (text, why) in [
            ("payment_card only hashed >= 99%", "has the form"),
            ("payment_card masked > 99%", "has the form"),
            ("traffic seen >= 99%", "has the form"),
            ("payment_cart masked >= 99%", "did you mean `payment_card`"),
            ("payment_card masked >= 101%", "`101` is no percentage"),
        ] {
            let error = targets(&[text]).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(text), "{error}");
        }
        let many = ["everything masked >= 1%"; MOST + 1];
        assert_eq!(targets(&many).unwrap_err(), TargetError::TooMany(MOST + 1));
    }
}
