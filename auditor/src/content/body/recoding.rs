//! What a body is, and how it becomes text that can be scanned.
//!
//! Goes in: decoded bytes. Comes out: text for [`Body::append`], or documents of the contents inside, and
//! the account of bytes that are no text.

use crate::content::charset::{self, Charset};
use crate::content::lookup::Lookup;
use crate::content::recode::{Recode, Show};
use crate::content::sniff::{self, Kind, Made};
use crate::content::utf16::Utf16;
use crate::content::{Format, Receiver, events, items, multipart, protobuf};
use crate::ledger::Account;
use crate::secret::Secret;

use super::Body;
use super::parts::{Out, Parts};

/// Contents inside of each other that are read as what they are.
pub(super) const MAX_DEPTH: usize = 3;

/// How content becomes text.
pub(super) enum Recoding {
    None,
    Text(Box<dyn Recode>),
    Parts(Box<Parts>),
}

impl Recoding {
    /// For content of this kind, whose first bytes are `sample`.
    fn of(kind: Kind, protobuf: protobuf::Recoder, content_type: Option<&str>, sample: &[u8]) -> Self {
        match kind {
            Kind::Text {
                format: Format::Protobuf,
                ..
            } => Self::Text(Box::new(protobuf)),
            Kind::Made(Made::Multipart) => match multipart::boundary(content_type, sample) {
                Some(boundary) => Self::Parts(Box::new(Parts::new(&boundary))),
                None => Self::None,
            },
            Kind::Made(Made::MessagePack) => Self::Text(Box::new(items::Recoder::message_pack())),
            Kind::Made(Made::Cbor) => Self::Text(Box::new(items::Recoder::cbor())),
            Kind::Made(Made::Events { .. }) => Self::Text(Box::new(events::Recoder::default())),
            Kind::Text { .. } | Kind::Binary => Self::None,
        }
    }

    /// What follows begins somewhere in the content.
    fn lose(&mut self) {
        match self {
            Self::None => {}
            Self::Text(recoder) => recoder.give_up(&mut |_, _| {}),
            Self::Parts(parts) => parts.lose_count(),
        }
    }

    /// Whether the account of what is read waits until it is known what it is.
    fn has_binary(&self) -> bool {
        match self {
            Self::None => false,
            Self::Text(recoder) => recoder.has_binary(),
            Self::Parts(_) => true,
        }
    }
}

impl Body {
    /// Takes decoded bytes.
    pub(super) fn add(&mut self, bytes: &[u8], source: u64, receiver: &mut dyn Receiver) {
        match std::mem::replace(&mut self.recoding, Recoding::None) {
            Recoding::None => {
                let undecided = if self.kind.is_none() {
                    let room = sniff::SAMPLE.min(self.limits.window);
                    bytes.len().min(room.saturating_sub(self.buffer.len()))
                } else {
                    bytes.len()
                };
                self.append(&bytes[..undecided], source, receiver);
                if self.kind.is_none() && self.buffer.len() >= sniff::SAMPLE.min(self.limits.window) {
                    self.decide(receiver);
                }
                if undecided < bytes.len() {
                    self.add(&bytes[undecided..], source + undecided as u64, receiver);
                }
            }
            Recoding::Text(mut recoder) => {
                recoder.feed(bytes, source, &mut |text, source| {
                    self.append(text, source, receiver)
                });
                self.recoding = Recoding::Text(recoder);
            }
            Recoding::Parts(mut parts) => {
                parts.feed(bytes, source, &mut Out::new(self, receiver));
                self.recoding = Recoding::Parts(parts);
            }
        }
    }

    /// Finds out what the content is, and settles what waited for that.
    pub(super) fn decide(&mut self, receiver: &mut dyn Receiver) {
        let sample = self.buffer.expose();
        let media = self.content_type.as_deref();
        let (kind, recoding) = match Utf16::of(sample) {
            Some(utf16) => {
                let mut text = Secret::default();
                let mut first = utf16.clone();
                first.feed(sample, 0, &mut |character, _| text.extend(character));
                let kind = sniff::kind(media, text.expose()).without_recoding();
                (kind, Recoding::Text(Box::new(utf16)))
            }
            None if let Some(encoding) = charset::declared(media, sample) => {
                let mut text = Secret::default();
                let mut first = Charset::new(encoding);
                first.feed(sample, 0, &mut |character, _| text.extend(character));
                let kind = sniff::kind(media, text.expose()).without_recoding();
                (kind, Recoding::Text(Box::new(Charset::new(encoding))))
            }
            None => {
                let kind = self.kind_of(sample);
                let kind = if self.depth < MAX_DEPTH {
                    kind
                } else {
                    kind.without_parts()
                };
                (kind, Recoding::of(kind, self.described.recoder(), media, sample))
            }
        };
        self.kind = Some(kind);
        let mut recoding = recoding;
        if self.is_lost {
            self.lookup = Lookup::behind_gap(self.kind, media);
            recoding.lose();
        } else {
            self.lookup = Lookup::of(self.kind);
        }
        if kind == Kind::Binary {
            self.buffer.clear();
        } else if !matches!(recoding, Recoding::None) {
            let mut raw = std::mem::take(&mut self.buffer);
            self.recoding = recoding;
            raw.drain(|bytes, source| self.add(bytes, source, receiver));
        }
        let unsettled = std::mem::take(&mut self.unsettled);
        self.take_wire(unsettled, receiver);
    }

    /// Wire bytes that were decoded.
    pub(super) fn take_wire(&mut self, bytes: u64, receiver: &mut dyn Receiver) {
        match self.kind {
            None => self.unsettled += bytes,
            // What of it is text is known once it was read.
            Some(_) if self.recoding.has_binary() => self.unsettled += bytes,
            Some(Kind::Binary) => self.settle(Account::Binary, bytes, receiver),
            Some(Kind::Text { .. } | Kind::Made(_)) => self.settle(Account::Scanned, bytes, receiver),
        }
    }

    /// Settles what was made text of, and what held none.
    pub(super) fn settle_recoded(&mut self, receiver: &mut dyn Receiver) {
        let taken = match &mut self.recoding {
            Recoding::None => return,
            Recoding::Text(recoder) => match recoder.taken() {
                Some(taken) => taken,
                None => return,
            },
            Recoding::Parts(parts) => parts.taken(),
        };
        if taken.all == 0 {
            return;
        }
        // Of a compressed message only the share is known.
        let all = if self.decoded {
            self.unsettled
        } else {
            taken.all.min(self.unsettled)
        };
        self.unsettled -= all;
        let mut left = all;
        for (account, bytes) in taken.others() {
            let share = if self.decoded {
                let share = u128::from(all) * u128::from(*bytes) / u128::from(taken.all);
                u64::try_from(share).unwrap_or(u64::MAX)
            } else {
                *bytes
            };
            let share = share.min(left);
            left -= share;
            self.settle(*account, share, receiver);
        }
        self.settle(Account::Scanned, left, receiver);
    }

    /// Shows what waits inside.
    pub(super) fn flush_inner(&mut self, receiver: &mut dyn Receiver) {
        match std::mem::replace(&mut self.recoding, Recoding::None) {
            Recoding::Parts(mut parts) => {
                parts.flush(&mut Out::new(self, receiver));
                self.recoding = Recoding::Parts(parts);
            }
            recoding => self.recoding = recoding,
        }
    }

    /// Shows what waits for the rest of a field.
    pub(super) fn end_recoding(&mut self, gap: bool, receiver: &mut dyn Receiver) {
        match std::mem::replace(&mut self.recoding, Recoding::None) {
            Recoding::None => return,
            Recoding::Text(mut recoder) => {
                let show: &mut Show<'_> = &mut |text, source| self.append(text, source, receiver);
                if gap {
                    recoder.give_up(show);
                } else {
                    recoder.finish(show);
                }
                self.recoding = Recoding::Text(recoder);
            }
            Recoding::Parts(mut parts) => {
                parts.finish(&mut Out::new(self, receiver));
                if gap {
                    parts.lose_count();
                }
                self.recoding = Recoding::Parts(parts);
            }
        }
        self.settle_recoded(receiver);
        let rest = std::mem::take(&mut self.unsettled);
        self.settle(Account::Scanned, rest, receiver);
    }
}
