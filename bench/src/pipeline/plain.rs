//! The plain work: libraries on the same bytes, with nothing between them.
//!
//! HTTP/1.1 answers are parsed by `httparse`; HTTP/2 frames are only stepped over, and their header blocks are not
//! read. Each body goes through `serde_json` into a value, and through one set of regular expressions, that of the
//! catalogue. Nothing is joined, checked, named or reported.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use regex::bytes::RegexSet;

use super::Pass;
use super::recording::{Protocol, Recording};
use crate::engine::clock::Moment;
use crate::engine::regexes;
use crate::patterns;

/// Length of an HTTP/2 frame header.
const FRAME: usize = 9;

pub struct Plain {
    set: RegexSet,
}

impl Plain {
    /// # Errors
    /// When the patterns are no regular expressions.
    pub fn new() -> anyhow::Result<Self> {
        let known = patterns::of_this_build();
        let patterns = patterns::regexes(|detector| known.contains(&detector));
        Ok(Self {
            set: regexes::set(&patterns)?,
        })
    }

    /// # Errors
    /// When an answer is not what it should be: the time would mean nothing.
    pub fn pass(&mut self, recording: &Recording, protocol: Protocol) -> anyhow::Result<Pass> {
        let start = Moment::now();
        let mut waiting: HashMap<u64, Vec<u8>> = HashMap::new();
        let mut bodies: HashMap<(u64, u32), Vec<u8>> = HashMap::new();
        let mut answers = 0;
        for segment in recording.segments.iter().filter(|segment| !segment.to_server) {
            let bytes = waiting.entry(segment.connection).or_default();
            bytes.extend_from_slice(&segment.bytes);
            let mut at = 0;
            while let Some(length) = match protocol {
                Protocol::Http1 => self.answer(&bytes[at..], &mut answers)?,
                Protocol::Http2 => self.frame(segment.connection, &bytes[at..], &mut bodies, &mut answers)?,
            } {
                at += length;
            }
            bytes.drain(..at);
        }
        ensure!(
            answers == recording.answers,
            "{answers} answers, not {}",
            recording.answers
        );
        Ok(Pass {
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// One answer of HTTP/1.1, if it is complete.
    fn answer(&self, bytes: &[u8], answers: &mut u32) -> anyhow::Result<Option<usize>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = response.parse(bytes)? else {
            return Ok(None);
        };
        let length: usize = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("content-length"))
            .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok())
            .context("an answer without a length")?;
        let Some(body) = bytes.get(head..head + length) else {
            return Ok(None);
        };
        self.body(body)?;
        *answers += 1;
        Ok(Some(head + length))
    }

    /// One frame of HTTP/2, if it is complete.
    fn frame(
        &self,
        connection: u64,
        bytes: &[u8],
        bodies: &mut HashMap<(u64, u32), Vec<u8>>,
        answers: &mut u32,
    ) -> anyhow::Result<Option<usize>> {
        let Some([a, b, c, kind, flags, stream @ ..]) = bytes.first_chunk::<FRAME>() else {
            return Ok(None);
        };
        let length = FRAME + u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some(frame) = bytes.get(FRAME..length) else {
            return Ok(None);
        };
        if *kind == 0 {
            let key = (connection, u32::from_be_bytes(*stream));
            bodies.entry(key).or_default().extend_from_slice(frame);
            if flags & 1 != 0
                && let Some(body) = bodies.remove(&key)
            {
                self.body(&body)?;
                *answers += 1;
            }
        }
        Ok(Some(length))
    }

    fn body(&self, body: &[u8]) -> anyhow::Result<()> {
        let value: serde_json::Value = serde_json::from_slice(body).context("a body that is no JSON")?;
        std::hint::black_box(&value);
        std::hint::black_box(self.set.matches(body).iter().count());
        Ok(())
    }
}
