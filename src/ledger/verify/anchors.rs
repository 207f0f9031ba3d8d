//! `anchors/`: what fixes checkpoints outside the shop (RFC 3161 time stamps, mails, git commits), each held against the
//! mark of its size.
//!
//! Files are given one by one as name and bytes, in any order, after the entries: a folder and an archive feed it alike.
//! Bytes that say something else than the mark are tampering. What cannot be proven offline (who received a mail, what a
//! remote repository holds) is said and not counted as passed.

use super::audit::{Audit, Run};
use super::checkpoints::{FORGED, OUT_OF_RANGE};
use super::contents::ANCHORS_FOLDER;
use super::generation::Generation;
use super::keys::{LogKeys, Verdict};
use super::point::{Point, pinned_verdict};
use super::report::{Anchor, AnchorKind, Fault, rfc3339};
use super::source::unreadable;
use crate::ledger::Exit;
use crate::ledger::entry::natural;
use crate::ledger::export::generation_folder;
use crate::ledger::note::{Checkpoint, NOTE_BYTES_MAX, SignedBy, Vkey, checkpoint_text};
use crate::ledger::timestamp::{self, Authorities, Expected, Stamp, StampError, Trust};
use mail_parser::{MessageParser, MimeHeaders};
use std::borrow::Cow;

/// Longest file of this name in bytes; `None` if an export cannot hold it.
pub(super) fn bytes_max(name: &str) -> Option<u64> {
    named(name).map(|(_, kind)| match kind {
        AnchorKind::TimeStamp => timestamp::TOKEN_BYTES_MAX as u64,
        AnchorKind::Mail => MAIL_BYTES_MAX,
        AnchorKind::Git => POINTER_BYTES_MAX,
    })
}

impl Generation {
    /// Judges all anchors of this generation, in one pass over the export.
    pub(super) fn judge_anchors(&self, audit: &mut Audit<'_>, run: &Run<'_>) {
        let folder = generation_folder(self.number);
        let at = format!("{folder}/{ANCHORS_FOLDER}");
        let mut judged = |name: &str, bytes: &[u8]| self.anchor(audit, name, bytes);
        if let Err(error) = run.source.each_in(&at, &mut judged) {
            audit.findings.add(*unreadable(at, &error));
        }
    }

    /// Judges one file of `anchors/`, after the entries were read.
    fn anchor(&self, audit: &mut Audit<'_>, name: &str, bytes: &[u8]) {
        let log = Log {
            number: self.number,
            origin: &self.origin,
            points: &self.points,
            keys: &self.keys,
            pinned: &audit.request.vkeys,
        };
        let outcome = judge(&log, &audit.authorities, (name, bytes));
        let pointer = matches!(&outcome.anchor, Some(anchor) if anchor.kind == AnchorKind::Git);
        if !pointer {
            let passed = outcome.anchor.as_ref().is_some_and(|anchor| anchor.passed);
            audit.tally.anchors.add(passed);
        }
        if let Some(fault) = outcome.fault {
            audit.findings.add(fault);
        }
        if let Some(anchor) = outcome.anchor {
            audit.list_anchor(anchor);
        }
    }
}

impl Audit<'_> {
    /// The certificates given with `--tsa-cert`.
    pub(super) fn load_authorities(&mut self) {
        for pem in &self.request.tsa_certs {
            if let Err(error) = self.authorities.add_pem(pem) {
                let fault = Fault::new(Exit::Usage, "--tsa-cert", error.to_string());
                self.findings.add(fault);
            }
        }
    }

    /// Trust was given for time stamps, and there is none.
    pub(super) fn settle_anchors(&mut self) {
        if !self.authorities.is_empty() && self.time_stamps == 0 {
            self.findings
                .missing("no time stamp, for which --tsa-cert was given");
        }
        if self.unlisted_anchors > 0 {
            let what = format!(
                "{} more anchors were checked and are not listed",
                self.unlisted_anchors
            );
            self.findings.note(what);
        }
    }

    fn list_anchor(&mut self, anchor: Anchor) {
        self.time_stamps += u64::from(anchor.kind == AnchorKind::TimeStamp);
        match self.anchors.len() < ANCHORS_LISTED_MAX {
            true => self.anchors.push(anchor),
            false => self.unlisted_anchors += 1,
        }
    }
}

/// What one anchor comes to.
struct Outcome {
    /// For the report; none where the file is no anchor at all.
    anchor: Option<Anchor>,
    /// What decides the exit: of [`Exit::Incomplete`] or worse.
    fault: Option<Fault>,
}

/// A generation as far as anchors are held against it.
struct Log<'a> {
    number: usize,
    origin: &'a str,
    points: &'a [Point],
    keys: &'a LogKeys,
    pinned: &'a [Vkey],
}

/// Judges the file `name` of the generation's anchors.
fn judge(log: &Log<'_>, authorities: &Authorities, (name, bytes): (&str, &[u8])) -> Outcome {
    let folder = generation_folder(log.number);
    let file = format!("{folder}/{ANCHORS_FOLDER}/{name}");
    let refused = |exit, what: String| Outcome {
        anchor: None,
        fault: Some(Fault::new(exit, &file, what)),
    };
    let Some((size, kind)) = named(name) else {
        return refused(
            Exit::Malformed,
            "is not an anchor: SIZE.tsr, .eml or .git".into(),
        );
    };
    if bytes_max(name).is_none_or(|limit| bytes.len() as u64 > limit) {
        return refused(Exit::Malformed, "is too long".to_owned());
    }
    // Ascending by size, or else the marks are malformed, which outranks whatever is missed here.
    let from = log.points.partition_point(|point| point.size < size);
    let mark = log.points[from..]
        .iter()
        .take_while(|point| point.size == size)
        .find(|point| point.known.is_none());
    let Some(mark) = mark else {
        let what = "an anchor without its checkpoint: no mark has this size";
        return refused(Exit::Incomplete, what.to_owned());
    };
    let found = match kind {
        AnchorKind::TimeStamp => time_stamp(
            &checkpoint_text(log.origin, size, &mark.root),
            authorities,
            bytes,
        ),
        AnchorKind::Mail => mail(log, &checkpoint_text(log.origin, size, &mark.root), bytes),
        AnchorKind::Git => pointer(bytes),
    };
    match found {
        Ok(found) => Outcome {
            fault: found
                .missing
                .map(|what| Fault::new(Exit::Incomplete, &file, what)),
            anchor: Some(Anchor {
                generation: log.number,
                size,
                kind,
                time: found.time_ms.map(rfc3339),
                // An anchor of a checkpoint that does not hold proves nothing of these entries.
                passed: found.passed && mark.valid && mark.matches == Some(true),
                proves: found.proves,
                not_proven: found.not_proven,
            }),
        },
        Err((exit, what)) => Outcome {
            anchor: None,
            fault: Some(Fault::new(exit, &file, what).at(size, None)),
        },
    }
}

struct Found {
    time_ms: Option<i64>,
    passed: bool,
    proves: String,
    not_proven: String,
    /// What the user asked for and is not there.
    missing: Option<String>,
}

fn time_stamp(
    body: &str,
    authorities: &Authorities,
    token: &[u8],
) -> Result<Found, (Exit, String)> {
    let imprint = timestamp::imprint(body);
    let expected = Expected {
        imprint: &imprint,
        nonce: None,
    };
    let stamp = timestamp::verify(token, &expected, authorities).map_err(|error| {
        let exit = match error {
            StampError::Malformed(_) | StampError::Refused { .. } => Exit::Malformed,
            StampError::OtherImprint | StampError::OtherNonce | StampError::Forged(_) => {
                Exit::Tampered
            }
            StampError::NotAuthority(_) | StampError::Algorithm(_) => Exit::Incomplete,
        };
        (exit, error.to_string())
    })?;
    Ok(stamped(&stamp, authorities.is_empty()))
}

fn stamped(stamp: &Stamp, nobody_trusted: bool) -> Found {
    let signer = &stamp.signer_sha256;
    let within = match stamp.accuracy_ms {
        Some(accuracy_ms) => format!(", give or take {accuracy_ms} ms"),
        None => String::new(),
    };
    let time = rfc3339(stamp.time_ms);
    match &stamp.trust {
        Trust::Given => Found {
            time_ms: Some(stamp.time_ms),
            passed: true,
            proves: format!(
                "this checkpoint existed at {time}{within}, says the trusted authority"
            ),
            not_proven: "that no other checkpoint was stamped as well".to_owned(),
            missing: None,
        },
        Trust::Nobody(reason) => Found {
            time_ms: Some(stamp.time_ms),
            passed: false,
            proves: "the certificate that it carries signed this checkpoint".to_owned(),
            not_proven: format!(
                "the time {time}: {reason} (--tsa-cert; SHA-256 of the signer's certificate {signer})"
            ),
            missing: (!nobody_trusted)
                .then(|| format!("a time stamp that no --tsa-cert vouches for: {reason}")),
        },
    }
}

/// The part `checkpoint.txt` of the mail states what the mark states: origin, size and root. Its lines need not be the
/// mark's, to which witnesses may have added since; but none by a key of this log may be wrong.
fn mail(log: &Log<'_>, body: &str, bytes: &[u8]) -> Result<Found, (Exit, String)> {
    let malformed = |what: &str| (Exit::Malformed, what.to_owned());
    let message = MessageParser::default()
        .parse(bytes)
        .ok_or_else(|| malformed("is no mail"))?;
    let mut parts = message
        .parts
        .iter()
        .filter(|part| part.attachment_name() == Some(NOTE_FILE));
    let (part, None) = (parts.next(), parts.next()) else {
        return Err(malformed("a mail with more than one checkpoint.txt"));
    };
    let part = part.ok_or_else(|| malformed("a mail without checkpoint.txt"))?;
    if part.contents().len() > 2 * NOTE_BYTES_MAX {
        return Err(malformed("its checkpoint is too long"));
    }
    let text = std::str::from_utf8(part.contents())
        .map_err(|_| malformed("its checkpoint is not text"))?;
    // On its way as text, a part has the line ends of mail.
    let text = match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n")),
        false => Cow::Borrowed(text),
    };
    let mailed = Checkpoint::parse(&text).map_err(|error| malformed(&format!("its {error}")))?;
    if mailed.body() != body {
        let what = "the mail holds another checkpoint than the ledger at this size";
        return Err((Exit::Tampered, what.to_owned()));
    }
    if let Some(what) = wrongly_signed(log, &mailed) {
        return Err((Exit::Tampered, format!("the mail holds {what}")));
    }
    let time_ms = message
        .date()
        .map(|date| date.to_timestamp().saturating_mul(1_000));
    Ok(Found {
        time_ms,
        passed: true,
        proves: "the mail states this checkpoint's size and root".to_owned(),
        not_proven: "that it was sent, or when: compare it with what its recipients kept"
            .to_owned(),
        missing: None,
    })
}

/// What is wrong with the lines by keys of this log, judged as those of a mark are (section 6).
fn wrongly_signed(log: &Log<'_>, note: &Checkpoint) -> Option<&'static str> {
    let (verdict, signer) = pinned_verdict(note, log.pinned);
    if verdict == SignedBy::Forged {
        return Some(FORGED);
    }
    let point = Point::mark(note, signer, note.origin.as_str().into());
    match log.keys.judge(&point, log.pinned) {
        Verdict::Forged => Some(FORGED),
        Verdict::OutOfRange => Some(OUT_OF_RANGE),
        Verdict::Valid | Verdict::Untrusted | Verdict::Unsigned => None,
    }
}

/// Two lines: the remote's URL and the commit. Nothing in them can be checked offline.
fn pointer(bytes: &[u8]) -> Result<Found, (Exit, String)> {
    let malformed = || {
        (
            Exit::Malformed,
            "is not `remote URL` and `commit HEX`".to_owned(),
        )
    };
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let mut lines = text.strip_suffix('\n').ok_or_else(malformed)?.split('\n');
    let (Some(remote), Some(commit), None) = (lines.next(), lines.next(), lines.next()) else {
        return Err(malformed());
    };
    let remote = remote.strip_prefix("remote ").ok_or_else(malformed)?;
    let commit = commit.strip_prefix("commit ").ok_or_else(malformed)?;
    let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let sound = (commit.len() == 40 || commit.len() == 64)
        && commit.bytes().all(digits)
        && !remote.is_empty()
        && remote.bytes().all(|b| b.is_ascii_graphic());
    if !sound {
        return Err(malformed());
    }
    Ok(Found {
        time_ms: None,
        passed: false,
        proves: "nothing by itself".to_owned(),
        not_proven: format!(
            "that commit {commit} of {remote} holds this checkpoint: fetch and compare it"
        ),
        missing: None,
    })
}

fn named(name: &str) -> Option<(u64, AnchorKind)> {
    let (size, kind) = name.split_once('.')?;
    let kind = match kind {
        "tsr" => AnchorKind::TimeStamp,
        "eml" => AnchorKind::Mail,
        "git" => AnchorKind::Git,
        _ => return None,
    };
    Some((natural(size)?, kind))
}

/// Longest list of anchors in a report: the oldest ones, a day each.
const ANCHORS_LISTED_MAX: usize = 1_000;
/// Name of the mail's part with the note.
const NOTE_FILE: &str = "checkpoint.txt";
/// A mail with a note, in two forms of its text.
const MAIL_BYTES_MAX: u64 = 256 * 1024;
const POINTER_BYTES_MAX: u64 = 4 * 1024;

#[cfg(test)]
mod tests;
