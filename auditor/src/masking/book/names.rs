//! The names of a field, shared by many, and rows made of them.

use std::sync::Arc;

use super::index::without_indices;
use super::{Book, Slot};
use crate::masking::Party;
use crate::masking::row::{Field, Row};
use crate::report::observation::Observation;

/// Longest operation and longest field path kept, bytes.
pub(super) const TEXT_LIMIT: usize = 384;

/// A field in memory: its names are shared.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) source: Arc<Party>,
    pub(super) destination: Arc<Party>,
    pub(super) operation: Option<Box<str>>,
    pub(super) part: Arc<str>,
    pub(super) field: Option<Box<str>>,
    pub(super) detector: Arc<str>,
    pub(super) category: Arc<str>,
    pub(super) regulations: Arc<[Box<str>]>,
}

impl Book {
    pub(super) fn names(
        &mut self,
        source: Arc<Party>,
        destination: Arc<Party>,
        observation: &Observation,
    ) -> Names {
        let detection = &observation.detection;
        let (detector, category, regulations) = self.index.detector(
            detection.detector,
            observation.category,
            observation.regulations,
            detection.extra_regulations,
        );
        Names {
            source,
            destination,
            operation: observation.flow.operation.as_deref().map(cut),
            part: self.index.text(observation.place.name()),
            field: detection
                .field
                .path
                .as_deref()
                .map(|path| cut(&without_indices(path))),
            detector,
            category,
            regulations,
        }
    }
}

pub(super) fn row_field(names: &Names) -> Field {
    Field {
        source: (*names.source).clone(),
        destination: (*names.destination).clone(),
        operation: names.operation.clone(),
        part: (&*names.part).into(),
        field: names.field.clone(),
        detector: (&*names.detector).into(),
    }
}

pub(super) fn row(slot: &Slot) -> Row {
    Row {
        field: row_field(&slot.names),
        category: (&*slot.names.category).into(),
        regulations: slot.names.regulations.to_vec(),
        record: slot.record.clone(),
    }
}

pub(super) fn cut(text: &str) -> Box<str> {
    text[..text.floor_char_boundary(TEXT_LIMIT)].into()
}
