//! People who do not exist, with values that pass their checks.

use crate::random::Random;

const FIRST: &[&str] = &[
    "Anna", "Peter", "Maria", "John", "Lena", "Omar", "Chloe", "Marek", "Ines", "Lars",
];
const LAST: &[&str] = &[
    "Schmidt", "Novak", "Garcia", "Miller", "Rossi", "Jensen", "Dubois", "Silva", "Yilmaz",
];
const HOSTS: &[&str] = &["mailbox.org", "posteo.de", "fastmail.com", "hey.com", "runbox.no"];

/// What a sensitive record is about.
pub struct Person {
    pub first: &'static str,
    pub last: &'static str,
    pub email: String,
    pub phone: String,
    pub card: String,
    pub cvv: String,
    pub ssn: String,
    pub iban: String,
    pub born: String,
    pub token: String,
}

impl Person {
    /// Somebody.
    pub fn new(random: &mut Random) -> Self {
        let (first, last) = (random.one(FIRST), random.one(LAST));
        Self {
            first,
            last,
            email: format!(
                "{}.{}{}@{}",
                first.to_ascii_lowercase(),
                last.to_ascii_lowercase(),
                random.below(1000),
                random.one(HOSTS)
            ),
            phone: format!("+49 151 {:08}", random.below(100_000_000)),
            card: card(random),
            cvv: format!("{:03}", random.below(1000)),
            ssn: format!(
                "{:03}-{:02}-{:04}",
                100 + random.below(500),
                1 + random.below(99),
                1 + random.below(9998)
            ),
            iban: iban(random),
            born: format!(
                "{}-{:02}-{:02}",
                1940 + random.below(65),
                1 + random.below(12),
                1 + random.below(28)
            ),
            token: format!("ya29.{}", random.hex(60)),
        }
    }
}

/// Sixteen digits below a prefix of a scheme, with their Luhn digit (ISO/IEC 7812-1).
fn card(random: &mut Random) -> String {
    let mut digits = format!(
        "{}{:011}",
        random.one(&["4539", "4916", "5425", "5186"]),
        random.below(100_000_000_000)
    );
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(n, digit)| {
            let value = u32::from(digit - b'0') * if n % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    digits += &((10 - sum % 10) % 10).to_string();
    digits
}

/// A German IBAN with its check digits (ISO 13616-1).
fn iban(random: &mut Random) -> String {
    let account = format!("{:018}", random.below(1_000_000_000_000_000_000));
    // `DE00` behind the account, letters as numbers from 10.
    let rest = format!("{account}131400")
        .bytes()
        .fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("DE{:02}{account}", 98 - rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_pass_their_checks() {
        let person = Person::new(&mut Random::new(1));
        let sum: u32 = person
            .card
            .bytes()
            .rev()
            .enumerate()
            .map(|(n, digit)| {
                let value = u32::from(digit - b'0') << (n % 2);
                value / 10 + value % 10
            })
            .sum();
        assert_eq!((person.card.len(), sum % 10), (16, 0));
        let moved = format!("{}1314{}", &person.iban[4..], &person.iban[2..4]);
        let rest = moved
            .bytes()
            .fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
        assert_eq!(rest, 1);
    }
}
