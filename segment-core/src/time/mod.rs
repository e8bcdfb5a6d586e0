//! Instants, days, zones, windows: everything that turns what people write about time into microseconds.
//!
//! In: text, `Window`s and `Duration`s as written, the instant of evaluation. Out: instants (microseconds since
//! 1970-01-01T00:00:00Z), days (since 1970-01-01) and `plan::Interval`s.
//!
//! Invariants: every instant that comes out of here lies in the years 1 to 9999 of UTC, and what would lie beyond is the
//! nearest one inside. "Local microseconds" count from 1970-01-01T00:00 on the wall clock of a zone. Zones come from the
//! bundled database only. Deliberately absent: the system's clock and its zones.

mod ago;
mod calendar;
mod meaning;
mod text;
mod window;
mod zone;

pub(crate) use meaning::WindowMeaning;
pub(crate) use text::instant_text;
pub use text::{format_date, format_instant, is_instant, parse_date, parse_instant};
pub use window::{Duration, Unit, Window, WindowFault, align, resolve_window, step_back, step_forward};
pub use zone::{LocalDays, Zone};

/// 0001-01-01T00:00:00Z, in microseconds.
pub const INSTANT_MIN: i64 = -62_135_596_800_000_000;
/// 9999-12-31T23:59:59.999999Z, in microseconds.
pub const INSTANT_MAX: i64 = 253_402_300_799_999_999;

/// 0001-01-01, in days since 1970-01-01.
pub const DATE_MIN: i32 = -719_162;
/// 9999-12-31, in days since 1970-01-01.
pub const DATE_MAX: i32 = 2_932_896;

/// Microseconds in a second.
pub(crate) const SECOND: i64 = 1_000_000;
/// Microseconds in a day of 24 hours.
pub(crate) const DAY: i64 = 86_400 * SECOND;

fn clamp_instant(micros: i64) -> i64 {
    micros.clamp(INSTANT_MIN, INSTANT_MAX)
}
