//! Content inside of other content: its fields have the path of what it lies in, and then their own.
//!
//! Goes in: documents of the inner content. Comes out: the same with longer paths: `meta:$.card` for a
//! field of the JSON in part `meta`, `$.blob|base64.card` for one of what is encoded in `$.blob`.

use std::borrow::Borrow;
use std::ops::{Deref, Range};
use std::sync::Arc;

use crate::ledger::Account;
use crate::protocol::Direction;

use super::{Document, Field, FieldLookup, Origin, Receiver};

/// Where inner content lies.
#[derive(Clone)]
pub(super) struct Prefix {
    /// Holds no value.
    path: Arc<str>,
    /// The name of values that have none of their own.
    key: Option<Arc<str>>,
    /// Siblings of such values.
    siblings: Arc<[String]>,
    /// `$.a|base64` and `$.b` are `$.a|base64.b`, and not `$.a|base64:$.b`.
    joins: bool,
}

impl Prefix {
    /// Of a part of a message.
    pub(super) fn of_part(path: &str, key: Option<&str>) -> Self {
        Self {
            path: path.into(),
            key: key.map(Arc::from),
            siblings: Arc::default(),
            joins: false,
        }
    }

    /// Of what `field` is an encoding of.
    pub(super) fn of_encoded(field: Field, encoding: &str) -> Self {
        Self {
            path: format!("{}|{encoding}", field.path.unwrap_or_default()).into(),
            key: field.key.map(Arc::from),
            siblings: field.siblings.into(),
            joins: true,
        }
    }

    fn before(&self, mut field: Field) -> Field {
        field.path = Some(match field.path {
            None => self.path.to_string(),
            Some(path) => match path.strip_prefix('$').filter(|_| self.joins) {
                Some(rest) => format!("{}{rest}", self.path),
                None => format!("{}:{path}", self.path),
            },
        });
        if field.key.is_none() {
            field.key = self.key.as_deref().map(str::to_owned);
            if field.siblings.is_empty() {
                field.siblings = self.siblings.to_vec();
            }
        }
        field
    }
}

/// The lookup of inner content, borrowed or its own.
struct Prefixed<Inner, Of> {
    inner: Inner,
    prefix: Of,
}

impl<Inner, Of> FieldLookup for Prefixed<Inner, Of>
where
    Inner: Deref<Target: FieldLookup>,
    Of: Borrow<Prefix>,
{
    fn field_at(&self, bytes: &[u8], at: Range<usize>) -> Field {
        self.prefix.borrow().before(self.inner.field_at(bytes, at))
    }

    fn column_at(&self, bytes: &[u8], at: usize) -> Option<u16> {
        self.inner.column_at(bytes, at)
    }

    fn column_name(&self, column: u16) -> Option<String> {
        self.inner.column_name(column)
    }

    fn snapshot(&self) -> Option<Box<dyn FieldLookup + Send>> {
        Some(Box::new(Prefixed {
            inner: self.inner.snapshot()?,
            prefix: self.prefix.borrow().clone(),
        }))
    }
}

/// Takes what inner content becomes; what it settles goes to `settled`.
pub(super) struct Inside<'a> {
    pub(super) receiver: &'a mut dyn Receiver,
    pub(super) prefix: &'a Prefix,
    pub(super) settled: &'a mut dyn FnMut(Account, u64),
}

impl Receiver for Inside<'_> {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        let fields = Prefixed {
            inner: document.fields,
            prefix: self.prefix,
        };
        let document = Document {
            fields: &fields,
            ..*document
        };
        self.receiver.document(origin, &document);
    }

    fn settle(&mut self, _: Direction, account: Account, bytes: u64) {
        (self.settled)(account, bytes);
    }
}
