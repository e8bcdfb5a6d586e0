//! Arms that read several choices of events in one scan.
//!
//! A scan costs for each file it opens, so that one scan of several events is cheaper than one for each of them, as long as it need not look for
//! an event at times that nobody asked for. How often an event happens is not known here; so how far a window is stretched is bounded.

use super::marks::Arm;
use crate::plan::{EventMatch, Interval};

/// Leaves of a tree up to which its arms are put together: a wide arm states what each leaf asks for twice, and looks at each row for each leaf.
const LEAVES_MAX: usize = 32;
/// An arm's window is stretched to so many times its length at most.
const STRETCH_MAX: i64 = 4;

/// The same arms, those of named events put together whose windows overlap and are about as long.
pub(super) fn widened(mut arms: Vec<Arm>) -> Vec<Arm> {
    if arms.iter().map(|a| a.leaves.len()).sum::<usize>() > LEAVES_MAX {
        return arms;
    }
    arms.sort_by_key(|a| std::cmp::Reverse(length(a.window)));
    let mut wide: Vec<Arm> = Vec::new();
    for arm in arms {
        match wide.iter_mut().find(|w| fits(&arm, w)) {
            Some(found) => found.read(&arm.events, arm.window, arm.leaves),
            None => wide.push(arm),
        }
    }
    wide.iter_mut().for_each(|a| a.leaves.sort_unstable());
    wide.sort_by_key(|a| a.leaves.first().copied());
    wide
}

/// Whether an arm may be read by another, which is as long or longer.
fn fits(arm: &Arm, wide: &Arm) -> bool {
    let named = matches!((&arm.events, &wide.events), (EventMatch::Names(_), EventMatch::Names(_)));
    let overlap = arm.window.start.is_none_or(|s| s < wide.window.end) && wide.window.start.is_none_or(|s| s < arm.window.end);
    named && overlap && length(arm.window.hull(wide.window)) <= length(arm.window).saturating_mul(STRETCH_MAX)
}

/// Microseconds; without a start, the most there is.
fn length(window: Interval) -> i64 {
    window.start.map_or(i64::MAX, |start| window.end.saturating_sub(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    /// Arms by event and days ago, from and to; no days are no start.
    fn arms(of: &[(&str, Option<i64>, i64)]) -> Vec<Arm> {
        let arm = |(i, (event, from, to)): (usize, &(&str, Option<i64>, i64))| Arm {
            events: match *event {
                "*" => EventMatch::Any,
                name => EventMatch::Names([name.to_owned()].into()),
            },
            window: Interval { start: from.map(|days| -days * DAY), end: -to * DAY },
            leaves: vec![i],
        };
        of.iter().enumerate().map(arm).collect()
    }

    fn check(of: &[(&str, Option<i64>, i64)], expected: &[&[usize]]) {
        let found = widened(arms(of));
        let leaves: Vec<&[usize]> = found.iter().map(|a| a.leaves.as_slice()).collect();
        assert_eq!(leaves, expected, "{of:?}");
        for arm in &found {
            let read = arms(of)
                .into_iter()
                .enumerate()
                .filter(|(i, _)| arm.leaves.contains(i))
                .all(|(_, a)| a.window.hull(arm.window) == arm.window);
            assert!(read, "{of:?}: {:?} does not hold its leaves' windows", arm.window);
        }
    }

    #[test]
    fn windows_that_are_alike_are_read_together() {
        check(&[], &[]);
        check(&[("a", Some(30), 0)], &[&[0]]);
        check(&[("a", Some(30), 0), ("b", Some(30), 0)], &[&[0, 1]]);
        check(&[("a", Some(30), 0), ("b", Some(90), 0), ("c", Some(60), 0)], &[&[0, 1, 2]]);
        check(&[("a", None, 0), ("b", None, 0)], &[&[0, 1]]);
    }

    #[test]
    fn a_short_window_is_not_stretched_to_a_long_one() {
        check(&[("a", Some(1), 0), ("b", Some(365), 0)], &[&[0], &[1]]);
        check(&[("a", Some(22), 0), ("b", Some(90), 0)], &[&[0], &[1]]);
        check(&[("a", Some(7), 0), ("b", None, 0), ("c", Some(14), 0), ("d", None, 0)], &[&[0, 2], &[1, 3]]);
        // All are as long, and yet there is a limit.
        let chain = [("a", Some(50), 40), ("b", Some(41), 31), ("c", Some(32), 22), ("d", Some(23), 13), ("e", Some(14), 4)];
        check(&chain, &[&[0, 1, 2, 3], &[4]]);
    }

    #[test]
    fn windows_apart_stay_apart() {
        check(&[("a", Some(60), 30), ("b", Some(30), 0)], &[&[0], &[1]]);
        check(&[("a", Some(60), 29), ("b", Some(30), 0)], &[&[0, 1]]);
    }

    #[test]
    fn any_event_is_read_alone() {
        check(&[("a", Some(30), 0), ("*", Some(30), 0), ("b", Some(30), 0)], &[&[0, 2], &[1]]);
    }

    #[test]
    fn large_trees_keep_an_arm_an_event() {
        let names: Vec<String> = (0..=LEAVES_MAX).map(|i| format!("e{i}")).collect();
        let of: Vec<(&str, Option<i64>, i64)> = names.iter().map(|n| (n.as_str(), Some(30), 0)).collect();
        assert_eq!(widened(arms(of.get(1..).unwrap())).len(), 1);
        assert_eq!(widened(arms(&of)).len(), LEAVES_MAX + 1);
    }
}
