//! The crate `segment`, as it is: sends what a program would, and prints what it was told.
//!
//! It neither makes message ids nor sends again, so this does both: the ids go where the crate takes what it does not know, into `extra`.
//!
//! usage: send HOST KEY

use std::time::Duration;

use segment::message::{Alias, BatchMessage, Group, Identify, Page, Screen, Track, User};
use segment::{Batcher, Client, Error, HttpClient, Message};
use serde_json::{Map, Value, json};
use time::macros::datetime;

/// How often one message is sent.
const TRIES: usize = 5;
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// Messages of a batch.
const BATCH: usize = 100;

struct Sender {
    client: HttpClient,
    key: String,
    errors: Vec<Value>,
}

impl Sender {
    async fn send(&mut self, message: impl Into<Message>) {
        let message = message.into();
        for tries in 1..=TRIES {
            let Err(error) = self.client.send(self.key.clone(), message.clone()).await else { return };
            let status = match &error {
                Error::NetworkError(error) => error.status().map(|status| status.as_u16()),
                Error::MessageTooLarge | Error::DeserializeError(_) => None,
            };
            if tries == TRIES || status.is_none_or(|status| status < 500) {
                self.errors.push(json!({"error": error.to_string(), "status": status}));
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn batch(&mut self, messages: &[BatchMessage]) -> Result<(), Error> {
        let mut batcher = Batcher::new(Some(json!({"library": {"name": "segment for rust"}})));
        for message in messages {
            assert!(batcher.push(message.clone())?.is_none(), "a batch is full");
        }
        self.send(batcher.into_message()).await;
        Ok(())
    }
}

fn extra(message_id: &str) -> Map<String, Value> {
    Map::from_iter([("messageId".to_owned(), message_id.into())])
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (host, key) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let mut sender = Sender { client: HttpClient::new(Default::default(), host), key, errors: Vec::new() };
    let user = || User::UserId { user_id: "rs-1".to_owned() };
    let timestamp = Some(datetime!(2026-01-31 09:00:00.5 UTC));
    let traits = json!({"plan": "pro", "seats": 3});
    sender.send(Identify { user: user(), traits, timestamp, extra: extra("rs-facts"), ..Default::default() }).await;
    let bought = Track {
        user: user(),
        event: "bought".to_owned(),
        properties: json!({"price": 9.5, "tags": ["a", "b"], "é": "日本"}),
        timestamp,
        context: Some(json!({"library": {"name": "segment for rust"}})),
        extra: extra("rs-bought"),
        ..Default::default()
    };
    sender.send(bought).await;
    let anonymous = User::AnonymousId { anonymous_id: "rs-anonymous".to_owned() };
    let mut category = extra("rs-page");
    category.insert("category".to_owned(), "Docs".into());
    let mut batch: Vec<BatchMessage> = vec![
        Track { user: anonymous, event: "looked".to_owned(), extra: extra("rs-looked"), ..Default::default() }.into(),
        Page { user: user(), name: "Start".to_owned(), properties: json!({"path": "/start"}), extra: category, ..Default::default() }
            .into(),
        Screen { user: user(), name: "Home".to_owned(), extra: extra("rs-screen"), ..Default::default() }.into(),
        Group { user: user(), group_id: "acme".to_owned(), traits: json!({"size": 12}), extra: extra("rs-group"), ..Default::default() }
            .into(),
        Alias { user: user(), previous_id: "rs-anonymous".to_owned(), extra: extra("rs-alias"), ..Default::default() }.into(),
    ];
    batch.extend((0..250).map(|n| {
        let (properties, extra) = (json!({"n": n}), extra(&format!("rs-{n}")));
        BatchMessage::from(Track { user: user(), event: "many".to_owned(), properties, extra, ..Default::default() })
    }));
    for messages in batch.chunks(BATCH) {
        sender.batch(messages).await?;
    }
    println!("{}", Value::Array(sender.errors));
    Ok(())
}
