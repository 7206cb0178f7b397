//! Slack's incoming webhooks: whoever knows the URL may post.
//!
//! Goes in: the place of the host. Comes out: the match of host and path. Source: Slack's
//! documentation of incoming webhooks.

use super::{dummy, hidden};
use crate::detect::State;
use crate::detect::candidate::{Match, Place};

/// Judges what follows `hooks.slack.com/`.
pub(crate) fn verify_webhook(place: &Place<'_>) -> Option<Match> {
    let host = b"hooks.slack.com/".len();
    let text = &place.bytes[place.at..];
    let path = &text[host..];
    let path = &path[..path.len().min(200)];
    let kind = [b"services/".as_slice(), b"workflows/", b"triggers/"]
        .into_iter()
        .find(|kind| path.starts_with(kind))?;
    let is_member = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'_');
    let length = path.iter().take_while(is_member).count();
    let secret = path[..length]
        .iter()
        .rposition(|b| *b == b'/')
        .map_or(0, |at| at + 1);
    // Team and service may stay readable.
    let parts = path[kind.len()..length].split(|b| *b == b'/').count();
    let body = &path[secret..length];
    if parts >= 2
        && let Some(mask) = hidden::Mask::at(place.bytes, place.at + host + secret)
    {
        let mut found = Match::new(place.at..mask.end, mask.state())
            .because(16.0, "is a webhook's address with its secret hidden");
        found.under_masked = !mask.keeps();
        return Some(found);
    }
    (parts >= 3 && body.len() >= 16 && !dummy::is_filler(body)).then(|| {
        Match::new(place.at..place.at + host + length, State::Clear)
            .because(20.0, "is the address of a Slack webhook with its secret")
    })
}
