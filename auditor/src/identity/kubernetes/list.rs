//! A list of the API server, cut into its objects.
//!
//! Goes in: its JSON, in pieces as they come. Comes out: each object of `items`, and in the end what is around them. A
//! large cluster's pods are one answer of a hundred megabytes; of that, one object is held at a time.

use memchr::memchr2;
use serde::{Deserialize, de::IgnoredAny};

/// Longest object; etcd takes 1.5 MiB.
const LONGEST: usize = 8 << 20;

/// Most bytes around the objects.
const AROUND: usize = 64 << 10;

/// What is around the objects.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Around {
    pub metadata: Metadata,
    /// An empty list, or none: the objects are cut out.
    #[serde(rename = "items")]
    _items: Option<Vec<IgnoredAny>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// What the list is the state of.
    pub resource_version: Option<String>,
    /// Where it goes on, if the server gave a part.
    #[serde(rename = "continue")]
    pub next: Option<String>,
}

/// Why a list can not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("an object of the list is longer than {LONGEST} bytes")]
    Longest,
    #[error("around the objects of the list are more than {AROUND} bytes")]
    Around,
    #[error("among the objects of the list is something else")]
    NoObject,
    #[error("the list is no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Cuts a list. It looks at strings and brackets only; what it hands out is for a parser to judge.
#[derive(Debug, Default)]
pub struct Cut {
    around: Vec<u8>,
    object: Vec<u8>,
    /// Brackets that are open.
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// Where the last string of the outermost object begins in `around`.
    string: usize,
    /// The last name in the outermost object is `items`.
    is_items: bool,
    /// The array of that name is open.
    in_items: bool,
}

/// Open brackets within the array of objects.
const ITEMS: usize = 2;

impl Cut {
    /// Takes a piece, and hands out the objects that are whole by then.
    ///
    /// # Errors
    /// When it can not be a list, or `object` fails.
    pub fn take(
        &mut self,
        piece: &[u8],
        mut object: impl FnMut(&[u8]) -> serde_json::Result<()>,
    ) -> Result<(), Unreadable> {
        let mut at = 0;
        while at < piece.len() {
            if self.in_string {
                at += self.string(&piece[at..])?;
                continue;
            }
            let byte = piece[at];
            at += 1;
            let is_between = self.in_items && self.depth == ITEMS;
            match byte {
                b'{' | b'[' => {
                    if is_between && byte == b'[' {
                        return Err(Unreadable::NoObject);
                    }
                    self.depth += 1;
                    self.put(&[byte])?;
                    self.in_items |= self.depth == ITEMS && byte == b'[' && self.is_items;
                }
                b'}' | b']' => {
                    if is_between {
                        self.in_items = false;
                    }
                    self.put(&[byte])?;
                    self.depth = self.depth.saturating_sub(1);
                    if self.in_items && self.depth == ITEMS {
                        object(&self.object)?;
                        self.object.clear();
                    }
                }
                b',' | b' ' | b'\n' | b'\r' | b'\t' if is_between => (),
                _ if is_between => return Err(Unreadable::NoObject),
                _ => {
                    self.put(&[byte])?;
                    if byte == b'"' {
                        self.in_string = true;
                        self.string = self.around.len();
                    } else if byte == b',' && self.depth == 1 {
                        self.is_items = false;
                    }
                }
            }
        }
        Ok(())
    }

    /// What was around the objects.
    ///
    /// # Errors
    /// When that is not whole.
    pub fn end(self) -> serde_json::Result<Around> {
        serde_json::from_slice(&self.around)
    }

    /// Takes as much of a string as there is, and says how much that was.
    fn string(&mut self, piece: &[u8]) -> Result<usize, Unreadable> {
        let length = if self.is_escaped {
            self.is_escaped = false;
            1
        } else if let Some(at) = memchr2(b'"', b'\\', piece) {
            self.is_escaped = piece[at] == b'\\';
            self.in_string = self.is_escaped;
            at + 1
        } else {
            piece.len()
        };
        if !self.in_string && self.depth == 1 {
            let before = self.around.get(self.string..).unwrap_or_default();
            let text = [before, &piece[..length - 1]].concat();
            self.is_items = text == b"items";
        }
        self.put(&piece[..length])?;
        Ok(length)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let (to, most, error) = if self.in_items {
            (&mut self.object, LONGEST, Unreadable::Longest)
        } else {
            (&mut self.around, AROUND, Unreadable::Around)
        };
        if to.len() + bytes.len() > most {
            return Err(error);
        }
        to.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// Reads a text in pieces that end at these places.
    fn read(text: &[u8], ends: &[usize]) -> Result<(Vec<Value>, Around), Unreadable> {
        let (mut cut, mut objects, mut from) = (Cut::default(), Vec::new(), 0);
        for end in ends.iter().chain([&text.len()]) {
            let end = (*end).clamp(from, text.len());
            cut.take(&text[from..end], |object| {
                objects.push(serde_json::from_slice(object)?);
                Ok(())
            })?;
            from = end;
        }
        Ok((objects, cut.end()?))
    }

    #[test]
    fn a_list_is_its_objects_and_what_is_around_them() {
        let items = json!([
            {"metadata": {"name": "a", "items": [1, {"b": "]}\"\\"}]}},
            {},
            {"spec": {"x": [[{}]], "items": []}},
        ]);
        let metadata = json!({"resourceVersion": "7", "continue": "next", "items": [{"no": 1}]});
        // Either may come first.
        let texts = [
            format!(r#"{{"kind":"List","metadata":{metadata},"items":{items}}}"#),
            format!(
                "{{ \"items\" :\n{} , \"kind\": \"items\", \"metadata\": {metadata} }}",
                serde_json::to_string_pretty(&items).unwrap()
            ),
        ];
        for text in texts {
            for at in 0..text.len() {
                let (objects, around) = read(text.as_bytes(), &[at]).unwrap();
                assert_eq!(Value::from(objects), items, "cut at {at}");
                assert_eq!(around.metadata.resource_version.as_deref(), Some("7"));
                assert_eq!(around.metadata.next.as_deref(), Some("next"));
            }
        }
    }

    #[test]
    fn what_is_no_list_has_no_objects() {
        for (text, ok) in [
            (r#"{"metadata":{"resourceVersion":"7"},"items":null}"#, true),
            (r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#, true),
            (r#"{"kind":"items","other":[{"a":1}]}"#, true),
            (r#""no list""#, false),
            (r#"{"items":"no list"}"#, false),
            (r#"{"items":{"a":[{}]}}"#, false),
            (r#"{"items":[{}"#, false),
            (r#"{"items":[[{}]]}"#, false),
            (r#"{"items":[1]}"#, false),
            (r#"{"items":["a"]}"#, false),
            ("]]]}}}", false),
        ] {
            let read = read(text.as_bytes(), &[]);
            assert_eq!(read.is_ok(), ok, "{text}: {read:?}");
            assert!(read.map_or(0, |(objects, _)| objects.len()) == 0, "{text}");
        }
    }

    #[test]
    fn no_more_is_held_than_an_object_may_be_long() {
        let mut cut = Cut::default();
        let mut take = |piece: &str| cut.take(piece.as_bytes(), |_| Ok(()));
        take(r#"{"items":[{"a":""#).unwrap();
        let piece = "x".repeat(1 << 20);
        assert!((0..7).all(|_| take(&piece).is_ok()));
        assert!(matches!(take(&piece), Err(Unreadable::Longest)));
        let around = format!(r#"{{"other":"{piece}"}}"#);
        assert!(matches!(read(around.as_bytes(), &[]), Err(Unreadable::Around)));
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_read_alike(
            text in r#"[\[\]{},:"\\ aitems1]{0,60}"#,
            ends in prop::collection::vec(0..60_usize, 0..4),
        ) {
            let shown = |read: Result<(Vec<Value>, Around), Unreadable>| match read {
                Ok((objects, around)) => format!("{objects:?} {around:?}"),
                Err(error) => error.to_string(),
            };
            let text = format!(r#"{{"items":[{text}"#);
            prop_assert_eq!(shown(read(text.as_bytes(), &ends)), shown(read(text.as_bytes(), &[])));
        }
    }
}
