//! Structures that documents are written of, with values that must be found at known places.

use proptest::prelude::*;

/// A value, or what holds values.
#[derive(Clone, Debug)]
pub enum Node {
    Card,
    Email,
    Word(String),
    Number(u16),
    List(Vec<Node>),
    Map(Vec<(&'static str, Node)>),
}

/// Names that say nothing of what they name.
const NAMES: [&str; 8] = ["a", "b", "item", "buyer", "order_line", "x9", "Data", "z"];

/// Any map of values, words, lists and maps.
pub fn map() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        3 => Just(("card_number", Node::Card)),
        3 => Just(("email", Node::Email)),
        2 => (proptest::sample::select(&NAMES[..]), word()).prop_map(|(name, word)| (name, Node::Word(word))),
        1 => (proptest::sample::select(&NAMES[..]), any::<u16>()).prop_map(|(name, n)| (name, Node::Number(n))),
    ];
    let member = leaf.prop_recursive(4, 24, 4, |inner| {
        let name = || proptest::sample::select(&NAMES[..]);
        let map = prop::collection::vec(inner.clone(), 0..5).prop_map(Node::Map);
        let maps = prop::collection::vec(prop::collection::vec(inner, 0..3).prop_map(Node::Map), 0..4);
        prop_oneof![
            3 => (name(), map),
            2 => (name(), maps.prop_map(Node::List)),
            1 => (Just("card_number"), prop::collection::vec(Just(Node::Card), 1..4).prop_map(Node::List)),
            1 => (Just("email"), prop::collection::vec(Just(Node::Email), 1..4).prop_map(Node::List)),
        ]
    });
    prop::collection::vec(member, 1..6).prop_map(Node::Map)
}

/// Rows of leaves, all with the same names.
pub fn rows() -> impl Strategy<Value = Vec<Vec<(&'static str, Node)>>> {
    let leaf = |name: &'static str| match name {
        "card_number" => Just((name, Node::Card)).boxed(),
        "email" => Just((name, Node::Email)).boxed(),
        _ => word().prop_map(move |word| (name, Node::Word(word))).boxed(),
    };
    let names = prop::sample::subsequence(vec!["id", "card_number", "note", "email", "kind"], 2..=5);
    names.prop_flat_map(move |names| {
        let row: Vec<_> = names.into_iter().map(leaf).collect();
        prop::collection::vec(row, 1..8)
    })
}

/// Leaves with names, one after the other.
pub fn members() -> impl Strategy<Value = Vec<(&'static str, Node)>> {
    rows().prop_map(|rows| rows.concat())
}

/// Words with signs that formats escape.
pub fn word() -> impl Strategy<Value = String> {
    "[a-z]{1,6}([ é\"'&<>\\\\/,;:%+=\t{}日-][a-z]{1,4}){0,3}"
}
