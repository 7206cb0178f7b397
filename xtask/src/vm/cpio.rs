//! Writes a cpio archive in the "newc" format, which the kernel unpacks as its first root file system.
//!
//! In: names, modes, bytes. Out: an archive padded to 512 bytes, so that several can be concatenated.
//! Never reads files. Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.

use std::io::{self, Write};

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
/// Archives start and end at this multiple; the kernel asks for 4.
const BLOCK: u64 = 512;

/// An archive being written.
pub(crate) struct Archive<W> {
    out: W,
    written: u64,
    inode: u32,
}

/// The fields of an entry's header that differ between kinds.
struct Header {
    mode: u32,
    modified: u32,
    size: u32,
    device: (u32, u32),
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            written: 0,
            inode: 0,
        }
    }

    /// A directory with mode 0755. Its parents must have been added before.
    pub(crate) fn directory(&mut self, path: &str) -> io::Result<()> {
        self.entry(
            path,
            &Header {
                mode: DIRECTORY | 0o755,
                modified: 0,
                size: 0,
                device: (0, 0),
            },
            &[],
        )
    }

    /// A file; `permissions` are the lower 12 bits of its mode, `modified` is in seconds since 1970.
    pub(crate) fn file(
        &mut self,
        path: &str,
        permissions: u32,
        modified: u32,
        content: &[u8],
    ) -> io::Result<()> {
        let size = u32::try_from(content.len())
            .map_err(|_| io::Error::new(io::ErrorKind::FileTooLarge, format!("{path} is over 4 GiB")))?;
        let mode = REGULAR | (permissions & 0o7777);
        self.entry(
            path,
            &Header {
                mode,
                modified,
                size,
                device: (0, 0),
            },
            content,
        )
    }

    /// A symbolic link at `path` that holds `target`.
    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> io::Result<()> {
        let size = u32::try_from(target.len()).unwrap_or(u32::MAX);
        self.entry(
            path,
            &Header {
                mode: SYMLINK | 0o777,
                modified: 0,
                size,
                device: (0, 0),
            },
            target.as_bytes(),
        )
    }

    /// A character device, readable and writable by its owner.
    pub(crate) fn device(&mut self, path: &str, major: u32, minor: u32) -> io::Result<()> {
        let mode = CHARACTER_DEVICE | 0o600;
        self.entry(
            path,
            &Header {
                mode,
                modified: 0,
                size: 0,
                device: (major, minor),
            },
            &[],
        )
    }

    /// Ends the archive and hands the writer back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.inode = 0;
        self.entry(
            "TRAILER!!!",
            &Header {
                mode: 0,
                modified: 0,
                size: 0,
                device: (0, 0),
            },
            &[],
        )?;
        self.pad(BLOCK)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, path: &str, header: &Header, content: &[u8]) -> io::Result<()> {
        // Names are relative to the root.
        let name = path.trim_start_matches('/');
        let (major, minor) = header.device;
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let fields = [
            self.inode,
            header.mode,
            0, // owner: root
            0, // group: root
            1, // links: always one, or the kernel would look for hard links
            header.modified,
            header.size,
            0,
            0,
            major,
            minor,
            name_size,
            0, // checksum: only in the "crc" variant
        ];
        self.inode += 1;
        let mut bytes = b"070701".to_vec();
        for field in fields {
            write!(bytes, "{field:08X}")?;
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        self.write(&bytes)?;
        self.pad(4)?;
        self.write(content)?;
        self.pad(4)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad(&mut self, to: u64) -> io::Result<()> {
        let zeros = [0; BLOCK as usize];
        let missing = self.written.next_multiple_of(to) - self.written;
        self.write(&zeros[..usize::try_from(missing).unwrap_or(0)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let mut archive = Archive::new(Vec::new());
        archive.directory("/dev").expect("memory");
        archive.device("/dev/console", 5, 1).expect("memory");
        archive.file("/init", 0o755, 7, b"hello").expect("memory");
        archive.symlink("/bin", "usr/bin").expect("memory");
        archive.finish().expect("memory")
    }

    #[test]
    fn an_entry_is_a_110_byte_header_then_name_and_content_each_padded_to_4() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/init", 0o755, 7, b"hello").expect("memory");
        let bytes = archive.out;
        let header = "07070100000000000081ED0000000000000000000000010000000700000005\
                      0000000000000000000000000000000000000005\
                      00000000";
        assert_eq!(std::str::from_utf8(&bytes[..110]), Ok(header));
        assert_eq!(&bytes[110..], b"init\0\0hello\0\0\0");
    }

    #[test]
    fn the_archive_ends_with_a_trailer_and_fills_its_last_block() {
        let bytes = sample();
        assert_eq!(bytes.len() % 512, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.trim_end_matches('\0').ends_with("TRAILER!!!"));
    }

    #[test]
    fn every_entry_can_be_found_by_walking_sizes() {
        let bytes = sample();
        let field = |at: usize, n: usize| {
            let text = std::str::from_utf8(&bytes[at + 6 + 8 * n..][..8]).expect("hexadecimal");
            usize::from_str_radix(text, 16).expect("hexadecimal")
        };
        let mut at = 0;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(name, _)| name != "TRAILER!!!") {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let (size, name_size) = (field(at, 6), field(at, 11));
            let name = &bytes[at + 110..at + 110 + name_size - 1];
            let content = (at + 110 + name_size).next_multiple_of(4);
            seen.push((
                String::from_utf8_lossy(name).into_owned(),
                bytes[content..content + size].to_vec(),
            ));
            at = (content + size).next_multiple_of(4);
        }
        let expected: [(&str, &[u8]); 5] = [
            ("dev", b""),
            ("dev/console", b""),
            ("init", b"hello"),
            ("bin", b"usr/bin"),
            ("TRAILER!!!", b""),
        ];
        let seen: Vec<_> = seen
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice()))
            .collect();
        assert_eq!(seen, expected);
    }
}
