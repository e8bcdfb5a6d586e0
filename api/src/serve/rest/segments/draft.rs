//! What people write of a segment: bodies, and what their texts may be.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use store::SegmentDraft;
use utoipa::ToSchema;

use crate::serve::rest::problem::{Code, Fault, Problem};

/// Characters of a name, a description and a tag, and tags of a segment.
const NAME_CHARS_MAX: usize = 200;
const DESCRIPTION_CHARS_MAX: usize = 4000;
const TAG_CHARS_MAX: usize = 64;
const TAGS_MAX: usize = 32;

/// A segment to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSegment {
    /// Its key: 1 to 128 of A-Z, a-z, 0-9, _, . and -.
    pub(super) key: String,
    /// Its condition, as docs/semantics.md describes it.
    #[schema(value_type = Object)]
    pub(super) condition: Box<RawValue>,
    /// What people call it: 200 characters at most.
    #[serde(default)]
    name: String,
    /// What it is for: 4000 characters at most.
    #[serde(default)]
    description: String,
    /// Words to find it by: 32 at most, of letters, digits, spaces and `_-.:/`, 64 characters at most.
    #[serde(default)]
    tags: Vec<String>,
}

/// What is to change of a segment; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentChange {
    /// Its condition.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    pub(super) condition: Option<Box<RawValue>>,
    /// What people call it.
    #[serde(default, deserialize_with = "given")]
    name: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    description: Option<String>,
    /// Words to find it by, all of them.
    #[serde(default, deserialize_with = "given")]
    tags: Option<Vec<String>>,
}

/// A member that is there: null is none of its values.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl NewSegment {
    /// What is to be saved.
    pub(super) fn draft(self) -> Result<SegmentDraft, Problem> {
        let (condition, name, description, tags) = (self.condition.get().to_owned(), self.name, self.description, self.tags);
        let draft = SegmentDraft { condition, name, description, tags };
        let key = store::check_key(&self.key).err().map(|e| fault("/key", e.to_string()));
        checked(draft, key)
    }
}

impl SegmentChange {
    /// What is to be saved over `before`.
    pub(super) fn over(self, before: SegmentDraft) -> Result<SegmentDraft, Problem> {
        let draft = SegmentDraft {
            condition: self.condition.map_or(before.condition, |c| c.get().to_owned()),
            name: self.name.unwrap_or(before.name),
            description: self.description.unwrap_or(before.description),
            tags: self.tags.unwrap_or(before.tags),
        };
        checked(draft, None)
    }
}

fn fault(pointer: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault { code: Code::InvalidValue.told().1.to_owned(), pointer: pointer.into(), message: message.into(), hint: None }
}

fn checked(draft: SegmentDraft, first: Option<Fault>) -> Result<SegmentDraft, Problem> {
    let mut faults: Vec<Fault> = first.into_iter().collect();
    if draft.name.chars().count() > NAME_CHARS_MAX || draft.name.chars().any(char::is_control) {
        faults.push(fault("/name", format!("a name has {NAME_CHARS_MAX} characters at most, none of control")));
    }
    let controls = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if draft.description.chars().count() > DESCRIPTION_CHARS_MAX || draft.description.chars().any(controls) {
        let message = format!("a description has {DESCRIPTION_CHARS_MAX} characters at most, none of control but tabs and ends of lines");
        faults.push(fault("/description", message));
    }
    if draft.tags.len() > TAGS_MAX {
        faults.push(fault("/tags", format!("a segment has {TAGS_MAX} tags at most")));
    }
    for (i, tag) in draft.tags.iter().enumerate().take(TAGS_MAX) {
        let fits = (1..=TAG_CHARS_MAX).contains(&tag.chars().count()) && tag.chars().all(|c| c.is_alphanumeric() || " _-.:/".contains(c));
        if !fits {
            faults.push(fault(format!("/tags/{i}"), format!("a tag has 1 to {TAG_CHARS_MAX} letters, digits, spaces and _-.:/")));
        } else if draft.tags.iter().take(i).any(|before| before == tag) {
            faults.push(fault(format!("/tags/{i}"), "this tag is there twice"));
        }
    }
    if faults.is_empty() { Ok(draft) } else { Err(Problem::of_faults(faults)) }
}
