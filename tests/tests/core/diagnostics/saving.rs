//! Conditions on their way to becoming a saved segment.

use segment_core::compile;
use segment_core::diagnostics::Code::{self, *};

use super::{catalog, found, library};

fn faults(key: &str, text: &str, expected: &[(Code, &str)]) -> String {
    let checked = compile::check_to_save(key, text, &catalog(), &library(), 0);
    let expected = expected.iter().map(|(code, pointer)| (*code, (*pointer).to_owned())).collect();
    assert_eq!(found(&checked.diagnostics), expected, "{text}\n{:#?}", checked.diagnostics);
    assert_eq!(checked.diagnostics.len(), expected.len(), "{text}\n{:#?}", checked.diagnostics);
    checked.diagnostics.iter().map(|d| d.message.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn circles_stand_at_their_references_beside_the_other_faults() {
    let message = faults("vips", r#"{"all":[{"not":{"segment":"vips"}}]}"#, &[(SegmentCycle, "/all/0/not/segment")]);
    assert!(message.contains("vips → vips"), "{message}");
    // A segment that is not saved yet is no unknown one.
    faults("new", r#"{"segment":"new"}"#, &[(SegmentCycle, "/segment")]);
    let message = faults(
        "vips",
        r#"{"any":[{"segment":"left"},{"segment":"nobody"},{"attribute":"age","op":"iz"},{"segment":"left"},{"segment":"right"}]}"#,
        &[
            (SegmentCycle, "/any/0/segment"),
            (UnknownSegment, "/any/1/segment"),
            (UnknownOperator, "/any/2/op"),
            (SegmentCycle, "/any/3/segment"),
            (SegmentCycle, "/any/4/segment"),
        ],
    );
    assert!(message.contains("vips → left → vips") && message.contains("vips → right → vips"), "{message}");
}

#[test]
fn no_circle() {
    faults("new", r#"{"all":[{"segment":"left"},{"segment":"right"}]}"#, &[]);
    faults("left", r#"{"not":{"segment":"right"}}"#, &[]);
    // One that is there already and does not lead here is told of where it is referred to.
    faults("new", r#"{"segment":"a"}"#, &[(SegmentCycle, "/segment")]);
}
