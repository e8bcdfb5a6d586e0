//! Every bound the compiler keeps, with its unit.

/// Levels of a tree; the root is 1, and trees in `where` and `any_item` count on from their leaf.
pub const DEPTH_MAX: usize = 32;
/// Nodes of a tree as written: groups, leaves, the nodes of `where` and `any_item` trees; a reference is one.
pub const NODES_MAX: usize = 1_000;
/// Nodes after saved segments are put in place of their references, shared ones counted each time.
pub const EXPANDED_NODES_MAX: usize = 20_000;
/// Saved segments one inside another, the outermost reference included.
pub const REFERENCE_DEPTH_MAX: usize = 32;
/// Levels after saved segments are put in place of their references.
pub const EXPANDED_DEPTH_MAX: usize = 256;
/// Keys that are shown of a path of saved segments; of a longer one its two ends.
pub const PATH_KEYS_SHOWN_MAX: usize = 12;
/// Values in one literal list; more belong in a list object.
pub const LIST_VALUES_MAX: usize = 10_000;
/// Nesting of JSON accepted from the wire, objects and arrays; far above what a valid tree needs.
pub const JSON_DEPTH_MAX: usize = 512;
/// Units in a duration.
pub const DURATION_N_MAX: u32 = 1_000_000;
/// Bytes of an event's JSON Schema, as compact text.
pub const SCHEMA_BYTES_MAX: usize = 64 << 10;
/// Bytes of all schemas of a workspace.
pub const SCHEMAS_BYTES_MAX: usize = 1 << 20;
/// Levels of a schema's objects and lists, with what its references lead to.
pub const SCHEMA_LEVELS_MAX: usize = 64;
/// Values of any kind in a schema, with what its references lead to.
pub const SCHEMA_VALUES_MAX: usize = 4_096;
/// Patterns in all schemas of a workspace.
pub const SCHEMA_PATTERNS_MAX: usize = 512;
/// Names offered in a hint.
pub const HINT_NAMES_MAX: usize = 3;
/// Bytes a compiled pattern may take; room for `\pL{100}`, and less than Rust's regex takes by default.
pub const PATTERN_BYTES_MAX: usize = 4 << 20;
/// Bytes of a pattern as written.
pub const PATTERN_SOURCE_BYTES_MAX: usize = 16 << 10;
/// Levels of a pattern's concatenations, alternations and repetitions; below the depth Rust's regex accepts.
pub const PATTERN_DEPTH_MAX: usize = 128;
/// A count in a pattern's repetition, and the product of those one inside another: RE2's own bound.
pub const PATTERN_REPEAT_MAX: u32 = 1_000;
/// Ranges of characters in all sets of a pattern.
pub const PATTERN_RANGES_MAX: usize = 20_000;
