//! When things happen in a world: `as_of`, and instants on and beside every edge that windows can have there.

use segment_core::time::{Duration, Unit, Window, Zone, align, parse_instant, resolve_window};

use crate::random::Random;

/// Zones, each with instants around which its clocks or its calendar do something.
const ZONES: [(&str, &[&str]); 7] = [
    ("UTC", &["2024-02-29T00:00:00Z", "2024-12-31T23:59:59Z", "1970-01-01T00:00:00Z"]),
    ("Europe/London", &["2024-03-31T01:00:00Z", "2024-10-27T01:00:00Z"]),
    ("America/Sao_Paulo", &["2018-11-04T03:00:00Z", "2018-02-18T02:00:00Z"]),
    ("Asia/Kathmandu", &["1985-12-31T18:30:00Z", "2024-02-29T18:15:00Z"]),
    ("Australia/Lord_Howe", &["2024-10-05T15:30:00Z", "2024-04-06T15:00:00Z"]),
    ("Pacific/Apia", &["2011-12-30T10:00:00Z"]),
    ("Asia/Tokyo", &["2024-02-29T15:00:00Z", "2024-01-31T15:00:00Z"]),
];

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Days (UTC) that have events; each is a file of its own in the lake.
const DAYS_MAX: usize = 9;

/// The times of a world.
#[derive(Debug, Clone)]
pub struct Times {
    /// The instant of evaluation.
    pub as_of: i64,
    /// Instants that events and values draw from, few and often on an edge.
    pub instants: Vec<i64>,
    /// Durations that windows draw from: those whose edges `instants` has.
    pub durations: Vec<Duration>,
}

/// A zone, and times around one of its oddities.
pub fn generate(random: &mut Random) -> (Zone, Times) {
    let (name, oddities) = *random.pick(&ZONES);
    let zone = Zone::parse(name).unwrap_or_else(|e| panic!("{e}"));
    let oddity = parse_instant(random.pick::<&str>(oddities), &zone).unwrap_or_default();
    let as_of = match random.below(6) {
        0 => oddity,
        1 => oddity + 1,
        2 => align(oddity + random.between(0, 3) * DAY, Unit::Day, &zone),
        3 => oddity + random.between(0, 30) * HOUR,
        4 => oddity + random.between(1, 8) * DAY + random.between(0, 1_000_000),
        _ => oddity + random.between(20, 40) * DAY + random.between(0, DAY),
    };
    let durations: Vec<Duration> = (0..5)
        .map(|_| match random.below(8) {
            0 => (random.between(1, 120), Unit::Second),
            1 => (random.between(1, 90), Unit::Minute),
            2 => (random.between(1, 50), Unit::Hour),
            3 | 4 => (random.between(1, 8), Unit::Day),
            5 => (random.between(1, 2), Unit::Week),
            6 => (random.between(1, 3), Unit::Month),
            _ => (1, Unit::Year),
        })
        .map(|(n, unit)| Duration { n: n as u32, unit })
        .collect();
    let mut edges = vec![as_of, oddity, align(as_of, Unit::Day, &zone)];
    for d in &durations {
        for aligned in [false, true] {
            if let Ok(interval) = resolve_window(&Window::Last { d: *d, aligned }, as_of, &zone) {
                edges.extend(interval.start);
            }
        }
    }
    edges.push(as_of - random.between(0, 3 * DAY));
    edges.push(as_of + random.between(1, DAY));
    let mut instants = Vec::new();
    let mut days = vec![as_of.div_euclid(DAY)];
    for edge in edges {
        for at in [edge - 1, edge, edge + 1, edge + random.between(-2 * HOUR, 2 * HOUR)] {
            let day = at.div_euclid(DAY);
            if !days.contains(&day) {
                if days.len() >= DAYS_MAX {
                    continue;
                }
                days.push(day);
            }
            instants.push(at);
        }
    }
    (zone, Times { as_of, instants, durations })
}
