//! Documents and conversations that are written from structures: whatever they are cut into, what is found in them is
//! what was written, with its field, part and operation; and where bytes are missing, nothing is called what it is not.

mod conversation;
mod documents;
mod format;
mod reading;
mod tree;
mod whim;
mod written;
