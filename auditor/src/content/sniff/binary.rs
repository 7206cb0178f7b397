//! Formats without text: images, archives and the like.
//!
//! Goes in: a media type, or first bytes. Comes out: whether that is one.

/// First bytes of formats without text (their specifications; the list of file(1)).
const MAGIC: [&[u8]; 24] = [
    // Text, in UTF-32, which nothing here reads.
    b"\xff\xfe\0\0",
    b"\0\0\xfe\xff",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"RIFF",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\0",
    b"7z\xbc\xaf\x27\x1c",
    b"\x28\xb5\x2f\xfd",
    b"%PDF-",
    b"\x7fELF",
    b"\0asm",
    b"OggS",
    b"fLaC",
    b"ID3",
    b"wOFF",
    b"wOF2",
    b"\0\0\x01\0",
    b"MZ\x90\0",
    b"\xca\xfe\xba\xbe",
];

pub(super) fn is_known_binary(sample: &[u8]) -> bool {
    MAGIC.iter().any(|magic| sample.starts_with(magic)) || is_ftyp(sample)
}

/// Types whose content is never text. `application/octet-stream` says nothing and is scanned.
pub(super) fn is_binary_type(media: &str) -> bool {
    let (kind, name) = media.split_once('/').unwrap_or_default();
    match kind {
        "image" => !name.ends_with("+xml"),
        "audio" | "video" | "font" => true,
        "application" => matches!(
            name,
            "zip"
                | "gzip"
                | "x-gzip"
                | "x-tar"
                | "x-bzip2"
                | "x-7z-compressed"
                | "zstd"
                | "pdf"
                | "wasm"
                | "java-archive"
        ),
        _ => false,
    }
}

/// ISO media (MP4, HEIC): a box called `ftyp`.
fn is_ftyp(sample: &[u8]) -> bool {
    sample.get(4..8) == Some(b"ftyp")
}
