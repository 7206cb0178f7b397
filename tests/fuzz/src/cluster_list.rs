//! A list of an API server has the same objects in whatever pieces it comes, and what is read as JSON at once has just those.
//!
//! The first byte says how long the pieces are.

use auditor::identity::kubernetes::list::Cut;
use serde_json::Value;

pub fn run(input: &[u8]) {
    let Some((&length, list)) = input.split_first() else {
        return;
    };
    let whole = read(list, list.len().max(1));
    assert_eq!(whole, read(list, usize::from(length).max(1)));
    // Of a name that comes twice, or is escaped, a reader of JSON has another opinion.
    let names = list.windows(7).filter(|name| name == b"\"items\"").count();
    let is_plain = names == 1 && !list.contains(&b'\\');
    if let (Some(objects), Ok(Value::Object(read)), true) = (whole, serde_json::from_slice(list), is_plain)
        && let Some(Value::Array(items)) = read.get("items")
    {
        assert_eq!(&objects, items);
    }
}

fn read(list: &[u8], length: usize) -> Option<Vec<Value>> {
    let (mut cut, mut objects) = (Cut::default(), Vec::new());
    for piece in list.chunks(length) {
        let taken = cut.take(piece, |object| {
            objects.push(serde_json::from_slice(object)?);
            Ok(())
        });
        taken.ok()?;
    }
    cut.end().ok()?;
    Some(objects)
}
