//! Writers of each format: from a structure to bytes and what must be found in them, by the format's rules and
//! what docs/content.md says of paths.

pub mod charset;
pub mod coding;
pub mod csv;
pub mod events;
pub mod form;
pub mod html;
pub mod items;
pub mod json;
pub mod multipart;
pub mod nested;
pub mod protobuf;
pub mod xml;
pub mod yaml;
