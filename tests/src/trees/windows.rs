//! Windows of every form, most of them with an edge where something happens.

use segment_core::json::Json;

use super::Trees;
use crate::json::{integer, object, text};
use crate::random::Random;
use crate::world::values;

const UNITS: [&str; 7] = ["second", "minute", "hour", "day", "week", "month", "year"];

fn of(n: i64, unit: &str) -> Json {
    object([("n", integer(n)), ("unit", text(unit))])
}

fn aligned(random: &mut Random, mut window: Vec<(&'static str, Json)>) -> Json {
    match random.below(4) {
        0 | 1 => window.push(("aligned", Json::Bool(true))),
        2 if random.chance(20) => window.push(("aligned", Json::Bool(false))),
        _ => {}
    }
    object(window)
}

impl Trees<'_> {
    /// A window; `next`: of an attribute, which may lie ahead.
    pub(super) fn window(&mut self, next: bool) -> Json {
        match self.random.below(if next { 12 } else { 10 }) {
            0..4 => {
                let d = if self.random.chance(85) { self.duration() } else { self.any_duration() };
                aligned(&mut self.random, vec![("last", d)])
            }
            4..7 => self.ago(),
            7..10 => self.between_instants(),
            _ => {
                let d = self.any_duration();
                object([("next", d)])
            }
        }
    }

    fn any_duration(&mut self) -> Json {
        let unit = *self.random.pick(&UNITS);
        let n = if self.random.chance(5) { 1_000_000 } else { self.random.between(1, 40) };
        of(n, unit)
    }

    fn ago(&mut self) -> Json {
        let d = *self.random.pick(&self.world.times.durations);
        let (n, unit) = (i64::from(d.n), d.unit.name());
        // Whole units may be the same at both ends, spans may not; years are longer than anything else here.
        match self.random.below(4) {
            0 => {
                let ago = object([("from", of(n, unit)), ("to", of(self.random.between(0, n), unit))]);
                object([("ago", ago), ("aligned", Json::Bool(true))])
            }
            1 => object([("ago", object([("from", of(5, "year")), ("to", of(n, unit))]))]),
            2 => object([("ago", object([("from", of(n, unit)), ("to", of(0, "month"))]))]),
            _ => {
                let more = n + self.random.between(1, 3);
                let ago = object([("from", of(more, unit)), ("to", of(n, unit))]);
                aligned(&mut self.random, vec![("ago", ago)])
            }
        }
    }

    fn between_instants(&mut self) -> Json {
        let instants = &self.world.times.instants;
        let (a, b) = (*self.random.pick(instants), *self.random.pick(instants));
        let (from, to) = (a.min(b), a.max(b));
        let zone = &self.world.zone;
        let from = text(values::instant(&mut self.random, from, zone));
        let to = text(values::instant(&mut self.random, to, zone));
        match self.random.below(4) {
            0 => object([("from", from)]),
            1 => object([("to", to)]),
            _ if a == b => object([("from", from)]),
            _ => object([("from", from), ("to", to)]),
        }
    }
}
