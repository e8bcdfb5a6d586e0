//! The two real data sets, by their recipes.

use std::path::{Path, PathBuf};

use segment_core::types::Type;
use segment_core::value::Value;

use crate::common::{World, instant, values};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(name)
}

#[tokio::test]
async fn retail() {
    let world = World::in_zone("Europe/London").await;
    let mut request = world.request();
    request.recipe = Some(fixture("recipes/retail.toml"));
    let report = world.import(request.clone()).await.unwrap();
    assert_eq!(report.rows_read, 541_909);
    assert_eq!((report.events.written, report.events.duplicates, report.rejected.count), (541_909 - 135_080, 0, 0));
    assert_eq!(report.events.names, [("purchase".to_owned(), 397_924), ("refund".to_owned(), 8_905)].into());
    assert_eq!((report.users.total, report.users.merged), (4_372, 541_909 - 135_080));
    for (name, ty) in [
        ("invoice", Type::String),
        ("stock_code", Type::String),
        ("description", Type::String),
        ("quantity", Type::Integer),
        ("unit_price", Type::Number),
        ("amount", Type::Number),
    ] {
        assert_eq!(world.property(name).await, Some(ty), "{name}");
        assert_eq!((report.properties[name].unconverted, report.properties[name].values), (0, 406_829), "{name}");
    }
    assert_eq!(world.attribute("country").await, Some(Type::String));
    // Under Austria and Cyprus; the later line says Cyprus.
    let profile = world.profile("12370").await.unwrap();
    assert_eq!(profile.attributes["country"], Value::String("Cyprus".to_owned()));
    let stored = world.stored().await;
    assert!(stored.iter().all(|e| e.extra.is_none() && e.message_id.starts_with("row:")));
    let first = stored.iter().find(|e| e.values["invoice"] == "536365" && e.values["stock_code"] == "21730").unwrap();
    assert_eq!((first.user_id.as_str(), first.ts.as_str()), ("17850", "2010-12-01T08:26:00Z"));
    let expected = [
        ("invoice", "536365"),
        ("stock_code", "21730"),
        ("description", "GLASS STAR FROSTED T-LIGHT HOLDER"),
        ("quantity", "6"),
        ("unit_price", "4.25"),
        ("amount", "25.5"),
    ];
    assert_eq!(first.values, values(&expected));
    // Summer time: the shop's clock is an hour ahead.
    assert!(stored.iter().any(|e| e.values["invoice"] == "550193" && e.ts == "2011-04-15T08:27:00Z" && e.values["amount"] == "0.001"));
    assert!(stored.iter().filter(|e| e.event == "refund").all(|e| e.values["amount"].starts_with('-') || e.values["amount"] == "0.0"));
    assert_eq!(world.profile("17850").await.unwrap().first_seen_at, Some(instant("2010-12-01T08:26:00Z")));
    let again = world.import(request).await.unwrap();
    assert_eq!((again.events.written, again.events.duplicates, again.users.applied_before, again.changed), (0, 406_829, 406_829, false));
}

#[tokio::test]
async fn ecom() {
    let world = World::new().await;
    let mut request = world.request();
    request.recipe = Some(fixture("recipes/ecom.toml"));
    let report = world.import(request.clone()).await.unwrap();
    assert_eq!((report.rows_read, report.events.written, report.users.total), (31_106, 31_106, 600));
    assert_eq!(report.events.names.len(), 19);
    let properties: Vec<&String> = report.properties.keys().collect();
    assert_eq!(properties, ["acquisition_channel", "platform", "session_id", "user_cohort", "user_lifecycle"]);
    assert!(report.properties.values().all(|p| p.ty == Some("string") && p.values == 31_106 && p.unconverted == 0));
    // Without the recipe, the same.
    let mut plain = world.request();
    plain.events = vec![fixture("data/ecom.csv.gz")];
    plain.map = vec![("ts".to_owned(), "timestamp".to_owned())];
    let again = world.import(plain).await.unwrap();
    assert_eq!((again.events.duplicates, again.changed), (31_106, false));
}
