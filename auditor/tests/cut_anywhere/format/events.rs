//! Server-Sent Events (WHATWG HTML §9.2).

use crate::format::json;
use crate::tree::Node;
use crate::whim::Whim;
use crate::written::{Values, Written};

pub fn write(events: &[Node], values: &mut Values, whim: &mut Whim) -> Written {
    let mut out = Written::default();
    let end = whim.one(&["\n", "\r\n", "\r"]);
    for event in events {
        if whim.once_in(4) {
            let (name, field) = whim.one(&[("", "comment"), ("id", "id"), ("event", "event")]);
            out.text(&format!("{name}: by "));
            out.value(values.email(), field.to_owned());
            out.text(end);
        }
        let blank = whim.one(&["", " "]);
        out.text(&format!("data:{blank}"));
        if whim.once_in(4) {
            // Not JSON, on two lines.
            out.text("call ");
            out.value(values.email(), "data".to_owned());
            out.text(&format!("{end}data:{blank}or "));
            out.value(values.email(), "data".to_owned());
        } else {
            let json = json::write(event, values, whim, json::FREE);
            let lines = json.mapped(|_, byte, out| match byte {
                b'\n' => out.extend(format!("{end}data:{blank}").bytes()),
                byte => out.push(byte),
            });
            out.inner(lines, |field| field);
        }
        out.text(end);
        if whim.once_in(4) {
            out.text(&format!("retry: 1000{end}"));
        }
        out.text(end);
    }
    out.text(&format!("data: [DONE]{end}{end}"));
    out
}
