use proptest::prelude::*;

use super::*;

/// Pieces of JSON, and of what is none.
fn piece() -> impl Strategy<Value = String> {
    let odd = vec!["\"", "\\", "{", "}", "[", "]", ",", ":", "\n", "7", " ", "\\\""];
    prop_oneof![
        8 => Just(r#"{"name":"x, y","items":[1,2,{"a":[]}]},"#.to_owned()),
        4 => Just(r#""list":["#.to_owned()),
        4 => Just(r#"{"list":["#.to_owned()),
        2 => Just("]},".to_owned()),
        2 => Just(r#""text":"a \"b\" [c] {d\\","#.to_owned()),
        2 => Just(r#""inner":"{\"k\":[1,{\"l\":2}]}","#.to_owned()),
        1 => "[a-z ]{0,90}".prop_map(|text| format!(r#""{text}":{{"v":"{text}"}},"#)),
        1 => proptest::sample::select(odd).prop_map(str::to_owned),
    ]
}

/// Everything that a cursor says at its place.
fn said(json: &mut Json, bytes: &[u8]) -> (Field, usize, usize) {
    let at = json.at;
    (json.field(bytes, at..at), json.depth, json.deeper)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn a_leap_ends_where_steps_do(
        pieces in proptest::collection::vec(piece(), 20..120), odd in 0_usize..8, cut in 0..100_usize,
    ) {
        // Mostly without what is odd, or leaps would be short.
        let usual = pieces.iter().filter(|piece| odd == 0 || piece.len() > 2);
        let text = format!(r#"{{"all":[{}"#, usual.cloned().collect::<String>());
        let bytes = text.as_bytes();
        let to = bytes.len() - cut.min(bytes.len());
        let (mut steps, mut leaps) = (Json::default(), Json::default());
        steps.walk(bytes, to);
        leaps.run(bytes, to);
        prop_assert_eq!(said(&mut steps, bytes), said(&mut leaps, bytes));
        // And behind it.
        steps.walk(bytes, bytes.len());
        leaps.run(bytes, bytes.len());
        prop_assert_eq!(said(&mut steps, bytes), said(&mut leaps, bytes));
    }

    #[test]
    fn whatever_comes_a_leap_ends(bytes in proptest::collection::vec(prop_oneof![
        proptest::sample::select(&b"\"\\{}[],:\n "[..]), any::<u8>()], 0..3000,
    )) {
        let mut json = Json::default();
        json.run(&bytes, bytes.len());
        prop_assert_eq!(json.at, bytes.len());
    }
}

#[test]
fn deep_objects_with_many_members_are_left_with_their_names() {
    let mut text = String::from("{");
    for member in 0..200 {
        let filler = "x".repeat(member);
        text += &format!(r#""member{member}":{{"a":[{{}},{{}}],"b":"{filler}"}},"#);
    }
    text += r#""here":7"#;
    let mut json = Json::default();
    json.run(text.as_bytes(), text.len());
    let field = json.field(text.as_bytes(), text.len() - 1..text.len());
    assert_eq!(field.path.as_deref(), Some("$.here"));
    assert_eq!(field.siblings.len(), MAX_SIBLINGS);
    assert_eq!(field.siblings[31], "member31");
}
