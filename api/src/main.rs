//! The binary `muster`: the command line. Exit codes are in `failure`, commands in `commands`.

mod args;
mod commands;
mod config;
mod context;
mod engines;
mod explained;
mod failure;
mod interrupt;
mod lists;
mod members;
mod output;
mod progress;
mod routing;
mod segments;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use segment_core::json::Json;
use serde::Serialize;

use crate::args::{Cli, Format};
use crate::failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stack of each thread: planners recurse over trees 32 deep with a thousand nodes.
const STACK_BYTES: usize = 32 << 20;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let format = commands::format(&cli.command);
    if let Err(e) = interrupt::listen() {
        report(&Failure::Broken(format!("cannot listen for Ctrl-C: {e}")), format);
        return ExitCode::from(5);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(async {
            // On a worker, which has the larger stack.
            match tokio::spawn(commands::run(cli)).await {
                Ok(outcome) => outcome,
                Err(e) => Err(Failure::Broken(format!("the command broke: {e}"))),
            }
        }),
        Err(e) => Err(Failure::Broken(format!("cannot start threads: {e}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure, format);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Says on standard error why the command failed, in the form it was asked to print in.
fn report(failure: &Failure, format: Format) {
    let text = failure.to_string();
    if text.is_empty() {
        return;
    }
    match format {
        Format::Text => output::note(&format!("muster: {text}")),
        Format::Json => {
            let mut members = vec![
                ("error".to_owned(), Json::String(failure.code().to_owned())),
                ("message".to_owned(), Json::String(text.lines().next().unwrap_or_default().to_owned())),
            ];
            if let Failure::Condition { diagnostics, warnings } = failure {
                for (name, list) in [("diagnostics", diagnostics), ("warnings", warnings)] {
                    members.push((name.to_owned(), json(list)));
                }
            }
            if let Failure::Config(faults) = failure {
                let fault = |f: &crate::config::Fault| {
                    let hint = f.hint.clone().map_or(Json::Null, Json::String);
                    let members = [("place", Json::String(f.place.clone())), ("message", Json::String(f.message.clone())), ("hint", hint)];
                    Json::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
                };
                members.push(("faults".to_owned(), Json::Array(faults.iter().map(fault).collect())));
            }
            if let Failure::Import(stopped) = failure {
                members.push(("rejected".to_owned(), json(stopped.as_ref())));
            }
            output::note(&Json::Object(members).to_text());
        }
    }
}

/// As JSON, its members in their order.
fn json(value: &impl Serialize) -> Json {
    serde_json::to_string(value).ok().and_then(|text| Json::parse(&text).ok()).unwrap_or(Json::Null)
}

/// Help where it was asked for; else what is wrong with the command line, as JSON if that was to be the output.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && wants_json(std::env::args_os()) {
        let text = error.to_string();
        let (told, _) = text.split_once("Usage:").unwrap_or((&text, ""));
        let words: Vec<&str> = told.trim_start_matches("error: ").split_whitespace().collect();
        let failure = Failure::Usage(words.join(" "));
        report(&failure, Format::Json);
        return ExitCode::from(failure.exit_code());
    }
    // Where nobody reads it, nothing is left to do.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Whether a command line that cannot be read asks for JSON, in a form that can.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.collect();
    let is_json = |value: &str| matches!(value, "json" | "ndjson");
    let apart = arguments.windows(2).any(|pair| pair[0] == "--output" && pair[1].to_str().is_some_and(is_json));
    apart || arguments.iter().filter_map(|a| a.to_str()?.strip_prefix("--output=")).any(is_json)
}
