//! The field lookup of each format, and which one content has.
//!
//! Goes in: what content is. Comes out: a [`FieldLookup`] that follows its windows.

use super::csv::Csv;
use super::cursor::Tracked;
use super::form::Form;
use super::headers::Headers;
use super::json::Json;
use super::path::Path;
use super::sniff::Kind;
use super::sql::Sql;
use super::text::Text;
use super::xml::Xml;
use super::{FieldLookup, Format, protobuf};

/// The field lookup of each format.
pub(super) enum Lookup {
    Json(Tracked<Json>),
    Form(Tracked<Form>),
    Csv(Tracked<Csv>),
    Protobuf(Tracked<protobuf::Fields>),
    Xml(Tracked<Xml>),
    Sql(Tracked<Sql>),
    Headers(Headers),
    Path(Path),
    Text(Text),
}

impl Lookup {
    pub(super) fn of(kind: Option<Kind>) -> Self {
        let Some(Kind::Text { format, delimiter }) = kind else {
            return Self::Text(Text);
        };
        match format {
            Format::Json => Self::Json(Tracked::new(Json::default())),
            Format::Form => Self::Form(Tracked::new(Form::default())),
            Format::Csv => Self::Csv(Tracked::new(Csv::new(delimiter))),
            Format::Xml => Self::Xml(Tracked::new(Xml::default())),
            Format::Headers => Self::Headers(Headers),
            Format::Path => Self::Path(Path),
            Format::Sql => Self::Sql(Tracked::new(Sql::default())),
            Format::Protobuf => Self::Protobuf(Tracked::new(protobuf::Fields::default())),
            Format::Text => Self::Text(Text),
        }
    }

    pub(super) fn fields(&self) -> &dyn FieldLookup {
        match self {
            Self::Json(lookup) => lookup,
            Self::Form(lookup) => lookup,
            Self::Csv(lookup) => lookup,
            Self::Protobuf(lookup) => lookup,
            Self::Xml(lookup) => lookup,
            Self::Sql(lookup) => lookup,
            Self::Headers(lookup) => lookup,
            Self::Path(lookup) => lookup,
            Self::Text(lookup) => lookup,
        }
    }

    /// The next window starts `n` bytes on; only formats with memory need to know.
    pub(super) fn advance(&mut self, bytes: &[u8], n: usize) {
        match self {
            Self::Json(lookup) => lookup.advance(bytes, n),
            Self::Form(lookup) => lookup.advance(bytes, n),
            Self::Csv(lookup) => lookup.advance(bytes, n),
            Self::Protobuf(lookup) => lookup.advance(bytes, n),
            Self::Xml(lookup) => lookup.advance(bytes, n),
            Self::Sql(lookup) => lookup.advance(bytes, n),
            Self::Headers(_) | Self::Path(_) | Self::Text(_) => {}
        }
    }
}
