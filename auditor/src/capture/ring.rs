//! Reading a ring: raw slots become records.

use std::{os::fd::AsRawFd as _, time::Duration};

use auditor_common::record::{ENDPOINT_LEN, Endpoint, HEADER_LEN, Kind, Program, RecordHeader, Source};
use aya::maps::{MapData, RingBuf};

/// One record, borrowed from the ring.
pub struct Record<'a> {
    pub header: RecordHeader,
    pub kind: Kind,
    pub source: Source,
    /// Data: the payload. Opened, Bound, Datagram, Exec: see [`Record::endpoint`], [`Record::datagram`] and
    /// [`Record::program`]. Else empty.
    pub payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// Decodes a slot; `None` for one our own programs did not write.
    pub fn decode(slot: &'a [u8]) -> Option<Self> {
        let header = RecordHeader::decode(slot)?;
        let kind = match header.kind {
            1 => Kind::Data,
            2 => Kind::Opened,
            3 => Kind::Bound,
            4 => Kind::Closed,
            5 => Kind::Exec,
            6 => Kind::Exit,
            7 => Kind::Fork,
            8 => Kind::Mapped,
            9 => Kind::Datagram,
            10 => Kind::Moved,
            _ => return None,
        };
        let source = match header.source {
            1 => Source::Socket,
            2 => Source::Tls,
            3 => Source::Process,
            _ => return None,
        };
        let payload = slot.get(HEADER_LEN..HEADER_LEN.checked_add(header.len as usize)?)?;
        Some(Self {
            header,
            kind,
            source,
            payload,
        })
    }

    /// The addresses an `Opened` or `Bound` record carries.
    pub fn endpoint(&self) -> Option<Endpoint> {
        matches!(self.kind, Kind::Opened | Kind::Bound)
            .then(|| Endpoint::decode(self.payload))
            .flatten()
    }

    /// What an `Exec` record says.
    pub fn program(&self) -> Option<Program> {
        (self.kind == Kind::Exec)
            .then(|| Program::decode(self.payload))
            .flatten()
    }

    /// The addresses and the bytes of a `Datagram` record.
    pub fn datagram(&self) -> Option<(Endpoint, &'a [u8])> {
        let (endpoint, bytes) = self.payload.split_at_checked(ENDPOINT_LEN)?;
        (self.kind == Kind::Datagram).then_some((Endpoint::decode(endpoint)?, bytes))
    }
}

/// Reads until the ring is empty or `most` records were read; returns how many.
pub fn drain(ring: &mut RingBuf<MapData>, most: usize, mut each: impl FnMut(Record<'_>)) -> usize {
    let mut read = 0;
    while read < most {
        let Some(slot) = ring.next() else { break };
        read += 1;
        if let Some(record) = Record::decode(&slot) {
            each(record);
        }
    }
    read
}

/// Waits until the kernel forces a wake-up or `timeout` passes (the rings do not wake per record).
pub fn wait(ring: &RingBuf<MapData>, timeout: Duration) {
    let mut poll = libc::pollfd {
        fd: ring.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: one pollfd that lives for the call.
    unsafe { libc::poll(&raw mut poll, 1, millis) };
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_slot_decodes_or_is_refused_without_a_panic(slot in proptest::collection::vec(0u8.., 0..256)) {
            if let Some(record) = Record::decode(&slot) {
                proptest::prop_assert_eq!(record.payload.len(), record.header.len as usize);
                let _ = record.endpoint();
                let _ = record.datagram();
                let _ = record.program().map(|program| (program.name().len(), program.path().map(<[u8]>::len)));
            }
        }
    }
}
