//! What descriptors say of one body, and what it says of descriptors.
//!
//! Goes in: its operation and type, and its decoded bytes. Comes out: a reader of protocol buffers that knows names,
//! where there is something to know. An answer of a server that tells of its messages is held until it is all there.

use std::sync::Arc;

use crate::content::protobuf::{Answer, MessageId, Registry, Schema};
use crate::content::sniff::{self, Kind};
use crate::content::{Format, multipart, protobuf};
use crate::protocol::Place;

use super::Body;

#[derive(Default)]
pub(super) struct Described {
    /// The message that it is.
    message: Option<(Arc<Schema>, MessageId)>,
    answer: Option<Box<Answer>>,
}

impl Described {
    /// Takes decoded bytes.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        if let Some(answer) = &mut self.answer {
            answer.take(bytes);
        }
    }

    /// Bytes are missing.
    pub(super) fn gap(&mut self) {
        self.answer = None;
    }

    /// Nothing follows.
    pub(super) fn end(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer.end();
        }
    }

    /// Reads protocol buffers, with names when it is known what message this is.
    pub(super) fn recoder(&self) -> protobuf::Recoder {
        match &self.message {
            Some((schema, message)) => protobuf::Recoder::with_schema(Arc::clone(schema), *message),
            None => protobuf::Recoder::default(),
        }
    }
}

impl Body {
    /// Finds out what descriptors say of it.
    pub(in crate::content) fn ask(&mut self, registry: &Arc<Registry>) {
        if !matches!(self.place, Place::RequestBody | Place::ResponseBody) {
            return;
        }
        let operation = self.exchange.operation.as_deref().unwrap_or_default();
        let operation = operation.rsplit(' ').next().unwrap_or_default();
        if self.place == Place::ResponseBody && protobuf::is_reflection(operation) {
            self.described.answer = Answer::of(registry).map(Box::new);
        }
        let Some(schema) = registry.current() else {
            return;
        };
        let message = schema
            .message_of(operation, self.place)
            .or_else(|| message_in(&schema, self.content_type.as_deref()?));
        self.described.message = message.map(|message| (schema, message));
    }

    /// A message that lies in a query, where its places are no places of.
    pub(in crate::content) fn of_query(mut self) -> Self {
        self.place = Place::RequestQuery;
        self.decoded = true;
        self
    }

    /// How to read content that begins so. What is declared to be a message that is known may look like text.
    pub(super) fn kind_of(&self, bytes: &[u8]) -> Kind {
        let media = self.content_type.as_deref();
        if self.described.message.is_some() && sniff::is_declared_message(media, bytes) {
            return Kind::Text {
                format: Format::Protobuf,
                delimiter: 0,
            };
        }
        sniff::kind(media, bytes)
    }
}

/// The message that a type names: `application/x-protobuf; messageType="package.Message"`, or `proto=`. Several with
/// their lengths in front are none.
fn message_in(schema: &Schema, content_type: &str) -> Option<MessageId> {
    let parameter = |name| multipart::parameter(content_type, name);
    let name = parameter("messageType").or_else(|| parameter("proto"))?;
    match parameter("encoding") {
        Some(encoding) if encoding.eq_ignore_ascii_case("delimited") => None,
        _ => schema.message(&name),
    }
}
