//! `keystall-verify sign`.

use crate::output::{Failure, help, read, vkey};
use crate::terminal;
use clap::Args;
use keystall::ledger::Exit;
use keystall::ledger::note::Vkey;
use keystall::ledger::sign::{MESSAGE_BYTES_MAX, Message, RecoverySecret};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

#[derive(Args)]
#[command(after_help = help(HELP))]
pub struct SignArgs {
    /// The message that the shop printed, as a file; - reads it from the input.
    message: PathBuf,
    /// Read the recovery secret from this file instead of the terminal.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Refuse a secret that does not belong to this root key.
    #[arg(long, value_name = "VKEY", value_parser = vkey)]
    root_vkey: Option<Vkey>,
}

pub fn run(args: &SignArgs) -> (Exit, String) {
    match signed(args) {
        Ok(signature) => (Exit::Proven, format!("{signature}\n")),
        Err(failure) => failure.report("sign", false),
    }
}

fn signed(args: &SignArgs) -> Result<String, Failure> {
    let message = Message::parse(&message(&args.message)?).map_err(|error| Failure {
        exit: Exit::Malformed,
        what: error.to_string(),
    })?;
    // Stdout carries the signature alone, so that it can be piped.
    let _ = writeln!(io::stderr(), "You are about to sign:\n\n{message}\n");
    let secret = secret(args)?;
    if let Some(root) = &args.root_vkey
        && secret.root_vkey(root.name()) != *root
    {
        let what = "this recovery secret does not belong to the given root key: nothing was signed";
        return Err(Failure::usage(what));
    }
    Ok(hex::encode(secret.sign(&message)))
}

fn message(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() != "-" {
        return read(path);
    }
    let mut bytes = Vec::new();
    // Two bytes more, so that a longer one is noticed even without its line end.
    let input = io::stdin().lock().take(MESSAGE_BYTES_MAX as u64 + 2);
    let failed = |error| Failure::usage(format!("the message cannot be read: {error}"));
    { input }.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn secret(args: &SignArgs) -> Result<RecoverySecret, Failure> {
    let text = match &args.secret_file {
        Some(path) => {
            let bytes = Zeroizing::new(read(path)?);
            Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
        }
        None => {
            let prompt = "Recovery secret (24 words or 64 hex digits, not shown): ";
            let unfinished =
                |text: &str| RecoverySecret::parse(text).is_err_and(|error| error.is_unfinished());
            let typed = terminal::secret(prompt, unfinished);
            let typed = typed.map_err(|error| {
                let what = "there is no terminal to read the recovery secret from";
                Failure::usage(format!("{what} ({error}): give it with --secret-file"))
            })?;
            typed.ok_or_else(|| Failure::usage("cancelled: nothing was signed"))?
        }
    };
    RecoverySecret::parse(&text).map_err(|error| Failure::usage(error.to_string()))
}

const HELP: &str = "The message is shown in words before the secret is asked for. Nothing but the two messages of the \
ledger, a new log key and a new ledger after a restore, is ever signed. The 128 hex digits go back to the shop. The secret is taken as the 24 words of the recovery sheet, as 64 hex digits, or as the text of the sheet's QR code.

Example:
  keystall-verify sign rotate.txt --root-vkey 'shop.example/0123abcd+0a1b2c3d+AQ…'";
