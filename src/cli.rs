//! The command line: what can be asked of the `usher` binary, and its exit codes: 0 good, 1 the thing asked about is
//! bad, 2 usage.

mod agents;
mod check_config;
mod journal;
mod report;
mod simulate;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::{self, Faults, LogFormat, fault, schema};
use crate::demo;

/// A real-time skills-based routing and ACD server.
#[derive(Debug, Parser)]
#[command(name = "usher", version, disable_help_subcommand = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        /// Configuration file.
        #[arg(long, value_name = "FILE", env = "USHER_CONFIG")]
        config: PathBuf,
        /// File to write the bound addresses to once the server is ready.
        #[arg(long, value_name = "PATH", env = "USHER_READY_FILE")]
        ready_file: Option<PathBuf>,
    },
    /// Run a living contact center: the server with simulated customers and agents, and live figures.
    Demo {
        /// Configuration file, of which the addresses and the journal are left out; the example when not given.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How long to run, such as 30s or 5m; until Ctrl-C when not given.
        #[arg(long = "for", value_name = "TIME", value_parser = duration)]
        length: Option<Duration>,
        /// Seconds of the center's time in one second; every time of the configuration is divided by it.
        #[arg(long, value_name = "TIMES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=600))]
        speed: u32,
        /// What chance begins with: the same customers come in every run of a seed.
        #[arg(long, value_name = "NUMBER", default_value_t = 1)]
        seed: u64,
        /// Print the closing summary as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Check a configuration file and report all its faults.
    CheckConfig {
        /// Configuration file.
        file: PathBuf,
        /// Also say what it changes: against another file, or against a running server by address and port of its gRPC.
        #[arg(long, value_name = "FILE|ADDR")]
        against: Option<String>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Print what a configuration file may hold.
    Config {
        #[command(subcommand)]
        what: ConfigText,
    },
    /// Agents of a running server.
    Agents {
        #[command(subcommand)]
        verb: agents::Verb,
    },
    /// Run the engine in virtual time: a scenario, or cases whose results are known.
    Simulate(simulate::Arguments),
    /// Look at a journal that no server has, or mend it.
    Journal {
        #[command(subcommand)]
        verb: journal::Verb,
    },
    /// Print a day's figures of a running server: by queue, agent or team.
    Report(report::Report),
    /// Show what goes on in a running server: live on a terminal, once in a pipe.
    Status(report::Now),
    /// Ask a running server whether it serves: exit 0 if it does, 1 if not.
    Health {
        /// Address and port of its gRPC.
        #[arg(long, value_name = "ADDR", env = "USHER_ADDR", default_value = "127.0.0.1:50051")]
        addr: String,
    },
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum ConfigText {
    /// The JSON schema of configuration files.
    Schema,
    /// A complete, commented configuration file.
    Example,
}

/// Runs the binary with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => run(cli.command),
        Err(error) => {
            // Nothing is left to tell when the terminal is gone.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

fn run(command: Command) -> ExitCode {
    match command {
        Command::Serve { config, ready_file } => serve(config, ready_file),
        Command::Demo { config, length, speed, seed, json } => {
            let options = demo::Options { length, speed, seed, json };
            demonstrate(config.as_deref(), options)
        }
        Command::CheckConfig { file, against, json } => check_config::run(&file, against.as_deref(), json),
        Command::Config { what: ConfigText::Schema } => print(&schema::schema_text()),
        Command::Config { what: ConfigText::Example } => print(config::EXAMPLE),
        Command::Agents { verb } => agents::run(&verb),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Journal { verb } => journal::run(&verb),
        Command::Report(asked) => report::report(&asked),
        Command::Status(asked) => report::status(&asked),
        Command::Health { addr } => health(&addr),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "usher", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
    }
}

fn serve(path: PathBuf, ready_file: Option<PathBuf>) -> ExitCode {
    let config = match config::load(&path) {
        Ok(config) => config,
        Err(faults) => return refuse(&faults),
    };
    warn(&config.warnings);
    let json = config.telemetry.log_format == LogFormat::Json;
    let served = crate::telemetry::logging::init(&config.telemetry.log, json)
        .and_then(|()| crate::server::serve(config, path, ready_file));
    done(served)
}

fn demonstrate(path: Option<&Path>, options: demo::Options) -> ExitCode {
    let config = match path.map_or_else(|| config::parse(config::EXAMPLE, "the example"), config::load) {
        Ok(config) => config,
        Err(faults) => return refuse(&faults),
    };
    // The picture must not be written over: a line is for what is wrong.
    let ran = crate::telemetry::logging::init("error", false).and_then(|()| demo::run(config, options));
    match ran {
        Ok((summary, true)) => print(&summary),
        Ok((summary, false)) => {
            let _ = print(&summary);
            ExitCode::FAILURE
        }
        Err(error) => done(Err(error)),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let length = config::duration::Duration::parse(text)?.std();
    if length.is_zero() { Err("nothing happens in no time".to_owned()) } else { Ok(length) }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn health(addr: &str) -> ExitCode {
    match crate::rpc::health::check(addr) {
        Ok(true) => print("serving\n"),
        Ok(false) => {
            let _ = print("not serving\n");
            ExitCode::FAILURE
        }
        Err(error) => done(Err(error)),
    }
}

/// Writes to standard output; a closed pipe is no reason to panic, but it is one to fail.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// How far it has come, on a terminal; nothing in a pipe.
fn bar(length: u64, what: &str) -> ProgressBar {
    let target = match std::io::stderr().is_terminal() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}  {eta} left");
    let bar = ProgressBar::with_draw_target(Some(length), target).with_message(what.to_owned());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn warn(warnings: &Faults) {
    if warnings.count() > 0 {
        eprint!("{}", warnings.render("warning", fault::colour_wanted()));
    }
}

fn refuse(faults: &Faults) -> ExitCode {
    eprint!("{}", faults.render("error", fault::colour_wanted()));
    eprintln!("{}: {}", faults.file, counted(faults.count(), "fault"));
    ExitCode::FAILURE
}

fn done(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("usher: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_code_2() {
        for arguments in [&["usher"][..], &["usher", "fly"], &["usher", "check-config"], &["usher", "config"]] {
            let error = Cli::try_parse_from(arguments).expect_err("refused");
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
        let version = Cli::try_parse_from(["usher", "--version"]).expect_err("printed");
        assert_eq!(version.exit_code(), 0);
    }
}
