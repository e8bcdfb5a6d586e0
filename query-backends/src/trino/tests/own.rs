//! Engines of a test's own, which it may stop, suspend and kill.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use store::StoreConfig;

use crate::trino::TrinoConfig;

/// Trino and what it needs. They end with the test, however that ends.
pub(super) struct Own {
    folder: tempfile::TempDir,
    /// `scripts/engines run`, of a command that ends with its standard input.
    run: Child,
}

impl Own {
    pub(super) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut run = engines("run", folder.path());
        let run = run.args(["--", "sh", "-c", "echo ready; cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut own = Self { run: run.spawn().unwrap(), folder };
        let mut said = String::new();
        BufReader::new(own.run.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n", "{}", std::fs::read_to_string(own.folder.path().join("log")).unwrap());
        own
    }

    /// Starts those that were killed, with the data and the ports that they had.
    pub(super) fn start_missing(&self) {
        let done = engines("start", self.folder.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("engines").join(name)).unwrap()
    }

    /// A setting, as the script writes it for shells.
    fn setting(&self, name: &str) -> Result<String, String> {
        let env = self.file("env");
        let line = env.lines().find_map(|line| line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('\'').to_owned()).ok_or_else(|| format!("{name} is not in {env}"))
    }

    /// Trino's settings, for requests that are given up after 5 s and repeated for 10 s.
    pub(super) fn trino(&self) -> TrinoConfig {
        TrinoConfig { request_timeout_s: 5, retry_for_s: 10, ..TrinoConfig::new(self.setting("MUSTER_TRINO_URL").unwrap(), "muster") }
    }

    pub(super) fn store(&self) -> StoreConfig {
        let lake = store::engines::lake_of(|name| self.setting(name)).unwrap();
        StoreConfig { lake: Some(lake), ..StoreConfig::default() }
    }

    /// Sends a signal to an engine.
    pub(super) fn signal(&self, engine: &str, signal: &str) {
        let record = self.file(&format!("{engine}/pid"));
        let pid = record.split_whitespace().next().unwrap();
        assert!(Command::new("kill").args(["-s", signal, pid]).status().unwrap().success());
    }

    /// The Parquet files of a namespace's events.
    pub(super) fn event_files(&self, namespace: &str) -> Vec<PathBuf> {
        let (mut folders, mut files) = (vec![self.folder.path().join("engines/s3/data/muster/warehouse").join(namespace)], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "parquet") && path.to_string_lossy().contains("/events") {
                    files.push(path);
                }
            }
        }
        files
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.run.stdin.take());
        let _ = self.run.wait();
    }
}

fn engines(command: &str, folder: &Path) -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/engines"));
    script.args([command, "--only", "trino", "--dir"]).arg(folder.join("engines"));
    script
}
