//! Events over ninety days.
//!
//! Names follow Zipf's law, users a heavy tail of whom a tenth never appears. Within a day, events come nearly in the order of time, as an
//! export or a log has them; some share their time with the one before, and some of these its user too.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;

use crate::random::{HeavyTail, Random, Weighted, mix};
use crate::users::{NULL_ONE_IN, SILENT_ONE_IN};
use crate::{Result, Size};

/// How long the data is.
pub const DAYS: u32 = 90;
/// The last day, 2026-03-31, as days since 1970-01-01. The instant of evaluation is the midnight that ends it.
pub const LAST_DAY: i32 = 20_543;
/// Names by how often they come: the k-th weighs `k^-1.1`.
pub const NAMES: [&str; 40] = [
    "page_view",
    "screen_view",
    "product_view",
    "session_start",
    "search",
    "cart_add",
    "push_open",
    "purchase",
    "login",
    "email_open",
    "cart_view",
    "wishlist_add",
    "cart_remove",
    "checkout_start",
    "push_receive",
    "banner_click",
    "review_read",
    "share",
    "video_play",
    "coupon_view",
    "coupon_apply",
    "refund",
    "app_open",
    "category_view",
    "filter_apply",
    "sort_apply",
    "image_zoom",
    "address_add",
    "payment_add",
    "shipping_select",
    "support_open",
    "support_message",
    "review_write",
    "rating_give",
    "profile_edit",
    "password_reset",
    "referral_send",
    "subscription_start",
    "subscription_cancel",
    "logout",
];
/// The exponent of the names' frequencies.
const NAMES_EXPONENT: f64 = 1.1;
/// Pages and categories there are.
const PAGES: usize = 2000;
const CATEGORIES: usize = 24;
/// One event in so many has the time of the one before; every other of these its user as well.
const EQUAL_TIME_ONE_IN: u64 = 50;
/// How far events of a day are out of order, microseconds.
const DISORDER_US: u64 = 2_000_000;
const DAY_US: i64 = 86_400_000_000;
/// The dearest amount, in hundredths.
const CENTS_MAX: f64 = 49_900.0;

/// The columns of events, as `muster import --events` takes them.
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new("event", DataType::Utf8, false),
        Field::new("ts", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false),
        Field::new("message_id", DataType::Utf8, false),
        Field::new("amount", DataType::Float64, true),
        Field::new("quantity", DataType::Int64, true),
        Field::new("category", DataType::Utf8, true),
        Field::new("page", DataType::Utf8, true),
    ]))
}

/// What every day draws from.
#[derive(Debug)]
pub struct Events {
    size: Size,
    active: HeavyTail,
    stride: u64,
    names: Weighted,
    categories: Weighted,
    category_names: Vec<String>,
    pages: Weighted,
    page_names: Vec<String>,
}

impl Events {
    /// The events of a data set.
    pub fn new(size: Size) -> Self {
        let sections = ["/", "/shop/", "/blog/", "/help/", "/account/"];
        Self {
            size,
            active: HeavyTail::new((size.users - size.users / SILENT_ONE_IN).max(1)),
            stride: stride(size.users),
            names: Weighted::zipf(NAMES.len(), NAMES_EXPONENT),
            categories: Weighted::zipf(CATEGORIES, 0.7),
            category_names: (0..CATEGORIES).map(|i| format!("category-{i:02}")).collect(),
            pages: Weighted::zipf(PAGES, 0.9),
            page_names: (0..PAGES).map(|i| format!("{}{:x}", sections[i % sections.len()], mix(i as u64) >> 40)).collect(),
        }
    }

    /// Batches of the events of one day, counted from 0.
    pub fn batches(&self, day: u32, rows_max: u64) -> impl Iterator<Item = Result<RecordBatch>> + '_ {
        let (days, day_no) = (u64::from(DAYS), u64::from(day));
        let total = self.size.events * (day_no + 1) / days - self.size.events * day_no / days;
        let mut state = Day {
            random: Random::new(self.size.seed, day_no),
            start: i64::from(LAST_DAY - DAYS as i32 + 1 + day as i32) * DAY_US,
            total,
            next: 0,
            user: 0,
            ts: 0,
        };
        std::iter::from_fn(move || {
            let rows = rows_max.min(state.total - state.next);
            (rows > 0).then(|| self.batch(&mut state, rows))
        })
    }

    fn batch(&self, day: &mut Day, rows: u64) -> Result<RecordBatch> {
        let n = rows as usize;
        let (mut user_id, mut event) = (StringBuilder::with_capacity(n, n * 16), StringBuilder::with_capacity(n, n * 16));
        let (mut ts, mut message_id) = (TimestampMicrosecondBuilder::with_capacity(n), StringBuilder::with_capacity(n, n * 16));
        let (mut amount, mut quantity) = (Float64Builder::with_capacity(n), Int64Builder::with_capacity(n));
        let (mut category, mut page) = (StringBuilder::with_capacity(n, n * 16), StringBuilder::with_capacity(n, n * 16));
        let mut digits = [0; 16];
        for _ in 0..rows {
            self.step(day);
            let random = &mut day.random;
            user_id.append_value(hex(mix(day.user), &mut digits));
            event.append_value(NAMES[self.names.draw(random)]);
            ts.append_value(day.ts);
            message_id.append_value(hex(random.bits(), &mut digits));
            let u = random.unit();
            amount.append_option(Some((99.0 + (u * u * u * CENTS_MAX).floor()) / 100.0).filter(|_| !random.one_in(NULL_ONE_IN)));
            quantity.append_option(Some(1 + random.below(4) as i64).filter(|_| !random.one_in(NULL_ONE_IN)));
            let name = &self.category_names[self.categories.draw(random)];
            category.append_option(Some(name).filter(|_| !random.one_in(NULL_ONE_IN)));
            let name = &self.page_names[self.pages.draw(random)];
            page.append_option(Some(name).filter(|_| !random.one_in(NULL_ONE_IN)));
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(user_id.finish()),
            Arc::new(event.finish()),
            Arc::new(ts.finish().with_timezone("UTC")),
            Arc::new(message_id.finish()),
            Arc::new(amount.finish()),
            Arc::new(quantity.finish()),
            Arc::new(category.finish()),
            Arc::new(page.finish()),
        ];
        Ok(RecordBatch::try_new(schema(), columns)?)
    }

    /// Moves on to the next event's user and time.
    fn step(&self, day: &mut Day) {
        let random = &mut day.random;
        let equal = day.next > 0 && random.one_in(EQUAL_TIME_ONE_IN);
        if !equal {
            let at = (u128::from(day.next) * DAY_US as u128 / u128::from(day.total)) as u64 + random.below(DISORDER_US);
            // Clients of different makes report micro-, milli- and whole seconds.
            let step = [1, 1000, 1000, 1_000_000][random.below(4) as usize];
            day.ts = day.start + (at.min(DAY_US as u64 - 1) / step * step) as i64;
        }
        if !equal || random.one_in(2) {
            let rank = self.active.draw(random);
            day.user = (u128::from(rank) * u128::from(self.stride) % u128::from(self.size.users)) as u64;
        }
        day.next += 1;
    }
}

struct Day {
    random: Random,
    start: i64,
    total: u64,
    next: u64,
    user: u64,
    ts: i64,
}

/// A step through all users that meets each once: prime to their number.
fn stride(users: u64) -> u64 {
    let divides = |a: u64, b: u64| {
        let (mut a, mut b) = (a, b);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    (users / 5 * 3..).find(|s| *s > 0 && divides(*s, users) == 1).unwrap_or(1)
}

/// The number as 16 hexadecimal digits.
fn hex(n: u64, digits: &mut [u8; 16]) -> &str {
    for (i, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(n >> (60 - 4 * i)) as usize & 15];
    }
    std::str::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use arrow::array::AsArray;
    use arrow::datatypes::TimestampMicrosecondType;

    use super::*;
    use crate::users;

    const SIZE: Size = Size { users: 1000, events: 90_000, seed: 1 };

    #[test]
    fn a_day_is_the_same_however_it_is_cut() {
        let events = Events::new(SIZE);
        let whole: Vec<_> = events.batches(3, u64::MAX).collect::<Result<_>>().unwrap();
        let parts: Vec<_> = events.batches(3, 77).collect::<Result<_>>().unwrap();
        assert_eq!(whole[0], arrow::compute::concat_batches(&schema(), &parts).unwrap());
        assert_eq!(whole[0].num_rows(), 1000);
    }

    #[test]
    fn events_stay_in_their_day_and_users_are_known() {
        let events = Events::new(SIZE);
        let known: HashSet<String> = (0..SIZE.users).map(users::id).collect();
        let mut seen = HashSet::new();
        for day in 0..DAYS {
            let batch = events.batches(day, u64::MAX).next().unwrap().unwrap();
            let times = batch["ts"].as_primitive::<TimestampMicrosecondType>();
            let number = i64::from(LAST_DAY) - i64::from(DAYS) + 1 + i64::from(day);
            assert!(times.values().iter().all(|t| t.div_euclid(DAY_US) == number));
            seen.extend(batch["user_id"].as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        assert!(seen.iter().all(|id| known.contains(id)));
        assert!((800..=900).contains(&seen.len()), "{} users of 1000 have events", seen.len());
    }
}
