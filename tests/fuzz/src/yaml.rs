//! YAML.

use super::cut;

pub fn run(input: &[u8]) {
    cut::run(&[(Some("application/yaml"), None), (None, None)], input);
}
