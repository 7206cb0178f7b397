//! What the daemon wants of single connections, for the kernel side: the one way back along the pipeline.

use auditor_common::policy;
use aya::maps::{Array, HashMap, MapData, MapError};

/// How much of a connection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As much as of any other.
    Full,
    /// The same, and before others when a ring is short of space.
    Ahead,
    /// So many bytes of each message, at least one.
    First(u32),
    /// Nothing.
    Nothing,
}

/// The maps that say it.
pub struct Policies {
    pub(super) streams: HashMap<MapData, u64, u32>,
    /// [`policy::ANYTHING`] once there is one: until then the kernel side looks nothing up.
    pub(super) set: Array<MapData, u32>,
    /// What it holds.
    pub(super) said: u32,
}

impl Policies {
    /// Reads all streams whole again of which less was read.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn forget(&mut self) -> Result<(), MapError> {
        let left_out: Vec<u64> = self
            .streams
            .iter()
            .filter_map(Result::ok)
            .filter(|(_, bytes)| *bytes != policy::AHEAD)
            .map(|(stream, _)| stream)
            .collect();
        for stream in left_out {
            match self.streams.remove(&stream) {
                // It has ended, or made room for another one.
                Ok(()) | Err(MapError::KeyNotFound) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says how much of a stream is read from now on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set(&mut self, stream: u64, reading: Reading) -> Result<(), MapError> {
        let bytes = match reading {
            Reading::Full => policy::FULL,
            Reading::Ahead => policy::AHEAD,
            Reading::First(bytes) => bytes,
            Reading::Nothing => policy::NOTHING,
        };
        self.streams.insert(stream, bytes, 0)?;
        self.said |= policy::ANYTHING;
        if reading == Reading::Ahead {
            self.said |= policy::ANY_AHEAD;
        }
        self.set.set(0, self.said, 0)
    }
}
