//! Recipes: SQL over the input.

use ingest::{ImportError, Recipe};
use segment_core::types::Type;
use segment_core::value::Value;

use crate::common::{World, values};

async fn import(world: &World, recipe: &str) -> Result<ingest::ImportReport, ImportError> {
    let mut request = world.request();
    request.recipe = Some(world.file("recipe.toml", recipe));
    world.import(request).await
}

#[tokio::test]
async fn csv_filtered_renamed_derived() {
    let world = World::new().await;
    world.file("in.csv", "who,what,at,n,x.y\na,buy,2024-01-01,2,1\n,buy,2024-01-01,3,\nb,look,2024-01-02,4,\n");
    let recipe = r#"
        timezone = "UTC"
        [catalog.properties]
        note = { type = "string" }
        [[input]]
        files = ["in.csv"]
        events = """SELECT who AS user_id, upper(what) AS event, at AS ts, _row, n, "x.y", 2 * CAST(n AS BIGINT) AS twice,
                           'v' || n AS note FROM input WHERE who IS NOT NULL"""
        users = ["SELECT who AS user_id, n FROM input WHERE what = 'look'"]
    "#;
    let report = import(&world, recipe).await.unwrap();
    assert_eq!((report.rows_read, report.events.written, report.users.merged), (3, 2, 1));
    assert_eq!((report.files.len(), report.files[0].rows, report.files[0].kind), (1, 3, "recipe"));
    let stored = world.stored().await;
    assert_eq!((stored[0].event.as_str(), stored[0].user_id.as_str()), ("BUY", "a"));
    assert_eq!(stored[0].values, values(&[("n", "2"), ("x", "true"), ("x.y", "1"), ("twice", "4"), ("note", "v2")]));
    assert_eq!(world.property("n").await, Some(Type::Integer));
    assert!(report.properties["note"].declared);
    assert_eq!(world.profile("b").await.unwrap().attributes["n"], Value::Integer(4));
    // A row is the same with a recipe and without.
    let mut request = world.request();
    request.events = vec![world.path("in.csv")];
    request.map = [("user_id", "who"), ("event", "what"), ("ts", "at")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    request.max_rejects = 1;
    assert_eq!(world.import(request).await.unwrap().events.duplicates, 2);
    let again = import(&world, recipe).await.unwrap();
    assert_eq!((again.events.duplicates, again.users.applied_before, again.changed), (2, 1, false));
}

#[tokio::test]
async fn ndjson_and_files_of_the_command_line() {
    let world = World::new().await;
    let lines = "{\"u\":1,\"v\":2.5,\"properties\":{\"w\":[1,2]},\"ok\":true}\nnot json\n{\"u\":2,\"v\":3,\"t\":\"x\"}\n";
    let recipe = r#"
        [[input]]
        events = "SELECT u AS user_id, 'e' AS event, '2024-01-01' AS ts, v, w, ok, t, _position, _file FROM input"
    "#;
    let mut request = world.request();
    request.recipe = Some(world.file("recipe.toml", recipe));
    assert!(world.import(request.clone()).await.unwrap_err().to_string().contains("leaves its files to the command line"));
    request.events = vec![world.file("in.ndjson", lines)];
    let error = world.import(request.clone()).await.unwrap_err();
    let ImportError::TooManyRejects { count: 1, first, .. } = error else { panic!("{error}") };
    assert!(first[0].file.ends_with("in.ndjson") && first[0].line == 2);
    request.max_rejects = 1;
    let report = world.import(request).await.unwrap();
    assert_eq!((report.rows_read, report.events.written, report.rejected.count), (3, 2, 1));
    let stored = world.stored().await;
    assert_eq!(stored.iter().find(|e| e.user_id == "1").unwrap().values, values(&[("v", "2.5"), ("w", "[1,2]"), ("ok", "true")]));
    assert_eq!(stored.iter().find(|e| e.user_id == "2").unwrap().values, values(&[("v", "3.0"), ("t", "x")]));
}

/// Numbers are what they are without a recipe: whole ones of 64 bits, doubles, and rows with others are unusable.
#[tokio::test]
async fn ndjson_numbers_and_members_given_twice() {
    let world = World::new().await;
    let lines = r#"{"user_id":"a","n":9223372036854775807,"x":1.5,"big":1e999,"k":1,"properties":{"k":2,"user_id":"p"}}
{"user_id":"b","n":9223372036854775808,"x":1,"properties":{"k":3}}
{"properties":{"k":4,"m":"in"},"user_id":"c","n":-1,"x":2,"k":5,"m":"out"}
"#;
    let mut request = world.request();
    let recipe = "[[input]]\nevents = \"SELECT user_id, 'e' AS event, '2024-01-01' AS ts, n, x, big, k, m, _position FROM input\"\n";
    request.recipe = Some(world.file("recipe.toml", recipe));
    request.events = vec![world.file("in.ndjson", lines)];
    let error = world.import(request.clone()).await.unwrap_err();
    let ImportError::TooManyRejects { count: 1, first, .. } = error else { panic!("{error}") };
    assert_eq!((first[0].line, first[0].reason), (2, ingest::Reason::IntegerOverflow));
    request.max_rejects = 1;
    world.import(request).await.unwrap();
    assert_eq!(world.property("n").await, Some(Type::Integer));
    assert_eq!(world.property("x").await, Some(Type::Number));
    let stored = world.stored().await;
    let of = |user: &str| stored.iter().find(|e| e.user_id == user).unwrap().values.clone();
    assert_eq!(of("a"), values(&[("n", "9223372036854775807"), ("x", "1.5"), ("big", "1e999"), ("k", "2")]));
    assert_eq!(of("c"), values(&[("n", "-1"), ("x", "2.0"), ("k", "4"), ("m", "in")]));
}

#[tokio::test]
async fn rejects_name_the_row_of_the_file() {
    let world = World::new().await;
    world.file("in.csv", "who,at\na,2024-01-01\nb,\nc,never\n");
    let recipe = r#"
        [[input]]
        files = ["in.csv"]
        events = "SELECT who AS user_id, 'e' AS event, at AS ts, _position FROM input WHERE who <> 'a'"
    "#;
    let error = import(&world, recipe).await.unwrap_err();
    let ImportError::TooManyRejects { first, .. } = error else { panic!("{error}") };
    assert_eq!(first.iter().map(|r| r.line).collect::<Vec<_>>(), [2, 3]);
}

#[tokio::test]
async fn refused() {
    let world = World::new().await;
    world.file("in.csv", "a\n1\n");
    for (recipe, text) in [
        ("x = 1", "this is not a recipe"),
        ("", "it has no [[input]]"),
        ("[[input]]\nfiles = [\"in.csv\"]", "neither `events` nor `users`"),
        ("[[input]]\nfiles = []\nevents = \"SELECT 1\"", "an empty list of files"),
        ("[[input]]\nevents = \"SELECT 1\"\n[[input]]\nevents = \"SELECT 1\"", "only one [[input]]"),
        ("[[input]]\nfiles = [\"in.csv\"]\nevents = \"SELECT\"", "its SQL cannot be read"),
        ("[[input]]\nfiles = [\"in.csv\"]\nevents = \"DROP TABLE input\"", "each of its queries is one SELECT"),
        ("[[input]]\nfiles = [\"in.csv\"]\nevents = \"SELECT 1; SELECT 2\"", "each of its queries is one SELECT"),
        ("[[input]]\nfiles = [\"in.csv\"]\nevents = \"SELECT nothing FROM input\"", "a query failed"),
        ("[[input]]\nfiles = [\"in.csv\"]\nevents = \"SELECT a AS user_id FROM input\"", "no column is the field \"event\""),
        (
            "timezone = \"Asia/Tokyo\"\n[[input]]\nfiles = [\"in.csv\"]\nusers = \"SELECT a AS user_id FROM input\"",
            "the workspace's zone is UTC",
        ),
    ] {
        let error = import(&world, recipe).await.unwrap_err().to_string();
        assert!(error.contains(text), "{recipe}: {error}");
    }
    let recipe = Recipe::load(&world.file("r.toml", "timezone = \"Asia/Tokyo\"\n[[input]]\nevents = \"SELECT 1\""));
    assert_eq!(recipe.unwrap().timezone(), Some("Asia/Tokyo"));
}
