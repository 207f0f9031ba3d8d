//! Writing what was planned, a page at a time.

use std::io::{self, Write};
use std::ops::Range;

use super::plan::{Piece, line_at};
use super::{ExportError, ExportTarget, Exported};
use crate::actions::open_shop::Shop;
use crate::domain::EntryAt;
use crate::ledger::Hash;
use crate::ledger::export::{
    ANCHORS_FOLDER, CARRIED_FILE, ENTRIES_FILE, Edge, Form, MARKS_FILE, PREFIX_FILE, README_FILE,
    SKELETON_FILE, Writer, generation_folder, mark_line, prefix_json, readme,
};
use crate::store::{Fault, Rows, Snapshot};

/// Entries read in one snapshot: none lives long.
const PAGE: u64 = 2_000;
/// Checkpoints read in one snapshot.
const NOTES: usize = 500;
/// Bytes of an entry in a skeleton.
const HASH_BYTES: u64 = size_of::<Hash>() as u64;

/// The target, and how far the reading is.
pub(super) struct Pages<'t> {
    target: &'t mut dyn ExportTarget,
    done: u64,
    total: u64,
}

/// Entries of one snapshot.
struct SignedPage {
    lines: Vec<Vec<u8>>,
    /// The checkpoints that end among them, by size.
    notes: Vec<(u64, String)>,
}

impl Pages<'_> {
    pub(super) fn read(&mut self, count: u64) -> io::Result<()> {
        self.done += count;
        self.target.progress(self.done, self.total)
    }
}

impl Write for Pages<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.target.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

impl Piece {
    fn entries(&self) -> Range<u64> {
        self.first()..self.end
    }

    /// How many entries are read to write it.
    fn reads(&self, needs_sizes: bool) -> u64 {
        let shown = self.end - self.first();
        let counted = needs_sizes && self.form != Form::Skeleton;
        self.first() + shown + if counted { shown } else { 0 }
    }

    /// The checkpoint of a size that is among its marks.
    pub(super) fn note(&self, rows: &impl Rows, size: u64) -> Result<String, Fault> {
        match rows.mark(EntryAt::new(self.generation, size))? {
            Some(note) => Ok(note),
            None if size == self.end => Ok(self.newest.clone()),
            None => Err(Fault::Invariant("a kept checkpoint stays")),
        }
    }

    fn path(&self, name: &str) -> String {
        let folder = generation_folder(usize::from(self.generation));
        format!("{folder}/{name}")
    }
}

impl Shop {
    pub(super) fn write_export(
        &self,
        plan: &[Piece],
        target: &mut dyn ExportTarget,
    ) -> Result<Exported, ExportError> {
        let parts: Vec<_> = plan.iter().map(Piece::part).collect();
        let text = readme(&parts);
        target.begin(README_FILE, Some(text.len() as u64))?;
        target.write_all(text.as_bytes())?;
        let needs_sizes = target.needs_sizes();
        let mut pages = Pages {
            target,
            done: 0,
            total: plan.iter().map(|piece| piece.reads(needs_sizes)).sum(),
        };
        for piece in plan {
            self.write_piece(piece, &mut pages)?;
        }
        pages.target.flush()?;
        Ok(Exported { parts })
    }

    fn write_piece(&self, piece: &Piece, pages: &mut Pages<'_>) -> Result<(), ExportError> {
        let before = self.read_before(piece, pages)?;
        pages.target.begin(&piece.path(MARKS_FILE), None)?;
        self.write_marks(piece, pages)?;
        if let Form::From(_) = piece.form {
            let text = prefix_json(&before.edge);
            let bytes = Some(text.len() as u64);
            pages.target.begin(&piece.path(PREFIX_FILE), bytes)?;
            pages.target.write_all(text.as_bytes())?;
            pages.target.begin(&piece.path(CARRIED_FILE), None)?;
            self.write_carried(piece, &before, pages.target)?;
        }
        self.write_anchors(piece, pages)?;
        self.write_entries(piece, before.edge, pages)
    }

    fn write_marks(&self, piece: &Piece, pages: &mut Pages<'_>) -> Result<(), ExportError> {
        for sizes in piece.marks.chunks(NOTES) {
            let rows = self.store.read()?;
            let lines = sizes
                .iter()
                .map(|size| Ok(mark_line(&piece.note(&rows, *size)?, *size)))
                .collect::<Result<String, Fault>>()?;
            drop(rows);
            pages.target.write_all(lines.as_bytes())?;
        }
        Ok(())
    }

    fn write_anchors(&self, piece: &Piece, pages: &mut Pages<'_>) -> Result<(), ExportError> {
        // By name, as texts are ordered.
        let mut sizes: Vec<_> = piece.anchored.iter().map(u64::to_string).collect();
        sizes.sort_unstable();
        for size in sizes.iter().filter_map(|size| size.parse().ok()) {
            let mut files = self.anchors_of(piece, size)?;
            files.sort_unstable();
            for (name, bytes) in files {
                let path = piece.path(&format!("{ANCHORS_FOLDER}/{name}"));
                pages.target.begin(&path, Some(bytes.len() as u64))?;
                pages.target.write_all(&bytes)?;
            }
        }
        Ok(())
    }

    /// The anchors of one size, by their files' names.
    fn anchors_of(&self, piece: &Piece, size: u64) -> Result<Vec<(String, Vec<u8>)>, Fault> {
        let before = EntryAt::new(piece.generation, size.saturating_sub(1));
        let kinds = crate::domain::AnchorKind::ALL.len();
        let rows = self.store.read()?.anchors(before, kinds)?;
        let of_size = rows.into_iter().filter(|(of, ..)| *of == size);
        Ok(of_size
            .map(|(_, kind, bytes)| (format!("{size}.{}", kind.extension()), bytes))
            .collect())
    }

    fn write_entries(
        &self,
        piece: &Piece,
        before: Edge,
        pages: &mut Pages<'_>,
    ) -> Result<(), ExportError> {
        let (name, bytes) = match piece.form {
            Form::Skeleton => (SKELETON_FILE, Some(piece.end * HASH_BYTES)),
            Form::Whole | Form::From(_) => (ENTRIES_FILE, self.bytes_of(piece, pages)?),
        };
        pages.target.begin(&piece.path(name), bytes)?;
        let marks = io::sink();
        let mut writer = match piece.form {
            Form::Skeleton => Writer::skeleton(pages, marks),
            Form::Whole | Form::From(_) => Writer::range(pages, marks, before),
        };
        if piece.first() == piece.end {
            let note = piece.note(&self.store.read()?, piece.end)?;
            writer.checkpoint(&note)?;
        }
        for page in pages_of(piece.entries()) {
            let signed = self.signed_page(piece, page.clone())?;
            let mut notes = signed.notes.iter().peekable();
            for (size, line) in (page.start + 1..).zip(&signed.lines) {
                writer.entry(line)?;
                if let Some((_, note)) = notes.next_if(|(of, _)| *of == size) {
                    writer.checkpoint(note)?;
                }
            }
            writer.entries_mut().read(page.end - page.start)?;
        }
        writer.finish(piece.end)?;
        Ok(())
    }

    /// The lines of a page, and the checkpoints that end in it.
    fn signed_page(&self, piece: &Piece, page: Range<u64>) -> Result<SignedPage, Fault> {
        let rows = self.store.read()?;
        let begin = piece.marks.partition_point(|size| *size <= page.start);
        let end = piece.marks.partition_point(|size| *size <= page.end);
        let notes = piece.marks[begin..end]
            .iter()
            .map(|size| Ok((*size, piece.note(&rows, *size)?)))
            .collect::<Result<_, Fault>>()?;
        Ok(SignedPage {
            lines: lines(&rows, piece.generation, page)?,
            notes,
        })
    }

    /// How many bytes the entries have, where the target must know.
    fn bytes_of(&self, piece: &Piece, pages: &mut Pages<'_>) -> Result<Option<u64>, ExportError> {
        if !pages.target.needs_sizes() {
            return Ok(None);
        }
        let mut bytes = 0;
        for page in pages_of(piece.entries()) {
            let lines = self.page(piece, page.clone())?;
            bytes += lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>();
            pages.read(page.end - page.start)?;
        }
        Ok(Some(bytes))
    }

    /// The lines of a page.
    pub(super) fn page(&self, piece: &Piece, page: Range<u64>) -> Result<Vec<Vec<u8>>, Fault> {
        lines(&self.store.read()?, piece.generation, page)
    }
}

/// In parts that are read in one snapshot each.
pub(super) fn pages_of(all: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = all.end;
    let begin = (all.start..end).step_by(PAGE as usize);
    begin.map(move |begin| begin..end.min(begin + PAGE))
}

fn lines(rows: &Snapshot, generation: u16, page: Range<u64>) -> Result<Vec<Vec<u8>>, Fault> {
    let line = |seq| line_at(rows, EntryAt::new(generation, seq));
    page.map(line).collect()
}
