//! The header fields that say how a message is to be read.
//!
//! Goes in: fields, one at a time. Comes out: answers about the body. Of what a peer sends it keeps a
//! bounded number of bytes, and nothing that is not a media type, a coding or a token.

use std::sync::Arc;

use crate::protocol::{websocket::Deflate, xfcc};

/// Longest value that is kept; what is cut behind it names a parameter at most.
const MAX_VALUE: usize = 256;

/// What the fields of one head say.
#[derive(Default)]
pub(in crate::protocol) struct Fields {
    pub(in crate::protocol) content_type: Option<Box<str>>,
    pub(in crate::protocol) content_encoding: Option<Box<str>>,
    /// How single messages in the body are compressed (gRPC, Connect).
    pub(in crate::protocol) message_encoding: Option<Box<str>>,
    /// `SOAPAction` (SOAP 1.1 §6.1.1).
    pub(in crate::protocol) soap_action: Option<Box<str>>,
    /// `Connect-Protocol-Version` is there.
    pub(in crate::protocol) is_connect: bool,
    /// The protocol that `Upgrade` names.
    pub(in crate::protocol) upgrade: Option<Box<str>>,
    extensions: Option<Box<str>>,
    /// Who the client is, by `x-forwarded-client-cert`, and how often that is there: a proxy writes it once.
    pub(in crate::protocol) client: Option<Arc<str>>,
    clients: u32,
}

impl Fields {
    /// Of a body of which only the type matters.
    pub(in crate::protocol) fn of_type(content_type: Option<Box<str>>) -> Self {
        Self {
            content_type,
            ..Self::default()
        }
    }

    /// Takes a field; `name` in any case.
    pub(in crate::protocol) fn take(&mut self, name: &[u8], value: &[u8]) {
        let slot = match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => &mut self.upgrade,
            10 if name.eq_ignore_ascii_case(b"soapaction") => &mut self.soap_action,
            12 if name.eq_ignore_ascii_case(b"content-type") => &mut self.content_type,
            13 if name.eq_ignore_ascii_case(b"grpc-encoding") => &mut self.message_encoding,
            16 if name.eq_ignore_ascii_case(b"content-encoding") => &mut self.content_encoding,
            23 if name.eq_ignore_ascii_case(b"x-forwarded-client-cert") => {
                self.clients = self.clients.saturating_add(1);
                self.client = if self.clients == 1 {
                    xfcc::client(value)
                } else {
                    None
                };
                return;
            }
            24 if name.eq_ignore_ascii_case(b"connect-content-encoding") => &mut self.message_encoding,
            24 if name.eq_ignore_ascii_case(b"sec-websocket-extensions") => &mut self.extensions,
            24 if name.eq_ignore_ascii_case(b"connect-protocol-version") => {
                self.is_connect = true;
                return;
            }
            _ => return,
        };
        // The first one counts, as for the parsers of most servers.
        if slot.is_none()
            && let Ok(text) = str::from_utf8(value)
        {
            let text = text.trim();
            *slot = Some(Box::from(&text[..text.floor_char_boundary(MAX_VALUE)]));
        }
    }

    /// `text/html; charset=utf-8` → `text/html`; compared without case.
    pub(in crate::protocol) fn media(&self) -> &str {
        let full = self.content_type.as_deref().unwrap_or_default();
        full.split(';').next().unwrap_or_default().trim_end()
    }

    pub(in crate::protocol) fn media_starts_with(&self, prefix: &str) -> bool {
        let media = self.media().as_bytes();
        media
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    }

    pub(in crate::protocol) fn is_event_stream(&self) -> bool {
        self.media().eq_ignore_ascii_case("text/event-stream")
    }

    /// The body is gRPC-Web in base64.
    pub(in crate::protocol) fn is_base64(&self) -> bool {
        self.media_starts_with("application/grpc-web-text")
    }

    /// Whether a WebSocket's messages may be compressed, as the server's answer says (RFC 7692 §7).
    pub(in crate::protocol) fn deflate(&self) -> Deflate {
        let extensions = self
            .extensions
            .as_deref()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let Some(offer) = extensions
            .split(',')
            .find(|offer| offer.trim_start().starts_with("permessage-deflate"))
        else {
            return Deflate::default();
        };
        let says = |parameter: &str| offer.split(';').any(|p| p.trim() == parameter);
        Deflate {
            agreed: true,
            keeps_window: [
                !says("client_no_context_takeover"),
                !says("server_no_context_takeover"),
            ],
        }
    }
}
