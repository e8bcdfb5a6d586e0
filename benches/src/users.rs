//! Users: their ids, and what is known of them.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Date32Builder, Int64Builder, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use crate::random::{Random, Weighted, mix};
use crate::{Result, Size};

/// One value in so many is missing.
pub const NULL_ONE_IN: u64 = 20;
/// Of ten users, one has no events.
pub const SILENT_ONE_IN: u64 = 10;
/// The part of the random numbers that users are made of; days have those below.
const PART: u64 = 1 << 32;
/// Signups fall into so many days, the last of them the last day of the data.
const SIGNUP_DAYS: u64 = 3 * 365;

const COUNTRIES: [&str; 30] = [
    "US", "JP", "GB", "DE", "FR", "BR", "IN", "KR", "CA", "AU", "IT", "ES", "MX", "NL", "SE", "PL", "TR", "ID", "TH", "VN", "TW", "AR",
    "CL", "BE", "CH", "AT", "DK", "NO", "FI", "PT",
];
const PLANS: [&str; 4] = ["free", "basic", "pro", "enterprise"];

/// The id of the i-th user: 16 hexadecimal digits, scattered, so that ids are not in the order of numbers.
pub fn id(index: u64) -> String {
    format!("{:016x}", mix(index))
}

/// The columns of users, as `muster import --users` takes them.
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new("country", DataType::Utf8, true),
        Field::new("age", DataType::Int64, true),
        Field::new("plan", DataType::Utf8, true),
        Field::new("signup", DataType::Date32, true),
        Field::new("is_subscriber", DataType::Boolean, true),
    ]))
}

/// Batches of all users, in the order of their indices.
pub fn batches(size: Size, rows_max: u64) -> impl Iterator<Item = Result<RecordBatch>> {
    let mut random = Random::new(size.seed, PART);
    let countries = Weighted::zipf(COUNTRIES.len(), 1.0);
    let mut next = 0;
    std::iter::from_fn(move || {
        let rows = rows_max.min(size.users - next);
        let first = next;
        next += rows;
        (rows > 0).then(|| batch(first, rows, &countries, &mut random))
    })
}

fn batch(first: u64, rows: u64, countries: &Weighted, random: &mut Random) -> Result<RecordBatch> {
    let (mut ids, mut country, mut plan) = (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let (mut age, mut signup, mut subscriber) = (Int64Builder::new(), Date32Builder::new(), BooleanBuilder::new());
    for index in first..first + rows {
        ids.append_value(id(index));
        country.append_option(Some(COUNTRIES[countries.draw(random)]).filter(|_| !random.one_in(NULL_ONE_IN)));
        age.append_option(Some(13 + random.below(70) as i64).filter(|_| !random.one_in(NULL_ONE_IN)));
        // Each plan is a third of the one before, as `free` is of most.
        let paid = (0..3).take_while(|_| random.one_in(3)).count();
        plan.append_option(Some(PLANS[paid]).filter(|_| !random.one_in(NULL_ONE_IN)));
        let day = crate::events::LAST_DAY - random.below(SIGNUP_DAYS) as i32;
        signup.append_option(Some(day).filter(|_| !random.one_in(NULL_ONE_IN)));
        subscriber.append_option(Some(random.one_in(4)).filter(|_| !random.one_in(NULL_ONE_IN)));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(ids.finish()),
        Arc::new(country.finish()),
        Arc::new(age.finish()),
        Arc::new(plan.finish()),
        Arc::new(signup.finish()),
        Arc::new(subscriber.finish()),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
