//! The binary `muster`: the command line. Exit codes are in `failure`, commands in `commands`.

mod args;
mod commands;
mod config;
mod context;
mod engines;
mod failure;
mod members;
mod output;
mod progress;
mod routing;

use std::process::ExitCode;

use clap::Parser;
use segment_core::json::Json;

use crate::args::{Cli, Format};
use crate::failure::Failure;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stack of each thread: planners recurse over trees 32 deep with a thousand nodes.
const STACK_BYTES: usize = 32 << 20;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = commands::format(&cli.command);
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
        Format::Text => eprintln!("muster: {text}"),
        Format::Json => {
            let mut members = vec![
                ("error".to_owned(), Json::String(failure.code().to_owned())),
                ("message".to_owned(), Json::String(text.lines().next().unwrap_or_default().to_owned())),
            ];
            if let Failure::Condition { diagnostics, warnings } = failure {
                for (name, list) in [("diagnostics", diagnostics), ("warnings", warnings)] {
                    let json = serde_json::to_string(list).ok().and_then(|t| Json::parse(&t).ok());
                    members.push((name.to_owned(), json.unwrap_or(Json::Null)));
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
            eprintln!("{}", Json::Object(members).to_text());
        }
    }
}
