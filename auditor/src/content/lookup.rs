//! The field lookup of each format, and which one content has.
//!
//! Goes in: what content is. Comes out: a [`FieldLookup`] that follows its windows.

use super::csv::Csv;
use super::cursor::Tracked;
use super::events::Events;
use super::form::Form;
use super::headers::Headers;
use super::json::Json;
use super::marked::Marked;
use super::path::Path;
use super::sniff::{Kind, Made};
use super::sql::Sql;
use super::text::Text;
use super::xml::Xml;
use super::yaml::Yaml;
use super::{FieldLookup, Format};

/// The field lookup of each format.
pub(super) enum Lookup {
    Json(Tracked<Json>),
    Form(Tracked<Form>),
    Csv(Tracked<Csv>),
    Events(Tracked<Events>),
    Marked(Tracked<Marked>),
    Xml(Tracked<Xml>),
    Yaml(Tracked<Yaml>),
    Sql(Tracked<Sql>),
    Headers(Headers),
    Path(Path),
    Text(Text),
}

impl Lookup {
    pub(super) fn of(kind: Option<Kind>) -> Self {
        let (format, delimiter) = match kind {
            Some(Kind::Text { format, delimiter }) => (format, delimiter),
            Some(Kind::Made(Made::Multipart)) => return Self::marked(),
            Some(Kind::Made(Made::MessagePack | Made::Cbor)) => (Format::Json, 0),
            Some(Kind::Made(Made::Events { .. })) => {
                return Self::Events(Tracked::new(Events::default()));
            }
            Some(Kind::Binary) | None => return Self::Text(Text),
        };
        match format {
            Format::Json => Self::Json(Tracked::new(Json::default())),
            Format::Form => Self::Form(Tracked::new(Form::default())),
            Format::Csv => Self::Csv(Tracked::new(Csv::new(delimiter))),
            Format::Xml => Self::Xml(Tracked::new(Xml::default())),
            Format::Html => Self::Xml(Tracked::new(Xml::html())),
            Format::Yaml => Self::Yaml(Tracked::new(Yaml::default())),
            Format::Headers => Self::Headers(Headers),
            Format::Path => Self::Path(Path),
            Format::Sql => Self::Sql(Tracked::new(Sql::default())),
            Format::Protobuf => Self::marked(),
            Format::Text => Self::Text(Text),
        }
    }

    /// The lookup behind missing bytes, which knows no path before it comes to where a path begins.
    pub(super) fn behind_gap(kind: Option<Kind>, content_type: Option<&str>) -> Self {
        match kind {
            Some(Kind::Text {
                format: Format::Json, ..
            }) => Self::Json(Tracked::new(Json::lost(content_type))),
            Some(Kind::Text {
                format: Format::Form, ..
            }) => Self::Form(Tracked::new(Form::lost())),
            Some(
                Kind::Text {
                    format: Format::Xml | Format::Html | Format::Yaml | Format::Csv,
                    ..
                }
                | Kind::Made(Made::MessagePack | Made::Cbor),
            ) => Self::Text(Text),
            kind => Self::of(kind),
        }
    }

    fn marked() -> Self {
        Self::Marked(Tracked::new(Marked::default()))
    }

    pub(super) fn fields(&self) -> &dyn FieldLookup {
        match self {
            Self::Json(lookup) => lookup,
            Self::Form(lookup) => lookup,
            Self::Csv(lookup) => lookup,
            Self::Events(lookup) => lookup,
            Self::Marked(lookup) => lookup,
            Self::Xml(lookup) => lookup,
            Self::Yaml(lookup) => lookup,
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
            Self::Events(lookup) => lookup.advance(bytes, n),
            Self::Marked(lookup) => lookup.advance(bytes, n),
            Self::Xml(lookup) => lookup.advance(bytes, n),
            Self::Yaml(lookup) => lookup.advance(bytes, n),
            Self::Sql(lookup) => lookup.advance(bytes, n),
            Self::Headers(_) | Self::Path(_) | Self::Text(_) => {}
        }
    }
}
