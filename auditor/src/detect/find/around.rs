//! What stands around a candidate: its name, else the words near by.

use std::cell::OnceCell;
use std::ops::Range;

use super::Finder;
use crate::detect::candidate::{self, Around as _, Proof};
use crate::detect::catalogue::Needs;
use crate::detect::form::Form;
use crate::detect::glance::{Answer, Glance};
use crate::detect::rows::{RowId, RowSet};
use crate::detect::{context, evidence};

/// Least bits of a value that is kept without a name, a word or a sibling: what proves less would
/// cost a look at the field around one number in ten, and only to be dropped.
const UNNAMED: f32 = 5.0;

/// What stands around a candidate. May say yes for no reason (names that are further away), never
/// no wrongly.
pub(super) struct Around<'f, 's, 'd> {
    pub(super) finder: &'f Finder<'s, 'd>,
    range: Range<usize>,
    named: Option<Answer>,
    hints: OnceCell<RowSet>,
}

impl candidate::Around for Around<'_, '_, '_> {
    fn may_speak_of(&self, row: RowId) -> bool {
        match self.named() {
            Some(glance) => glance.generic || glance.rows.contains(row),
            None if is_glued(self.finder.bytes, self.range.start) => false,
            None => self
                .hints
                .get_or_init(|| {
                    context::hints_near(&self.finder.scanner.vocabulary, self.finder.bytes, &self.range)
                })
                .contains(row),
        }
    }
}

/// Whether what begins at `at` stands right behind what joins it to something longer, as in a path:
/// then no word near by speaks of it.
pub(super) fn is_glued(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| bytes[before]);
    matches!(before, Some(b'/' | b'_' | b'-' | b'='))
}

impl<'f, 's, 'd> Around<'f, 's, 'd> {
    pub(super) fn of(finder: &'f mut Finder<'s, 'd>, range: Range<usize>) -> Self {
        let named = finder.named(range.start);
        Self::named_so(finder, range, named)
    }

    /// Around a value whose name says this.
    pub(super) fn named_so(finder: &'f Finder<'s, 'd>, range: Range<usize>, named: Option<Answer>) -> Self {
        Self {
            named,
            finder,
            range,
            hints: OnceCell::new(),
        }
    }

    /// Whether a value of so many bits, written as `text`, is too weak to be kept without a name.
    pub(super) fn is_weak(&self, form: &Form, proof: &Proof, text: &[u8]) -> bool {
        let bits = proof.bits + form.grouping_bits();
        if bits >= 20.0 || self.may_speak_of(form.row) {
            return false;
        }
        let against = self.named().and_then(|glance| glance.against);
        let against: f32 = evidence::against(text, against, None).map(|(bits, _)| bits).sum();
        bits + against < UNNAMED
    }

    /// What the name says, if there is one.
    pub(super) fn named(&self) -> Option<&Glance> {
        self.named.map(|answer| self.finder.names.glance(answer))
    }

    /// Whether the row can be reported here at all.
    pub(super) fn allows(&self, row: RowId) -> bool {
        match self.finder.scanner.rows[row.index()].needs {
            Needs::Nothing | Needs::KeyOrSibling => true,
            Needs::Name | Needs::Key | Needs::KeyAndSibling => self.may_speak_of(row),
        }
    }
}
