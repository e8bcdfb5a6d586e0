//! `after`: later than the instant or date. The same as `gt`, in the words that go with time.
//!
//! Types: date, timestamp. Missing: false. Over a date an instant counts against the date's midnight in the zone.

use super::literal::{self, Asked, Side, Subject};
use crate::plan::Test;
use crate::resolve::Cx;

pub(super) fn fits(subject: Subject<'_>) -> bool {
    subject.is_time()
}

pub(super) fn resolve(cx: &mut Cx<'_>, asked: &Asked<'_>) -> Option<Test> {
    literal::time_order(cx, asked, Side::Gt)
}
