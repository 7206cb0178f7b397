//! Every check of the catalogue on any bytes, taken for any format: no panic, and what is found lies
//! in the text.

use auditor::content::Format;
use auditor::detect::exercise;

const FORMATS: [Format; 4] = [Format::Json, Format::Form, Format::Xml, Format::Text];

pub fn run(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    exercise(bytes, FORMATS[usize::from(choice) % FORMATS.len()]);
}
