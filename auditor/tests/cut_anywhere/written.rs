//! Content as it was written, and what must be found in it.

/// A value that must be found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    pub detector: &'static str,
    pub value: String,
    /// As `location.field` has it.
    pub field: Option<String>,
    /// Where it stands; none where a value is no text.
    pub at: Option<(u64, u64)>,
}

/// Bytes, and the values in them.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub bytes: Vec<u8>,
    pub expected: Vec<Expected>,
}

/// Makes values that are all different.
#[derive(Clone, Default)]
pub struct Values(u64);

impl Values {
    /// Detector and value.
    pub fn card(&mut self) -> (&'static str, String) {
        self.0 += 1;
        // An issuer's prefix, and the digit that makes it pass the Luhn check.
        let body = 453_957_100_000_000 + self.0 * 7_919 % 1_000_000_000;
        let sum: u64 = (0..15)
            .map(|place| match (place % 2, body / 10_u64.pow(place) % 10) {
                (0, digit @ 5..) => 2 * digit - 9,
                (0, digit) => 2 * digit,
                (_, digit) => digit,
            })
            .sum();
        ("payment_card", (body * 10 + (10 - sum % 10) % 10).to_string())
    }

    /// Detector and value.
    pub fn email(&mut self) -> (&'static str, String) {
        self.0 += 1;
        ("email_address", format!("jane.roe{}@corp.de", self.0))
    }
}

impl Written {
    pub fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Writes a value as it is.
    pub fn value(&mut self, value: (&'static str, String), field: impl Into<Option<String>>) {
        let text = value.1.clone();
        self.value_as(value, text.as_bytes(), field);
    }

    /// Writes a value, which stands there as `bytes`.
    pub fn value_as(
        &mut self,
        (detector, value): (&'static str, String),
        bytes: &[u8],
        field: impl Into<Option<String>>,
    ) {
        let start = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        self.expected.push(Expected {
            detector,
            value,
            field: field.into(),
            at: Some((start, self.bytes.len() as u64)),
        });
    }

    /// Writes other content, whose fields become what `field` makes of them, and whose places begin here.
    pub fn inner(&mut self, inner: Written, field: impl Fn(Option<String>) -> Option<String>) {
        let base = self.bytes.len() as u64;
        self.bytes.extend_from_slice(&inner.bytes);
        self.expect(&inner, base, field);
    }

    /// Expects what is in other content, which is written elsewhere or in another way, at places from `base` on.
    pub fn expect(&mut self, inner: &Written, base: u64, field: impl Fn(Option<String>) -> Option<String>) {
        self.expected
            .extend(inner.expected.iter().map(|expected| Expected {
                field: field(expected.field.clone()),
                at: expected.at.map(|(start, end)| (base + start, base + end)),
                ..expected.clone()
            }));
    }

    /// The same with every byte as `byte` writes it, given the place.
    pub fn mapped(&self, mut byte: impl FnMut(usize, u8, &mut Vec<u8>)) -> Self {
        let mut mapped = Self::default();
        let mut places = Vec::with_capacity(self.bytes.len() + 1);
        for (at, one) in self.bytes.iter().enumerate() {
            places.push(mapped.bytes.len() as u64);
            byte(at, *one, &mut mapped.bytes);
        }
        places.push(mapped.bytes.len() as u64);
        let place = |range: (u64, u64)| (places[range.0 as usize], places[range.1 as usize]);
        mapped.expected = self.expected.clone();
        for expected in &mut mapped.expected {
            expected.at = expected.at.map(place);
        }
        mapped
    }
}

/// The path of a field inside of what `around` is the path of.
pub fn within(around: &str, field: Option<String>) -> Option<String> {
    Some(match field {
        None => around.to_owned(),
        Some(field) => format!("{around}:{field}"),
    })
}

/// The same for what is encoded in the string `around`: `$.a|base64.b`, and `$.a|base64:b` in a form.
pub fn encoded(around: &str, encoding: &str, field: Option<String>) -> Option<String> {
    let around = format!("{around}|{encoding}");
    match field.as_deref().and_then(|field| field.strip_prefix('$')) {
        Some(rest) => Some(around + rest),
        None => within(&around, field),
    }
}
