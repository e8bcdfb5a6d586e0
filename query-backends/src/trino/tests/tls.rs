//! Trino over TLS, by a password and by a token.

use std::path::PathBuf;

use store::Secret;

use super::{engine, session};
use crate::conformance::chain;
use crate::error::ErrorKind;
use crate::trino::client::{Client, Kind, Repeat};
use crate::trino::{TrinoBackend, TrinoConfig};

/// As `scripts/engines` sets it.
const PASSWORD: &str = "muster-secret";
/// Rows of a result that is spooled.
const ROWS: usize = 1_500_000;

/// What the engines' script made, and the address.
struct Secured {
    folder: PathBuf,
    url: String,
}

impl Secured {
    fn find() -> Option<Self> {
        let folder = PathBuf::from(engine(store::engines::setting("MUSTER_ENGINES_DIR"))?).join("trino");
        let port = std::fs::read_to_string(folder.join("port.https")).unwrap();
        Some(Self { url: format!("https://127.0.0.1:{}", port.trim()), folder: folder.join("tls") })
    }

    fn token(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap().trim().to_owned()
    }

    fn trusting(&self) -> TrinoConfig {
        TrinoConfig { ca_file: Some(self.folder.join("ca.pem")), ..TrinoConfig::new(&self.url, "muster") }
    }

    fn by_password(&self, password: &str) -> TrinoConfig {
        TrinoConfig { password: Some(Secret::new(password)), ..self.trusting() }
    }

    fn by_token(&self, token: &str) -> TrinoConfig {
        TrinoConfig { token: Some(Secret::new(token)), ..self.trusting() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_credentials_open() {
    let Some(secured) = Secured::find() else { return };
    for config in [secured.by_password(PASSWORD), secured.by_token(&secured.token("token"))] {
        TrinoBackend::new(&config).unwrap().check().await.unwrap();
        let client = Client::new(&config).unwrap();
        assert_eq!(client.texts("SELECT current_user", &session()).await.unwrap(), ["muster"]);
        // Spooled: segments are acknowledged over TLS, and fetched without it.
        let mut results = client.query("SELECT orderkey FROM orders", &session(), &[Kind::Integer], Repeat::Always).await.unwrap();
        let mut rows = 0;
        while let Some(batch) = results.next(&|_| {}).await.unwrap() {
            rows += batch.columns[0].len();
        }
        assert_eq!(rows, ROWS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_ones_do_not() {
    let Some(secured) = Secured::find() else { return };
    let token = secured.token("token");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged = [signed, ".", &signature.chars().rev().collect::<String>()].concat();
    let other = |config: TrinoConfig| TrinoConfig { user: "other".to_owned(), ..config };
    for (what, config) in [
        ("nothing", secured.trusting()),
        ("a wrong password", secured.by_password("muster")),
        ("another user's password", other(secured.by_password(PASSWORD))),
        ("an expired token", secured.by_token(&secured.token("token.expired"))),
        ("a forged token", secured.by_token(&forged)),
        ("another user's token", other(secured.by_token(&token))),
    ] {
        let error = TrinoBackend::new(&config).unwrap().check().await.unwrap_err();
        println!("{what}: {}", chain(&error));
        assert_eq!(error.kind, ErrorKind::PermissionDenied, "{what}: {}", chain(&error));
        for secret in [PASSWORD, token.as_str(), forged.as_str()] {
            assert!(!chain(&error).contains(secret), "{what}: {}", chain(&error));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trusted_certificate_is_talked_to() {
    let Some(secured) = Secured::find() else { return };
    let untrusting = TrinoConfig { ca_file: None, ..secured.by_password(PASSWORD) };
    let elsewhere = TrinoConfig { ca_file: Some(secured.folder.join("other.pem")), ..secured.by_password(PASSWORD) };
    let misnamed = TrinoConfig { url: secured.url.replace("127.0.0.1", "localhost"), ..secured.by_password(PASSWORD) };
    for (what, config) in [("nobody trusted", untrusting), ("another authority", elsewhere), ("another name", misnamed)] {
        let error = TrinoBackend::new(&config).unwrap().check().await.unwrap_err();
        println!("{what}: {}", chain(&error));
        assert_eq!(error.kind, ErrorKind::Unavailable, "{what}: {}", chain(&error));
        assert!(chain(&error).contains("certificate") && chain(&error).contains("ca_file"), "{what}: {}", chain(&error));
    }
    let missing = TrinoConfig { ca_file: Some(secured.folder.join("no.pem")), ..secured.by_password(PASSWORD) };
    assert!(TrinoBackend::new(&missing).is_err());
}
